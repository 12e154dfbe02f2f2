"""Services that stumble while people edit: in the end F&O is in step, nothing lost or doubled."""

import itertools
import threading
import time

import pytest

from p2c.sandbox import Fault
from tests.acceptance.oracle import assert_in_step

EDITS = 24
BATCH = {"service": "fno", "path": "$batch"}
HISTORIES = {
    "answers lost or late": [
        Fault(effect="reset_after", **BATCH),
        Fault(effect="late", seconds=1, **BATCH),
        Fault(effect="drop_part", part=0, **BATCH),
        Fault(effect="status", status=401, service="dataverse"),
        Fault(effect="foreign_link", service="dataverse", path="$deltatoken"),
    ],
    "half done and throttled": [
        Fault(effect="partial", part=1, **BATCH),
        Fault(effect="garbage", **BATCH),
        Fault(effect="status", status=429, retry_after="date", seconds=1, service="dataverse"),
        Fault(effect="status", status=502, html=True, service="fno"),
        Fault(effect="infolog", level="operation", text="deadlock", service="fno", method="POST"),
    ],
}


def in_step_in_the_end(company) -> None:
    """Run until no row waits any more, then compare."""
    deadline = time.monotonic() + 40
    while any(entry.get("outcome") == "waiting" for _, entry in company.tables()):
        assert time.monotonic() < deadline
        company.run()
    company.run()
    assert_in_step(company)


@pytest.mark.slow
@pytest.mark.parametrize("faults", HISTORIES.values(), ids=HISTORIES)
def test_fno_ends_in_step_after_faults_with_edits_in_between(company, faults) -> None:
    accounts = [company.account(f"A{n}", description=f"memo {n}") for n in range(4)]
    contacts = [company.contact(f"C{n}", accounts[n], jobtitle="Boss") for n in range(4)]
    company.sandbox.add_faults(*faults)
    company.run(status=None)
    company.change("accounts", accounts[1], name="New", description=None)
    company.change("contacts", contacts[2], jobtitle=None, middlename="M")
    company.run(status=None)
    assert all(fault["hit"] for fault in company.sandbox.faults())
    company.sandbox.clear_faults()
    company.change("accounts", accounts[0], description="newest")
    in_step_in_the_end(company)


@pytest.mark.parametrize("stamp", ["start", "last"])
def test_no_change_made_during_a_full_read_is_lost(company, stamp) -> None:
    company.sandbox.set_switches(dataverse_page_size=3, dataverse_token_stamp=stamp)
    accounts = [company.account(f"A{n}") for n in range(10)]
    company.sandbox.set_latency(dataverse={"request_ms": 20})
    done, edits = threading.Event(), itertools.count()

    def edit() -> None:
        for number in edits:
            company.change("accounts", accounts[number * 3 % 10], description=f"edit {number}")
            if number % 8 == 0:
                company.contact(f"C{number}", company.account(f"N{number}"))
            if done.is_set() or number == EDITS:
                return

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        company.run(status=None)
    finally:
        done.set()
        editor.join()
    assert next(edits) > 8
    company.sandbox.set_latency(dataverse={"request_ms": 0})
    in_step_in_the_end(company)

"""A retry takes the newest row: an old failure never brings old values back."""

import json
import os
import subprocess
import sys
from pathlib import Path

from p2c.sandbox import Fault

ROOT = Path(__file__).resolve().parents[2]


def rejected(company):
    done = company.p2c("rejected", "list", "--json")
    return [row["row"] for row in json.loads(done.stdout)]


def retry(company, *words, status=0):
    done = company.p2c("rejected", "retry", *words, "--json")
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


def test_a_row_that_was_repaired_by_its_own_change_keeps_the_newest_values(company):
    row = company.account("A1", name="First", address1_country="Atlantis")
    company.run("accounts", status=2)
    assert rejected(company) == [row]
    # Three messages about the row come to lie on the queue, each from another state of it.
    retry(company, row)
    company.change("accounts", row, name="Second", address1_country="Norway")
    retry(company, "--code", "value-not-mapped")
    company.change("accounts", row, name="Third")
    retry(company, "--all")
    document = company.run("accounts")
    assert company.counts(document, "accounts") == {"read": 1, "created": 1}
    assert company.customers()["A1"]["OrganizationName"] == "Third"
    assert company.customers()["A1"]["AddressCountryRegionISOCode"] == "NO"

    assert rejected(company) == []
    again = retry(company, row, status=1)
    assert (again["queued"], again["not_rejected"]) == (0, [row])
    writes = company.fno_writes()
    company.run("accounts")
    assert company.fno_writes() == writes


def test_a_retry_of_a_row_that_was_well_and_is_rejected_now_leaves_what_fno_has(company):
    row = company.account("A1", name="First")
    company.run("accounts")
    company.change("accounts", row, name="Second", address1_country="Atlantis")
    company.run("accounts", status=2)
    document = json.loads(company.p2c("rejected", "retry", row, "--run", "--json").stdout)
    assert document["status"] == "Error"
    assert company.customers()["A1"]["OrganizationName"] == "First"
    company.change("accounts", row, name="Third", address1_country="Norway")
    done = company.p2c("rejected", "retry", row, "--run")
    assert done.exit_code == 0, done.output
    assert company.customers()["A1"]["OrganizationName"] == "Third"


def test_a_retry_while_another_worker_writes_the_row_ends_with_the_newest_values(company):
    row = company.account("A1", name="First", address1_country="Atlantis")
    company.run("accounts", status=2)
    company.change("accounts", row, name="Second", address1_country="Norway")
    slow = Fault(effect="delay", service="fno", method="POST", path="$batch", seconds=3)
    company.sandbox.add_faults(slow)
    with subprocess.Popen(
        [sys.executable, "-m", "p2c", "run", "accounts", "--json"],
        cwd=ROOT,
        env=os.environ | company.settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as worker:
        while not company.sandbox.faults()[0]["hit"]:
            assert worker.poll() is None, "the worker ended without writing"
        # It has read the row and is writing it; the newest state is newer than that.
        company.change("accounts", row, name="Third")
        assert rejected(company) == [row]
        done = company.p2c("rejected", "retry", row, "--run", "--json")
        worker.communicate(timeout=60)
    assert done.exit_code == 0, done.output
    assert company.customers()["A1"]["OrganizationName"] == "Third"
    assert rejected(company) == []

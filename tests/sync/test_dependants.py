"""Rows that change because a value behind a lookup did: found, queued and counted."""

import contextlib
import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from p2c.errors import UnavailableError
from p2c.model import Document, Outcome, Put, RowId
from p2c.sync.dependants import ChangedLookups, Known, Seen, noted
from p2c.sync.executions import Executions
from p2c.sync.sync_rows import RowSync
from tests.support.memory import MemoryDocuments
from tests.sync.builders import (
    ACCOUNTS,
    CONTACTS,
    EXECUTION,
    Bench,
    CrashError,
    Fuse,
    hold,
    in_fno,
)
from tests.sync.simulation import NoLimit

SECOND = "20260302T080000-second"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def settled(bench: Bench, contacts: int = 1) -> tuple[RowId, list[RowId]]:
    """An account with contacts, all of them in F&O; nothing is queued."""
    account = bench.account(1)
    bench.process(ACCOUNTS, account)
    made = [bench.contact(number, account) for number in range(contacts)]
    for contact in made:
        bench.process(CONTACTS, contact)
    bench.take_all("contacts")
    bench.sales.searches.clear()
    return account, made


def parties(bench: Bench) -> dict[str, str]:
    """Party of each contact person's record to whether it is inactive."""
    return {
        record["Party"]: record["IsInactive"]
        for identity, record in bench.fno.records.items()
        if identity[0] == "Contacts"
    }


def test_an_account_with_another_number_has_its_contacts_sent_again(bench: Bench):
    account, [contact] = settled(bench)
    bench.account(1, account="ACC-new")
    bench.process(ACCOUNTS, account, execution=SECOND)
    [(message, delay)] = bench.queued("contacts")
    assert (message.rows, message.execution, delay) == ((contact,), SECOND, 0)
    assert bench.sync().process(message).outcomes == {Outcome.UPDATED: 1}
    assert parties(bench) == {"ACC-1": "Yes", "ACC-new": "No"}


def test_other_changes_of_the_account_search_for_nothing(bench: Bench):
    account, _ = settled(bench)
    bench.account(1, "Another name")
    bench.process(ACCOUNTS, account)
    assert bench.named("contacts") == []
    assert bench.sales.searches == []


@pytest.mark.parametrize("generation", [0, 1])
def test_first_sights_search_for_nothing(bench: Bench, generation: int):
    account = bench.account(1)
    bench.process(ACCOUNTS, account, generation=generation)
    bench.process(CONTACTS, bench.contact(1, account), generation=generation)
    assert bench.sales.searches == []


@pytest.mark.parametrize("parts", [{}, {"generation": 1}, {"verify": True}, {"force": True}])
def test_a_changed_number_is_seen_whatever_brings_the_account(bench: Bench, parts: dict[str, Any]):
    account, [contact] = settled(bench)
    bench.account(1, account="ACC-new")
    bench.process(ACCOUNTS, account, **parts)
    assert bench.named("contacts") == [contact]


def test_an_account_that_is_left_out_of_fno_is_watched_all_the_same(bench: Bench):
    account, [contact] = settled(bench)
    bench.account(1, account="")
    bench.process(ACCOUNTS, account)
    assert bench.entry(ACCOUNTS, account).outcome is Outcome.SKIPPED
    assert bench.named("contacts") == [contact]


def test_an_account_that_is_gone_searches_for_nothing(bench: Bench):
    account, _ = settled(bench)
    bench.sales.remove("account", account)
    bench.process(ACCOUNTS, account)
    assert bench.entry(ACCOUNTS, account).outcome is Outcome.DELETED
    assert bench.sales.searches == []


def test_a_contact_that_sees_another_number_tells_its_account_s_other_contacts(bench: Bench):
    """The number may have changed back before the account itself is processed."""
    account, contacts = settled(bench, contacts=2)
    bench.account(1, account="ACC-new")
    bench.contact(0, account, "Edited")
    bench.process(CONTACTS, contacts[0])
    assert sorted(bench.named("contacts")) == sorted(contacts)
    bench.take_all("contacts")
    bench.account(1)
    bench.process(ACCOUNTS, account)
    assert set(bench.named("contacts")) == set(contacts)


def test_contacts_read_before_their_account_ever_was_are_found_as_well(bench: Bench):
    account = bench.account(1)
    contact = bench.contact(1, account)
    in_fno(bench, "ACC-1")
    bench.process(CONTACTS, contact)
    bench.account(1, account="ACC-new")
    bench.process(ACCOUNTS, account, generation=1)
    assert bench.named("contacts") == [contact]


def test_rows_that_the_task_never_read_are_left_out(bench: Bench):
    """A template that nobody runs is not begun with because a looked-up value changed."""
    account, [contact] = settled(bench)
    bench.contact(7, account)
    bench.account(1, account="ACC-new")
    bench.process(ACCOUNTS, account)
    assert bench.named("contacts") == [contact]


def test_accounts_of_one_message_are_searched_for_together_and_page_by_page(bench: Bench):
    account, contacts = settled(bench, contacts=8)
    rows = [account, bench.account(2), bench.account(3)]
    bench.process(ACCOUNTS, *rows)
    for number in (1, 3):
        bench.account(number, account=f"ACC-new-{number}")
    bench.process(ACCOUNTS, *rows)
    assert bench.sales.searches == [("contacts", "parent", (rows[0], rows[2]))]
    assert sorted(bench.named("contacts")) == sorted(contacts)


def test_what_was_found_is_counted_in_the_execution_that_found_it(bench: Bench):
    account, _ = settled(bench, contacts=5)
    executions = Executions(bench.runtime())
    executions.start(SECOND, "timer", ["accounts"])
    bench.account(1, account="ACC-new")
    executions.update(SECOND, read={"accounts": {ACCOUNTS.task: 1}}, enumerated="accounts")
    bench.process(ACCOUNTS, account, execution=SECOND)
    assert executions.summary(SECOND).status == "Running"
    for message, _ in bench.queued("contacts"):
        bench.sync().process(message)
    summary = executions.summary(SECOND)
    assert summary.status == "Completed"
    assert summary.counts["contacts"][CONTACTS.task][Outcome.UPDATED] == 5
    assert summary.counts["accounts"][ACCOUNTS.task][Outcome.UPDATED] == 1


def test_a_search_that_ends_early_is_repeated_by_whoever_looks_next(bench: Bench):
    account, contacts = settled(bench, contacts=5)
    bench.account(1, account="ACC-new")
    for calls in range(3):
        fuse = Fuse(calls, method="send")
        crashing = RowSync(bench.runtime(f"crash-{calls}", fuse), hold, NoLimit())
        with pytest.raises(CrashError):
            crashing.process(bench.rows(ACCOUNTS, account))
        bench.clock.advance(1000)
    bench.take_all("contacts")
    bench.process(ACCOUNTS, account)
    assert sorted(bench.named("contacts")) == sorted(contacts)


def test_an_outage_during_the_search_puts_the_account_back(bench: Bench):
    account, [contact] = settled(bench)
    bench.account(1, account="ACC-new")
    bench.sales.search_errors.append(UnavailableError("down", service="dataverse", status=503))
    report = bench.process(ACCOUNTS, account)
    assert report.unavailable
    assert bench.named("accounts") == [account]
    assert bench.entry(ACCOUNTS, account).record == "Customers(dataAreaId=usmf,Account=ACC-1)"
    bench.clock.advance(1000)
    bench.process(ACCOUNTS, account)
    assert bench.named("contacts") == [contact]


def test_what_is_remembered_tells_no_value(bench: Bench):
    account, _ = settled(bench)
    document = bench.stores.ledger.get("~seen|account", account)
    assert document
    assert set(json.loads(str(document.body["hashes"]))) == {"accountnumber"}
    assert "ACC-1" not in json.dumps(dict(document.body))
    assert EXECUTION not in json.dumps(dict(document.body))


SAME = Known({"a": "1", "b": "2"})


@pytest.mark.parametrize(
    ("known", "seen", "stored"),
    [
        (None, Seen({"a": "1"}), Known({"a": "1"})),
        (SAME, Seen({"a": "1"}), None),
        (SAME, Seen({"a": "1", "c": "3"}), Known({"a": "1", "b": "2", "c": "3"})),
        (SAME, Seen({"a": "9"}), Known({"a": "9", "b": "2"}, frozenset("a"))),
        (SAME, Seen({"a": "1"}, {"a"}), Known(SAME.hashes, frozenset("a"))),
        (None, Seen({"a": "1"}, {"a"}), Known({"a": "1"}, frozenset("a"))),
        (
            Known(SAME.hashes, frozenset("b")),
            Seen({"a": "9"}),
            Known({"a": "9", "b": "2"}, frozenset("ab")),
        ),
        (
            Known(SAME.hashes, frozenset("b")),
            Seen({"a": "1"}),
            Known(SAME.hashes, frozenset("b")),
        ),
    ],
    ids=[
        "first sight",
        "nothing new",
        "a column more",
        "another value",
        "two values at once",
        "two values at first sight",
        "another search is not done",
        "a mark is stored anew, so that only one removes it",
    ],
)
def test_a_comparison_stores_what_is_new_and_marks_what_changed(
    known: Known | None, seen: Seen, stored: Known | None
):
    assert noted(known, seen) == stored


class NarrowDocuments(MemoryDocuments):
    """Documents whose readers wait a moment for each other, so that threads race if they can."""

    def __init__(self) -> None:
        super().__init__()
        self.meeting = threading.Barrier(2)
        self.stored = 0

    def get_many(self, partition: str, names: Sequence[str]) -> dict[str, Document]:
        found = super().get_many(partition, names)
        with contextlib.suppress(threading.BrokenBarrierError):
            self.meeting.wait(0.2)
        return found

    def put_all(self, partition: str, puts: Sequence[Put]) -> dict[str, str] | str:
        self.stored += 1
        return super().put_all(partition, puts)


def test_threads_that_see_the_same_rows_first_note_them_once(bench: Bench):
    ledger = NarrowDocuments()
    bench.stores = replace(bench.stores, ledger=ledger)
    lookups = ChangedLookups(bench.runtime())
    seen = {bench.account(number): Seen({"accountnumber": "hash"}) for number in range(3)}
    threads = [threading.Thread(target=lookups.compare, args=("account", seen)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.stored == 1


def test_two_values_read_within_one_message_count_as_a_change():
    seen = Seen()
    seen.add("a", "1")
    seen.add("a", "1")
    assert seen.torn == set()
    seen.add("a", "2")
    assert (seen.hashes, seen.torn) == ({"a": "1"}, {"a"})

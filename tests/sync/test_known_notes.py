"""What a process remembers of notes is used as long as nobody has changed one, and no longer."""

from collections.abc import Sequence
from typing import Any

import pytest

from p2c.model import Put, RowId
from p2c.sync import dependants, known_notes
from p2c.sync.known_notes import EPOCH, KnownNotes
from tests.support.memory import MemoryDocuments
from tests.sync.builders import ACCOUNTS, CONTACTS, Bench, row_id

NOTES = "~seen|account"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def watch_reads(bench: Bench) -> list[RowId]:
    """Rows whose note is read from now on."""
    read: list[RowId] = []
    get_many = bench.stores.ledger.get_many

    def watched(partition: str, names: Sequence[str]) -> Any:
        if partition == NOTES:
            read.extend(names)
        return get_many(partition, names)

    bench.stores.ledger.get_many = watched
    return read


def test_a_note_is_read_once_while_none_changes(bench: Bench):
    accounts = [bench.account(number) for number in (1, 2)]
    bench.process(ACCOUNTS, *accounts, owner="two")
    read = watch_reads(bench)
    for number, account in enumerate((*accounts, *accounts)):
        bench.process(CONTACTS, bench.contact(number, account))
    assert sorted(read) == accounts
    bench.process(CONTACTS, bench.contact(9, accounts[0]), owner="three")
    assert sorted(read) == [accounts[0], *accounts]


def test_a_note_that_the_process_made_itself_is_not_read(bench: Bench):
    account = bench.account(1)
    bench.process(CONTACTS, bench.contact(1, account))
    read = watch_reads(bench)
    bench.process(CONTACTS, bench.contact(2, account))
    assert read == []


def test_a_first_sight_leaves_what_is_remembered_in_force(bench: Bench):
    account = bench.account(1)
    for number in range(2):
        bench.process(CONTACTS, bench.contact(number, account))
    read = watch_reads(bench)
    bench.process(ACCOUNTS, bench.account(2), owner="two")
    bench.process(CONTACTS, bench.contact(3, account))
    assert account not in read


def test_a_value_that_another_process_saw_in_between_is_found_out(bench: Bench):
    """It is the remembered one again, but something was written with the other."""
    account = bench.account(1)
    contacts = [bench.contact(number, account) for number in range(2)]
    for _ in range(2):
        bench.process(CONTACTS, *contacts)
    bench.account(1, account="ACC-new")
    bench.process(CONTACTS, contacts[1], owner="two")
    bench.take_all("contacts")
    bench.account(1)
    bench.process(CONTACTS, contacts[0])
    assert sorted(bench.named("contacts")) == contacts


def test_of_two_processes_that_change_notes_at_once_one_does_so_again(bench: Bench):
    accounts = [bench.account(number) for number in (1, 2)]
    bench.process(ACCOUNTS, *accounts)
    contacts = [bench.contact(number, account) for number, account in enumerate(accounts)]
    bench.process(CONTACTS, *contacts)
    for number in (1, 2):
        bench.account(number, account=f"ACC-new-{number}")
    put_all = bench.stores.ledger.put_all

    def overtaken(partition: str, puts: Sequence[Put]) -> Any:
        if any(put.name == EPOCH for put in puts):
            bench.stores.ledger.put_all = put_all
            bench.process(ACCOUNTS, accounts[1], owner="two")
        return put_all(partition, puts)

    bench.stores.ledger.put_all = overtaken
    bench.process(ACCOUNTS, accounts[0])
    assert sorted(bench.named("contacts")) == contacts
    stored = [bench.stores.ledger.get(NOTES, account) for account in accounts]
    assert [document and "searching" in document.body for document in stored] == [False, False]


def test_more_changes_than_a_transaction_takes_are_all_noted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dependants, "PUTS_PER_TRANSACTION", 3)
    accounts = [bench.account(number) for number in range(5)]
    contacts = [bench.contact(number, account) for number, account in enumerate(accounts)]
    bench.process(ACCOUNTS, *accounts)
    bench.process(CONTACTS, *contacts)
    for number in range(5):
        bench.account(number, account=f"ACC-new-{number}")
    put_all = bench.stores.ledger.put_all

    def limited(partition: str, puts: Sequence[Put]) -> Any:
        assert len(puts) <= 3 or partition != NOTES
        return put_all(partition, puts)

    bench.stores.ledger.put_all = limited
    bench.process(ACCOUNTS, *accounts)
    assert sorted(bench.named("contacts")) == contacts


def test_what_was_read_in_an_earlier_epoch_is_not_remembered():
    documents = MemoryDocuments()
    notes = KnownNotes(documents)
    before = notes.epoch(NOTES)
    documents.put_all(NOTES, [before.put()])
    now = notes.epoch(NOTES)
    notes.remember(before, {row_id(1): {"a": "1"}})
    assert now.notes == notes.epoch(NOTES).notes == {}
    notes.remember(now, {row_id(1): {"a": "1"}})
    assert notes.epoch(NOTES).notes == {row_id(1): {"a": "1"}}
    documents.put_all(NOTES, [now.put()])
    assert notes.epoch(NOTES).notes == {}


def test_only_so_many_notes_are_remembered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(known_notes, "NOTES_REMEMBERED", 3)
    notes = KnownNotes(MemoryDocuments())
    for number in range(5):
        notes.remember(notes.epoch(NOTES), {row_id(number): {"a": "1"}})
    assert list(notes.epoch(NOTES).notes) == [row_id(2), row_id(3), row_id(4)]

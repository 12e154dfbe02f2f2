"""Entries and tallies in storage: whole transactions, of one partition, on condition."""

import collections
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c.mapping.result import Prerequisite
from p2c.model import Outcome, Put, Reason, RecordKey
from p2c.sync.ledger import (
    Change,
    Claim,
    Entry,
    Ledger,
    all_buckets,
    bucket_of,
    decode_prerequisite,
    encode_prerequisite,
)
from tests.support.memory import START, MemoryDocuments
from tests.sync.builders import row_id, rows_of_one_bucket

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
TIMES = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001  the strategy adds the time zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
KEYS = st.builds(
    RecordKey, WORDS, st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=3).map(tuple)
)
PREREQUISITES = st.builds(Prerequisite, WORDS, WORDS, WORDS, WORDS, WORDS, WORDS)
ENTRIES = st.builds(
    Entry,
    row_id=st.uuids().map(str),
    epoch=st.integers(0, 2**31 - 1),
    claim=st.none() | st.builds(Claim, WORDS, TIMES, TIMES),
    unsettled_until=st.none() | TIMES,
    keys=st.lists(KEYS, max_size=3).map(tuple),
    left=st.dictionaries(
        st.lists(WORDS, min_size=1, max_size=3).map(tuple),
        st.frozensets(WORDS, max_size=3),
        max_size=2,
    ),
    hashes=st.dictionaries(WORDS, WORDS, max_size=4),
    outcome=st.none() | st.sampled_from(Outcome),
    reason=st.none() | st.builds(Reason, WORDS, WORDS),
    waits_for=st.none() | PREREQUISITES,
    intended=st.none() | st.sampled_from(Outcome),
    execution=WORDS,
    counted=st.dictionaries(WORDS, st.sampled_from(Outcome), max_size=3),
    source_version=WORDS,
    record=WORDS,
    generation=st.integers(0, 2**31 - 1),
    since=st.none() | TIMES,
)


class CountedDocuments(MemoryDocuments):
    """Remembers the transactions it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.transactions: list[tuple[str, list[str]]] = []

    def put_all(self, partition: str, puts: list[Put]) -> dict[str, str] | str:
        self.transactions.append((partition, [put.name for put in puts]))
        return super().put_all(partition, puts)


@pytest.fixture
def documents() -> CountedDocuments:
    return CountedDocuments()


@pytest.fixture
def ledger(documents: CountedDocuments) -> Ledger:
    return Ledger(documents, "accounts", "Accounts - Customers")


def change(row: str, outcome: Outcome = Outcome.CREATED, execution: str = "e") -> Change:
    return Change(Entry(row_id=row, outcome=outcome), {(execution, outcome): 1})


def test_rows_spread_evenly_over_the_sixteen_buckets():
    rows = (str(uuid.UUID(int=number * 7919)) for number in range(1600))
    spread = collections.Counter(bucket_of(row) for row in rows)
    assert set(spread) == set(all_buckets())
    assert len(all_buckets()) == 16
    assert min(spread.values()) > 50
    assert max(spread.values()) < 150


def test_a_rows_bucket_stays_the_same_between_processes():
    # Were it to change, every stored entry would be looked for in the wrong place.
    assert bucket_of("0b1c2d3e-0000-4000-8000-00000000abcd") == "4"


@settings(max_examples=60, deadline=None)
@given(ENTRIES)
def test_an_entry_reads_back_as_it_was_written(entry: Entry):
    ledger = Ledger(MemoryDocuments(), "contacts", "Contacts")
    version = ledger.write([Change(entry)])[entry.row_id]
    assert version is not None
    assert ledger.read([entry.row_id])[entry.row_id] == replace(entry, version=version)


def test_an_entry_of_a_row_that_moved_a_thousand_times_is_stored_like_any_other(ledger: Ledger):
    parts = ("ContactPersonPartyNumber", "CON-01000-BVRCPS"), ("AssociatedPartyNumber", "")
    keys = tuple(
        RecordKey("CDSContactPersons", (parts[0], (parts[1][0], f"ACC-{number:05}-K3V9QD")))
        for number in range(1000)
    )
    fields = frozenset(f"SomeFieldWithALongName{number}" for number in range(100))
    entry = Entry(row_id(1), keys=keys, left={key.identity: fields for key in keys[:20]})
    version = ledger.write([Change(entry)])[entry.row_id]
    assert ledger.read([entry.row_id])[entry.row_id] == replace(entry, version=version)


@settings(max_examples=30, deadline=None)
@given(PREREQUISITES)
def test_a_prerequisite_reads_back_as_it_was_written(prerequisite: Prerequisite):
    assert decode_prerequisite(encode_prerequisite(prerequisite)) == prerequisite


def test_a_row_that_is_not_stored_has_an_empty_entry(ledger: Ledger):
    assert ledger.read([row_id(1)]) == {row_id(1): Entry(row_id=row_id(1))}


def test_only_the_three_latest_executions_that_counted_a_row_are_kept(ledger: Ledger):
    counted = dict.fromkeys(("a", "b", "c", "d"), Outcome.CREATED)
    ledger.write([Change(Entry(row_id=row_id(1), counted=counted))])
    assert list(ledger.read([row_id(1)])[row_id(1)].counted) == ["b", "c", "d"]


def test_two_tasks_know_nothing_of_each_other(documents: CountedDocuments, ledger: Ledger):
    ledger.write([change(row_id(1))])
    other = Ledger(documents, "accounts", "Another task")
    assert other.read([row_id(1)])[row_id(1)].version is None
    assert other.tally("e")[Outcome.CREATED] == 0


def test_a_conflicting_row_is_taken_out_and_the_others_are_written(ledger: Ledger):
    rows = rows_of_one_bucket(5)
    ledger.write([change(rows[2], Outcome.REJECTED, "earlier")])
    versions = ledger.write([change(row) for row in rows])
    assert [row for row, version in versions.items() if version is None] == [rows[2]]
    assert set(versions) == set(rows)
    read = ledger.read(rows)
    assert [read[row].outcome for row in rows] == [
        Outcome.CREATED,
        Outcome.CREATED,
        Outcome.REJECTED,
        Outcome.CREATED,
        Outcome.CREATED,
    ]
    assert {row: entry.version for row, entry in read.items() if row != rows[2]} == {
        row: version for row, version in versions.items() if version
    }


def test_only_rows_that_were_written_are_counted(ledger: Ledger):
    rows = rows_of_one_bucket(5)
    ledger.write([change(rows[0], execution="earlier"), change(rows[3], execution="earlier")])
    ledger.write([change(row) for row in rows])
    assert ledger.tally("e")[Outcome.CREATED] == 3


def test_a_transaction_whose_rows_all_conflict_counts_nothing(ledger: Ledger):
    ledger.write([change(row_id(1))])
    assert ledger.write([change(row_id(1), execution="late")]) == {row_id(1): None}
    assert ledger.tally("late") == dict.fromkeys(Outcome, 0)


def test_a_known_version_replaces_an_entry_once(ledger: Ledger):
    version = ledger.write([change(row_id(1))])[row_id(1)]
    newer = Entry(row_id=row_id(1), version=version, outcome=Outcome.UPDATED)
    assert ledger.write([Change(newer)])[row_id(1)] is not None
    assert ledger.write([Change(newer)])[row_id(1)] is None


def test_many_rows_go_in_transactions_of_one_partition_and_a_hundred_entities(
    documents: CountedDocuments, ledger: Ledger
):
    rows = rows_of_one_bucket(200)
    executions = ("e", "run")
    changes = [
        Change(
            Entry(row_id=row, outcome=Outcome.CREATED),
            {(execution, Outcome.CREATED): 1 for execution in executions},
        )
        for row in rows
    ]
    versions = ledger.write(changes)
    assert all(versions[row] for row in rows)
    sizes = [len(names) for _, names in documents.transactions]
    assert sizes == [98, 98, 10]
    assert {partition for partition, _ in documents.transactions} == {
        f"accounts|Accounts - Customers|{bucket_of(rows[0])}"
    }
    assert [ledger.tally(execution)[Outcome.CREATED] for execution in executions] == [200, 200]


def test_rows_of_several_buckets_are_written_partition_by_partition(
    documents: CountedDocuments, ledger: Ledger
):
    rows = [row_id(number) for number in range(40)]
    ledger.write([change(row) for row in rows])
    partitions = [partition for partition, _ in documents.transactions]
    assert len(partitions) == len(set(partitions)) == len({bucket_of(row) for row in rows})
    assert ledger.tally("e")[Outcome.CREATED] == 40


def test_counts_add_up_by_the_last_outcome(ledger: Ledger):
    waited = {("e", Outcome.WAITING): 1}
    ledger.write([Change(Entry(row_id=row_id(number)), waited) for number in range(3)])
    entry = ledger.read([row_id(0)])[row_id(0)]
    ledger.write([Change(entry, {("e", Outcome.WAITING): -1, ("e", Outcome.CREATED): 1})])
    expected = {Outcome.WAITING: 2, Outcome.CREATED: 1}
    assert ledger.tally("e") == {**dict.fromkeys(Outcome, 0), **expected}


def test_an_execution_whose_id_begins_like_another_is_counted_apart(ledger: Ledger):
    ledger.write([change(row_id(1), execution="20260302T080000-a")])
    ledger.write([change(row_id(2), execution="20260302T080000-ab")])
    assert ledger.tally("20260302T080000-a")[Outcome.CREATED] == 1


def test_a_forgotten_tally_leaves_entries_and_other_tallies(ledger: Ledger):
    ledger.write([change(row_id(1), execution="old"), change(row_id(2), execution="new")])
    ledger.forget_tally("old")
    assert ledger.tally("old")[Outcome.CREATED] == 0
    assert ledger.tally("new")[Outcome.CREATED] == 1
    assert len(list(ledger.entries())) == 2


def test_entries_are_streamed_whole_or_by_outcome_without_tallies(ledger: Ledger):
    outcomes = [Outcome.CREATED, Outcome.REJECTED, Outcome.CREATED, Outcome.WAITING]
    rows = {row_id(number): outcome for number, outcome in enumerate(outcomes)}
    ledger.write([change(row, outcome) for row, outcome in rows.items()])
    assert {entry.row_id: entry.outcome for entry in ledger.entries()} == rows
    assert [entry.row_id for entry in ledger.entries(Outcome.REJECTED)] == [row_id(1)]


def test_times_come_back_in_utc(ledger: Ledger):
    until = START + timedelta(hours=1)
    ledger.write([Change(Entry(row_id=row_id(1), unsettled_until=until, since=START))])
    entry = ledger.read([row_id(1)])[row_id(1)]
    assert (entry.unsettled_until, entry.since) == (until, START)
    assert entry.since is not None
    assert entry.since.tzinfo is UTC

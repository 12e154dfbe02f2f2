"""Claims: who works on a row, and that a row's outcome is counted once."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from p2c.model import Outcome, RecordKey
from p2c.sync.claims import Held, count, expired_claims, make_claim, take_over
from p2c.sync.ledger import Change, Entry, Ledger, Tally
from tests.support.memory import START, MemoryDocuments, SimulatedClock
from tests.sync.builders import row_id

SETTLE = timedelta(seconds=120)
ROW, OTHER = row_id(1), row_id(2)


def add_up(tallies: Iterable[Tally]) -> dict[tuple[str, Outcome], int]:
    total: dict[tuple[str, Outcome], int] = {}
    for tally in tallies:
        for place, number in tally.items():
            total[place] = total.get(place, 0) + number
    return {place: number for place, number in total.items() if number}


@pytest.mark.parametrize(
    ("outcomes", "total"),
    [
        ([Outcome.CREATED], {("e", Outcome.CREATED): 1}),
        ([Outcome.CREATED, Outcome.CREATED], {("e", Outcome.CREATED): 1}),
        ([Outcome.WAITING, Outcome.CREATED], {("e", Outcome.CREATED): 1}),
        (
            [Outcome.WAITING, Outcome.REJECTED, Outcome.WAITING, Outcome.UPDATED],
            {("e", Outcome.UPDATED): 1},
        ),
        ([Outcome.CREATED, Outcome.UPDATED], {("e", Outcome.UPDATED): 1}),
        ([Outcome.REJECTED, Outcome.UNCHANGED], {("e", Outcome.UNCHANGED): 1}),
        ([Outcome.UNCHANGED, Outcome.DELETED], {("e", Outcome.DELETED): 1}),
    ],
)
def test_a_row_counts_once_an_execution_by_its_last_outcome(
    outcomes: list[Outcome], total: dict[tuple[str, Outcome], int]
):
    entry, tallies = Entry(row_id=ROW), []
    for outcome in outcomes:
        counted, tally = count(entry, outcome, ("e",))
        entry = replace(entry, counted=counted)
        tallies.append(tally)
    assert add_up(tallies) == total
    assert entry.counted == {"e": outcomes[-1]}


@pytest.mark.parametrize("written", [Outcome.CREATED, Outcome.UPDATED])
def test_a_row_that_was_written_and_met_again_unchanged_counts_as_written(written: Outcome):
    counted, first = count(Entry(row_id=ROW), written, ("e",))
    counted, second = count(Entry(row_id=ROW, counted=counted), Outcome.UNCHANGED, ("e",))
    assert add_up([first, second]) == {("e", written): 1}
    assert counted == {"e": written}


def test_a_row_counts_in_its_messages_execution_and_in_the_runs():
    counted, tally = count(Entry(row_id=ROW), Outcome.CREATED, ("e", "run"))
    assert tally == {("e", Outcome.CREATED): 1, ("run", Outcome.CREATED): 1}
    assert counted == {"e": Outcome.CREATED, "run": Outcome.CREATED}


def test_a_run_that_works_on_its_own_messages_counts_a_row_once():
    _, tally = count(Entry(row_id=ROW), Outcome.CREATED, ("run", "run"))
    assert tally == {("run", Outcome.CREATED): 1}


def test_no_execution_counts_nothing():
    assert count(Entry(row_id=ROW), Outcome.CREATED, ("",)) == ({}, {})


def test_the_execution_that_counted_last_is_forgotten_last():
    entry = Entry(row_id=ROW, counted=dict.fromkeys(("a", "b", "c"), Outcome.CREATED))
    counted, _ = count(entry, Outcome.UPDATED, ("a",))
    assert list(counted) == ["b", "c", "a"]


def test_a_claim_names_its_owner_and_ends_by_itself():
    entry = make_claim(Entry(row_id=ROW, epoch=4), "one", START, 30)
    assert entry.epoch == 5
    assert entry.claim is not None
    assert (entry.claim.owner, entry.claim.claimed_at) == ("one", START)
    assert entry.claim.deadline == START + timedelta(seconds=30)


@pytest.mark.parametrize(("seconds", "expired"), [(29, False), (30, True), (31, True)])
def test_a_claim_has_expired_from_its_deadline_on(seconds: float, *, expired: bool):
    entry = make_claim(Entry(row_id=ROW), "one", START, 30)
    now = START + timedelta(seconds=seconds)
    assert expired_claims([entry, Entry(row_id=OTHER)], now) == ([entry] if expired else [])


def test_a_row_taken_over_is_unsettled_for_the_settle_time_from_its_claim():
    entry = make_claim(Entry(row_id=ROW), "one", START, 30)
    assert take_over(entry, SETTLE).unsettled_until == START + SETTLE


def test_taking_over_never_shortens_the_time_in_which_a_row_is_unsettled():
    later = START + timedelta(seconds=500)
    entry = make_claim(Entry(row_id=ROW, unsettled_until=later), "one", START, 30)
    assert take_over(entry, SETTLE).unsettled_until == later


def test_a_row_that_nobody_held_stays_settled():
    entry = Entry(row_id=ROW)
    assert take_over(entry, SETTLE) is entry


class Holding:
    """Two claimed rows of one worker."""

    def __init__(self) -> None:
        self.clock = SimulatedClock()
        self.ledger = Ledger(MemoryDocuments(), "accounts", "Accounts")
        entries = [make_claim(Entry(row_id=row), "one", START, 30) for row in (ROW, OTHER)]
        versions = self.ledger.write([Change(entry) for entry in entries])
        self.held = Held(
            ledger=self.ledger,
            clock=self.clock,
            claim_seconds=30,
            claimed_at=START,
            send_before=60,
            lease_until=30,
            entries={
                entry.row_id: replace(entry, version=versions[entry.row_id]) for entry in entries
            },
        )

    def stored(self, row: str) -> Entry:
        return self.ledger.read([row])[row]

    def steal(self, row: str) -> None:
        self.ledger.write([Change(make_claim(self.stored(row), "two", self.clock.now(), 30))])


@pytest.fixture
def holding() -> Holding:
    return Holding()


def test_renewing_prolongs_the_claims_and_the_time_in_which_may_be_sent(holding: Holding):
    holding.clock.advance(20)
    holding.held.renew()
    claim = holding.stored(ROW).claim
    assert claim is not None
    assert claim.deadline == START + timedelta(seconds=50)
    assert claim.claimed_at == START
    assert holding.held.may_send_before() == 50


def test_renewing_goes_on_from_the_version_it_wrote(holding: Holding):
    holding.held.renew()
    holding.held.renew()
    assert holding.held.lost == set()
    assert set(holding.held.entries) == {ROW, OTHER}


def test_nothing_may_be_sent_later_than_the_send_time_however_often_renewed(holding: Holding):
    for _ in range(5):
        holding.clock.advance(20)
        holding.held.renew()
    assert holding.held.may_send_before() == 60


def test_a_row_that_another_worker_took_over_is_found_lost_at_renewal(holding: Holding):
    holding.steal(ROW)
    holding.held.renew()
    assert holding.held.lost == {ROW}
    assert set(holding.held.entries) == {OTHER}
    claim = holding.stored(ROW).claim
    assert claim is not None
    assert claim.owner == "two"


def test_what_is_about_to_be_written_is_stored_while_still_claimed(holding: Holding):
    key = RecordKey("Customers", (("dataAreaId", "usmf"), ("Account", "ACC-1")))
    holding.held.intend([replace(holding.held.entries[ROW], keys=(key,))])
    assert holding.stored(ROW).keys == (key,)
    assert holding.stored(ROW).claim is not None
    assert holding.held.finish([(holding.held.entries[ROW], {})]) == set()


def test_a_lost_row_is_not_held_any_more_when_it_is_to_be_written(holding: Holding):
    holding.steal(ROW)
    holding.held.intend(list(holding.held.entries.values()))
    assert set(holding.held.entries) == {OTHER}
    assert holding.held.lost == {ROW}


def test_finishing_gives_rows_free_with_their_outcome(holding: Holding):
    done = replace(holding.held.entries[ROW], outcome=Outcome.CREATED)
    assert holding.held.finish([(done, {("e", Outcome.CREATED): 1})]) == set()
    assert (holding.stored(ROW).claim, holding.stored(ROW).outcome) == (None, Outcome.CREATED)
    assert set(holding.held.entries) == {OTHER}
    assert holding.ledger.tally("e")[Outcome.CREATED] == 1


def test_finishing_after_a_renewal_succeeds_from_an_older_copy(holding: Holding):
    before = holding.held.entries[ROW]
    holding.held.renew()
    assert holding.held.finish([(before, {})]) == set()


def test_a_row_that_another_worker_took_over_is_neither_recorded_nor_counted(holding: Holding):
    holding.steal(ROW)
    done = [
        (replace(entry, outcome=Outcome.CREATED), {("e", Outcome.CREATED): 1})
        for entry in holding.held.entries.values()
    ]
    assert holding.held.finish(done) == {ROW}
    assert holding.stored(ROW).outcome is None
    assert holding.stored(OTHER).outcome is Outcome.CREATED
    assert holding.ledger.tally("e")[Outcome.CREATED] == 1


def test_a_row_lost_at_renewal_is_lost_at_the_end_too(holding: Holding):
    done = [(entry, {}) for entry in holding.held.entries.values()]
    holding.steal(OTHER)
    holding.held.renew()
    assert holding.held.finish(done) == {OTHER}

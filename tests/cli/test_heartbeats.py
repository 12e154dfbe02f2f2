"""Heartbeats tell runs that were killed, or gave up, from those that are alive."""

from datetime import timedelta

import pytest

from p2c.cli.heartbeats import BEAT_SECONDS, MARGIN_SECONDS, Heartbeats
from p2c.sync.limiter import Limiter
from tests.support.memory import MemoryDocuments, SimulatedClock

HOLD = 30.0
MINE, OTHER = "20260101T100000-mine", "20260101T090000-other"


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def state() -> MemoryDocuments:
    return MemoryDocuments()


def beats(state, clock, execution: str = MINE, owner: str = "me") -> Heartbeats:
    return Heartbeats(state, clock, execution, owner, HOLD)


def killed_run(state, clock) -> None:
    beats(state, clock, OTHER, "other")._beat()


def test_without_other_runs_nothing_is_waited_for(state, clock) -> None:
    mine = beats(state, clock)
    with mine.beating(lambda: None):
        assert mine.dead_until() is None


def test_a_killed_run_is_waited_for_until_its_hold_has_ended(state, clock) -> None:
    killed_run(state, clock)
    gone_at = clock.now() + timedelta(seconds=BEAT_SECONDS + HOLD + MARGIN_SECONDS)
    mine = beats(state, clock)
    assert mine.dead_until() == gone_at
    clock.advance(BEAT_SECONDS + HOLD)
    assert mine.dead_until() == gone_at
    clock.advance(MARGIN_SECONDS)
    assert mine.dead_until() is None
    assert list(state.scan("run")) == []


def test_it_is_said_of_a_killed_run_once_that_it_is_over(state, clock) -> None:
    killed_run(state, clock)
    told: list[str] = []
    mine = Heartbeats(state, clock, MINE, "me", HOLD, on_killed=told.append)
    mine.dead_until()
    assert told == []
    clock.advance(BEAT_SECONDS + HOLD + MARGIN_SECONDS)
    mine.dead_until()
    mine.dead_until()
    assert told == [OTHER]


def test_a_run_that_goes_on_beating_is_not_waited_for(state, clock) -> None:
    other = beats(state, clock, OTHER, "other")
    other._beat()
    mine = beats(state, clock)
    assert mine.dead_until() is not None
    clock.advance(BEAT_SECONDS)
    other._beat()
    assert mine.dead_until() is None
    assert [document.name for document in state.scan("run")] == [OTHER]


def test_the_slots_of_a_killed_run_are_freed_and_no_others(state, clock) -> None:
    for owner in ("other", "alive"):
        # A slot that is never given back, as when its holder is killed.
        assert Limiter(state, clock, owner)._acquire()
    killed_run(state, clock)
    clock.advance(BEAT_SECONDS + HOLD + MARGIN_SECONDS)
    assert beats(state, clock).dead_until() is None
    assert [document.body["owner"] for document in state.scan("limiter")] == ["", "alive"]


def test_a_run_that_ends_leaves_nothing(state, clock) -> None:
    with beats(state, clock).beating(clock.now):
        assert len(list(state.scan("run"))) == 1
    assert list(state.scan("run")) == []


def test_what_a_run_that_gave_up_has_put_back_is_waited_for(state, clock) -> None:
    due = clock.now() + timedelta(seconds=20)
    with beats(state, clock, OTHER).beating(lambda: due):
        pass
    mine = beats(state, clock)
    assert mine.dead_until() == due + timedelta(seconds=MARGIN_SECONDS)
    clock.advance(20 + MARGIN_SECONDS)
    assert mine.dead_until() is None
    assert list(state.scan("run")) == []

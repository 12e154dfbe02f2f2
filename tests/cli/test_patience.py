"""How long a run waits for services before it gives up."""

import pytest

from p2c.cli.patience import Patience
from p2c.errors import (
    AnswerUnknownError,
    P2cError,
    ServiceRefusedError,
    ThrottledError,
    UnavailableError,
)
from p2c.sync.backoff import Backoff
from tests.support.memory import MemoryDocuments, SimulatedClock


class Waiting:
    """A run that waits for F&O."""

    def __init__(self) -> None:
        self.clock = SimulatedClock()
        self.backoff = Backoff(MemoryDocuments(), self.clock, "fno")
        self.patience = Patience(
            self.clock, {"fno": self.backoff}, outage_seconds=60, stall_seconds=300
        )

    def fail(self, kind=UnavailableError, *, service: str = "fno", code: str | None = None) -> None:
        self.backoff.unavailable()
        self.patience.met(kind("down", service=service, code=code))


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.mark.parametrize("kind", [UnavailableError, AnswerUnknownError])
def test_an_outage_is_sat_out_for_a_minute(waiting, kind) -> None:
    waiting.fail(kind)
    waiting.clock.advance(59)
    waiting.fail(kind)
    waiting.patience.check()
    waiting.clock.advance(1)
    with pytest.raises(kind, match="down"):
        waiting.fail(kind)


def test_an_outage_that_is_over_starts_a_new_minute(waiting) -> None:
    waiting.fail()
    waiting.clock.advance(40)
    waiting.backoff.answered()
    waiting.clock.advance(2)
    waiting.patience.check()
    waiting.clock.advance(20)
    waiting.fail()
    waiting.patience.check()


def test_an_outage_of_storage_is_over_when_something_gets_done(waiting) -> None:
    waiting.fail(service="storage")
    waiting.clock.advance(40)
    waiting.patience.progressed()
    waiting.clock.advance(40)
    waiting.fail(service="storage")
    waiting.clock.advance(60)
    with pytest.raises(UnavailableError):
        waiting.fail(service="storage")


def test_outages_of_two_services_are_told_apart(waiting) -> None:
    waiting.fail()
    waiting.clock.advance(60)
    waiting.fail(service="dataverse")


@pytest.mark.parametrize(
    ("kind", "code"),
    [(ThrottledError, None), (UnavailableError, "no-slot"), (UnavailableError, "too-late")],
)
def test_being_asked_for_less_is_no_outage(waiting, kind, code) -> None:
    waiting.fail(kind, code=code)
    waiting.clock.advance(120)
    waiting.fail(kind, code=code)
    waiting.patience.check()


def test_nothing_done_for_five_minutes_ends_the_run_with_the_last_reason(waiting) -> None:
    waiting.fail(ThrottledError)
    waiting.clock.advance(299)
    waiting.patience.check()
    waiting.clock.advance(1)
    with pytest.raises(P2cError, match=r"Nothing got done for 300 seconds.* was: down") as stalled:
        waiting.patience.check()
    assert stalled.value.code == "run-stalled"


def test_anything_done_starts_the_five_minutes_anew(waiting) -> None:
    waiting.clock.advance(200)
    waiting.patience.progressed()
    waiting.clock.advance(200)
    waiting.patience.check()


def test_a_refusal_is_not_waited_for(waiting) -> None:
    with pytest.raises(ServiceRefusedError):
        waiting.fail(ServiceRefusedError)

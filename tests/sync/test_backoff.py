"""When a service asks for less, every instance leaves it alone."""

from datetime import timedelta

import pytest

from p2c.sync.backoff import LONGEST_SECONDS, THROTTLED_SECONDS, Backoff
from tests.support.memory import MemoryDocuments, SimulatedClock


class Instances:
    """Two processes that share storage."""

    def __init__(self) -> None:
        self.clock = SimulatedClock()
        self.documents = MemoryDocuments()
        self.one = self.start()
        self.two = self.start()

    def start(self, service: str = "fno") -> Backoff:
        return Backoff(self.documents, self.clock, service)

    def wait_left(self, backoff: Backoff) -> float:
        until = backoff.until()
        return (until - self.clock.now()).total_seconds() if until else 0.0


@pytest.fixture
def instances() -> Instances:
    return Instances()


def test_a_service_that_nobody_complained_of_is_open(instances: Instances):
    assert instances.one.until() is None
    assert instances.one.outage_since() is None


def test_a_retry_after_is_obeyed_by_another_instance(instances: Instances):
    instances.one.throttled(7)
    assert instances.wait_left(instances.two) == 7


def test_another_instance_learns_of_it_although_it_has_asked_before(instances: Instances):
    assert instances.two.until() is None
    instances.one.throttled(7)
    instances.clock.advance(1)
    assert instances.wait_left(instances.two) == 6


def test_the_shared_time_is_read_at_most_once_a_second(instances: Instances):
    instances.clock.advance(1000)
    assert instances.two.until() is None
    instances.one.throttled(7)
    instances.clock.advance(0.9)
    assert instances.two.until() is None


def test_the_instance_that_met_it_knows_at_once(instances: Instances):
    assert instances.one.until() is None
    instances.one.throttled(7)
    assert instances.wait_left(instances.one) == 7


def test_a_429_without_retry_after_waits_half_a_minute(instances: Instances):
    until = instances.one.throttled(None)
    assert until == instances.clock.now() + timedelta(seconds=THROTTLED_SECONDS)
    assert THROTTLED_SECONDS == 30


def test_a_shorter_retry_after_does_not_shorten_the_wait(instances: Instances):
    instances.one.throttled(60)
    until = instances.two.throttled(5)
    assert until == instances.clock.now() + timedelta(seconds=60)
    assert instances.wait_left(instances.one) == 60


def test_a_longer_retry_after_prolongs_the_wait(instances: Instances):
    instances.one.throttled(5)
    instances.two.throttled(60)
    instances.clock.advance(1)
    assert instances.wait_left(instances.one) == 59


def test_a_retry_after_beyond_a_day_is_taken_for_a_mistake(instances: Instances):
    day = timedelta(days=1)
    assert instances.one.throttled(1e12) == instances.clock.now() + day
    assert instances.start("dataverse").unavailable(1e12) == instances.clock.now() + day


def test_the_service_is_open_again_afterwards(instances: Instances):
    instances.one.throttled(5)
    instances.clock.advance(5)
    assert instances.one.until() is None
    assert instances.two.until() is None


def test_one_service_does_not_close_the_other(instances: Instances):
    instances.one.throttled(60)
    assert instances.start("dataverse").until() is None


def test_each_outage_in_a_row_waits_longer_up_to_a_minute(instances: Instances):
    waits = []
    for _ in range(8):
        until = instances.one.unavailable()
        waits.append((until - instances.clock.now()).total_seconds())
        instances.clock.advance(waits[-1] + 1)
    expected = [min(LONGEST_SECONDS, 2.0 * 2**level) for level in range(8)]
    assert all(
        0.75 * about <= wait <= 1.25 * about for wait, about in zip(waits, expected, strict=True)
    )


def test_workers_that_meet_the_same_outage_wait_together_and_raise_its_level_once(
    instances: Instances,
):
    until = instances.one.unavailable()
    assert [instances.start().unavailable() for _ in range(5)] == [until] * 5
    instances.clock.advance(10)
    again = instances.two.unavailable()
    # The second closure in a row: 4 s, a quarter more or less.
    assert 3 <= (again - instances.clock.now()).total_seconds() <= 5


def test_an_outage_waits_at_least_as_long_as_the_service_says(instances: Instances):
    until = instances.one.unavailable(45)
    assert until == instances.clock.now() + timedelta(seconds=45)


def test_the_begin_of_an_outage_is_kept_until_the_service_answers(instances: Instances):
    began = instances.clock.now()
    instances.one.unavailable()
    instances.clock.advance(100)
    instances.two.unavailable()
    assert instances.start().outage_since() == began
    instances.two.answered()
    assert instances.two.outage_since() is None
    assert instances.start().outage_since() is None


def test_throttling_is_no_outage(instances: Instances):
    instances.one.throttled(5)
    assert instances.one.outage_since() is None


def test_an_answer_starts_the_waits_small_again(instances: Instances):
    for _ in range(6):
        instances.clock.advance(100)
        instances.one.unavailable()
    instances.clock.advance(100)
    instances.one.answered()
    until = instances.start().unavailable()
    assert (until - instances.clock.now()).total_seconds() <= 2.5


def test_an_answer_to_one_request_keeps_the_429_that_another_met(instances: Instances):
    instances.one.unavailable()
    instances.two.throttled(60)
    instances.one.answered()
    assert instances.wait_left(instances.start()) == 60


def test_an_answer_costs_nothing_while_all_is_well(instances: Instances):
    class Untouchable(MemoryDocuments):
        def get(self, partition: str, name: str):
            raise AssertionError(f"{partition}/{name} was read")

    Backoff(Untouchable(), instances.clock, "fno").answered()

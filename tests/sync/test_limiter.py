"""All instances together have no more requests to F&O under way than the limit."""

import contextlib
from collections.abc import Callable, Iterable

import pytest

from p2c.errors import UnavailableError
from p2c.model import Document
from p2c.sync.limiter import (
    ADAPT_SECONDS,
    FIRST_LIMIT,
    HIGHEST_LIMIT,
    KEEP_SECONDS,
    PATIENCE_SECONDS,
    SLOT_SECONDS,
    Limiter,
    free_slots,
)
from tests.support.memory import MemoryDocuments, SimulatedClock


class ActingClock(SimulatedClock):
    """Does something the next time somebody sleeps."""

    act: Callable[[], None] | None = None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.act:
            act, self.act = self.act, None
            act()


class Instances:
    """Processes that share storage, and the slots they hold."""

    def __init__(self) -> None:
        self.clock = ActingClock()
        self.documents = MemoryDocuments()
        self.one = self.start("one")
        self.two = self.start("two")

    def start(self, owner: str) -> Limiter:
        return Limiter(self.documents, self.clock, owner)

    def take(self, limiter: Limiter, count: int = 1) -> contextlib.ExitStack:
        stack = contextlib.ExitStack()
        for _ in range(count):
            stack.enter_context(limiter.slot())
        return stack

    def capacity(self) -> int:
        """How many slots a further process gets; all are given back."""
        probe = self.start("probe")
        with contextlib.ExitStack() as stack:
            for got in range(HIGHEST_LIMIT + 1):
                try:
                    stack.enter_context(probe.slot())
                except UnavailableError:
                    return got
        raise AssertionError("There is no limit.")


@pytest.fixture
def instances() -> Instances:
    return Instances()


def test_the_limit_is_shared_between_instances(instances: Instances):
    one = instances.take(instances.one, 5)
    two = instances.take(instances.two, FIRST_LIMIT - 5)
    assert instances.capacity() == 0
    one.close()
    assert instances.capacity() == 5
    two.close()
    assert instances.capacity() == FIRST_LIMIT


def test_no_slot_within_patience_is_reported_as_such(instances: Instances):
    held = instances.take(instances.one, FIRST_LIMIT)
    with pytest.raises(UnavailableError) as caught, instances.two.slot():
        pass
    assert (caught.value.code, caught.value.service) == ("no-slot", "fno")
    assert caught.value.message == (
        "All slots for requests to F&O are taken; the rows are put back."
    )
    assert PATIENCE_SECONDS <= instances.clock.monotonic() < PATIENCE_SECONDS + 1
    held.close()


def test_a_slot_is_given_back_when_the_request_fails(instances: Instances):
    with pytest.raises(ZeroDivisionError), instances.one.slot():
        raise ZeroDivisionError
    assert instances.capacity() == FIRST_LIMIT


def test_a_waiting_instance_gets_the_slot_that_another_gives_back(instances: Instances):
    held = instances.take(instances.one, FIRST_LIMIT)
    instances.clock.act = held.close
    with instances.two.slot():
        assert instances.clock.monotonic() < 1


def test_storage_is_asked_four_times_a_second_at_most_while_all_slots_are_taken(
    instances: Instances,
):
    held = instances.take(instances.one, FIRST_LIMIT)
    asked: list[float] = []
    scan = instances.documents.scan

    def counted(partition: str, **bounds: str) -> Iterable[Document]:
        asked.append(instances.clock.monotonic())
        return scan(partition, **bounds)

    instances.documents.scan = counted
    with contextlib.suppress(UnavailableError), instances.two.slot():
        pass
    assert PATIENCE_SECONDS <= len(asked) <= 4 * PATIENCE_SECONDS + 1
    held.close()


def test_a_slot_that_this_process_has_just_given_back_is_asked_for_at_once(instances: Instances):
    held = [instances.take(instances.one) for _ in range(FIRST_LIMIT)]
    assert instances.one._ask_storage() is None
    held[3].close()
    with instances.one.slot():
        assert instances.clock.monotonic() == 0


def test_a_waiting_thread_gets_its_own_process_slot_without_asking_storage(instances: Instances):
    held = [instances.take(instances.one) for _ in range(FIRST_LIMIT)]
    before = {document.name: document.version for document in instances.documents.scan("limiter")}
    instances.clock.act = held[3].close
    with instances.one.slot():
        after = {found.name: found.version for found in instances.documents.scan("limiter")}
        assert after == before


def test_a_slot_that_no_thread_waits_for_any_more_goes_back_to_all(instances: Instances):
    held = [instances.take(instances.one) for _ in range(FIRST_LIMIT)]

    def give_back_two() -> None:
        held[2].close()
        held[3].close()

    instances.clock.act = give_back_two
    with instances.one.slot():
        assert instances.capacity() == 1


def test_a_slot_held_too_long_is_not_handed_on_within_the_process(instances: Instances):
    held = [instances.take(instances.one) for _ in range(FIRST_LIMIT)]
    before = {document.name: document.version for document in instances.documents.scan("limiter")}
    instances.clock.advance(KEEP_SECONDS)
    instances.clock.act = held[3].close
    with instances.one.slot():
        after = {found.name: found.version for found in instances.documents.scan("limiter")}
        assert after["slot-03"] != before["slot-03"]


def test_a_slot_of_a_lost_process_is_free_when_its_lease_has_run_out(instances: Instances):
    lost = instances.take(instances.one, FIRST_LIMIT)
    instances.clock.advance(SLOT_SECONDS - PATIENCE_SECONDS - 1)
    assert instances.capacity() == 0
    instances.clock.advance(PATIENCE_SECONDS)
    assert instances.capacity() == FIRST_LIMIT
    lost.close()


def test_giving_a_slot_back_late_does_not_free_it_for_its_new_holder(instances: Instances):
    late = instances.take(instances.one, FIRST_LIMIT)
    instances.clock.advance(SLOT_SECONDS)
    held = instances.take(instances.two, FIRST_LIMIT)
    late.close()
    assert instances.capacity() == 0
    held.close()


def test_the_slots_of_a_dead_process_can_be_freed_at_once(instances: Instances):
    lost = instances.take(instances.one, 5)
    held = instances.take(instances.two, 2)
    free_slots(instances.documents, "one")
    assert instances.capacity() == FIRST_LIMIT - 2
    held.close()
    lost.close()


def test_a_429_halves_the_limit_for_all_instances(instances: Instances):
    instances.one.throttled()
    assert instances.capacity() == FIRST_LIMIT // 2


def test_many_429s_of_one_moment_halve_the_limit_once(instances: Instances):
    instances.one.throttled()
    instances.two.throttled()
    instances.clock.advance(ADAPT_SECONDS - 1)
    instances.two.throttled()
    assert instances.capacity() == FIRST_LIMIT // 2


def test_throttling_that_goes_on_halves_the_limit_again_but_leaves_one(instances: Instances):
    limits = []
    for _ in range(5):
        instances.one.throttled()
        instances.clock.advance(ADAPT_SECONDS)
        limits.append(instances.capacity())
    assert limits == [4, 2, 1, 1, 1]


def test_the_limit_grows_by_one_in_ten_seconds_while_all_is_well(instances: Instances):
    instances.one.succeeded()
    instances.clock.advance(ADAPT_SECONDS)
    for _ in range(3):
        instances.one.succeeded()
    assert instances.capacity() == FIRST_LIMIT + 1


def test_the_limit_does_not_grow_right_after_it_was_halved(instances: Instances):
    instances.clock.advance(ADAPT_SECONDS)
    instances.one.throttled()
    instances.one.succeeded()
    assert instances.capacity() == FIRST_LIMIT // 2


def test_the_limit_grows_no_further_than_the_highest(instances: Instances):
    for _ in range(HIGHEST_LIMIT + 5):
        instances.clock.advance(ADAPT_SECONDS)
        instances.one.succeeded()
    assert instances.capacity() == HIGHEST_LIMIT

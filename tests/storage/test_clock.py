"""What p2c believes of a clock, of the machine's and of the simulated one."""

from datetime import UTC, datetime, timedelta

import pytest

from p2c.storage import SystemClock
from p2c.sync.ports import Clock
from tests.support.memory import START, SimulatedClock


@pytest.mark.parametrize("clock", [SystemClock(), SimulatedClock()])
def test_sleeping_moves_both_times_on_by_at_least_as_long(clock: Clock) -> None:
    now, monotonic = clock.now(), clock.monotonic()
    clock.sleep(0.01)
    assert clock.monotonic() - monotonic >= 0.01
    assert clock.now() - now >= timedelta(milliseconds=9)
    assert clock.now().tzinfo is UTC


def test_the_system_clock_tells_the_time_of_day() -> None:
    assert abs(SystemClock().now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_simulated_time_stands_still_until_it_is_moved() -> None:
    clock = SimulatedClock()
    assert (clock.now(), clock.monotonic()) == (START, 0)
    clock.advance(90)
    clock.sleep(-1)
    assert (clock.now(), clock.monotonic()) == (START + timedelta(seconds=90), 90)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)

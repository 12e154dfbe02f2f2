"""Exactly one row owns a record, whatever happens and in whatever order.

`docs/guarantees.md` gives the argument. Here it meets every interleaving of two workers in the
stories that could break it, and random histories; each part of the protocol is taken out once to
see that a story notices.
"""

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.sync.machine import WorldMachine
from tests.sync.mutants import Mutant
from tests.sync.number_mutants import MUTANTS
from tests.sync.numbers import NumbersMachine
from tests.sync.stories import STORIES, Story, tell_every_way
from tests.sync.test_no_stale_write import thorough

LEAST_WAYS = 50
LEAST_STEPS = 5_000


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_number_has_one_row_however_two_workers_interleave(story: Story) -> None:
    ways = list(tell_every_way(story))
    assert len(ways) >= LEAST_WAYS


@pytest.mark.slow
def test_a_number_has_one_row_whatever_happened_before() -> None:
    WorldMachine.steps = 0
    run_state_machine_as_test(NumbersMachine, settings=thorough(250, 50))
    assert WorldMachine.steps >= LEAST_STEPS


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_without_any_one_part_a_story_ends_badly(mutant: Mutant) -> None:
    story = next(story for story in STORIES if story.name == MUTANTS[mutant])
    with mutant(), pytest.raises(AssertionError):
        list(tell_every_way(story))

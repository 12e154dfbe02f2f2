"""Nothing lost, doubled or stale, whatever happens and in whatever order.

`docs/guarantees.md` gives the argument; here it meets random histories, and each part of the
protocol is taken out once to see that its loss is noticed.
"""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.sync.delete_mutants import DELETE_MUTANTS
from tests.sync.deletes_machine import DeletesMachine, ReportingMachine
from tests.sync.machine import LookupMachine, OverlapMachine, SyncMachine, WorldMachine
from tests.sync.mutants import LOOKUP_MUTANTS, MUTANTS, Mutant

LEAST_STEPS = 5_000


def thorough(examples: int, steps: int, **more: object) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.slow
def test_fno_holds_the_mapping_of_the_newest_rows_whatever_happened_before() -> None:
    WorldMachine.steps = 0
    run_state_machine_as_test(SyncMachine, settings=thorough(250, 50))
    run_state_machine_as_test(OverlapMachine, settings=thorough(300, 4))
    run_state_machine_as_test(LookupMachine, settings=thorough(300, 4))
    run_state_machine_as_test(DeletesMachine, settings=thorough(300, 4))
    run_state_machine_as_test(ReportingMachine, settings=thorough(150, 4))
    assert WorldMachine.steps >= LEAST_STEPS


MACHINES = [
    *((OverlapMachine, mutant) for mutant in MUTANTS),
    *((LookupMachine, mutant) for mutant in LOOKUP_MUTANTS),
    *((DeletesMachine, mutant) for mutant in DELETE_MUTANTS),
]


@pytest.mark.slow
@pytest.mark.parametrize(("machine", "mutant"), MACHINES, ids=lambda found: found.__name__)
def test_without_any_one_part_the_protocol_fails(
    machine: type[WorldMachine], mutant: Mutant
) -> None:
    # The same histories each time: a test that sometimes misses a mutant tells nothing.
    search = thorough(
        4000, 3, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False
    )
    with mutant(), pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=search)

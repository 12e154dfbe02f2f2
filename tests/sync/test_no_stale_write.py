"""Nothing lost, doubled or stale, whatever happens and in whatever order."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.sync.machine import SyncMachine

EXAMPLES = 100
STEPS_EACH = 60


def test_fno_holds_the_mapping_of_the_newest_rows_whatever_happened_before() -> None:
    run_state_machine_as_test(
        SyncMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS_EACH,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )

"""The benchmark works, and the counts that it shows hold at any speed of the machine."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tools.bench.__main__ import Bench
from tools.bench.company import Company
from tools.bench.runs import Run, fresh_p2c
from tools.bench.start_up import VARIANTS
from tools.bench.table import Figures, print_figures
from tools.processes import Addresses, sandbox

CONTACTS = 3_000
BALLAST_BYTES = 300 * 2**20
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bench")]


@dataclass(frozen=True)
class Runs:
    """Three runs in a row: all contacts are new, none has changed, all are read again."""

    first: Run
    idle: Run
    resync: Run


@pytest.fixture(scope="module")
def addresses() -> Iterator[Addresses]:
    with sandbox("--empty") as found:
        yield found


@pytest.fixture(scope="module")
def runs(addresses: Addresses) -> Runs:
    with (
        contextlib.closing(Company(addresses)) as company,
        fresh_p2c(addresses, company) as p2c,
    ):
        company.fill(CONTACTS)
        # A child begins as a copy of its parent; what this one has is not to be counted.
        ballast = bytearray(b"x") * BALLAST_BYTES
        runs = Runs(p2c.run(), p2c.run(), p2c.run("--all-data"))
        assert len(ballast) == BALLAST_BYTES
        return runs


def test_new_rows_cost_at_most_sixty_requests_a_thousand(runs: Runs) -> None:
    assert runs.first.counts["created"] == CONTACTS
    assert runs.first.requests <= 60 * CONTACTS / 1_000


def test_a_new_row_costs_hardly_more_than_one_operation_of_fno(runs: Runs) -> None:
    assert runs.first.asked["fno"]["methods"]["POST"] == CONTACTS
    assert runs.first.fno_operations <= 1.05 * CONTACTS


def test_new_rows_are_recorded_without_point_reads(runs: Runs) -> None:
    assert runs.first.storage_calls <= CONTACTS / 5


def test_no_more_requests_than_eight_are_with_fno_at_a_time(runs: Runs) -> None:
    assert runs.first.asked["fno"]["max_concurrency"] <= 8


def test_an_idle_run_of_one_task_is_one_request(runs: Runs) -> None:
    assert runs.idle.requests == 1


def test_a_full_resync_with_nothing_changed_writes_nothing(runs: Runs) -> None:
    assert runs.resync.counts["unchanged"] == CONTACTS
    assert runs.resync.fno_writes == 0
    assert runs.resync.asked["fno"]["requests"] == 0


def test_the_memory_of_a_run_is_that_of_its_process_alone(runs: Runs) -> None:
    assert 0 < runs.idle.peak_bytes <= runs.first.peak_bytes < BALLAST_BYTES


@pytest.fixture(scope="module")
def figures(addresses: Addresses) -> Figures:
    """What the benchmark measures on next to nothing."""
    with contextlib.closing(Bench(addresses, 40, (20, 40), loop_contacts=10, starts=1)) as bench:
        return bench.measure()


@pytest.mark.parametrize("markdown", [True, False])
def test_the_table_has_every_figure_beside_its_aim(figures, capsys, *, markdown: bool) -> None:
    print_figures(figures, 60, markdown=markdown)
    shown = capsys.readouterr().out
    assert "Requests of an idle run, one task" in shown
    # Seconds and memory of each variant's start have an aim.
    assert (shown.count("≥"), shown.count("≤")) == (2, 4 + 2 * len(VARIANTS))


def test_the_ceiling_sends_what_p2c_sends(figures) -> None:
    assert figures.first.counts["created"] == figures.contacts
    assert figures.ceiling_rows_per_second > figures.loop_rows_per_second

"""The benchmark's one table, for a terminal or for docs/benchmarks.md."""

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

import p2c
from tools.bench.runs import Run
from tools.bench.start_up import StartUp, lines_of

HEADINGS = ("", "Measured", "Aim", "Of that")
Line = tuple[str, str, str, str]


@dataclass(frozen=True)
class Figures:
    """Everything that was measured.

    Attributes:
        first: p2c on contacts that are all new.
        idle: p2c straight after it, with nothing to do.
        resync: p2c once more, reading all of them again.
        azurite_cpu_seconds: What Azurite worked in the run that `first` repeats with latency.
        sdk_cpu_seconds_per_row: What the Azure SDK alone works for a new row's transactions.
        start_ups: How the functions start, by variant.
    """

    contacts: int
    loop_rows_per_second: float
    ceiling_rows_per_second: float
    first: Run
    idle: Run
    resync: Run
    memory_rows: Sequence[int]
    memory_bytes: Sequence[int]
    azurite_cpu_seconds: float
    sdk_cpu_seconds_per_row: float
    start_ups: Sequence[StartUp]


def print_figures(figures: Figures, seconds: float, *, markdown: bool) -> None:
    """Print the table with its machine."""
    lines = _lines(figures) + _start_up_lines(figures.start_ups)
    _print_table(lines, seconds, markdown=markdown)


def print_start_ups(start_ups: Sequence[StartUp], seconds: float, *, markdown: bool) -> None:
    """Print only the part of the table that is on starting."""
    _print_table(_start_up_lines(start_ups), seconds, markdown=markdown)


def _print_table(lines: Sequence[Line], seconds: float, *, markdown: bool) -> None:
    about = f"p2c {p2c.__version__}, {datetime.now(UTC):%Y-%m-%d}, {_machine()}."
    if markdown:
        print(about, end="\n\n")
        for line in (HEADINGS, ["---", "--:", "--:", "---"], *lines):
            print(f"| {' | '.join(line)} |")
        return
    table = Table(box=None, pad_edge=False)
    for heading, justify in zip(HEADINGS, ("left", "right", "right", "left"), strict=True):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for line in lines:
        table.add_row(*line)
    out = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160)
    out.print(about)
    out.print(table)
    out.print(f"In {seconds / 60:.1f} minutes. docs/benchmarks.md says what the lines mean.")


def _start_up_lines(start_ups: Sequence[StartUp]) -> list[Line]:
    return [line for start_up in start_ups for line in lines_of(start_up)]


def _lines(figures: Figures) -> list[Line]:
    first, contacts = figures.first, figures.contacts
    rate = contacts / first.seconds
    thousands = contacts / 1_000
    start_up = figures.idle.cpu_seconds
    waited = (
        f"workers waited for Azurite {first.storage_share:.0%} of their time; it worked "
        f"{figures.azurite_cpu_seconds:.1f} s of the {first.seconds:.1f} s"
    )
    cpu = (
        f"{(first.cpu_seconds - start_up) / thousands:.2f} s without start-up ({start_up:.1f} s a "
        f"process); {figures.sdk_cpu_seconds_per_row * 1_000:.2f} s is the Azure SDK's least"
    )
    small, large = figures.memory_bytes
    sizes = "; ".join(
        f"{rows:,} rows: {taken / 2**20:.0f} MB"
        for rows, taken in zip(figures.memory_rows, figures.memory_bytes, strict=True)
    )
    ratio_to_loop = rate / figures.loop_rows_per_second
    ratio_to_ceiling = rate / figures.ceiling_rows_per_second
    per_thousand = first.requests / thousands
    services = f"Dataverse {first.asked['dataverse']['requests']}, F&O "
    services += f"{first.asked['fno']['requests']}"
    return [
        ("A plain loop, rows a second", f"{figures.loop_rows_per_second:.1f}", "", ""),
        ("The ceiling, rows a second", f"{figures.ceiling_rows_per_second:.0f}", "", ""),
        ("p2c, rows a second", f"{rate:.0f}", "", f"{contacts:,} in {first.seconds:.1f} s"),
        ("p2c to the plain loop", f"{ratio_to_loop:.1f}", "≥ 15", ""),
        ("p2c to the ceiling", f"{ratio_to_ceiling:.2f}", "≥ 0.85", waited),
        ("Requests to both services per 1,000 rows", f"{per_thousand:.1f}", "≤ 60", services),
        ("F&O operations per new row", f"{first.fno_operations / contacts:.3f}", "≤ 1.05", ""),
        (
            "Own CPU per 1,000 rows",
            f"{first.cpu_seconds / thousands:.2f} s",
            "≤ 0.5 s",
            cpu,
        ),
        ("Peak memory, many rows to few", f"{large / small:.2f}", "≤ 1.25", sizes),
        ("Requests of an idle run, one task", f"{figures.idle.requests}", "1", ""),
        ("F&O writes of a full resync", f"{figures.resync.fno_writes}", "0", ""),
    ]


def _machine() -> str:
    processor = platform.processor() or platform.machine()
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    version = platform.python_version()
    return f"{os.cpu_count()} cores of {processor}, {platform.system()}, Python {version}"

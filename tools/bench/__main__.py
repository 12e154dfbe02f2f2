"""``make bench``: measures p2c, a plain loop and the ceiling, and prints one table.

Everything is real but the two services: Azurite is Microsoft's emulator of Azure Storage, p2c
runs as its users start it, and the sandbox answers over HTTP after 50 ms a request and 20 ms an
operation. What the lines mean is in docs/benchmarks.md.
"""

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NoReturn, Protocol

from tools.azurite import AzuriteError, azurite
from tools.bench.bare_storage import cpu_seconds_per_row
from tools.bench.company import Company
from tools.bench.contenders import Recorded, run_ceiling, run_plain_loop
from tools.bench.runs import BenchError, Run, cpu_of_ended_children, fresh_p2c
from tools.bench.start_up import STARTS, StartUp, measure_start_ups
from tools.bench.table import Figures, print_figures, print_start_ups
from tools.processes import Addresses, SandboxError, sandbox

REQUEST_MS, OPERATION_MS = 50, 20
LOOP_CONTACTS = 300
CONTACTS, MEMORY_ROWS = 5_000, (10_000, 100_000)
QUICK_CONTACTS, QUICK_MEMORY_ROWS = 1_000, (1_000, 5_000)


class Bench:
    """Takes the measurements, one after the other, each from a fresh start."""

    def __init__(
        self,
        addresses: Addresses,
        contacts: int,
        memory_rows: tuple[int, int],
        *,
        loop_contacts: int = LOOP_CONTACTS,
        starts: int = STARTS,
    ) -> None:
        self._addresses = addresses
        self._company = Company(addresses)
        self._contacts = contacts
        self._memory_rows = memory_rows
        self._loop_contacts = loop_contacts
        self._starts = starts

    def close(self) -> None:
        """Close the connections."""
        self._company.close()

    def measure(self) -> Figures:
        """Take every measurement.

        Raises:
            BenchError: Some run did not come to what it should.
        """
        loop = self._plain_loop()
        ceiling, azurite_cpu = self._ceiling()
        with fresh_p2c(self._addresses, self._company) as p2c:
            _say(f"p2c, {self._contacts:,} contacts")
            self._fill(self._contacts)
            self._company.set_latency(REQUEST_MS, OPERATION_MS)
            first = p2c.run()
            self._check(first, created=self._contacts)
            self._company.set_latency(0, 0)
            _say("p2c with nothing to do, and with every row unchanged")
            idle = p2c.run()
            resync = p2c.run("--all-data")
            self._check(resync, unchanged=self._contacts)
        with azurite() as storage:
            sdk_cpu = cpu_seconds_per_row(storage)
            start_ups = self._start_ups(storage)
        return Figures(
            contacts=self._contacts,
            loop_rows_per_second=loop,
            ceiling_rows_per_second=ceiling,
            first=first,
            idle=idle,
            resync=resync,
            memory_rows=self._memory_rows,
            memory_bytes=tuple(self._peak_memory(rows) for rows in self._memory_rows),
            azurite_cpu_seconds=azurite_cpu,
            sdk_cpu_seconds_per_row=sdk_cpu,
            start_ups=start_ups,
        )

    def _plain_loop(self) -> float:
        _say(f"A plain loop, {self._loop_contacts} contacts")
        self._fill(self._loop_contacts)
        self._company.set_latency(REQUEST_MS, OPERATION_MS)
        done, seconds = run_plain_loop(self._company)
        if done != self._loop_contacts:
            raise BenchError(f"The plain loop brought {done} of {self._loop_contacts} contacts.")
        return done / seconds

    def _ceiling(self) -> tuple[float, float]:
        """Return rows a second, and Azurite's processor seconds when p2c brought these rows."""
        _say("The ceiling: recording p2c's requests, then sending them by bare threads")
        self._fill(self._contacts)
        with tempfile.TemporaryDirectory(prefix="p2c-bench-") as folder:
            file = Path(folder) / "requests.jsonl"
            before = cpu_of_ended_children()
            with fresh_p2c(self._addresses, self._company) as p2c:
                run = p2c.run(requests=file)
            azurite_cpu = cpu_of_ended_children() - before - run.cpu_seconds
            self._check(run, created=self._contacts)
            recorded = Recorded.read(file)
        self._fill(self._contacts)
        self._company.set_latency(REQUEST_MS, OPERATION_MS)
        made, seconds = run_ceiling(recorded)
        if made != self._contacts:
            raise BenchError(f"The ceiling brought {made} of {self._contacts} contacts.")
        return made / seconds, azurite_cpu

    def _peak_memory(self, rows: int) -> int:
        _say(f"p2c, {rows:,} contacts that the filter leaves out")
        self._company.fill_unqualified(rows)
        with fresh_p2c(self._addresses, self._company) as p2c:
            run = p2c.run()
        self._check(run, skipped=rows)
        return run.peak_bytes

    def _start_ups(self, storage: str) -> list[StartUp]:
        _say("Start-up of the functions")
        return measure_start_ups(storage, starts=self._starts)

    def _fill(self, contacts: int) -> None:
        self._company.set_latency(0, 0)
        self._company.fill(contacts)

    @staticmethod
    def _check(run: Run, **expected: int) -> None:
        found = {name: run.counts[name] for name in expected}
        if found != expected:
            raise BenchError(f"A run came to {dict(run.counts)}, expected {expected}.")


def main() -> int:
    """Measure and print; 0 unless something did not work at all."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer rows: a look in two minutes, not the figures"
    )
    parser.add_argument(
        "--start-up", action="store_true", help="only how the functions start; ten seconds"
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print the table for docs/benchmarks.md"
    )
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    started = time.monotonic()
    try:
        show = _start_up_alone() if given.start_up else _everything(quick=given.quick)
    except (BenchError, SandboxError, AzuriteError) as error:
        _say(f"The benchmark failed: {error}")
        return 1
    except KeyboardInterrupt:
        _say("Interrupted.")
        return 130
    show(time.monotonic() - started, markdown=given.markdown)
    return 0


class _Show(Protocol):
    """Prints what was measured in so many seconds."""

    def __call__(self, seconds: float, *, markdown: bool) -> None: ...


def _everything(*, quick: bool) -> _Show:
    size = (QUICK_CONTACTS, QUICK_MEMORY_ROWS) if quick else (CONTACTS, MEMORY_ROWS)
    with sandbox("--empty") as addresses, contextlib.closing(Bench(addresses, *size)) as bench:
        return partial(print_figures, bench.measure())


def _start_up_alone() -> _Show:
    with azurite() as storage:
        return partial(print_start_ups, measure_start_ups(storage))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _stop(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

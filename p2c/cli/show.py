"""What people see: progress on standard error, results on standard output."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from p2c.cli.drive import Progress as RunProgress
from p2c.cli.drive import RunResult
from p2c.cli.report import console, outcome_table
from p2c.mapping.task import TaskMapping
from p2c.model import Outcome
from p2c.sync.executions import counts_as_json

LINE_EVERY_ROWS = 1000


def print_json(document: object) -> None:
    """Print the one JSON document of a command on standard output."""
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def run_as_json(result: RunResult, seconds: float) -> dict[str, object]:
    """Return the document that ``run --json`` prints."""
    return {
        "execution_id": result.execution_id,
        "status": result.status,
        "seconds": round(seconds, 2),
        "templates": {
            template: {"tasks": {task: counts_as_json(tally) for task, tally in tasks.items()}}
            for template, tasks in result.counts.items()
        },
        "requests": dict(result.requests),
    }


def print_run(result: RunResult, seconds: float) -> None:
    """Print what a run came to for people."""
    lines = (
        ((template, task), counts_as_json(tally))
        for template, tasks in result.counts.items()
        for task, tally in tasks.items()
    )
    out = console()
    out.print(outcome_table(lines))
    requests = result.requests
    out.print(
        f"{result.status} in {seconds:.1f} s, execution {result.execution_id}. Requests: "
        f"Dataverse {requests['dataverse']}, F&O {requests['fno']} "
        f"({requests['fno_operations']} operations)."
    )


class LineProgress:
    """Plain lines, for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._named: dict[tuple[str, str], int] = {}
        self._handled: dict[str, int] = {}

    def enumerated(self, task: TaskMapping, read: int) -> None:
        """Write a line for every page that names rows, and for a poll that finds none."""
        if self._named.get((task.template, task.task)) != read:
            self._named[task.template, task.task] = read
            self._write(f"{task.template}: {task.task}: {read} rows to look at")

    def handled(self, template: str, outcomes: Mapping[Outcome, int]) -> None:
        """Write a line now and then."""
        before = self._handled.get(template, 0)
        now = before + sum(outcomes.values())
        self._handled[template] = now
        if now // LINE_EVERY_ROWS != before // LINE_EVERY_ROWS:
            self._write(f"{template}: {now} rows processed")

    def note(self, text: str) -> None:
        """Write a line."""
        self._write(text)

    def _write(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()


class BarProgress:
    """A bar for each template, on a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, _Bar] = {}

    def enumerated(self, task: TaskMapping, read: int) -> None:
        """Let the template's bar grow."""
        bar = self._bar(task.template)
        bar.named[task.task] = read
        self._update(bar)

    def handled(self, template: str, outcomes: Mapping[Outcome, int]) -> None:
        """Move the template's bar on."""
        bar = self._bar(template)
        bar.done += sum(outcomes.values())
        self._update(bar)

    def note(self, text: str) -> None:
        """Write a line above the bars."""
        self._progress.console.print(text, highlight=False, markup=False)

    def _bar(self, template: str) -> "_Bar":
        if template not in self._bars:
            self._bars[template] = _Bar(self._progress.add_task(template, total=None))
        return self._bars[template]

    def _update(self, bar: "_Bar") -> None:
        # Rows that an earlier run left, or that come again, may be more than were named now.
        total = max(sum(bar.named.values()), bar.done)
        self._progress.update(bar.task_id, total=total, completed=bar.done)


class _Bar:
    def __init__(self, task_id: TaskID) -> None:
        self.task_id = task_id
        self.named: dict[str, int] = {}
        self.done = 0


@contextmanager
def run_progress() -> Iterator[RunProgress]:
    """Show progress on standard error: bars on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield LineProgress(sys.stderr)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield BarProgress(progress)

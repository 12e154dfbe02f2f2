"""The command ``plan``: what a run would write, field by field.

Exit status: 0 nothing to write, 1 something to write, or not everything could be looked at, 2 Error
or wrong use. Values of fields are printed, because that is what a plan is for; nothing is logged.
"""

import contextlib
import json
import sys
import uuid
from collections.abc import Callable, Mapping
from tempfile import TemporaryFile
from typing import IO, Annotated

import typer
from rich.console import Console
from rich.table import Table

from p2c.bootstrap import App, open_scratch
from p2c.cli.common import (
    EXIT_STATUS,
    AcceptDeletes,
    AsJson,
    Templates,
    check_consent,
    errors,
    open_app,
    read_row,
    say,
)
from p2c.cli.report import console, outcome_table
from p2c.model import Outcome
from p2c.sync.executions import counts_as_json
from p2c.sync.plan_result import PlannedRow, PlannedWrite, PlanResult
from p2c.sync.plan_run import RunPlanner

SOMETHING_TO_DO = 1
LINE_EVERY_ROWS = 1000
EMPTY = "(empty)"


def plan(
    templates: Templates = None,
    *,
    all_data: Annotated[
        bool, typer.Option("--all-data", help="Look at every row, not only what changed.")
    ] = False,
    accept_deletes: AcceptDeletes = False,
    rows: Annotated[
        list[str] | None,
        typer.Option("--row", metavar="ROW", help="Look at this row only; may be repeated."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Plan what 'resync --force' would overwrite.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="ROWS", help="Look at so many rows at most.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a run would write, field by field, old and new; write nothing anywhere."""
    with errors(as_json=as_json):
        ids = [read_row(text) for text in rows or ()]
        check_consent(
            templates or (), accept_deletes=accept_deletes, all_data=all_data or force or bool(ids)
        )
        with (
            open_app(templates or None, read_only=True) as app,
            open_scratch() as scratch,
            contextlib.ExitStack() as stack,
        ):
            printer = _JsonPrinter(stack) if as_json else _TextPrinter()
            told = _Progress(printer.row)
            planner = RunPlanner(app.runtime, scratch, told, most_rows=limit)
            names = [template.name for template in app.templates]
            result = planner.plan(
                names, all_data=all_data, rows=ids, force=force, accept_deletes=accept_deletes
            )
            printer.end(result, app)
    raise typer.Exit(EXIT_STATUS["Completed"] if result.status == "NoChanges" else SOMETHING_TO_DO)


class _Progress:
    """Says on standard error now and then how many rows have been looked at."""

    def __init__(self, tell: Callable[[PlannedRow], None]) -> None:
        self._tell = tell
        self._rows = 0

    def __call__(self, row: PlannedRow) -> None:
        self._rows += 1
        if self._rows % LINE_EVERY_ROWS == 0:
            say(f"{self._rows} rows looked at")
        self._tell(row)


class _JsonPrinter:
    """Prints one JSON document at the end; until then rows are in files, not in memory."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._files: dict[tuple[str, str], IO[str]] = {}

    def row(self, row: PlannedRow) -> None:
        """Keep a row that there is something to say of."""
        if row.outcome is Outcome.UNCHANGED:
            return
        place = (row.template, row.task)
        if place not in self._files:
            # Without a name: the system drops it with the process.
            file = TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  the stack closes it
            self._files[place] = self._stack.enter_context(file)
        json.dump(row.as_json(), self._files[place], ensure_ascii=False)
        self._files[place].write("\n")

    def end(self, result: PlanResult, app: App) -> None:
        """Print the document."""
        marks: dict[str, tuple[str, str]] = {}

        def mark(template: str, task: str) -> str:
            found = uuid.uuid4().hex
            marks[found] = (template, task)
            return found

        document = {**result.as_json(mark), "requests": app.meter.snapshot()}
        text = json.dumps(document, indent=2, ensure_ascii=False)
        for found, place in marks.items():
            before, _, text = text.partition(f'"{found}"')
            sys.stdout.write(before)
            self._print_rows(place)
        sys.stdout.write(f"{text}\n")

    def _print_rows(self, place: tuple[str, str]) -> None:
        sys.stdout.write("[")
        file = self._files.get(place)
        separator = "\n"
        if file:
            file.seek(0)
            for line in file:
                sys.stdout.write(f"{separator}{' ' * 12}{line.rstrip()}")
                separator = ",\n"
        sys.stdout.write("]")


class _TextPrinter:
    """Prints for people: each write as it is planned, sums in the end."""

    def __init__(self) -> None:
        self._out = console()

    def row(self, row: PlannedRow) -> None:
        """Print what would be written for a row; the others are summed up."""
        for write in row.writes:
            self._out.print(f"{row.template}: {row.task}: {row.row_id}: {write.action} {write.key}")
            self._out.print(_fields_table(write))

    def end(self, result: PlanResult, app: App) -> None:
        """Print the sums, and what the plan could not look at."""
        out = self._out
        out.print(
            outcome_table(
                ((template, task), counts_as_json(counts))
                for template, tasks in result.counts.items()
                for task, counts in tasks.items()
            )
        )
        for template, tasks in result.reasons.items():
            for task, codes in tasks.items():
                said = ", ".join(f"{rows} [{code}]" for code, rows in sorted(codes.items()))
                out.print(f"{template}: {task}: not written: {said}")
        _print_notes(out, result)
        out.print(_sentence(result))
        out.print(_requests(app.meter.snapshot()))


def _fields_table(write: PlannedWrite) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("    Field", no_wrap=True)
    if write.action != "create":
        table.add_column("now")
    table.add_column("new")
    for name, (old, new) in write.fields.items():
        values = [new] if write.action == "create" else [old, new]
        table.add_row(f"    {name}", *(_shown(value) for value in values))
    return table


def _shown(value: object) -> str:
    return EMPTY if value in (None, "") else str(value)


def _print_notes(out: Console, result: PlanResult) -> None:
    for template, messages in result.unseen.items():
        out.print(
            f"{_count(messages, 'message')} on the queue of '{template}' could not be looked into: "
            "being worked on, due later, or behind the first 32, which is all that Storage shows."
        )
    for template, rows in result.elsewhere.items():
        out.print(f"{rows} rows of '{template}' follow from this; plan it, too, to see them.")
    if result.unreadable:
        out.print(
            f"{result.unreadable} messages on the queues cannot be read; a run sets them aside."
        )
    for asked in result.asked:
        out.print(f"{asked} [deletes-need-consent]")
    if result.cut_short:
        out.print("The plan was cut short by --limit: there may be more.")


def _sentence(result: PlanResult) -> str:
    if result.status == "NoChanges":
        return "Nothing to write: a run now would send nothing to F&O."
    if result.status == "Incomplete":
        return "Nothing to write as far as could be looked at."
    said = ", ".join(f"{count} to {action}" for action, count in result.writes.items() if count)
    return f"A run now would write {_count(sum(result.writes.values()), 'record')}: {said}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _requests(requests: Mapping[str, int]) -> str:
    return (
        f"Nothing was written. Requests: Dataverse {requests['dataverse']}, F&O {requests['fno']}."
    )

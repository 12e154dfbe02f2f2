"""What `status` and `rejected` print for people."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from p2c.cli.state import State, TaskState
from p2c.model import Outcome
from p2c.sync.rejected import RejectedRow

WIDTH_OFF_TERMINAL = 240
"""Nothing wraps where a program or a pager reads."""


def console() -> Console:
    """Return a console for standard output."""
    width = None if sys.stdout.isatty() else WIDTH_OFF_TERMINAL
    return Console(width=width, highlight=False, markup=False, emoji=False)


def outcome_table(lines: Iterable[tuple[Sequence[str], dict[str, int]]]) -> Table:
    """Return a table with a line for each task; outcomes that none has are left out."""
    found = list(lines)
    wanted = ["read", *(outcome.value for outcome in Outcome)]
    columns = [
        name for name in wanted if name == "read" or any(counts.get(name) for _, counts in found)
    ]
    table = Table(box=None, pad_edge=False)
    for name in ("Template", "Task"):
        table.add_column(name, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for names, counts in found:
        table.add_row(*names, *(f"{counts.get(name, 0)}" for name in columns))
    return table


def print_state(state: State) -> None:
    """Print where everything stands."""
    out = console()
    lines = (
        ((task.template, task.task), {"read": sum(task.rows.values()), **task.rows})
        for task in state.tasks
    )
    out.print("Rows by their last outcome:")
    out.print(outcome_table(lines))
    for task in state.tasks:
        _print_task(out, task)
    out.print()
    for template, (messages, poison) in state.queues.items():
        out.print(f"Queue of {template}: {messages} messages, {poison} on its poison queue")
    for service, (until, since) in state.backoff.items():
        if until or since:
            away = f", not answering since {since}" if since else ""
            out.print(f"{service}: left alone until {until or 'now'}{away}")
    if state.unreadable:
        out.print(f"{state.unreadable} messages were set aside because p2c could not read them")
    for summary in state.executions:
        execution = summary.execution
        out.print(
            f"Execution {execution.execution_id} ({execution.trigger}, "
            f"{', '.join(execution.templates)}): {summary.status}"
            f"{f': {execution.error}' if execution.error else ''}"
        )


def _print_task(out: Console, task: TaskState) -> None:
    out.print(f"\n{task.template}: {task.task}: last polled {task.polled_at or 'never'}")
    if task.full_read:
        out.print(f"  A full read is under way: {task.full_read}")
    if task.deletes_need_consent:
        out.print(f"  {task.deletes_need_consent} [deletes-need-consent]")
    if task.needs_all_data:
        out.print(
            "  Its template or project changed since all rows were last read: "
            f"'run {task.template} --all-data' brings all rows up to date"
        )
    for reason in task.reasons:
        out.print(f"  {reason.rows} {reason.outcome} [{reason.code}], for example {reason.row}:")
        out.print(f"    {reason.example}")


def print_rejected(rows: Iterable[RejectedRow]) -> None:
    """Print rejected rows as they come, a few lines each."""
    out = console()
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007  the last number is printed below
        out.print(f"{row.template}: {row.task}: {row.row} [{row.code}]")
        out.print(f"  {row.reason}")
        out.print(f"  key {row.key or 'none yet'}, since {row.since}, execution {row.execution_id}")
    out.print(f"{count} rejected rows")

"""Rejected rows: listed with the reason, and retried with their newest state in Sales.

Both go through the ledger once, row by row, however many rows are rejected.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from p2c.errors import P2cError, RetryLaterError
from p2c.mapping.task import TaskMapping
from p2c.model import Outcome, RowId
from p2c.sync.enumerate_changes import cut_into_messages
from p2c.sync.executions import Executions
from p2c.sync.ledger import Entry
from p2c.sync.messages import ROWS_PER_MESSAGE
from p2c.sync.runtime import Runtime

ROWS_AT_ONCE = 10 * ROWS_PER_MESSAGE
"""Rows that are held in memory; the ledger names them by partition, so messages are full."""


@dataclass(frozen=True)
class RejectedRow:
    """A rejected row as `rejected list --json` prints it."""

    template: str
    task: str
    row: RowId
    key: str
    code: str
    reason: str
    since: str
    execution_id: str


@dataclass(frozen=True)
class Choice:
    """Which rejected rows to retry: some, those of one code, or with neither all.

    Attributes:
        templates: Those in whose tasks the rows are rejected; () for all.
    """

    rows: tuple[RowId, ...] = ()
    code: str = ""
    templates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Retried:
    """What a retry came to.

    Attributes:
        execution: Counts the rows; "" when there was none to retry.
        queued: Template to task to rows queued.
        not_rejected: Of the rows that were named, those that are rejected in no task (any more).
    """

    execution: str = ""
    queued: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    not_rejected: tuple[RowId, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows were queued; one that is rejected in two tasks counts twice."""
        return sum(count for tasks in self.queued.values() for count in tasks.values())


def rejected_rows(
    runtime: Runtime, templates: Iterable[str] | None = None, *, code: str = ""
) -> Iterator[RejectedRow]:
    """Stream rejected rows in a stable order: by template, task, and the row's place in storage.

    Args:
        templates: Those wanted; None for all.
        code: The code they were rejected for; "" for any.
    """
    for name in runtime.templates if templates is None else templates:
        for task in runtime.template(name).tasks:
            for entry in runtime.ledger(task).entries(Outcome.REJECTED, code=code):
                yield _shown(task, entry)


def retry_rejected(
    runtime: Runtime, choice: Choice, *, trigger: str, execution: str = ""
) -> Retried:
    """Queue rejected rows once more; each is read anew, so an old failure brings no old data.

    A row that has come to something else meanwhile is not queued. A row that is queued twice is
    brought up to date twice, and the second time costs no write.

    Args:
        execution: Counts the rows; "" for one of its own, which begins with the first row.

    Raises:
        UnavailableError: Storage; what was queued before is retried all the same, and the
            execution says why it stopped.
    """
    executions = Executions(runtime)
    execution = execution or executions.new_id()
    templates = choice.templates or tuple(runtime.templates)
    queued: dict[str, dict[str, int]] = {}
    found: set[RowId] = set()
    with runtime.telemetry.span("retry", {"execution_id": execution}):
        try:
            for task, rows in _chosen(runtime, choice, templates):
                if not queued:
                    executions.start(execution, trigger, templates)
                counts = queued.setdefault(task.template, {})
                counts[task.task] = counts.get(task.task, 0) + len(rows)
                executions.update(execution, read={task.template: counts})
                for message in cut_into_messages(task, rows, execution):
                    runtime.send(message)
                found.update(rows if choice.rows else ())
            for name in templates:
                executions.update(execution, enumerated=name)
        except RetryLaterError as error:
            _note_stop(executions, execution, error)
            raise
    absent = tuple(row for row in dict.fromkeys(choice.rows) if row not in found)
    return Retried(execution if queued else "", queued, absent)


def _chosen(
    runtime: Runtime, choice: Choice, templates: Iterable[str]
) -> Iterator[tuple[TaskMapping, list[RowId]]]:
    """Yield the rows of each task, so many at once."""
    for name in templates:
        for task in runtime.template(name).tasks:
            rows = iter(_rows(runtime, task, choice))
            while part := list(islice(rows, ROWS_AT_ONCE)):
                yield task, part


def _rows(runtime: Runtime, task: TaskMapping, choice: Choice) -> Iterator[RowId]:
    ledger = runtime.ledger(task)
    if not choice.rows:
        for entry in ledger.entries(Outcome.REJECTED, code=choice.code):
            yield entry.row_id
        return
    wanted = iter(dict.fromkeys(choice.rows))
    while part := list(islice(wanted, ROWS_AT_ONCE)):
        for row, entry in ledger.read(part).items():
            if entry.outcome is Outcome.REJECTED:
                yield row


def _note_stop(executions: Executions, execution: str, error: P2cError) -> None:
    # It was begun, perhaps, before storage was out of reach; nobody else would end it.
    with contextlib.suppress(RetryLaterError):
        text = "The retry stopped before every row was queued. Start it again."
        executions.update(execution, error=text, error_code=error.code)


def _shown(task: TaskMapping, entry: Entry) -> RejectedRow:
    reason = entry.reason
    return RejectedRow(
        template=task.template,
        task=task.task,
        row=entry.row_id,
        key=entry.record,
        code=reason.code if reason else "",
        reason=reason.text if reason else "",
        since=entry.since.isoformat(timespec="seconds") if entry.since else "",
        execution_id=entry.execution,
    )

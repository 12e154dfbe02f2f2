"""Gathers what `status` shows: how far each task has read, what its rows came to, what waits.

Reads storage only; neither service is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from p2c.bootstrap import App
from p2c.mapping.task import TaskMapping
from p2c.model import Outcome
from p2c.sync.checkpoints import Checkpoint, Checkpoints
from p2c.sync.executions import ExecutionSummary
from p2c.sync.find_deleted import question
from p2c.sync.handle_message import unreadable_messages

RECENT = 5
UNDER_WAY = "under way"
"""Rows that are being worked on for the first time."""


@dataclass(frozen=True)
class ReasonCount:
    """How many rows of a task have a reason, with one of them as an example."""

    outcome: str
    code: str
    rows: int
    row: str
    example: str

    def as_json(self) -> dict[str, object]:
        """Return the form that ``--json`` prints."""
        return {
            "outcome": self.outcome,
            "code": self.code,
            "rows": self.rows,
            "example": {"row": self.row, "reason": self.example},
        }


@dataclass(frozen=True)
class TaskState:
    """Where a task stands.

    Attributes:
        polled_at: When Sales was last asked for changes; "" for never.
        full_read: What a full read under way has come to; "" when none is.
        deletes_need_consent: What the task asks before it reads on; "" when it asks nothing.
        needs_all_data: The template or an override changed since all rows were last read.
        rows: Outcome to rows.
    """

    template: str
    task: str
    polled_at: str
    full_read: str
    deletes_need_consent: str
    needs_all_data: bool
    rows: Mapping[str, int]
    reasons: tuple[ReasonCount, ...]

    def as_json(self) -> dict[str, object]:
        """Return the form that ``--json`` prints."""
        return {
            "template": self.template,
            "task": self.task,
            "polled_at": self.polled_at or None,
            "full_read": self.full_read or None,
            "deletes_need_consent": self.deletes_need_consent or None,
            "needs_all_data": self.needs_all_data,
            "rows": dict(self.rows),
            "reasons": [reason.as_json() for reason in self.reasons],
        }


@dataclass(frozen=True)
class State:
    """Where everything stands.

    Attributes:
        queues: Template to messages on its queue and on its poison queue.
        backoff: Service to until when it is left alone and since when it has not answered.
        unreadable: Messages that were set aside because nobody could read them.
    """

    tasks: tuple[TaskState, ...]
    queues: Mapping[str, tuple[int, int]]
    backoff: Mapping[str, tuple[str, str]]
    unreadable: int
    executions: tuple[ExecutionSummary, ...]

    def as_json(self) -> dict[str, object]:
        """Return the document that ``status --json`` prints."""
        return {
            "tasks": [task.as_json() for task in self.tasks],
            "queues": {
                template: {"messages": messages, "poison": poison}
                for template, (messages, poison) in self.queues.items()
            },
            "backoff": {
                service: {"until": until or None, "outage_since": since or None}
                for service, (until, since) in self.backoff.items()
            },
            "unreadable_messages": self.unreadable,
            "executions": [execution.as_json() for execution in self.executions],
        }


def read_state(app: App) -> State:
    """Gather the state of all templates.

    Raises:
        UnavailableError, ServiceRefusedError: Storage cannot be used.
    """
    checkpoints = Checkpoints(app.runtime.stores.state)
    tasks = tuple(
        _task_state(app, task, checkpoints.read(task))
        for template in app.templates
        for task in template.tasks
    )
    return State(
        tasks=tasks,
        queues={
            template.name: (
                app.queue(template.name).length(),
                app.poison_queue(template.name).length(),
            )
            for template in app.templates
        },
        backoff={
            service: (_text(backoff.until()), _text(backoff.outage_since()))
            for service, backoff in app.backoff.items()
        },
        unreadable=unreadable_messages(app.runtime),
        executions=tuple(app.executions.latest(RECENT)),
    )


def _task_state(app: App, task: TaskMapping, checkpoint: Checkpoint) -> TaskState:
    rows, reasons = _count(app, task)
    full, asked = checkpoint.full_read, question(task, checkpoint.comparison)
    known = checkpoint.mapping_fingerprint
    return TaskState(
        template=task.template,
        task=task.task,
        polled_at=_text(checkpoint.polled_at),
        full_read=f"{full.read} rows read for execution {full.execution}" if full else "",
        deletes_need_consent=asked.message if asked else "",
        needs_all_data=bool(known) and known != task.fingerprint,
        rows=rows,
        reasons=reasons,
    )


def _count(app: App, task: TaskMapping) -> tuple[dict[str, int], tuple[ReasonCount, ...]]:
    """Count a task's rows by outcome and by reason; memory grows with the reasons only."""
    rows: dict[str, int] = {outcome.value: 0 for outcome in Outcome}
    reasons: dict[tuple[str, str], tuple[int, str, str]] = {}
    for entry in app.runtime.ledger(task).entries():
        outcome = entry.outcome.value if entry.outcome else UNDER_WAY
        rows[outcome] = rows.get(outcome, 0) + 1
        if entry.reason:
            kind = (outcome, entry.reason.code)
            count, row, example = reasons.get(kind, (0, entry.row_id, entry.reason.text))
            reasons[kind] = (count + 1, row, example)
    counted = [
        ReasonCount(outcome, code, count, row, example)
        for (outcome, code), (count, row, example) in reasons.items()
    ]
    return rows, tuple(sorted(counted, key=lambda reason: (reason.outcome, -reason.rows)))


def _text(time: datetime | None) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}" if time else ""

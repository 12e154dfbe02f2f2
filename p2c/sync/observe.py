"""Gathers what only telemetry asks for: how fresh, how much waits, which executions have ended.

It costs requests to storage, so nothing is gathered when telemetry is off.
"""

import contextlib
from collections.abc import Callable
from datetime import datetime

from p2c.errors import MessageError
from p2c.model import Outcome
from p2c.sync.checkpoints import Checkpoints
from p2c.sync.executions import Executions, ExecutionSummary
from p2c.sync.messages import read_message
from p2c.sync.ports import Outbox
from p2c.sync.prerequisites import WaitingRows
from p2c.sync.runtime import Runtime
from p2c.telemetry.metrics import (
    EXECUTIONS,
    FRESHNESS,
    QUEUE_AGE,
    QUEUE_LENGTH,
    REJECTED,
    WAITING,
)

REJECTED_SECONDS = 3600.0
"""Rejected rows are counted once an hour: it goes through the whole ledger of the template."""
PEEKED = 32
"""Storage shows so many of the messages that are due, the first ones."""


class Observer:
    """Looks at templates for telemetry."""

    def __init__(self, runtime: Runtime, poison_queue_of: Callable[[str], Outbox]) -> None:
        self._runtime = runtime
        self._telemetry = runtime.telemetry
        self._poison_queue_of = poison_queue_of
        self._checkpoints = Checkpoints(runtime.stores.state)
        self._executions = Executions(runtime)
        self._waiting = WaitingRows(runtime)
        self._rejected_counted: dict[str, float] = {}

    def freshness(self, template: str) -> None:
        """Tell how long ago the changes of each task had been read to their end."""
        if not self._telemetry.on:
            return
        now = self._runtime.clock.now()
        for task in self._runtime.template(template).tasks:
            polled_at = self._checkpoints.read(task).polled_at
            if polled_at is not None:
                lag = max(0.0, (now - polled_at).total_seconds())
                names = {"template": template, "task": task.task}
                self._telemetry.record(FRESHNESS, lag, names)

    def backlog(self, template: str) -> None:
        """Tell what waits: messages, rows that wait for others, and rejected rows.

        Raises:
            RetryLaterError, ServiceRefusedError: Storage cannot be asked.
        """
        if not self._telemetry.on:
            return
        queues = {
            "work": self._runtime.queue_of(template),
            "poison": self._poison_queue_of(template),
        }
        for name, queue in queues.items():
            place = {"template": template, "queue": name}
            self._telemetry.record(QUEUE_LENGTH, queue.length(), place)
            self._telemetry.record(QUEUE_AGE, self._age(queue), place)
        names = {"template": template}
        self._telemetry.record(WAITING, self._waiting.count(template), names)
        monotonic = self._runtime.clock.monotonic()
        counted = self._rejected_counted.get(template)
        if counted is None or monotonic - counted >= REJECTED_SECONDS:
            self._rejected_counted[template] = monotonic
            self._telemetry.record(REJECTED, self._rejected(template), names)

    def ended(self, template: str) -> list[ExecutionSummary]:
        """Tell of a template's executions that have ended since this was asked last."""
        if not self._telemetry.on:
            return []
        ended = self._executions.take_ended(template)
        for summary in ended:
            self._tell_summary(summary)
        return ended

    def ended_now(self, execution: str) -> None:
        """Tell of an execution if it has ended, so that no timer need notice it."""
        if self._telemetry.on and (summary := self._executions.take_if_ended(execution)):
            self._tell_summary(summary)

    def nothing_changed(self, template: str) -> None:
        """Tell of an execution that is not recorded, since it found nothing to do."""
        self._tell_ended(template, "Completed")

    def _tell_summary(self, summary: ExecutionSummary) -> None:
        execution = summary.execution
        of_run = execution.trigger == "run"
        for template in execution.templates if of_run else execution.templates[:1]:
            self._tell_ended(template, summary.status)

    def _tell_ended(self, template: str, status: str) -> None:
        self._telemetry.record(EXECUTIONS, 1, {"template": template, "status": status})

    def _age(self, queue: Outbox) -> float:
        """Return for how long the oldest message that is due has been; 0 for none."""
        now = self._runtime.clock.now()
        ages = [0.0]
        for text in queue.peek(PEEKED):
            with contextlib.suppress(MessageError, ValueError, TypeError):
                due = read_message(text).due
                if due:
                    ages.append((now - datetime.fromisoformat(due)).total_seconds())
        return max(ages)

    def _rejected(self, template: str) -> int:
        runtime = self._runtime
        return sum(
            1
            for task in runtime.template(template).tasks
            for _ in runtime.ledger(task).entries(Outcome.REJECTED)
        )

"""Executions in Data Integrator's words: what was read, what it came to, Completed or not.

An execution is a document; its counts are the tallies that the ledger writes in the same
transactions as the outcomes, so a crash can neither lose nor double a row's count.
"""

import json
import random
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from p2c.errors import RequestError
from p2c.mapping.task import TaskMapping
from p2c.model import Outcome
from p2c.sync.ports import Document, Scalar
from p2c.sync.runtime import Runtime

KEPT_DAYS = 45
RUNNING = "Running"
TAKEN_AT_ONCE = 20
"""Adding up one execution reads sixteen partitions for each of its tasks, and an outage may leave
hundreds that run."""
_CLEANED = "cleaned"
_STATE = "executions"


@dataclass(frozen=True)
class Execution:
    """One execution of templates.

    Attributes:
        execution_id: ``<UTC time>-<random>``, so that ids sort by time.
        trigger: ``timer``, ``resync``, ``retry`` or ``run``.
        read: Template to task to rows enumerated.
        enumerated: Templates whose rows have all been queued.
        error: Why enumeration stopped; "" when it did not.
    """

    execution_id: str
    trigger: str
    templates: tuple[str, ...]
    started_at: datetime
    read: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    enumerated: frozenset[str] = frozenset()
    error: str = ""
    error_code: str = ""


@dataclass(frozen=True)
class ExecutionSummary:
    """An execution with what its rows came to."""

    execution: Execution
    status: str
    counts: Mapping[str, Mapping[str, Mapping[Outcome, int]]]

    def as_json(self) -> dict[str, object]:
        """Return the form that the HTTP function and the commands print."""
        execution = self.execution
        found: dict[str, object] = {
            "execution_id": execution.execution_id,
            "trigger": execution.trigger,
            "status": self.status,
            "started_at": execution.started_at.isoformat(timespec="seconds"),
            "templates": {
                template: {"tasks": {task: counts_as_json(found) for task, found in tasks.items()}}
                for template, tasks in self.counts.items()
            },
        }
        if execution.error:
            found["error"] = {"code": execution.error_code, "message": execution.error}
        return found


def new_execution_id(now: datetime) -> str:
    """Return an id for an execution that starts now."""
    return f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def counts_as_json(counts: Mapping[Outcome, int]) -> dict[str, int]:
    """Return counts by outcome with their sum as ``read``."""
    return {
        "read": sum(counts.values()),
        **{outcome.value: counts.get(outcome, 0) for outcome in Outcome},
    }


def status_of(counts: Iterable[Mapping[Outcome, int]], *, error: bool) -> str:
    """Return Completed, Warning or Error for what rows came to."""
    found = list(counts)
    rejected = sum(count.get(Outcome.REJECTED, 0) for count in found)
    read = sum(sum(count.values()) for count in found)
    if error or (rejected and rejected == read):
        return "Error"
    return "Warning" if rejected else "Completed"


class Executions:
    """The executions of the last 45 days."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._documents = runtime.stores.executions

    def new_id(self) -> str:
        """Return an id for a new execution."""
        return new_execution_id(self._runtime.clock.now())

    def start(self, execution_id: str, trigger: str, templates: Sequence[str]) -> None:
        """Record that an execution has begun; a second call changes nothing."""
        partition = _day(execution_id)
        if self._documents.get(partition, execution_id):
            return
        body: dict[str, Scalar] = {
            "trigger": trigger,
            "templates": json.dumps(list(templates)),
            "started_at": self._runtime.clock.now().isoformat(),
            "told": False,
        }
        self._documents.put(partition, execution_id, body, None)

    def update(
        self,
        execution_id: str,
        *,
        read: Mapping[str, Mapping[str, int]] | None = None,
        enumerated: str | None = None,
        error: str | None = None,
        error_code: str = "",
    ) -> None:
        """Record how far an execution has come.

        Args:
            read: Template to task to rows named so far.
            enumerated: A template whose rows have all been queued.
            error: Why the execution stopped; "" once that has been mended.
        """

        def apply(body: dict[str, Scalar]) -> None:
            if read is not None:
                known = json.loads(str(body.get("read", "{}")))
                for template, tasks in read.items():
                    known.setdefault(template, {}).update(tasks)
                body["read"] = json.dumps(known)
            if enumerated is not None:
                done = {*json.loads(str(body.get("enumerated", "[]"))), enumerated}
                body["enumerated"] = json.dumps(sorted(done))
            if error is not None:
                body["error"] = error
                body["error_code"] = error_code

        self._change(execution_id, apply)

    def expect(self, execution_id: str, task: TaskMapping, rows: int) -> None:
        """Record that an execution counts at least so many rows of a task, beside its own.

        For rows that were found because of others: the same row may be found again, so numbers
        are not added up. The task's template becomes one of the execution's.
        """

        def include(body: dict[str, Scalar]) -> None:
            templates = json.loads(str(body["templates"]))
            if task.template not in templates:
                body["templates"] = json.dumps([*templates, task.template])
                enumerated = json.loads(str(body.get("enumerated", "[]")))
                body["enumerated"] = json.dumps(sorted({*enumerated, task.template}))
            known = json.loads(str(body.get("read", "{}")))
            tasks = known.setdefault(task.template, {})
            tasks[task.task] = max(rows, tasks.get(task.task, 0))
            body["read"] = json.dumps(known)

        self._change(execution_id, include)

    def summary(self, execution_id: str) -> ExecutionSummary:
        """Return an execution with its counts and status.

        Raises:
            RequestError: There is no such execution.
        """
        document = self._documents.get(_day(execution_id), execution_id)
        if document is None:
            raise RequestError(
                f"There is no execution '{execution_id}'. Executions are kept {KEPT_DAYS} days; "
                "GET /api/executions lists them.",
                code="execution-unknown",
            )
        return self._summarize(_decode(document))

    def latest(self, limit: int) -> list[ExecutionSummary]:
        """Return the newest executions, newest first."""
        found: list[ExecutionSummary] = []
        day = self._runtime.clock.now()
        for _ in range(KEPT_DAYS + 1):
            documents = list(self._documents.scan(f"{day:%Y%m%d}"))
            for document in reversed(documents):
                found.append(self._summarize(_decode(document)))
                if len(found) == limit:
                    return found
            day -= timedelta(days=1)
        return found

    def take_ended(self, template: str) -> list[ExecutionSummary]:
        """Return a template's executions that have ended and were not taken before, oldest first.

        Those of the last two days; an execution of several templates is its first one's. Each is
        returned once, whoever asks. At most `TAKEN_AT_ONCE` are looked at, drawn by lot so that
        those that still run keep none from being found.
        """
        now = self._runtime.clock.now()
        open_ones = [
            document
            for day in (now - timedelta(days=1), now)
            for document in self._documents.scan(f"{day:%Y%m%d}", equals={"told": False})
            if _decode(document).templates[0] == template
        ]
        drawn = random.sample(open_ones, min(len(open_ones), TAKEN_AT_ONCE))
        taken = (self._take(document) for document in sorted(drawn, key=lambda one: one.name))
        return [summary for summary in taken if summary]

    def take_if_ended(self, execution_id: str) -> ExecutionSummary | None:
        """Return an execution if it has ended and was not taken before, by `take_ended` neither."""
        document = self._documents.get(_day(execution_id), execution_id)
        return self._take(document) if document and not document.body.get("told") else None

    def _take(self, document: Document) -> ExecutionSummary | None:
        """Mark an execution as taken if it has ended; who is first to mark it has it."""
        summary = self._summarize(_decode(document))
        if summary.status == RUNNING:
            return None
        body: dict[str, Scalar] = {**document.body, "told": True}
        marked = self._documents.put(document.partition, document.name, body, document.version)
        return summary if marked else None

    def counts(
        self, execution_id: str, templates: Iterable[str] | None = None
    ) -> dict[str, dict[str, dict[Outcome, int]]]:
        """Add up what an execution's rows came to, by template and task.

        Args:
            templates: Those to count, all by default; names not known here are left out.
        """
        known = self._runtime.templates
        return {
            name: {
                task.task: self._runtime.ledger(task).tally(execution_id)
                for task in known[name].tasks
            }
            for name in (templates or known)
            if name in known
        }

    def forget_old(self) -> None:
        """Remove executions and tallies older than 45 days; once a day is enough."""
        today = self._runtime.clock.now()
        state = self._runtime.stores.state
        known = state.get(_STATE, _CLEANED)
        if known and known.body.get("day") == f"{today:%Y%m%d}":
            return
        for age in range(KEPT_DAYS + 1, KEPT_DAYS + 8):
            day = f"{today - timedelta(days=age):%Y%m%d}"
            for document in list(self._documents.scan(day)):
                for template in self._runtime.templates.values():
                    for task in template.tasks:
                        self._runtime.ledger(task).forget_tally(document.name)
                self._documents.delete(day, document.name)
        body: dict[str, Scalar] = {"day": f"{today:%Y%m%d}"}
        state.put(_STATE, _CLEANED, body, known.version if known else None)

    def _change(self, execution_id: str, change: Callable[[dict[str, Scalar]], None]) -> None:
        """Change an execution's document; one that is no longer kept is left out."""
        for _ in range(5):
            document = self._documents.get(_day(execution_id), execution_id)
            if document is None:
                return
            body = dict(document.body)
            change(body)
            if self._documents.put(document.partition, execution_id, body, document.version):
                return

    def _summarize(self, execution: Execution) -> ExecutionSummary:
        counts = self.counts(execution.execution_id, execution.templates)
        return ExecutionSummary(execution, self._status(execution, counts), counts)

    @staticmethod
    def _status(
        execution: Execution, counts: Mapping[str, Mapping[str, Mapping[Outcome, int]]]
    ) -> str:
        if execution.error:
            return "Error"
        for template, tasks in execution.read.items():
            for task, read in tasks.items():
                if sum(counts.get(template, {}).get(task, {}).values()) < read:
                    return RUNNING
        if not execution.enumerated.issuperset(execution.templates):
            return RUNNING
        return status_of(
            (count for tasks in counts.values() for count in tasks.values()), error=False
        )


def _day(execution_id: str) -> str:
    return execution_id[:8]


def _decode(document: Document) -> Execution:
    body = document.body
    return Execution(
        execution_id=document.name,
        trigger=str(body["trigger"]),
        templates=tuple(json.loads(str(body["templates"]))),
        started_at=datetime.fromisoformat(str(body["started_at"])).astimezone(UTC),
        read=json.loads(str(body.get("read", "{}"))),
        enumerated=frozenset(json.loads(str(body.get("enumerated", "[]")))),
        error=str(body.get("error", "")),
        error_code=str(body.get("error_code", "")),
    )

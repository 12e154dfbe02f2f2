"""Says what a run would write, field by field, by letting it happen where nothing comes of it.

The use cases of a run are carried out on the ports of `p2c.sync.what_if`: what they would send to
F&O is told instead, with the values that F&O holds now, and nothing is stored. So a plan obeys
every rule that a run obeys, because there is only one of each.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

from p2c.errors import ConsentError, MessageError, P2cError, RequestError, UnavailableError
from p2c.mapping.task import TaskMapping
from p2c.model import Create, Outcome, Reason, RowId
from p2c.sync.enumerate_changes import EnumerateChanges, Enumerated
from p2c.sync.executions import Executions
from p2c.sync.handle_message import MessageHandler
from p2c.sync.ledger import Entry
from p2c.sync.messages import (
    ROWS_PER_MESSAGE,
    Message,
    RowsMessage,
    put_together,
    read_message,
)
from p2c.sync.plan_result import IN_HAND, Action, PlannedRow, PlannedWrite, PlanResult
from p2c.sync.ports import Documents
from p2c.sync.prerequisites import WaitingRows
from p2c.sync.row_work import Work
from p2c.sync.runtime import Runtime, Stores
from p2c.sync.sync_rows import RowSync
from p2c.sync.what_if import (
    OneAtATime,
    Replaced,
    WhatIfDestination,
    WhatIfDocuments,
    WhatIfQueue,
)
from p2c.telemetry import SILENT

TRIGGER = "plan"

Tell = Callable[[PlannedRow], None]
_Place = tuple[str, str, RowId]
"""Template, task and row."""


class _EnoughError(Exception):
    """The plan has come to its limit."""


class RunPlanner:
    """Plans one run. For one thread and one use.

    Args:
        scratch: Gives empty documents for a name, which last as long as the plan.
        tell: Told each row as it is planned.
        most_rows: Rows looked at, at most.
        until: Monotonic time at which the plan is cut short.
    """

    def __init__(
        self,
        runtime: Runtime,
        scratch: Callable[[str], Documents],
        tell: Tell,
        *,
        most_rows: int | None = None,
        until: float | None = None,
    ) -> None:
        self._real = runtime
        self._tell = tell
        self._left = most_rows
        self._until = until
        self._queues: dict[str, WhatIfQueue] = {}
        self._destination = WhatIfDestination(runtime.destination, scratch("records"))
        self._execution = Executions(runtime).new_id()
        self._runtime = replace(
            runtime,
            stores=_what_if_stores(runtime.stores, scratch),
            destination=self._destination,
            queue_of=self._queue,
            owner=f"plan-{self._execution}",
            execution=self._execution,
            telemetry=SILENT,  # What would be is no news; requests are told by those who send them.
            _ledgers={},
        )
        self._row_sync = RowSync(self._runtime, lambda _held: nullcontext(), OneAtATime())
        self._handler = MessageHandler(self._runtime, self._row_sync)
        self._enumerate = EnumerateChanges(self._runtime)
        self._waiting = WaitingRows(self._runtime)
        self._in_hand: Counter[tuple[str, str]] = Counter()
        self._postponed: dict[_Place, tuple[RowsMessage, Work]] = {}
        self._reasons: dict[str, dict[str, Counter[str]]] = {}
        self._writes: dict[Action, int] = {"create": 0, "update": 0, "retire": 0}
        self._unreadable = 0
        self._asked: dict[str, None] = {}

    def plan(
        self,
        templates: Sequence[str],
        *,
        all_data: bool = False,
        rows: Sequence[RowId] = (),
        force: bool = False,
        accept_deletes: bool = False,
    ) -> PlanResult:
        """Tell what `run` with the same words would write, or `resync` for chosen rows.

        Args:
            templates: In the order they run, prerequisites first.
            rows: Only these, of each template.
            force: Compare with what F&O holds, not with what was last written.
            accept_deletes: Consent to what each of the templates asks, for the plan alone.

        Raises:
            RequestError: There is nothing to consent to.
            RetryLaterError: A service or storage cannot be asked now.
            StopError: A service refuses.
        """
        for template in templates if accept_deletes else ():
            self._enumerate.accept_deletes(template)
        cut_short = ""
        try:
            for template in templates:
                if rows:
                    self._plan_rows(template, rows, force=force)
                else:
                    self._plan_template(template, all_data=all_data or force, force=force)
            # Rows that waited may have been woken by a later template.
            for template in templates:
                self._drain_to_the_end(template)
        except _EnoughError as enough:
            cut_short = str(enough)
        for message, work in self._postponed.values():
            self._tell_work(message, work, {})
        return self._result(templates, cut_short)

    def _plan_template(self, template: str, *, all_data: bool, force: bool) -> None:
        """Do what a run does for a template, in its order."""
        self._queue(template).look()
        self._drain(template)
        for task in self._runtime.template(template).tasks if self._queue(template).cut else ():
            self._plan_open(task)
        self._waiting.sweep(template)
        self._drain(template)
        result = self._enumerate.enumerate_template(
            template,
            self._execution,
            trigger=TRIGGER,
            all_data=all_data,
            force=force,
            until=self._until,
            progress=lambda task, _rows: self._drain(task.template),
        )
        self._note_stops(result)
        if result.unfinished:
            raise _EnoughError("time")
        self._drain_to_the_end(template)
        self._note_stops(self._enumerate.find_deleted(template, self._execution, trigger=TRIGGER))
        self._drain_to_the_end(template)

    def _note_stops(self, result: Enumerated) -> None:
        for error in result.stopped.values():
            if not isinstance(error, ConsentError):
                raise error
            # A run would ask, too, and go on with other templates.
            self._asked[error.message] = None

    def _plan_rows(self, template: str, rows: Sequence[RowId], *, force: bool) -> None:
        self._enumerate.enumerate_rows(
            template, rows, self._execution, trigger=TRIGGER, force=force
        )
        self._drain_to_the_end(template)

    def _plan_open(self, task: TaskMapping) -> None:
        """Look at the rows whose messages may be behind those that Storage shows."""
        now = self._runtime.clock.now()

        def is_due(entry: Entry) -> bool:
            if entry.claim:
                return entry.claim.deadline <= now
            return entry.unsettled_until is not None and entry.unsettled_until <= now

        due = (entry.row_id for entry in self._runtime.ledger(task).open_entries() if is_due(entry))
        for row in due:
            message = RowsMessage(
                template=task.template,
                task=task.task,
                execution=self._execution,
                rows=(row,),
                verify=True,
            )
            self._queue(task.template).send(message.model_dump_json())
            if self._queue(task.template).length() >= ROWS_PER_MESSAGE:
                self._drain(task.template)

    def _drain(self, template: str) -> None:
        """Handle the messages that are there, and those that come of it."""
        while texts := self._queue(template).take():
            for message in put_together(self._readable(texts)):
                self._handle(message)

    def _drain_to_the_end(self, template: str) -> None:
        """Look again at rows that are in the way of each other, as long as that helps.

        A run waits some seconds for such rows, say for one that gives up a number.
        """
        self._drain(template)
        before: set[_Place] = set()
        while (places := {place for place in self._postponed if place[0] == template}) != before:
            before = places
            again = [self._postponed.pop(place)[0] for place in sorted(places)]
            if self._left is not None:
                self._left += len(again)
            for message in again:
                # Each alone, as in a run: together, rows that swap numbers hinder each other.
                self._handle(message)
            self._drain(template)

    def _readable(self, texts: Iterable[str]) -> Iterator[Message]:
        for text in texts:
            try:
                message = read_message(text)
                self._runtime.template(message.template)
                if isinstance(message, RowsMessage):
                    self._runtime.task(message.template, message.task)
            except (MessageError, RequestError):
                self._unreadable += 1
            else:
                yield message

    def _handle(self, message: Message) -> None:
        """Handle a message as a run would, and tell what its rows come to.

        Raises:
            _EnoughError: The plan has come to its limit.
            P2cError: A service cannot be asked.
        """
        if self._until is not None and self._runtime.clock.monotonic() >= self._until:
            raise _EnoughError("time")
        if self._left == 0:
            raise _EnoughError("limit")
        more = 0
        if isinstance(message, RowsMessage) and self._left is not None:
            more = len(message.rows) - self._left
            message = message.model_copy(update={"rows": message.rows[: self._left]})
            self._left -= len(message.rows)
        self._check_backoff()
        report = self._handler.handle(message.model_dump_json())
        error: P2cError | None = report.unavailable or report.refused
        if error:
            raise error
        if isinstance(message, RowsMessage):
            self._tell_rows(message, report.works)
        if more > 0:
            raise _EnoughError("limit")

    def _check_backoff(self) -> None:
        for service, backoff in self._row_sync.backoff.items():
            until = backoff.until()
            if until:
                raise UnavailableError(
                    f"{service} is left alone until {until:%H:%M:%S} UTC. Plan again then.",
                    service=service,
                )

    def _tell_rows(self, message: RowsMessage, works: Sequence[Work]) -> None:
        replaced = self._destination.take_replaced()
        for work in works:
            place = (message.template, message.task, work.row_id)
            self._postponed.pop(place, None)
            if work.retry_in_seconds is not None and not work.confirmed:
                alone = message.model_copy(update={"rows": (work.row_id,)})
                self._postponed[place] = (alone, work)
            else:
                self._tell_work(message, work, replaced)
        known = {work.row_id for work in works}
        for row in message.rows:
            if row not in known:
                self._in_hand[message.template, message.task] += 1
                self._note(message, row, "", Outcome.WAITING, IN_HAND, ())

    def _tell_work(
        self, message: RowsMessage, work: Work, replaced: Mapping[int, Replaced]
    ) -> None:
        assert work.outcome is not None
        writes = tuple(_write(work, replaced[id(found)]) for found in work.confirmed)
        self._note(message, work.row_id, str(work.key or ""), work.outcome, work.reason, writes)

    def _note(
        self,
        message: RowsMessage,
        row: RowId,
        key: str,
        outcome: Outcome,
        reason: Reason | None,
        writes: tuple[PlannedWrite, ...],
    ) -> None:
        for write in writes:
            self._writes[write.action] += 1
        if reason:
            tasks = self._reasons.setdefault(message.template, {})
            tasks.setdefault(message.task, Counter())[reason.code] += 1
        self._tell(PlannedRow(message.template, message.task, row, key, outcome, reason, writes))

    def _queue(self, template: str) -> WhatIfQueue:
        if template not in self._queues:
            self._queues[template] = WhatIfQueue(self._real.queue_of(template))
        return self._queues[template]

    def _result(self, templates: Sequence[str], cut_short: str) -> PlanResult:
        counts = Executions(self._runtime).counts(self._execution, templates)
        for (template, task), rows in self._in_hand.items():
            counts[template][task][Outcome.WAITING] += rows
        return PlanResult(
            counts=counts,
            reasons=self._reasons,
            writes=self._writes,
            unseen={name: queue.unseen for name, queue in self._queues.items() if queue.unseen},
            elsewhere={
                name: rows
                for name in self._queues
                if name not in templates and (rows := self._rows_queued(name))
            },
            unreadable=self._unreadable,
            asked=tuple(self._asked),
            cut_short=cut_short,
        )

    def _rows_queued(self, template: str) -> int:
        messages = self._readable(self._queue(template).take())
        return sum(len(message.rows) for message in messages)


def _what_if_stores(real: Stores, scratch: Callable[[str], Documents]) -> Stores:
    return Stores(
        ledger=WhatIfDocuments(real.ledger, scratch("ledger")),
        waiting=WhatIfDocuments(real.waiting, scratch("waiting")),
        state=WhatIfDocuments(real.state, scratch("state")),
        executions=WhatIfDocuments(real.executions, scratch("executions")),
    )


def _write(work: Work, replaced: Replaced) -> PlannedWrite:
    operation = replaced.operation
    current = work.mapped.key.identity if work.mapped else None
    action: Action = "update"
    if isinstance(operation, Create):
        action = "create"
    elif operation.key.identity != current:
        action = "retire"
    fields = {name: (replaced.old[name], new) for name, new in operation.values.items()}
    return PlannedWrite(action, operation.key, fields)

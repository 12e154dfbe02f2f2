"""Puts the names of changed rows on a template's queue. The timer function's use case.

A link is saved only when all it yielded is on the queue, so a crash repeats a page and loses none.
A full read takes two passes: the first only fetches a delta link, the second names every row.
What changes during the second pass is in that link's answer; what changed during the first is read
by the second. (Whether one pass alone covers changes to its own early pages is not documented.)
What was deleted before, without the old link's telling, `p2c.sync.find_deleted` finds afterwards.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from p2c.errors import (
    ConsentError,
    DeltaLinkExpiredError,
    P2cError,
    RetryLaterError,
    ServiceRefusedError,
    ThrottledError,
    UnavailableError,
)
from p2c.mapping.task import TaskMapping
from p2c.model import RowId
from p2c.sync.backoff import Backoff
from p2c.sync.checkpoints import Checkpoint, Checkpoints, Comparison, FullRead
from p2c.sync.executions import Executions
from p2c.sync.find_deleted import FindDeleted, question
from p2c.sync.ledger import bucket_of
from p2c.sync.messages import ROWS_PER_MESSAGE, EnumerateMessage, RowsMessage
from p2c.sync.runtime import Runtime

Progress = Callable[[TaskMapping, int], None]
"""Told the task and how many rows have been named so far."""


@dataclass
class Enumerated:
    """What an enumeration came to.

    Attributes:
        read: Task to rows named.
        unfinished: Tasks whose full read goes on another time.
        stopped: Error that ended it early, by task.
    """

    read: dict[str, int] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)
    stopped: dict[str, P2cError] = field(default_factory=dict)


class EnumerateChanges:
    """Enumerates the tasks of a template."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._checkpoints = Checkpoints(runtime.stores.state)
        self._executions = Executions(runtime)
        self._find_deleted = FindDeleted(runtime)
        self._backoff = Backoff(runtime.stores.state, runtime.clock, "dataverse", runtime.telemetry)

    def enumerate_template(
        self,
        template: str,
        execution: str,
        *,
        trigger: str,
        all_data: bool = False,
        force: bool = False,
        until: float | None = None,
        progress: Progress | None = None,
    ) -> Enumerated:
        """Queue what changed since the last time, or every row, of each task in order.

        Args:
            until: Monotonic time at which a long full read is left for the next time.
            progress: Told the task and the rows named after each page.
        """
        work = _Work(execution, trigger, force, until, progress or (lambda _task, _read: None))
        if all_data and not self._backoff.until():
            self._executions.start(execution, trigger, [template])
        result = self._each_task(
            template, work, lambda task: self._enumerate_task(task, work, all_data=all_data)
        )
        if not result.stopped and not result.unfinished:
            # A request that came again after somebody mended what had stopped it has no error left.
            self._executions.update(execution, enumerated=template, error="")
        return result

    def find_deleted(
        self, template: str, execution: str, *, trigger: str, progress: Progress | None = None
    ) -> Enumerated:
        """Queue the rows that are found deleted now that a full read has been worked off."""
        work = _Work(execution, trigger, False, None, progress or (lambda _task, _read: None))

        def find(task: TaskMapping) -> bool:
            checkpoint = self._checkpoints.read(task)
            self._compare(task, checkpoint, work, at_once=True)
            return True

        return self._each_task(template, work, find)

    def accept_deletes(self, template: str) -> None:
        """Consent to what the template's tasks ask; the next enumeration acts on it.

        Raises:
            RequestError: None of them asks.
        """
        self._find_deleted.accept(self._runtime.template(template))

    def enumerate_rows(
        self, template: str, rows: Sequence[RowId], execution: str, *, trigger: str, force: bool
    ) -> Enumerated:
        """Queue chosen rows for every task of a template."""
        result = Enumerated()
        self._executions.start(execution, trigger, [template])
        for task in self._runtime.template(template).tasks:
            self._queue(task, tuple(dict.fromkeys(rows)), execution, force=force, generation=0)
            result.read[task.task] = len(set(rows))
        self._executions.update(execution, read={template: result.read}, enumerated=template)
        return result

    def request(self, message: EnumerateMessage, *, trigger: str) -> None:
        """Record an execution and queue the request to enumerate for it."""
        names = {"template": message.template, "execution_id": message.execution}
        with self._runtime.telemetry.span(f"{trigger} {message.template}", names):
            self._executions.start(message.execution, trigger, [message.template])
            self._runtime.send(message)

    def _each_task(
        self, template: str, work: "_Work", step: Callable[[TaskMapping], bool]
    ) -> Enumerated:
        """Take a step with each task in order, up to one that is stopped."""
        result = Enumerated()
        tasks = self._runtime.template(template).tasks
        closed = self._backoff.until()
        if closed:
            error = UnavailableError(
                f"Dataverse is left alone until {closed:%H:%M:%S} UTC.", service="dataverse"
            )
            result.stopped = dict.fromkeys((task.task for task in tasks), error)
            return result
        for task in tasks:
            work.read = 0
            names = {"template": template, "task": task.task, "execution_id": work.execution}
            try:
                with self._runtime.telemetry.span(f"enumerate {template}", names) as span:
                    finished = step(task)
                    span.set({"rows": work.read, "finished": finished})
            except (RetryLaterError, ServiceRefusedError, ConsentError) as error:
                result.stopped[task.task] = error
                self._note_stop(work.execution, work.trigger, task, error)
                break
            result.read[task.task] = work.read
            if not finished:
                result.unfinished.append(task.task)
        return result

    def _enumerate_task(self, task: TaskMapping, work: "_Work", *, all_data: bool) -> bool:
        """Enumerate one task; False when a full read is left unfinished."""
        checkpoint: Checkpoint | None = self._checkpoints.read(task)
        assert checkpoint is not None
        full_read = _needs_full_read(task, checkpoint, work.execution, all_data=all_data)
        if full_read and (all_data or not question(task, checkpoint.comparison)):
            checkpoint = self._begin_full_read(checkpoint, work)
        else:
            checkpoint = self._compare(task, checkpoint, work, at_once=False)
            if checkpoint is None:
                return True  # Somebody else is at it.
        if not checkpoint.full_read:
            try:
                return self._follow(task, checkpoint, work)
            except DeltaLinkExpiredError:
                checkpoint = self._begin_full_read(replace(checkpoint, delta_link=""), work)
        return self._read_everything(task, checkpoint, work)

    def _begin_full_read(self, checkpoint: Checkpoint, work: "_Work") -> Checkpoint:
        generation = checkpoint.generation + 1
        full = FullRead(work.execution, generation, "token", force=work.force)
        return replace(checkpoint, generation=generation, full_read=full, comparison=None)

    def _compare(
        self, task: TaskMapping, checkpoint: Checkpoint, work: "_Work", *, at_once: bool
    ) -> Checkpoint | None:
        """Go on with a comparison that is due; None when somebody else does.

        Raises:
            ConsentError: It asks.
        """
        if checkpoint.comparison is None:
            return checkpoint

        def queue(rows: Sequence[RowId]) -> None:
            self._name_rows(task, rows, work, work.execution, force=False, generation=0)

        return self._find_deleted.proceed(
            task, checkpoint, queue, at_once=at_once, until=work.until
        )

    def _follow(self, task: TaskMapping, checkpoint: Checkpoint, work: "_Work") -> bool:
        """Queue what a delta link yields, page by page, and save the next delta link last."""
        link: str | None = checkpoint.delta_link
        while link:
            page = self._runtime.source.changes(task.query, link, tracked=True)
            rows = (*page.changed, *page.deleted)
            self._name_rows(task, rows, work, work.execution, force=work.force, generation=0)
            link = page.next_link
            if page.delta_link:
                saved = replace(
                    checkpoint, delta_link=page.delta_link, polled_at=self._runtime.clock.now()
                )
                self._checkpoints.save(task, saved)
        self._backoff.answered()
        return True

    def _read_everything(self, task: TaskMapping, checkpoint: Checkpoint, work: "_Work") -> bool:
        """Go on with a full read; restart it when its links have expired."""
        try:
            return self._continue_full_read(task, checkpoint, work)
        except DeltaLinkExpiredError:
            known = self._checkpoints.read(task)
            begun = self._begin_full_read(replace(checkpoint, version=known.version), work)
            return self._continue_full_read(task, begun, work)

    def _continue_full_read(self, task: TaskMapping, checkpoint: Checkpoint, work: "_Work") -> bool:
        full = checkpoint.full_read
        while full:
            if work.until is not None and self._runtime.clock.monotonic() >= work.until:
                return False
            if full.phase == "token":
                saved = replace(checkpoint, full_read=self._token_page(task, full))
            else:
                full = self._rows_page(task, full, work)
                saved = replace(checkpoint, full_read=full)
                if full.link is None:
                    saved = self._complete(task, checkpoint, full, work)
            version = self._checkpoints.save(task, saved)
            if version is None:
                return True  # Somebody else goes on with this read.
            checkpoint = replace(saved, version=version)
            full = checkpoint.full_read
        return True

    def _token_page(self, task: TaskMapping, full: FullRead) -> FullRead:
        page = self._runtime.source.changes(task.query, full.link, tracked=True)
        if page.next_link:
            return replace(full, link=page.next_link)
        return replace(full, phase="rows", link=None, delta_link=page.delta_link or "")

    def _rows_page(self, task: TaskMapping, full: FullRead, work: "_Work") -> FullRead:
        """Name a page's rows; the link is None after the last page."""
        page = self._runtime.source.changes(task.query, full.link, tracked=False)
        self._name_rows(
            task,
            page.changed,
            work,
            full.execution,
            force=full.force,
            generation=full.generation,
            read_before=full.read,
        )
        return replace(full, link=page.next_link, read=full.read + len(page.changed))

    def _complete(
        self, task: TaskMapping, checkpoint: Checkpoint, full: FullRead, work: "_Work"
    ) -> Checkpoint:
        self._backoff.answered()
        if full.execution != work.execution:
            self._executions.update(full.execution, enumerated=task.template)
        now = self._runtime.clock.now()
        comparison = Comparison(full.generation, full.execution, full.read, now.isoformat())
        return replace(
            checkpoint,
            full_read=None,
            # Before the first full read nothing was known that could be missing.
            comparison=comparison if full.generation > 1 else None,
            delta_link=full.delta_link,
            select_fingerprint=task.select_fingerprint,
            mapping_fingerprint=task.fingerprint,
            read_fully_by=full.execution,
            polled_at=now,
        )

    def _name_rows(
        self,
        task: TaskMapping,
        rows: Sequence[RowId],
        work: "_Work",
        execution: str,
        *,
        force: bool,
        generation: int,
        read_before: int | None = None,
    ) -> None:
        """Queue a page's rows and note how many have been named."""
        before = work.read if read_before is None else read_before
        if rows:
            if before == 0:
                self._executions.start(execution, work.trigger, [task.template])
            work.read = before + len(rows)
            self._executions.update(execution, read={task.template: {task.task: work.read}})
            self._queue(task, rows, execution, force=force, generation=generation)
        work.progress(task, work.read)

    def _queue(
        self,
        task: TaskMapping,
        rows: Sequence[RowId],
        execution: str,
        *,
        force: bool,
        generation: int,
    ) -> None:
        """Send messages that name the rows."""
        for message in cut_into_messages(task, rows, execution, force=force, generation=generation):
            self._runtime.send(message)

    def _note_stop(self, execution: str, trigger: str, task: TaskMapping, error: P2cError) -> None:
        if isinstance(error, RetryLaterError):
            if isinstance(error, ThrottledError):
                self._backoff.throttled(error.retry_after_seconds)
            elif error.service == "dataverse":
                self._backoff.unavailable(error.retry_after_seconds)
            return
        self._executions.start(execution, trigger, [task.template])
        self._executions.update(execution, error=error.log_text, error_code=error.code)


@dataclass
class _Work:
    """What an enumeration carries from page to page."""

    execution: str
    trigger: str
    force: bool
    until: float | None
    progress: Progress
    read: int = 0


def _needs_full_read(
    task: TaskMapping, checkpoint: Checkpoint, execution: str, *, all_data: bool
) -> bool:
    """Say whether a full read has to begin; one that is under way goes on by itself."""
    full = checkpoint.full_read
    if all_data and checkpoint.read_fully_by != execution:
        return full is None or full.execution != execution
    if full:
        return False
    return not checkpoint.delta_link or checkpoint.select_fingerprint != task.select_fingerprint


def cut_into_messages(
    task: TaskMapping,
    rows: Sequence[RowId],
    execution: str,
    *,
    force: bool = False,
    generation: int = 0,
) -> Iterator[RowsMessage]:
    """Cut rows into messages whose rows share a ledger partition, as few as possible."""
    buckets: dict[str, list[RowId]] = {}
    for row in rows:
        buckets.setdefault(bucket_of(row), []).append(row)
    for bucket in buckets.values():
        for part in _even_parts(bucket):
            yield RowsMessage(
                template=task.template,
                task=task.task,
                execution=execution,
                rows=part,
                force=force,
                generation=generation,
            )


def _even_parts(rows: list[RowId]) -> list[tuple[RowId, ...]]:
    """Cut rows into as few messages as possible, of about equal size."""
    count = -(-len(rows) // ROWS_PER_MESSAGE)
    size = -(-len(rows) // count)
    return [tuple(rows[start : start + size]) for start in range(0, len(rows), size)]

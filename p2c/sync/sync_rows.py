"""Bring rows up to date: claim, read, map, decide, write, record. The queue function's use case.

One message names up to 96 rows of one task. What each row comes to is independent of its
neighbours: rows that must wait go back to the queue alone, the others are done. The order of the
steps is what makes the promises hold; ``docs/guarantees.md`` gives the argument.
"""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from p2c.errors import RetryLaterError, ServiceRefusedError
from p2c.mapping.task import TaskMapping
from p2c.model import Outcome, RowId
from p2c.sync.backoff import Backoff
from p2c.sync.claims import (
    CONTENTION_SECONDS,
    Held,
    expired_claims,
    make_claim,
    take_over,
)
from p2c.sync.dependants import ChangedLookups
from p2c.sync.ledger import Change, Entry, Ledger, bucket_of
from p2c.sync.limiter import Slots
from p2c.sync.messages import RowsMessage
from p2c.sync.pace import BatchPace
from p2c.sync.prerequisites import WaitingRows
from p2c.sync.row_work import Work, settle_entry
from p2c.sync.runtime import Runtime
from p2c.sync.write_rows import RowWriter

LONGEST_DELAY_SECONDS = 6 * 24 * 3600.0
"""Storage hides a message for seven days at most; one that comes too early is put back again."""
FIRST_GENERATION = 1
"""A task's first full read; the rows that it names are new to the ledger."""

KeepAlive = Callable[[Held], contextlib.AbstractContextManager[object]]


@dataclass
class Report:
    """What processing a message came to, for the driver that waits or reports.

    Attributes:
        wait_until: When rows that were put back for a passing reason (claimed by another worker,
            throttled, an outage, an unknown answer) are due; None when there are none.
        unavailable: The last error of a service that had rows put back.
        refused: A service's refusal that a person has to look at.
        works: The rows that came to an outcome, with all that was found out and written.
    """

    wait_until: datetime | None = None
    unavailable: RetryLaterError | None = None
    refused: ServiceRefusedError | None = None
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    works: list[Work] = field(default_factory=list)

    def wait(self, until: datetime) -> None:
        """Note that something is due at a time."""
        if self.wait_until is None or until > self.wait_until:
            self.wait_until = until


class RowSync:
    """Processes messages that name rows. One instance serves all threads of a process."""

    def __init__(self, runtime: Runtime, keep_alive: KeepAlive, limiter: Slots) -> None:
        self._runtime = runtime
        self._keep_alive = keep_alive
        self._clock = runtime.clock
        self.backoff = {
            service: Backoff(runtime.stores.state, runtime.clock, service, runtime.telemetry)
            for service in ("dataverse", "fno")
        }
        self._waiting = WaitingRows(runtime)
        self._changed_lookups = ChangedLookups(runtime)
        self._writer = RowWriter(
            runtime,
            limiter,
            BatchPace(),
            self._waiting,
        )

    def process(self, message: RowsMessage) -> Report:
        """Bring a message's rows up to date; afterwards the message is done with.

        Everything that is not done is on the queue again before this returns.
        """
        report = Report()
        task = self._runtime.task(message.template, message.task)
        closed = [until for backoff in self.backoff.values() if (until := backoff.until())]
        if closed:
            self._send(message, max(closed))
            report.wait(max(closed))
            return report
        held = self.claim(task, message, report)
        if not held.entries:
            return report
        with self._keep_alive(held):
            try:
                self._bring_up_to_date(task, message, held, report)
                # Nothing should be left; were a row forgotten, it would come again.
                soon = self._clock.now() + timedelta(seconds=CONTENTION_SECONDS)
                self._put_back(message, held, soon, report)
            except RetryLaterError as error:
                if error.service not in self.backoff:
                    raise  # Storage: nothing can be recorded, the claims run out by themselves.
                report.unavailable = error
                self._put_back(message, held, self._writer.back_off(error, self.backoff), report)
            except ServiceRefusedError as error:
                if error.service not in self.backoff:
                    raise
                report.refused = error
                until = self.backoff[error.service].unavailable()
                self._put_back(message, held, until, report)
            except Exception:
                with contextlib.suppress(RetryLaterError):
                    self._let_go(message, held)
                raise
        return report

    def claim(self, task: TaskMapping, message: RowsMessage, report: Report) -> Held:
        """Claim the rows that are free; rows that are not are queued again, each alone.

        A row whose claim has run out is taken over: first a verification is queued for the time
        when nothing its last worker sent can act any more, then the claim is made.
        """
        now, monotonic = self._clock.now(), self._clock.monotonic()
        ledger = self._runtime.ledger(task)
        claimed = self._claim_unseen(ledger, message, now)
        taken_over: frozenset[RowId] = frozenset()
        if claimed is None:
            claimed, taken_over = self._claim_known(ledger, message, now, report)
        return Held(
            ledger=ledger,
            clock=self._clock,
            claim_seconds=self._runtime.claim_seconds,
            claimed_at=now,
            send_before=monotonic + self._runtime.send_seconds,
            lease_until=monotonic + self._runtime.claim_seconds,
            entries=claimed,
            taken_over=taken_over,
        )

    def _claim_unseen(
        self, ledger: Ledger, message: RowsMessage, now: datetime
    ) -> dict[RowId, Entry] | None:
        """Claim rows that the ledger is not likely to know, without reading it first.

        The claim is stored on condition that there is no entry, as it would be after reading that
        there is none. A task's first full read names rows that are new but for a few.

        Returns:
            The claimed entries; None when some row is known, or likely to be.
        """
        if message.generation != FIRST_GENERATION or message.verify or message.attempt:
            return None
        if len({bucket_of(row) for row in message.rows}) > 1:
            return None  # A plan puts small messages together.
        claimed = [self._claimed(Entry(row), now) for row in dict.fromkeys(message.rows)]
        versions = ledger.write_unseen(claimed)
        if versions is None:
            return None
        return {entry.row_id: replace(entry, version=versions[entry.row_id]) for entry in claimed}

    def _claim_known(
        self, ledger: Ledger, message: RowsMessage, now: datetime, report: Report
    ) -> tuple[dict[RowId, Entry], frozenset[RowId]]:
        """Claim rows by what the ledger knows; return the claimed ones and those taken over."""
        entries = ledger.read(message.rows)
        contended = now + timedelta(seconds=CONTENTION_SECONDS)
        # A thread of this process is likely to be done long before its claim ends.
        busy = {
            row: contended if entry.claim.owner == self._runtime.owner else entry.claim.deadline
            for row, entry in entries.items()
            if entry.claim and entry.claim.deadline > now
        }
        settle = timedelta(seconds=self._runtime.settle_seconds)
        taken_over = {
            entry.row_id: take_over(entry, settle)
            for entry in expired_claims(entries.values(), now)
        }
        self.queue_verifications(
            message,
            [entry for row, entry in taken_over.items() if not entries[row].unsettled_until],
        )
        claimed = [
            self._claimed(taken_over.get(row, entry), now)
            for row, entry in entries.items()
            if row not in busy
        ]
        versions = ledger.write([Change(entry) for entry in claimed])
        busy.update({row: contended for row, version in versions.items() if version is None})
        self.requeue_busy(message, busy, report)
        held = {
            entry.row_id: replace(entry, version=versions[entry.row_id])
            for entry in claimed
            if versions[entry.row_id] is not None
        }
        return held, frozenset(taken_over)

    def _claimed(self, entry: Entry, now: datetime) -> Entry:
        return make_claim(entry, self._runtime.owner, now, self._runtime.claim_seconds)

    def queue_verifications(
        self, message: RowsMessage, entries: Iterable[Entry], soonest: datetime | None = None
    ) -> None:
        """Queue a look at F&O for the time when each unsettled row can be settled."""
        by_time: dict[datetime, list[RowId]] = {}
        for entry in entries:
            if entry.unsettled_until:
                by_time.setdefault(entry.unsettled_until, []).append(entry.row_id)
        for until, rows in by_time.items():
            self._send(message, max(until, soonest or until), rows=rows, verify=True)

    def requeue_busy(
        self, message: RowsMessage, busy: dict[RowId, datetime], report: Report
    ) -> None:
        """Queue each row that another worker holds again, alone, for when it is free."""
        for row, until in busy.items():
            self._send(message, until, rows=[row])
            report.wait(until)

    def _bring_up_to_date(
        self, task: TaskMapping, message: RowsMessage, held: Held, report: Report
    ) -> None:
        rows = self._runtime.source.read(task.query, list(held.entries))
        self.backoff["dataverse"].answered()
        self._changed_lookups.follow(
            task,
            rows.values(),
            message.execution,
            unseen=message.generation == FIRST_GENERATION,
        )
        works = []
        for row_id, entry in held.entries.items():
            row = rows.get(row_id)
            taken_over = row_id in held.taken_over
            work = Work(row_id, entry, row=row, force=message.force, registered=taken_over)
            work.map_row(task)
            works.append(work)
        try:
            self._writer.write(
                task,
                works,
                held,
                self.backoff["fno"],
                execution=message.execution,
                attempt=message.attempt,
            )
        finally:
            # What has been decided or sent is recorded even when the rest has to wait.
            self._finish(task, message, held, works, report)

    def _finish(
        self,
        task: TaskMapping,
        message: RowsMessage,
        held: Held,
        works: list[Work],
        report: Report,
    ) -> None:
        done = [work for work in works if work.outcome and work.row_id in held.entries]
        report.works += done
        settle = timedelta(seconds=self._runtime.settle_seconds)
        now = self._clock.now()
        executions = (message.execution, self._runtime.execution)
        finished = {
            work.row_id: settle_entry(
                work, held.claimed_at + settle, now, executions, message.generation
            )
            for work in done
        }
        if not message.verify:  # A verification comes again by itself, further down.
            newly = [finished[work.row_id][0] for work in done if self._newly_unsettled(work)]
            self.queue_verifications(message, newly)
        self._requeue_passing(message, done, report)
        lost = held.finish(list(finished.values()))
        lost |= held.lost
        if lost:
            self._send(message, held.claimed_at + settle, rows=sorted(lost), verify=True)
            held.lost.clear()
        self._verify_again(message, [finished[row][0] for row in finished if row not in lost])
        self._wake(task, done)
        for row, (entry, _) in finished.items():
            if row not in lost and entry.outcome:
                report.outcomes[entry.outcome] = report.outcomes.get(entry.outcome, 0) + 1

    def _requeue_passing(self, message: RowsMessage, works: list[Work], report: Report) -> None:
        """Queue rows for another try: soon after an unknown answer, a clash or throttling,
        and when it is clear whose a number is.
        """
        now = self._clock.now()
        for work in works:
            if work.retry_in_seconds is None:
                continue
            until = now + timedelta(seconds=work.retry_in_seconds)
            closed = self.backoff["fno"].until()
            until = max(until, closed) if closed else until
            attempt = message.attempt + 1 if work.counts_as_attempt else message.attempt
            self._send(message, until, rows=[work.row_id], verify=False, attempt=attempt)
            if work.awaited:
                report.wait(until)

    @staticmethod
    def _newly_unsettled(work: Work) -> bool:
        """A row that was unsettled before has a verification, which comes until it is settled."""
        return work.unknown and work.entry.unsettled_until is None

    def _verify_again(self, message: RowsMessage, entries: list[Entry]) -> None:
        """A verification that came too early comes again: an unsettled row has a message."""
        if message.verify:
            soonest = self._clock.now() + timedelta(seconds=CONTENTION_SECONDS)
            self.queue_verifications(message, entries, soonest)

    def _wake(self, task: TaskMapping, works: list[Work]) -> None:
        applied = [work.row_id for work in works if work.done]
        if applied and self._is_prerequisite(task.template):
            self._waiting.wake(task.query.table, applied)
        for work in works:
            work.stop_waiting(self._waiting, task)

    def _is_prerequisite(self, template: str) -> bool:
        return any(
            template in candidate.prerequisites for candidate in self._runtime.templates.values()
        )

    def _put_back(self, message: RowsMessage, held: Held, until: datetime, report: Report) -> None:
        """Queue the rows that are still held and give them free; nothing was sent for them."""
        rows = list(held.entries)
        if not rows:
            return
        self._send(message, until, rows=rows)
        held.finish([(entry, {}) for entry in held.entries.values()])
        report.wait(until)

    def _let_go(self, message: RowsMessage, held: Held) -> None:
        """Give rows free after a failure nobody foresaw, as one who takes them over would.

        The message comes again; were the claims left to run out, its last try would leave one, and
        the row could not be recorded as rejected.
        """
        settle = timedelta(seconds=self._runtime.settle_seconds)
        entries = list(held.entries.values())
        left = [take_over(entry, settle) for entry in entries]
        settled = {entry.row_id for entry in entries if not entry.unsettled_until}
        self.queue_verifications(message, [found for found in left if found.row_id in settled])
        held.finish([(entry, {}) for entry in left])

    def _send(
        self,
        message: RowsMessage,
        until: datetime,
        *,
        rows: Sequence[RowId] | None = None,
        verify: bool | None = None,
        attempt: int | None = None,
    ) -> None:
        """Queue rows of a message for a time."""
        copy = message.model_copy(
            update={
                "rows": tuple(rows if rows is not None else message.rows),
                "verify": message.verify if verify is None else verify,
                "attempt": message.attempt if attempt is None else attempt,
            }
        )
        delay = (until - self._clock.now()).total_seconds()
        delay = max(0.0, min(delay, LONGEST_DELAY_SECONDS))
        self._runtime.send(copy, delay_seconds=delay)

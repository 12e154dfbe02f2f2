"""One row on its way through a message: what is known, what was decided, what it came to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from p2c.mapping.result import Mapped, NotMapped, Prerequisite
from p2c.mapping.task import TaskMapping
from p2c.model import Operation, Outcome, Reason, RecordKey, RowId, SourceRow
from p2c.sync.claims import count
from p2c.sync.decide import FnoRecord, Plan, deleted_reason
from p2c.sync.hashing import doubted
from p2c.sync.ledger import Entry, Tally
from p2c.sync.prerequisites import Waiter, WaitingRows

RETRY_UNKNOWN_SECONDS = 3.0
"""Wait before the newest value is written again after an unknown answer."""


@dataclass
class Work:
    """A claimed row while its message is processed.

    Attributes:
        entry: The ledger's entry as it was claimed.
        row: Its state in Sales, None when it is gone there.
        key: Key of the record it becomes or would become, None when it gives none.
        seen: Records that F&O was seen to hold for a row that is gone.
        must_look: Decide from what F&O holds, not from the ledger.
        looked_at: When the look at F&O began that the plan rests on.
        answer: F&O's clear answer to what was sent: ``done``, or a reason's code; "" for none.
        answered_at: When that came.
        done: Every operation of the plan was confirmed, or there was nothing to do.
        unknown: Something was sent whose answer is not known.
        begun: The last plan that F&O confirmed a part of, whatever becomes of the row.
        confirmed: Every operation that F&O confirmed, in the order they were sent.
        retry_in_seconds: When to try again, None when there is no need.
        awaited: A run waits for that; otherwise the row counts as waiting, for a later run.
        registered: The row may be in the index of waiting rows without the ledger knowing it.
    """

    row_id: RowId
    entry: Entry
    row: SourceRow | None
    force: bool = False
    mapped: Mapped | None = None
    key: RecordKey | None = None
    plan: Plan | None = None
    seen: Sequence[FnoRecord] = ()
    must_look: bool = False
    looked_at: datetime | None = None
    outcome: Outcome | None = None
    reason: Reason | None = None
    waits_for: Prerequisite | None = None
    answer: str = ""
    answered_at: datetime | None = None
    done: bool = False
    unknown: bool = False
    begun: Plan | None = None
    confirmed: list[Operation] = field(default_factory=list)
    retry_in_seconds: float | None = None
    counts_as_attempt: bool = False
    awaited: bool = True
    registered: bool = False

    def map_row(self, task: TaskMapping) -> None:
        """Map the row, or note why it becomes no record.

        Without an outcome afterwards the row has to be planned: it has a record, or it is gone and
        the task retires the records of such rows.
        """
        if self.row is None:
            if task.when_deleted == "report" or not self.entry.keys:
                self.outcome = Outcome.DELETED
                self.reason = deleted_reason(self.entry)
            return
        result = task.map_row(self.row)
        if isinstance(result, NotMapped):
            self.outcome, self.reason = result.outcome, result.reason
            self.waits_for = result.prerequisite
            self.key = result.key
        else:
            self.mapped = result
            self.key = result.key
            self.must_look = self.force

    def finish_done(self) -> None:
        """Note that the plan was carried out."""
        assert self.plan is not None
        self.done = True
        self.outcome = self.plan.outcome
        self.reason = self.plan.reason

    def reject(self, reason: Reason | None) -> None:
        """Note that F&O or p2c will not take the row until somebody changes something."""
        self.outcome = Outcome.REJECTED
        self.reason = reason

    def wait(self, reason: Reason | None, prerequisite: Prerequisite | None = None) -> None:
        """Note what the row waits for."""
        self.outcome = Outcome.WAITING
        self.reason = reason
        self.waits_for = prerequisite

    def try_again(self, reason: Reason | None, seconds: float, *, counts: bool = False) -> None:
        """Note that the row comes again for a passing reason."""
        self.wait(reason)
        self.retry_in_seconds = seconds
        self.counts_as_attempt = counts

    def answer_lost(self) -> None:
        """Note that what was sent may or may not have been carried out."""
        self.unknown = True
        self.try_again(
            Reason(
                "answer-unknown",
                "F&O did not answer clearly whether it carried out the last write. The row is "
                "written again at once and verified when nothing sent before can act any more.",
            ),
            RETRY_UNKNOWN_SECONDS,
        )

    def stop_waiting(self, waiting: WaitingRows, task: TaskMapping) -> None:
        """Take the row out of the index of waiting rows where it no longer belongs."""
        if self.outcome is None:
            return
        stale = [self.entry.waits_for] if self.entry.waits_for else []
        if self.registered and self.mapped:
            stale += self.mapped.prerequisites
        for prerequisite in stale:
            if self.waits_for is None or prerequisite.row_id != self.waits_for.row_id:
                waiting.forget(Waiter(task.template, task.task, self.row_id, prerequisite, ""))


def settle_entry(
    work: Work,
    horizon: datetime,
    now: datetime,
    executions: Iterable[str],
    generation: int,
) -> tuple[Entry, Tally]:
    """Return the entry to record for a row and what it adds to the tallies.

    Args:
        horizon: When nothing sent under this claim can act any more.
        now: Wall clock.
        executions: The executions that count the row.
        generation: The full read that named the row, 0 for none.
    """
    unsettled_until = _unsettled_until(work, horizon, now)
    outcome, reason, intended = _outcome(work, unsettled_until)
    entry = _with_written(work, settled=unsettled_until is None)
    names = list(executions)
    counted, tally = count(entry, outcome, names)
    changed = (outcome, reason) != (entry.outcome, entry.reason)
    return (
        replace(
            entry,
            unsettled_until=unsettled_until,
            outcome=outcome,
            reason=reason,
            waits_for=work.waits_for,
            intended=intended,
            execution=names[0] if names else entry.execution,
            counted=counted,
            source_version=work.row.version if work.row else entry.source_version,
            record=str(work.key) if work.key else entry.record,
            generation=max(generation, entry.generation),
            since=now if changed or entry.since is None else entry.since,
            answer=work.answer or entry.answer,
            answered_at=work.answered_at or entry.answered_at,
        ),
        tally,
    )


def _unsettled_until(work: Work, horizon: datetime, now: datetime) -> datetime | None:
    """A row is settled only by a clear answer after a look that began late enough."""
    known = work.entry.unsettled_until
    if work.unknown:
        return horizon if known is None else max(horizon, known)
    if known is None:
        return None
    seen_at = work.looked_at if work.mapped or work.plan else now
    return None if seen_at is not None and seen_at >= known else known


def _outcome(
    work: Work, unsettled_until: datetime | None
) -> tuple[Outcome, Reason | None, Outcome | None]:
    assert work.outcome is not None
    planned = work.plan.outcome if work.plan else None
    if work.unknown:
        return work.outcome, work.reason, planned
    if work.done and unsettled_until is not None:
        reason = Reason(
            "verification-pending",
            "F&O holds the newest values. An earlier request may still act until "
            f"{unsettled_until:%Y-%m-%d %H:%M:%S} UTC; F&O is looked at again then.",
        )
        return Outcome.WAITING, reason, planned
    return work.outcome, work.reason, None


def _with_written(work: Work, *, settled: bool) -> Entry:
    """Return the entry with the keys and hashes that hold after the attempt."""
    entry, plan = work.entry, work.plan
    if plan and work.done:
        hashes = plan.hashes_after if settled else plan.hashes_meanwhile
        return replace(entry, keys=plan.keys, left=plan.left, hashes=hashes)
    sent = plan if work.unknown else work.begun
    if sent and sent.needs_intent:
        entry = replace(entry, keys=sent.keys, left=sent.left, hashes=sent.hashes_before)
    if work.entry.unsettled_until and settled and entry.hashes:
        # Nothing can act any more, but nobody has looked: look before the next write.
        return replace(entry, hashes=doubted(entry.hashes))
    if work.begun and entry.hashes:
        return replace(entry, hashes=doubted(entry.hashes))
    return entry

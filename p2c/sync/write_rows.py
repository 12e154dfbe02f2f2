"""Writes mapped rows to F&O: look where it is not known what F&O holds, decide, send one batch.

A record that turns out to exist, or to be gone, is looked at and decided again within the message.
Nothing is sent whose key and newly written fields are not in the ledger yet, and no key gets there
that is another row's (`p2c.sync.acquire_keys`).
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from p2c.errors import (
    AnswerUnknownError,
    RetryLaterError,
    ThrottledError,
    UnavailableError,
)
from p2c.mapping.result import Prerequisite
from p2c.mapping.task import TaskMapping
from p2c.model import Operation, PartResult, Reason, Written
from p2c.sync.acquire_keys import KeyAcquirer
from p2c.sync.backoff import Backoff
from p2c.sync.claims import Held
from p2c.sync.decide import (
    Found,
    is_trusted,
    keys_to_look_up,
    match_records,
    plan_deleted,
    plan_from_ledger,
    plan_from_look,
)
from p2c.sync.limiter import Slots
from p2c.sync.pace import BatchPace
from p2c.sync.prerequisites import (
    Waiter,
    WaitingRows,
    prerequisite_identity,
    waiting_reason,
)
from p2c.sync.redaction import redacted
from p2c.sync.row_work import Work
from p2c.sync.runtime import Runtime

PASSES = 3
"""Looks at one row within a message: what F&O says may change between look and write."""
CONFLICT_ATTEMPTS = 10
CONFLICT_SECONDS = 5.0
PRESENT_CACHED = 20_000
"""Prerequisites known to be in F&O that a process remembers; a few megabytes at most."""
_WORST_FIRST = (
    Written.UNKNOWN,
    Written.THROTTLED,
    Written.CONFLICT,
    Written.EXISTS,
    Written.ABSENT,
    Written.MISSING_REFERENCE,
    Written.REFUSED,
    Written.DONE,
)


class RowWriter:
    """Writes the rows of one message at a time; shared by all threads of a process."""

    def __init__(
        self, runtime: Runtime, limiter: Slots, pace: BatchPace, waiting: WaitingRows
    ) -> None:
        self._runtime = runtime
        self._clock = runtime.clock
        self._limiter = limiter
        self._pace = pace
        self._waiting = waiting
        self._keys = KeyAcquirer(runtime)
        self._present: dict[tuple[str, str, str], None] = {}

    def write(
        self,
        task: TaskMapping,
        works: Sequence[Work],
        held: Held,
        backoff: Backoff,
        *,
        execution: str,
        attempt: int,
    ) -> None:
        """Bring the rows without an outcome to F&O and note on each what it came to.

        Raises:
            RetryLaterError: F&O, or Sales about the owner of a number, cannot be asked now; rows
                without an outcome were not written.
        """
        for work in works:
            if work.waits_for:
                self._register(task, work, work.waits_for, execution)
        # Before the look: what F&O holds under a key is certain once nobody else may write it.
        self._keys.acquire(task, works, held)
        pending = [work for work in works if not work.outcome]
        for work in pending:
            self._plan_from_ledger(task, work)
        if not any(work.plan is None or work.plan.operations for work in pending):
            self._note_unchanged(pending)
            return
        with self._limiter.slot():
            for _ in range(PASSES):
                self._look(task, [work for work in pending if work.plan is None])
                self._check_prerequisites(task, _creating(pending), execution)
                self._note_unchanged(pending)
                self._send(task, self._intend(pending, held), held, backoff, attempt)
                self._handle_missing_references(task, pending, execution)
                pending = [work for work in pending if not work.outcome and self._again(work)]
                if not pending:
                    return
        for work in pending:
            work.reject(work.reason)

    def back_off(self, error: RetryLaterError, backoff: Mapping[str, Backoff]) -> datetime:
        """Note a service's absence or request for less, for all instances; until when to wait."""
        service = backoff[error.service]
        if isinstance(error, ThrottledError):
            if error.service == "fno":
                self._limiter.throttled()
            return service.throttled(error.retry_after_seconds)
        if error.code == "no-slot":
            return self._clock.now()
        return service.unavailable(error.retry_after_seconds)

    def _plan_from_ledger(self, task: TaskMapping, work: Work) -> None:
        if work.mapped and not work.must_look and is_trusted(work.entry, work.mapped.key):
            work.plan = plan_from_ledger(task, work.entry, work.mapped, self._runtime.hash_key)

    def _look(self, task: TaskMapping, works: Sequence[Work]) -> None:
        """Read what F&O holds under each key of the rows and plan from that."""
        if not works:
            return
        looked_at = self._clock.now()
        found = self._find(task, works)
        hash_key = self._runtime.hash_key
        for work in works:
            work.looked_at = looked_at
            if work.mapped:
                work.plan = plan_from_look(task, work.entry, work.mapped, found, hash_key)
            else:
                work.plan = plan_deleted(task, work.entry, found, hash_key)
                work.seen = [
                    found[key.identity] for key in work.entry.keys if key.identity in found
                ]

    def _find(self, task: TaskMapping, works: Iterable[Work]) -> Found:
        field = task.key_fields[1]
        values = {
            dict(key.parts)[field]
            for work in works
            for key in keys_to_look_up(work.entry, work.mapped)
            if key.entity_set == task.entity_set
        }
        select = sorted({*task.key_fields, *task.field_types})
        records = self._runtime.destination.find(task.entity_set, field, sorted(values), select)
        return match_records(task.entity_set, task.key_fields, records)

    def _check_prerequisites(
        self, task: TaskMapping, works: Sequence[Work], execution: str
    ) -> None:
        """Let rows wait whose record refers to one that is not in F&O yet."""
        self._ask_for(_prerequisites(works))
        absent = [(work, missing) for work in works if (missing := self._first_missing(work))]
        if not absent:
            return
        for work, missing in absent:
            self._register(task, work, missing, execution)
        # Asked again after registering: whoever brings the record now sees who waits for it.
        self._ask_for([missing for _, missing in absent])
        for work, _ in absent:
            still_missing = self._first_missing(work)
            if still_missing:
                self._register(task, work, still_missing, execution)
                work.wait(waiting_reason(still_missing), still_missing)
            else:
                work.registered = True

    def _ask_for(self, prerequisites: Iterable[Prerequisite]) -> None:
        unknown = [
            prerequisite
            for prerequisite in prerequisites
            if prerequisite_identity(prerequisite) not in self._present
        ]
        if unknown:
            self._present.update(dict.fromkeys(self._waiting.present(unknown)))
        while len(self._present) > PRESENT_CACHED:
            self._present.pop(next(iter(self._present)))

    def _first_missing(self, work: Work) -> Prerequisite | None:
        for prerequisite in work.mapped.prerequisites if work.mapped else ():
            if prerequisite_identity(prerequisite) not in self._present:
                return prerequisite
        return None

    def _register(
        self, task: TaskMapping, work: Work, prerequisite: Prerequisite, execution: str
    ) -> None:
        self._waiting.register(
            Waiter(task.template, task.task, work.row_id, prerequisite, execution)
        )

    @staticmethod
    def _note_unchanged(works: Iterable[Work]) -> None:
        for work in works:
            if not work.outcome and work.plan and not work.plan.operations:
                work.finish_done()

    def _intend(self, works: Iterable[Work], held: Held) -> list[Work]:
        """Store keys and newly written fields before they are sent; return what may be sent."""
        sending = [work for work in works if not work.outcome and work.plan]
        held.intend(
            replace(
                held.entries[work.row_id],
                keys=work.plan.keys,
                left=work.plan.left,
                hashes=work.plan.hashes_before,
                intended=work.plan.outcome,
            )
            for work in sending
            if work.plan and work.plan.needs_intent and work.row_id in held.entries
        )
        return [work for work in sending if work.row_id in held.entries]

    def _send(
        self,
        task: TaskMapping,
        works: list[Work],
        held: Held,
        backoff: Backoff,
        attempt: int,
    ) -> None:
        rest = works
        while rest:
            size = self._pace.size()  # Asked once: other threads change it meanwhile.
            chunk, rest = rest[:size], rest[size:]
            operations = [operation for work in chunk for operation in _operations(work)]
            try:
                results = self.write_batch(operations, held)
            except AnswerUnknownError:
                for work in chunk:
                    work.answer_lost()
                raise
            backoff.answered()
            self._limiter.succeeded()
            position = 0
            for work in chunk:
                count = len(_operations(work))
                answers = results[position : position + count]
                self._note(task, work, answers, backoff, attempt)
                position += count

    def write_batch(self, operations: Sequence[Operation], held: Held) -> list[PartResult]:
        """Send one batch unless it is too late for that."""
        started = self._clock.monotonic()
        deadline = held.may_send_before()
        if started >= deadline:
            raise UnavailableError(
                "The claim on the rows has run out before they were sent; they are put back.",
                service="fno",
                code="too-late",
            )
        results = self._runtime.destination.write(operations, send_before=deadline)
        self._pace.took(len(operations), self._clock.monotonic() - started)
        return results

    def _note(
        self,
        task: TaskMapping,
        work: Work,
        results: Sequence[PartResult],
        backoff: Backoff,
        attempt: int,
    ) -> None:
        """Note F&O's answers on a row: the worst of them decides."""
        answers = [
            (_severity(result, operation, work), result)
            for operation, result in zip(_operations(work), results, strict=True)
        ]
        written, worst = min(answers, key=lambda answer: _WORST_FIRST.index(answer[0]))
        reason = _redacted(task, work, worst.reason)
        done = [result.written is Written.DONE for result in results]
        if any(done):
            work.begun = work.plan
        work.confirmed += itertools.compress(_operations(work), done)
        if written is not Written.UNKNOWN:
            refused = reason is not None and written is not Written.DONE
            work.answer = reason.code if reason and refused else Written.DONE.value
            work.answered_at = self._clock.now()
        if written is Written.DONE:
            work.finish_done()
        elif written is Written.UNKNOWN:
            work.answer_lost()
        elif written is Written.THROTTLED:
            backoff.throttled(worst.retry_after_seconds)
            self._limiter.throttled()
            work.try_again(reason, worst.retry_after_seconds or 0)
        elif written is Written.CONFLICT and attempt < CONFLICT_ATTEMPTS:
            work.try_again(reason, CONFLICT_SECONDS * (attempt + 1), counts=True)
        elif written in (Written.EXISTS, Written.ABSENT):
            work.reason = reason
            work.plan, work.must_look = None, True
        elif written is Written.MISSING_REFERENCE:
            work.reason = reason
        else:
            work.reject(reason)

    @staticmethod
    def _again(work: Work) -> bool:
        return work.plan is None

    def _handle_missing_references(
        self, task: TaskMapping, works: Iterable[Work], execution: str
    ) -> None:
        """Tell a prerequisite that is gone from a reference that somebody has to mend."""
        missing = [
            work for work in works if not work.outcome and work.plan and work.reason is not None
        ]
        for prerequisite in _prerequisites(missing):
            self._present.pop(prerequisite_identity(prerequisite), None)
        self._check_prerequisites(task, missing, execution)
        for work in missing:
            if not work.outcome:
                work.reject(work.reason)


def _operations(work: Work) -> tuple[Operation, ...]:
    return work.plan.operations if work.plan else ()


def _creating(works: Iterable[Work]) -> list[Work]:
    return [work for work in works if not work.outcome and work.plan and work.plan.creates]


def _prerequisites(works: Iterable[Work]) -> list[Prerequisite]:
    return [found for work in works if work.mapped for found in work.mapped.prerequisites]


def _severity(result: PartResult, operation: Operation, work: Work) -> Written:
    """A record that the row no longer has, and that is gone, needs no retiring."""
    own = work.mapped is not None and operation.key.identity == work.mapped.key.identity
    if not own and result.written is Written.ABSENT:
        return Written.DONE
    return result.written


def _redacted(task: TaskMapping, work: Work, reason: Reason | None) -> Reason | None:
    """Take people's data out of a service's words; the advice after them is kept whole."""
    if reason is None:
        return None
    text = reason.text
    for values in [work.mapped.values] if work.mapped else work.seen:
        text = redacted(text, {field: values.get(field) for field in task.free_text_fields})
    return Reason(reason.code, text)

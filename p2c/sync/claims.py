"""Claims: one worker at a time writes a row, and what a lost worker may still do is verified.

The argument why no stale write survives is in ``docs/guarantees.md``; its steps are the functions
here, so that a test can take out each one and watch the property test fail.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from p2c.model import Outcome, RowId
from p2c.sync.ledger import Change, Claim, Entry, Ledger, Tally
from p2c.sync.ports import Clock

CONTENTION_SECONDS = 2.0
"""Wait before trying again a row whose entry changed while it was being claimed."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Rows that could not be claimed, each with the time to try again."""

    rows: Mapping[RowId, datetime]


@dataclass
class Held:
    """Rows this worker has claimed. Renewing and finishing may come from different threads.

    Attributes:
        claimed_at: Wall clock when the claims were made; requests take effect at the latest
            `settle_seconds` after it.
        send_before: Monotonic time after which nothing may be sent for these rows.
        taken_over: Rows whose last worker did not give them free.
        lost: Rows that another worker has taken over meanwhile.
    """

    ledger: Ledger
    clock: Clock
    claim_seconds: float
    claimed_at: datetime
    send_before: float
    lease_until: float
    entries: dict[RowId, Entry]
    taken_over: frozenset[RowId] = frozenset()
    lost: set[RowId] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def may_send_before(self) -> float:
        """Monotonic time until which a request may be sent: the lease holds and time is left."""
        with self.lock:
            return min(self.send_before, self.lease_until)

    def renew(self) -> None:
        """Prolong the claims of rows that are still held."""
        with self.lock:
            if not self.entries:
                return
            monotonic = self.clock.monotonic()
            deadline = self.clock.now() + timedelta(seconds=self.claim_seconds)
            renewed = [
                replace(entry, claim=replace(entry.claim, deadline=deadline))
                for entry in self.entries.values()
                if entry.claim
            ]
            versions = self.ledger.write([Change(entry) for entry in renewed])
            self._keep(renewed, versions)
            self.lease_until = monotonic + self.claim_seconds

    def intend(self, entries: Iterable[Entry]) -> None:
        """Store what is about to be written, still claimed."""
        with self.lock:
            intended = list(entries)
            versions = self.ledger.write([Change(entry) for entry in intended])
            self._keep(intended, versions)

    def finish(self, finished: Sequence[tuple[Entry, Tally]]) -> set[RowId]:
        """Store outcomes and give the rows free.

        Returns:
            Rows whose entry another worker had changed: what became of them is not recorded.
        """
        with self.lock:
            changes = [
                Change(
                    replace(entry, claim=None, version=self.entries[entry.row_id].version), tally
                )
                for entry, tally in finished
                if entry.row_id in self.entries
            ]
            lost = {entry.row_id for entry, _ in finished if entry.row_id not in self.entries}
            versions = self.ledger.write(changes)
            lost |= {row for row, version in versions.items() if version is None}
            for entry, _ in finished:
                self.entries.pop(entry.row_id, None)
            return lost

    def _keep(self, written: list[Entry], versions: Mapping[RowId, str | None]) -> None:
        for entry in written:
            version = versions[entry.row_id]
            if version is None:
                del self.entries[entry.row_id]
                self.lost.add(entry.row_id)
            else:
                self.entries[entry.row_id] = replace(entry, version=version)


def expired_claims(entries: Iterable[Entry], now: datetime) -> list[Entry]:
    """Return the entries whose claim has run out: their workers may have sent something."""
    return [entry for entry in entries if entry.claim and entry.claim.deadline <= now]


def take_over(entry: Entry, settle: timedelta) -> Entry:
    """Mark an entry with an expired claim unsettled while its worker's requests may still act."""
    if entry.claim is None:
        return entry
    until = entry.claim.claimed_at + settle
    if entry.unsettled_until and entry.unsettled_until > until:
        until = entry.unsettled_until
    return replace(entry, unsettled_until=until)


def make_claim(entry: Entry, owner: str, now: datetime, seconds: float) -> Entry:
    """Return the entry claimed by an owner."""
    claim = Claim(owner=owner, claimed_at=now, deadline=now + timedelta(seconds=seconds))
    return replace(entry, epoch=entry.epoch + 1, claim=claim)


def count(
    entry: Entry, outcome: Outcome, executions: Iterable[str]
) -> tuple[dict[str, Outcome], Tally]:
    """Count a row's outcome once for each execution, by its last outcome there.

    A row that was written and then met again unchanged in the same execution stays counted as
    written: the second look is p2c's own doing.
    """
    counted = dict(entry.counted)
    tally: dict[tuple[str, Outcome], int] = {}
    for execution in dict.fromkeys(name for name in executions if name):
        before = counted.pop(execution, None)
        written = before in (Outcome.CREATED, Outcome.UPDATED)
        now = before if before and written and outcome is Outcome.UNCHANGED else outcome
        if before is not None:
            tally[execution, before] = tally.get((execution, before), 0) - 1
        tally[execution, now] = tally.get((execution, now), 0) + 1
        counted[execution] = now
    return counted, tally

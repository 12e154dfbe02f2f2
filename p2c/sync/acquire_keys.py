"""Makes sure that one row only writes each record of F&O: keys are acquired before they are used.

A row may write under a key only while its stored ledger entry lists the key, and an entry comes to
list a key only after the index of owners names the row. Whoever wants a key that the index gives to
another row looks at that row's entry and, if it has the key, at that row in Sales. The order of the
reads and the conditions of the writes are what makes this safe; ``docs/guarantees.md`` gives the
argument.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from p2c.mapping.task import TaskMapping
from p2c.model import Identity, Reason, RecordKey, RowId
from p2c.sync.claims import CONTENTION_SECONDS, Held
from p2c.sync.decide import with_inherited, written_fields
from p2c.sync.hashing import MAYBE
from p2c.sync.ledger import Change, Entry, Ledger
from p2c.sync.owners import Owner, Owners, Ownership
from p2c.sync.row_work import Work
from p2c.sync.runtime import Runtime

ROUNDS = 3
"""Times a key is tried for within a message when others interfere; then the row comes again."""
TURN_SECONDS = 3.0
"""Two rows that wait for each other's number come again so long after each other."""
EXPIRED_SECONDS = 5.0
"""Wait for a row whose worker died until somebody takes it over; its own message sees to that."""


@dataclass(frozen=True, slots=True)
class Free:
    """The row may have the key unless what was read has changed meanwhile.

    Attributes:
        before: What the index said of the key, None for nothing.
        loser: The entry of a row that has the key in vain: it must lose it first.
    """

    before: Ownership | None
    loser: Entry | None = None


@dataclass(frozen=True, slots=True)
class Unclear:
    """Whose the key is will be clear at a time: its owner is being worked on, or not settled.

    Attributes:
        soon: A run waits for it.
    """

    reason: Reason
    until: datetime
    soon: bool = True


@dataclass(frozen=True, slots=True)
class Taken:
    """The key is another row's and stays that row's."""

    reason: Reason


Verdict = Free | Unclear | Taken


class KeyAcquirer:
    """Acquires keys for claimed rows; shared by all threads of a process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._clock = runtime.clock
        self._owners = Owners(runtime.stores.ledger)

    def acquire(self, task: TaskMapping, works: Iterable[Work], held: Held) -> None:
        """Acquire the keys that mapped rows are new to.

        A row that does not get its key comes out of this with an outcome and nothing to write:
        rejected when the key is another row's, or to be tried again when that is not clear yet.
        Costs nothing where no row has a new key, one transaction where nobody ever wanted one.

        Raises:
            RetryLaterError: Sales, asked about an owner, or storage does not answer.
        """
        wanting = self._first_come(task, [work for work in works if _needs_key(work)])
        if not wanting or self._owners.insert(
            task.entity_set,
            {_wanted(work).identity: _owner(task, work.row_id) for work in wanting},
        ):
            return
        for _ in range(ROUNDS):
            wanting = self._try(task, wanting, held)
            if not wanting:
                return
        for work in wanting:
            soon = self._soon(CONTENTION_SECONDS)
            self._come_again(work, Unclear(_in_transit(_wanted(work)), soon))

    def foresee(self, task: TaskMapping, work: Work) -> None:
        """Note on one row what acquiring its key would come to now; nothing is stored.

        Raises:
            RetryLaterError: As `acquire`.
        """
        if _needs_key(work):
            verdict = self.verdicts(task, {work.row_id: _wanted(work)})[work.row_id]
            if isinstance(verdict, Free):
                self._inherits(task, work, verdict.before)
            else:
                self._refuse(work, verdict)

    def verdicts(
        self, task: TaskMapping, wanted: Mapping[RowId, RecordKey]
    ) -> dict[RowId, Verdict]:
        """Find out, and change nothing, whether rows may have keys.

        The index is read before the entry of the row it names, and that before the row itself:
        whatever changes after the first of these makes a condition of `Free` fail.
        """
        index = self._owners.read(wanted.values())
        verdicts: dict[RowId, Verdict] = {}
        rivals: dict[RowId, Owner] = {}
        for row, key in wanted.items():
            before = index.get(key.identity)
            verdicts[row] = Free(before)
            if before and before.owner != _owner(task, row):
                rivals[row] = before.owner
        entries = self._entries(rivals.values())
        in_sales: dict[RowId, Owner] = {}
        for row, rival in rivals.items():
            key, entry = wanted[row], entries[rival]
            unclear = self._unclear(_owner(task, row), key, rival, entry)
            if unclear:
                verdicts[row] = unclear
            elif _has(entry, key):
                in_sales[row] = rival
        keys = self._keys_in_sales(in_sales.values())
        for row, rival in in_sales.items():
            key, now = wanted[row], keys[rival]
            if now and now.identity == key.identity:
                verdicts[row] = Taken(self._taken(_owner(task, row), key, rival))
            else:
                verdicts[row] = Free(index[key.identity], loser=entries[rival])
        return verdicts

    def _first_come(self, task: TaskMapping, works: Sequence[Work]) -> list[Work]:
        """Let the first of several rows with one key try; the others come after it."""
        first: dict[Identity, Work] = {}
        for work in works:
            key = _wanted(work)
            before = first.setdefault(key.identity, work)
            if before is not work:
                reason = self._in_transit_to(
                    _owner(task, work.row_id), key, _owner(task, before.row_id)
                )
                # It is alone then, and the first one is done.
                self._come_again(work, Unclear(reason, self._clock.now()))
        return list(first.values())

    def _try(self, task: TaskMapping, works: Sequence[Work], held: Held) -> list[Work]:
        """Try for the keys once; return the works whose key somebody else interfered with."""
        verdicts = self.verdicts(task, {work.row_id: _wanted(work) for work in works})
        free: list[tuple[Work, Free]] = []
        for work in works:
            verdict = verdicts[work.row_id]
            if isinstance(verdict, Free):
                free.append((work, verdict))
            else:
                self._refuse(work, verdict)
        kept = self._evict(free)
        possible = [(work, verdict) for work, verdict in free if work.row_id not in kept]
        stored = self._owners.store(
            task.entity_set,
            {
                _wanted(work).identity: (_owner(task, work.row_id), verdict.before)
                for work, verdict in possible
            },
        )
        acquired = [work for work, _ in possible if _wanted(work).identity in stored]
        self._inherit(task, acquired, {work.row_id: verdict for work, verdict in possible}, held)
        return [work for work, _ in free if work not in acquired]

    def _evict(self, free: Iterable[tuple[Work, Free]]) -> set[RowId]:
        """Take keys out of the entries of rows that have them in vain, before the index changes.

        A crash in between leaves a key that the index gives to a row whose entry lacks it, which
        anybody may take.

        Returns:
            The rows that cannot have their key because its owner was worked on meanwhile.
        """
        losses: dict[Owner, list[tuple[Work, Entry]]] = {}
        for work, verdict in free:
            if verdict.loser and verdict.before:
                losses.setdefault(verdict.before.owner, []).append((work, verdict.loser))
        kept: set[RowId] = set()
        for owner, lost in losses.items():
            keys = {_wanted(work).identity for work, _ in lost}
            entry = without_keys(lost[0][1], keys)
            if self._ledger(owner).write([Change(entry)])[owner.row_id] is None:
                kept.update(work.row_id for work, _ in lost)
        return kept

    def _inherit(
        self, task: TaskMapping, works: Iterable[Work], free: Mapping[RowId, Free], held: Held
    ) -> None:
        """Note that a record another row had may hold that row's values in any field.

        The key and the doubt are stored before anything else, so that a blank clears the field.
        """
        heirs = {}
        for work in works:
            if self._inherits(task, work, free[work.row_id].before):
                heirs[work.row_id] = work.entry
        if heirs:
            held.intend(
                replace(held.entries[row], keys=entry.keys, left=entry.left, hashes=entry.hashes)
                for row, entry in heirs.items()
                if row in held.entries
            )

    @staticmethod
    def _inherits(task: TaskMapping, work: Work, before: Ownership | None) -> bool:
        """Doubt the record's fields in a row's entry if another row had the record before."""
        owner = _owner(task, work.row_id)
        if not work.mapped or not before or not (before.inherited or before.owner != owner):
            return False
        work.entry = with_inherited(task, work.entry, work.mapped)
        return True

    def _unclear(self, owner: Owner, key: RecordKey, rival: Owner, entry: Entry) -> Unclear | None:
        """Say when to come again if the rival's worker, or a late request of its, may act yet."""
        turn = TURN_SECONDS if owner.row_id > rival.row_id else 0.0
        now = self._clock.now()
        if entry.claim:
            until = entry.claim.deadline
            if entry.claim.owner == self._runtime.owner:
                until = self._soon(CONTENTION_SECONDS)
            elif until <= now:
                until = self._soon(EXPIRED_SECONDS)
            until += timedelta(seconds=turn)
            return Unclear(self._in_transit_to(owner, key, rival), until)
        if _has(entry, key) and entry.unsettled_until and entry.unsettled_until > now:
            until = entry.unsettled_until + timedelta(seconds=turn)
            return Unclear(self._in_transit_to(owner, key, rival), until, soon=False)
        return None

    def _keys_in_sales(self, owners: Iterable[Owner]) -> dict[Owner, RecordKey | None]:
        """Return the key each row has in Sales now; None for a row that is gone or has none.

        A row that the filter leaves out has its key still. A row of a template or task that is no
        longer there has none: nobody keeps its record in step.
        """
        keys: dict[Owner, RecordKey | None] = {}
        for (template, name), group in _by_task(owners).items():
            task = self._task(template, name)
            ids = [owner.row_id for owner in group]
            rows = self._runtime.source.read(task.query, ids) if task else {}
            for owner in group:
                row = rows.get(owner.row_id)
                keys[owner] = task.map_row(row).key if task and row else None
        return keys

    def _entries(self, owners: Iterable[Owner]) -> dict[Owner, Entry]:
        return {
            owner: entries[owner.row_id]
            for group in _by_task(owners).values()
            for entries in [self._ledger(group[0]).read([owner.row_id for owner in group])]
            for owner in group
        }

    def _ledger(self, owner: Owner) -> Ledger:
        return Ledger(self._runtime.stores.ledger, owner.template, owner.task)

    def _task(self, template: str, name: str) -> TaskMapping | None:
        found = self._runtime.templates.get(template)
        return next((task for task in found.tasks if task.task == name), None) if found else None

    def _refuse(self, work: Work, verdict: Unclear | Taken) -> None:
        """Note what becomes of a row that does not get its key; it is not written."""
        if isinstance(verdict, Unclear):
            self._come_again(work, verdict)
        else:
            work.mapped = None
            work.reject(verdict.reason)

    def _come_again(self, work: Work, verdict: Unclear) -> None:
        work.mapped = None
        seconds = (verdict.until - self._clock.now()).total_seconds()
        work.try_again(verdict.reason, seconds)
        work.awaited = verdict.soon

    def _soon(self, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=seconds)

    def _in_transit_to(self, owner: Owner, key: RecordKey, rival: Owner) -> Reason:
        return Reason(
            "number-in-transit",
            f"{self._described(owner)} has the number of {key}, which {self._described(rival)} "
            "had or is about to have. That row is being worked on, or an earlier write for it may "
            "still act. p2c comes back by itself when it is clear whose the number is.",
        )

    def _taken(self, owner: Owner, key: RecordKey, rival: Owner) -> Reason:
        return Reason(
            "number-taken",
            f"{self._described(owner)} has the same number as {self._described(rival)}, to which "
            f"{key} belongs. One record cannot be two rows: give one of them another number in "
            f"Sales, or delete it there if it is a duplicate. If it is {rival.row_id} that gives "
            f"the number up, retry {owner.row_id} afterwards.",
        )

    def _described(self, owner: Owner) -> str:
        task = self._task(owner.template, owner.task)
        table = task.query.table if task else "row"
        return f"{table} {owner.row_id} (template '{owner.template}')"


def without_keys(entry: Entry, lost: set[Identity]) -> Entry:
    """Return an entry that has lost keys; of a record it comes back to, nothing is certain.

    What was written under a lost key is remembered: until somebody else has the key, the row may
    come back to it.
    """
    keys = tuple(key for key in entry.keys if key.identity not in lost)
    left = {**dict.fromkeys(lost, frozenset(entry.hashes)), **entry.left}
    hashes = entry.hashes
    if entry.current_key and entry.current_key.identity in lost:
        left[entry.current_key.identity] = written_fields(entry.hashes)
        hashes = dict.fromkeys(entry.hashes, MAYBE) if keys else {}
    return replace(entry, keys=keys, left=left, hashes=hashes)


def _needs_key(work: Work) -> bool:
    return work.mapped is not None and not work.outcome and not _has(work.entry, work.mapped.key)


def _wanted(work: Work) -> RecordKey:
    assert work.key is not None
    return work.key


def _owner(task: TaskMapping, row: RowId) -> Owner:
    return Owner(task.template, task.task, row)


def _has(entry: Entry, key: RecordKey) -> bool:
    return any(known.identity == key.identity for known in entry.keys)


def _by_task(owners: Iterable[Owner]) -> dict[tuple[str, str], list[Owner]]:
    groups: dict[tuple[str, str], list[Owner]] = {}
    for owner in dict.fromkeys(owners):
        groups.setdefault((owner.template, owner.task), []).append(owner)
    return groups


def _in_transit(key: RecordKey) -> Reason:
    return Reason(
        "number-in-transit",
        f"Several rows want the number of {key} at this moment. p2c comes back by itself.",
    )

"""Finds the rows that change because a value behind one of their lookups did, and queues them.

An account that gets another number changes the key of its contacts' records, and change tracking
says nothing of the contacts. So what was last seen of a looked-up column is remembered, as a keyed
hash, by the row it belongs to. Whoever reads such a column compares, be it the row itself or one
that refers to it; if the value is another, everything that refers to the row is queued.

A comparison that finds a change marks it before the search and removes the mark after the last
message is on the queue; a mark that is found is a search to be repeated. The argument why this
finds every row is in ``docs/guarantees.md``.
"""

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from p2c.mapping.dependants import (
    Dependant,
    changeable_columns,
    dependants_of,
    watched_columns,
)
from p2c.mapping.task import TaskMapping
from p2c.model import Document, Put, RowId, SourceRow, Value
from p2c.sync.enumerate_changes import cut_into_messages
from p2c.sync.executions import Executions
from p2c.sync.hashing import hash_value
from p2c.sync.known_notes import EPOCH, Epoch, KnownNotes
from p2c.sync.ports import Documents, Scalar
from p2c.sync.runtime import Runtime

PUTS_PER_TRANSACTION = 100
_PARTITION = "~seen|"


@dataclass
class Seen:
    """What rows showed of the watched columns of one table's row.

    Attributes:
        hashes: Column to hash.
        torn: Columns that were read with different values within one message.
    """

    hashes: dict[str, str] = field(default_factory=dict)
    torn: set[str] = field(default_factory=set)

    def add(self, column: str, found: str) -> None:
        """Note a column's hash."""
        if self.hashes.setdefault(column, found) != found:
            self.torn.add(column)


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of a row's watched columns.

    Attributes:
        hashes: Column to hash, as last seen by anybody.
        searching: Columns that changed and whose dependants may not all be queued yet.
    """

    hashes: Mapping[str, str]
    searching: frozenset[str] = frozenset()


class ChangedLookups:
    """Compares looked-up values with what was last seen of them; shared by a process's threads."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._documents: Documents = runtime.stores.ledger
        self._notes = KnownNotes(self._documents)
        self._noting = threading.Lock()
        self._executions = Executions(runtime)
        self._dependants = dependants_of(runtime.templates.values())

    def follow(
        self,
        task: TaskMapping,
        rows: Iterable[SourceRow],
        execution: str,
        *,
        unseen: bool = False,
    ) -> None:
        """Queue what depends on the values that these rows show to have changed.

        To be called after the rows were read and before anything is recorded of them. It costs
        reads of storage, and a request to Dataverse only when a value has changed.

        Args:
            unseen: The rows themselves are likely to be seen for the first time.

        Raises:
            RetryLaterError, ServiceRefusedError: The search is not done; it is repeated when the
                rows are processed again.
        """
        for table, seen in self._seen(task, rows).items():
            if unseen and table == task.query.table and self._insert(table, seen):
                continue
            marked = self.compare(table, seen)
            if marked:
                self._queue_dependants(table, marked, execution)
                self._remove_marks(table, marked)

    def compare(self, table: str, seen: Mapping[RowId, Seen]) -> dict[RowId, Document]:
        """Note what was seen and mark what has changed.

        Returns:
            The stored marks of rows whose dependants are to be searched for.
        """
        marked: dict[RowId, Document] = {}
        partition = _PARTITION + table
        pending = list(seen)
        while pending:  # Each further round means that another worker noted something meanwhile.
            pending = self._unsure(self._notes.epoch(partition), pending, seen)
            if pending:
                # Threads of one process would race for notes of the same rows, and lose.
                with self._noting:
                    pending = self._note(partition, pending, seen, marked)
        return marked

    def _note(
        self,
        partition: str,
        pending: Sequence[RowId],
        seen: Mapping[RowId, Seen],
        marked: dict[RowId, Document],
    ) -> list[RowId]:
        """Note and mark once; return the rows that another worker noted meanwhile."""
        epoch = self._notes.epoch(partition)
        unsure = self._unsure(epoch, pending, seen)
        stored = self._documents.get_many(partition, unsure) if unsure else {}
        notes = {row: noted(_read(stored.get(row)), seen[row]) for row in unsure}
        puts = [
            Put(row, _body(known), stored[row].version if row in stored else None)
            for row, known in notes.items()
            if known is not None
        ]
        versions = self._put(partition, [put for put in puts if put.version is None])
        versions |= self._change(epoch, [put for put in puts if put.version is not None])
        for put in puts:
            if put.name in versions and "searching" in put.body:
                version = versions[put.name]
                marked[put.name] = Document(partition, put.name, put.body, version)
        agreeing = [row for row, known in notes.items() if known is None]
        first_seen = [put.name for put in puts if put.version is None and put.name in versions]
        remembered = [row for row in (*agreeing, *first_seen) if row not in marked]
        self._notes.remember(epoch, {row: seen[row].hashes for row in remembered})
        return [put.name for put in puts if put.name not in versions]

    @staticmethod
    def _unsure(epoch: Epoch, rows: Sequence[RowId], seen: Mapping[RowId, Seen]) -> list[RowId]:
        """Return the rows whose notes are not known to hold what was seen."""
        return [row for row in rows if not _agrees(epoch.notes.get(row), seen[row])]

    def _seen(self, task: TaskMapping, rows: Iterable[SourceRow]) -> dict[str, dict[RowId, Seen]]:
        """Gather the watched columns of the rows themselves and of those they refer to."""
        found: dict[str, dict[RowId, Seen]] = {}
        table = task.query.table
        own = watched_columns(self._dependants.get(table, ()))
        behind = {
            (lookup.column, target.table): changeable_columns(target)
            for lookup in task.query.lookups
            for target in lookup.targets
            if target.table in self._dependants
        }

        def note(
            table: str, row: RowId, columns: Mapping[str, object], wanted: Sequence[str]
        ) -> None:
            if wanted:
                seen = found.setdefault(table, {}).setdefault(row, Seen())
                for column in wanted:
                    seen.add(column, self._hash(table, column, columns.get(column)))

        for row in rows:
            note(table, row.row_id, row.columns, own)
            for lookup, other in row.lookups.items():
                if other is not None:
                    wanted = behind.get((lookup, other.table), ())
                    note(other.table, other.row_id, other.columns, wanted)
        return found

    def _hash(self, table: str, column: str, found: object) -> str:
        value: Value | None
        known = found is None or isinstance(found, str | int | Decimal | bool)
        value = found if known else str(found)  # type: ignore[assignment]
        return hash_value(self._runtime.hash_key, f"{table}.{column}", value)

    def _insert(self, table: str, seen: Mapping[RowId, Seen]) -> bool:
        """Note first sights without reading what is there; False when some row is known."""
        if len(seen) > PUTS_PER_TRANSACTION or any(found.torn for found in seen.values()):
            return False
        puts = [Put(row, _body(Known(found.hashes)), None) for row, found in seen.items()]
        return not isinstance(self._documents.put_all(_PARTITION + table, puts), str)

    def _put(self, partition: str, puts: Sequence[Put]) -> dict[RowId, str]:
        """Store documents; return the versions of those whose condition held."""
        versions: dict[RowId, str] = {}
        for start in range(0, len(puts), PUTS_PER_TRANSACTION):
            part = {put.name: put for put in puts[start : start + PUTS_PER_TRANSACTION]}
            while part:
                answer = self._documents.put_all(partition, list(part.values()))
                if isinstance(answer, str):
                    del part[answer]
                    continue
                versions.update(answer)
                break
        return versions

    def _change(self, epoch: Epoch, puts: Sequence[Put]) -> dict[RowId, str]:
        """Change notes and end the epoch together; return the versions of those that were changed.

        None is when another worker ended the epoch first, and not more than a transaction takes.
        """
        part = {put.name: put for put in puts[: PUTS_PER_TRANSACTION - 1]}
        while part:
            answer = self._documents.put_all(epoch.partition, [*part.values(), epoch.put()])
            if not isinstance(answer, str):
                return {row: answer[row] for row in part}
            if answer == EPOCH:
                break
            del part[answer]
        return {}

    def _queue_dependants(
        self, table: str, marked: Mapping[RowId, Document], execution: str
    ) -> None:
        """Queue every row that refers to one of the marked rows, page by page."""
        searching = {
            row: (_read(document) or Known({})).searching for row, document in marked.items()
        }
        for group in _by_lookup(self._dependants[table]):
            wanted = [
                row
                for row, columns in searching.items()
                if any(not columns.isdisjoint(dependant.columns) for dependant in group)
            ]
            if not wanted:
                continue
            query, lookup = group[0].task.query, group[0].lookup
            queued = dict.fromkeys(range(len(group)), 0)
            for page in self._runtime.source.referring(query, lookup, wanted):
                for number, dependant in enumerate(group):
                    rows = self._met(dependant.task, page)
                    queued[number] += len(rows)
                    self._queue(dependant.task, rows, execution, queued[number])

    def _met(self, task: TaskMapping, rows: Sequence[RowId]) -> list[RowId]:
        """Leave out rows that the task never read: nothing about them can be out of date.

        So a template that is not in use is not begun with because of a lookup.
        """
        entries = self._runtime.ledger(task).read(rows)
        return [row for row in rows if entries[row].version is not None]

    def _queue(self, task: TaskMapping, rows: Sequence[RowId], execution: str, so_far: int) -> None:
        if not rows:
            return
        self._executions.expect(execution, task, so_far)
        for message in cut_into_messages(task, rows, execution):
            self._runtime.send(message)

    def _remove_marks(self, table: str, marked: Mapping[RowId, Document]) -> None:
        """Take the marks away. Who has marked anew meanwhile searches anew, so theirs stay."""
        puts = []
        for row, document in marked.items():
            known = _read(document)
            if known is not None:
                puts.append(Put(row, _body(Known(known.hashes)), document.version))
        self._put(_PARTITION + table, puts)


def noted(known: Known | None, seen: Seen) -> Known | None:
    """Return what to store after a comparison, None when it is stored already.

    The first sight of a row is no change: nothing that depends on it has been compared yet.
    """
    if known is None:
        return Known(seen.hashes, frozenset(seen.torn))
    changed = {
        column for column, found in seen.hashes.items() if known.hashes.get(column, found) != found
    }
    after = Known({**known.hashes, **seen.hashes}, known.searching | changed | seen.torn)
    return None if after == known and not known.searching else after


def _agrees(hashes: Mapping[str, str] | None, seen: Seen) -> bool:
    """Say whether a note that is remembered holds exactly what was seen."""
    return hashes is not None and hashes == seen.hashes and not seen.torn


def _by_lookup(dependants: Iterable[Dependant]) -> list[list[Dependant]]:
    """Group the tasks that are found by the same search."""
    groups: dict[tuple[str, str], list[Dependant]] = {}
    for dependant in dependants:
        place = (dependant.task.query.entity_set, dependant.lookup.column)
        groups.setdefault(place, []).append(dependant)
    return list(groups.values())


def _body(known: Known) -> dict[str, Scalar]:
    body: dict[str, Scalar] = {"hashes": json.dumps(dict(known.hashes), separators=(",", ":"))}
    if known.searching:
        body["searching"] = json.dumps(sorted(known.searching))
    return body


def _read(document: Document | None) -> Known | None:
    if document is None:
        return None
    body = document.body
    searching = frozenset(json.loads(str(body.get("searching", "[]"))))
    return Known(json.loads(str(body["hashes"])), searching)

"""Ports on which the use cases run as always and change nothing: what is written stays here.

Reads come from the real services and storage, with what was written here meanwhile laid over them.
So whatever a run would do, by whichever rule, can be watched without its being done. Not for more
than one thread; requests go out one at a time, which is why no slot of the limiter is taken.
"""

import hashlib
import heapq
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from p2c.model import (
    Create,
    Document,
    Operation,
    PartResult,
    Put,
    Reason,
    RecordKey,
    Update,
    Written,
)
from p2c.odata import exact_json
from p2c.sync.ports import Destination, Documents, Outbox, Scalar

PEEKED = 32
"""Messages that Storage shows of a queue at most."""
_DELETED = "deleted_in_what_if"
_VERSION = "what-if-"
"""Marks the versions given out here, so that none is mistaken for one of storage."""

FnoRecord = Mapping[str, object]


class WhatIfDocuments:
    """Implements `p2c.sync.ports.Documents`: reads from `real`, writes to `changed`.

    A version that `real` gave out is taken to be its newest, to save a read: a plan is told the
    truth of one moment, and what others write meanwhile is none of its affair.
    """

    def __init__(self, real: Documents, changed: Documents) -> None:
        self._real = real
        self._changed = changed

    def get(self, partition: str, name: str) -> Document | None:
        return self.get_many(partition, [name]).get(name)

    def get_many(self, partition: str, names: Sequence[str]) -> dict[str, Document]:
        changed = self._changed.get_many(partition, names)
        unchanged = [name for name in names if name not in changed]
        found = self._real.get_many(partition, unchanged) if unchanged else {}
        ours = {name: _shown(document) for name, document in changed.items() if _is_there(document)}
        return {**found, **ours}

    def put(
        self, partition: str, name: str, body: Mapping[str, Scalar], version: str | None
    ) -> str | None:
        done = self.put_all(partition, [Put(name, body, version)])
        return None if isinstance(done, str) else done[name]

    def put_all(self, partition: str, puts: Sequence[Put]) -> dict[str, str] | str:
        changed = self._changed.get_many(partition, [put.name for put in puts])
        new = [put.name for put in puts if put.version is None and put.name not in changed]
        taken = self._real.get_many(partition, new) if new else {}
        ours = []
        for put in puts:
            known = changed.get(put.name)
            if put.name in taken or (known and _version(known) != put.version):
                return put.name
            ours.append(Put(put.name, put.body, known.version if known else None))
        written = self._changed.put_all(partition, ours)
        assert not isinstance(written, str)
        return {name: _VERSION + version for name, version in written.items()}

    def delete(self, partition: str, name: str) -> None:
        known = self._changed.get(partition, name)
        self._changed.put(partition, name, {_DELETED: True}, known.version if known else None)

    def scan(
        self,
        partition: str,
        *,
        first: str = "",
        last: str = "",
        equals: Mapping[str, Scalar] | None = None,
    ) -> Iterable[Document]:
        real = self._real.scan(partition, first=first, last=last, equals=equals)
        unchanged = (found for found in real if self._changed.get(partition, found.name) is None)
        changed = self._changed.scan(partition, first=first, last=last, equals=equals)
        ours = (_shown(found) for found in changed if _is_there(found))
        return heapq.merge(unchanged, ours, key=lambda found: _order(found.name))


class WhatIfQueue:
    """Implements `p2c.sync.ports.Outbox`: takes messages that nobody but `take` gets to see.

    A message with a delay is dropped: a run leaves it to a later time, which nobody foretells.

    Attributes:
        unseen: Messages of the real queue that could not be looked into: those it hides, and what
            is behind the first `PEEKED`.
        cut: Whether there may be visible messages that could not be looked into.
    """

    def __init__(self, real: Outbox) -> None:
        self._real = real
        self._texts: list[str] = []
        self.unseen = 0
        self.cut = False

    def look(self) -> None:
        """Take up the messages that a run would find now."""
        texts = self._real.peek(PEEKED)
        self._texts += texts
        self.cut = len(texts) == PEEKED
        self.unseen = max(0, self._real.length() - len(texts))

    def take(self) -> list[str]:
        """Take all messages, the oldest first."""
        taken, self._texts = self._texts, []
        return taken

    def send(self, text: str, *, delay_seconds: float = 0) -> None:
        if delay_seconds == 0:
            self._texts.append(text)

    def peek(self, limit: int) -> list[str]:
        return self._texts[:limit]

    def length(self) -> int:
        return len(self._texts)


@dataclass(frozen=True, slots=True)
class Replaced:
    """An operation that was carried out here, with the values that its fields had in F&O.

    Attributes:
        old: Field to JSON value; None for an empty field and for all fields of a new record.
    """

    operation: Operation
    old: Mapping[str, object]


class WhatIfDestination:
    """Implements `p2c.sync.ports.Destination`: F&O as it would be with what was written here.

    A record that exists, or is absent, is told as F&O tells it; what F&O refuses for reasons of
    its own is not foreseen.
    """

    def __init__(self, real: Destination, documents: Documents) -> None:
        self._real = real
        self._written = _WrittenRecords(documents)
        self._looks: list[tuple[str, Sequence[str], list[dict[str, object]]]] = []
        self._replaced: dict[int, Replaced] = {}

    def find(
        self, entity_set: str, field: str, values: Iterable[str], select: Sequence[str]
    ) -> list[dict[str, object]]:
        wanted = list(values)
        key_fields = self._written.key_fields.get(entity_set, ())
        columns = list(dict.fromkeys([*select, *key_fields]))
        found = self._real.find(entity_set, field, wanted, columns)
        if key_fields:
            records = {_identity(entity_set, key_fields, record): record for record in found}
            records = {**self._written.find(entity_set, field, wanted), **records}
            whole = [{**record, **self._written.get(key)} for key, record in records.items()]
            folded = {_folded(value) for value in wanted}
            found = [record for record in whole if _folded(record.get(field)) in folded]
        self._looks.append((entity_set, columns, found))
        return found

    def write(self, operations: Sequence[Operation], *, send_before: float) -> list[PartResult]:
        del send_before  # Nothing is sent.
        before = self._before([found for found in operations if isinstance(found, Update)])
        return [
            self._carry_out(
                operation,
                {
                    **before.get(operation.key.identity, {}),
                    **self._written.get(operation.key.identity),
                },
            )
            for operation in operations
        ]

    def take_replaced(self) -> dict[int, Replaced]:
        """Give out and forget what was carried out since the last time, by the operation's `id`."""
        taken, self._replaced = self._replaced, {}
        self._looks.clear()
        return taken

    def _before(self, updates: Sequence[Update]) -> dict[tuple[str, ...], FnoRecord]:
        """Return the records to be updated: as the last look saw them, else by one more look."""
        fields: dict[tuple[str, str], set[str]] = {}
        values: dict[tuple[str, str], set[str]] = {}
        seen = {}
        for update in updates:
            names = [name for name, _ in update.key.parts]
            record = self._seen(update, names)
            if record is not None:
                seen[update.key.identity] = record
                continue
            kind = (update.key.entity_set, names[1])
            fields.setdefault(kind, set()).update(names, update.values)
            values.setdefault(kind, set()).add(update.key.parts[1][1])
        for (entity_set, field), wanted in values.items():
            self.find(entity_set, field, sorted(wanted), sorted(fields[entity_set, field]))
        for update in updates:
            record = self._seen(update, [name for name, _ in update.key.parts])
            if record is not None:
                seen[update.key.identity] = record
        return seen

    def _seen(self, update: Update, key_fields: Sequence[str]) -> FnoRecord | None:
        needed = {*key_fields, *update.values}
        for entity_set, select, records in reversed(self._looks):
            if entity_set != update.key.entity_set or not needed.issubset(select):
                continue
            for record in records:
                if _identity(entity_set, key_fields, record) == update.key.identity:
                    return record
        return None

    def _carry_out(self, operation: Operation, record: FnoRecord) -> PartResult:
        if isinstance(operation, Create) and record:
            return PartResult(Written.EXISTS, Reason("record-exists", "The record exists."))
        if isinstance(operation, Update) and not record:
            return PartResult(Written.ABSENT, Reason("record-absent", "The record is gone."))
        old = {name: record.get(name) for name in operation.values}
        self._written.put(operation.key, {**record, **operation.values})
        self._replaced[id(operation)] = Replaced(operation, old)
        return PartResult(Written.DONE)


class _WrittenRecords:
    """Records as they would be, found by any field that was ever asked for.

    Attributes:
        key_fields: Data entity to the fields of its key, of those that have a record here.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._searched: dict[str, list[str]] = {}
        self.key_fields: dict[str, tuple[str, ...]] = {}

    def get(self, identity: tuple[str, ...]) -> dict[str, Any]:
        """Return a record, {} when there is none here."""
        document = self._documents.get(identity[0], _digest(identity))
        return _record(document) if document else {}

    def put(self, key: RecordKey, record: FnoRecord) -> None:
        """Keep a record."""
        self.key_fields[key.entity_set] = tuple(name for name, _ in key.parts)
        name = _digest(key.identity)
        known = self._documents.get(key.entity_set, name)
        whole = {**self.get(key.identity), **dict(key.parts), **record}
        # What begins with "@" is the service's word on the record, such as its etag.
        fields = {field: value for field, value in whole.items() if field[0] != "@"}
        body = {field: exact_json.dumps(value) for field, value in fields.items()}
        self._documents.put(key.entity_set, name, body, known.version if known else None)
        for field in self._searched.get(key.entity_set, ()):
            self._index(key.entity_set, field, name, whole)

    def find(
        self, entity_set: str, field: str, values: Iterable[str]
    ) -> dict[tuple[str, ...], dict[str, Any]]:
        """Return records by their identity whose field has, or had here, one of the values."""
        if field not in self._searched.setdefault(entity_set, []):
            for document in self._documents.scan(entity_set):
                self._index(entity_set, field, document.name, _record(document))
            self._searched[entity_set].append(field)
        found = {}
        for value in values:
            first = _digest((_folded(value),)) + "|"
            places = self._documents.scan(f"{entity_set}|{field}", first=first, last=first + "~")
            names = [place.name.removeprefix(first) for place in places]
            for document in self._documents.get_many(entity_set, names).values():
                record = _record(document)
                found[_identity(entity_set, self.key_fields[entity_set], record)] = record
        return found

    def _index(self, entity_set: str, field: str, name: str, record: FnoRecord) -> None:
        partition = f"{entity_set}|{field}"
        place = f"{_digest((_folded(record.get(field)),))}|{name}"
        if self._documents.get(partition, place) is None:
            self._documents.put(partition, place, {}, None)


class OneAtATime:
    """Implements `p2c.sync.limiter.Slots` for a single thread that sends no writes."""

    def slot(self) -> AbstractContextManager[None]:
        """Give leave at once."""
        return nullcontext()

    def succeeded(self) -> None:
        """Adapt nothing."""

    def throttled(self) -> None:
        """Adapt nothing."""


def _record(document: Document) -> dict[str, Any]:
    return {field: exact_json.loads(str(value)) for field, value in document.body.items()}


def _version(document: Document) -> str | None:
    return _VERSION + document.version if _is_there(document) else None


def _is_there(document: Document) -> bool:
    return _DELETED not in document.body


def _shown(document: Document) -> Document:
    return Document(document.partition, document.name, document.body, _VERSION + document.version)


def _order(name: str) -> bytes:
    """Order names as storage does, by UTF-16 code unit."""
    return name.encode("utf-16-be", "surrogatepass")


def _identity(entity_set: str, key_fields: Sequence[str], record: FnoRecord) -> tuple[str, ...]:
    parts = tuple((name, str(record.get(name) or "")) for name in key_fields)
    return RecordKey(entity_set, parts).identity


def _folded(value: object) -> str:
    """Return a value as F&O compares it."""
    return str(value if value is not None else "").rstrip().casefold()


def _digest(parts: tuple[str, ...]) -> str:
    return hashlib.sha256(exact_json.dumps(parts).encode()).hexdigest()

"""The stored records: values by table and key, with record ids, versions and indexes.

It knows nothing of HTTP nor of validation. Only values that differ from a field's empty value are
kept, since a customer has some three hundred fields.
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from p2c.sandbox.filters import fold

Key = tuple[str, ...]
INDEXED = {
    "customers": ("CustomerAccount", "PartyNumber"),
    "contacts": ("ContactPersonPartyNumber", "AssociatedPartyNumber"),
    "parties": ("PartyNumber",),
    "groups": ("CustomerGroupId",),
    "companies": ("DataArea",),
    "sites": ("SiteId",),
    "warehouses": ("WarehouseId",),
}
KEYS = {
    "customers": ("dataAreaId", "CustomerAccount"),
    "contacts": ("dataAreaId", "ContactPersonPartyNumber", "AssociatedPartyNumber"),
    "parties": ("PartyNumber",),
    "groups": ("dataAreaId", "CustomerGroupId"),
    "companies": ("DataArea",),
    "sites": ("dataAreaId", "SiteId"),
    "warehouses": ("dataAreaId", "WarehouseId"),
}


class Record:
    """One record; replaced, never changed in place."""

    __slots__ = ("rec_id", "values", "version")

    def __init__(self, values: dict[str, Any], rec_id: int, version: int) -> None:
        self.values = values
        self.rec_id = rec_id
        self.version = version

    @property
    def etag(self) -> str:
        """``W/"…"`` around base64 of the quoted record version and id."""
        raw = f"'{self.version},{self.rec_id}'".encode()
        return f'W/"{base64.b64encode(raw).decode()}"'


def folded(values: dict[str, Any], names: tuple[str, ...]) -> Key:
    """A key in the form in which keys are compared."""
    return tuple(str(fold(values.get(name, ""))) for name in names)


class RecordTable:
    """The records of one table, in the order of their creation."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.keys = KEYS[name]
        self.records: dict[Key, Record] = {}
        self._indexes: dict[str, dict[Any, dict[Key, None]]] = {
            column: {} for column in INDEXED[name]
        }

    def set(self, key: Key, record: Record | None) -> None:
        """Put or (None) remove a record."""
        old = self.records.get(key)
        for column, index in self._indexes.items():
            before = fold(old.values.get(column, "")) if old else None
            after = fold(record.values.get(column, "")) if record else None
            if before != after:
                if before is not None:
                    index[before].pop(key, None)
                if after is not None:
                    index.setdefault(after, {})[key] = None
        if record is None:
            self.records.pop(key, None)
        else:
            self.records[key] = record

    def with_value(self, column: str, value: str) -> list[Record]:
        """Records that have a value in an indexed column."""
        found = self._indexes[column].get(fold(value), ())
        return [self.records[key] for key in found]

    def indexed(self, column: str) -> bool:
        """Whether `with_value` can be asked for the column."""
        return column in self._indexes


class Store:
    """All tables."""

    def __init__(self) -> None:
        self.tables = {name: RecordTable(name) for name in KEYS}
        self._rec_id = 22_565_400_000
        self._numbers = 0
        self._undo: list[Callable[[], None]] | None = None

    def insert(self, table: str, values: dict[str, Any]) -> Record:
        """Store a new record; its key must be free."""
        self._rec_id += 1
        record = Record(values, self._rec_id, 1)
        self._set(table, folded(values, KEYS[table]), record)
        return record

    def update(self, table: str, record: Record, values: dict[str, Any]) -> Record:
        """Replace a record's values; its key must not change."""
        changed = Record(values, record.rec_id, record.version + 1)
        self._set(table, folded(values, KEYS[table]), changed)
        return changed

    def delete(self, table: str, record: Record) -> None:
        """Remove a record."""
        self._set(table, folded(record.values, KEYS[table]), None)

    def empty(self, table: str) -> None:
        """Remove every record of a table."""
        self.tables[table] = RecordTable(table)

    def find(self, table: str, values: dict[str, Any]) -> Record | None:
        """The record with this key."""
        return self.tables[table].records.get(folded(values, KEYS[table]))

    def party(self, number: str) -> Record | None:
        """The party with this number."""
        return self.tables["parties"].records.get((str(fold(number)),))

    def next_number(self, prefix: str, width: int) -> str:
        """The next number of a number sequence."""
        self._numbers += 1
        return f"{prefix}{self._numbers:0{width}d}"

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes within, or, when an exception leaves the block, none. May be nested."""
        outer, self._undo = self._undo, []
        try:
            yield
        except BaseException:
            for undo in reversed(self._undo):
                undo()
            self._undo = outer
            raise
        if outer is not None:
            outer += self._undo
        self._undo = outer

    def _set(self, table: str, key: Key, record: Record | None) -> None:
        records = self.tables[table]
        old = records.records.get(key)
        if self._undo is not None:
            self._undo.append(lambda: records.set(key, old))
        records.set(key, record)

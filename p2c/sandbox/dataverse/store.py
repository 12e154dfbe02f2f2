"""The rows of the simulated environment, their versions, and the log that change tracking reads.

It knows nothing of HTTP. Rows are replaced, never changed in place, so a reader keeps what it has.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from p2c.sandbox.dataverse.schema import BY_NAME, Table
from p2c.sandbox.filters import fold

Row = dict[str, Any]
"""Column values by wire name; absent means null. ``<lookup>!`` holds a lookup's target table."""

INDEXED = {
    "account": ("accountnumber",),
    "contact": ("msdynce_contactnumber", "_parentcustomerid_value"),
    "transactioncurrency": ("isocurrencycode",),
}


class TableStore:
    """The rows of one table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.rows: dict[str, Row] = {}
        self.ids: list[str] = []
        self.changed: list[tuple[int, str]] = []
        self.deleted: list[tuple[int, str]] = []
        self.deleted_at: dict[str, int] = {}
        self._indexes: dict[str, dict[Any, dict[str, None]]] = {
            column: {} for column in INDEXED[table.logical_name]
        }

    def set(self, row_id: str, row: Row | None) -> None:
        """Put or (None) remove a row; indexes follow, the change log does not."""
        old = self.rows.get(row_id)
        for column, index in self._indexes.items():
            before = fold(old.get(column)) if old else None
            after = fold(row.get(column)) if row else None
            if before != after:
                if before is not None:
                    index[before].pop(row_id, None)
                if after is not None:
                    index.setdefault(after, {})[row_id] = None
        if row is None:
            self.rows.pop(row_id, None)
            position = bisect_left(self.ids, row_id)
            if position < len(self.ids) and self.ids[position] == row_id:
                del self.ids[position]
            return
        if old is None:
            insort(self.ids, row_id)
        self.rows[row_id] = row

    def with_value(self, column: str, value: Any) -> list[str]:
        """Ids of the rows that have a value in an indexed column."""
        return list(self._indexes[column].get(fold(value), ()))

    def indexed(self, column: str) -> bool:
        """Whether `with_value` can be asked for the column."""
        return column in self._indexes

    def changes_after(self, version: int, until: int) -> Iterator[tuple[int, Row]]:
        """Rows whose last change lies in (version, until], by version."""
        start = bisect_right(self.changed, (version, "~"))
        for changed, row_id in self.changed[start:]:
            if changed > until:
                return
            row = self.rows.get(row_id)
            if row is not None and row["versionnumber"] == changed:
                yield changed, row

    def deletions_after(self, version: int, until: int) -> Iterator[tuple[int, str]]:
        """Rows that do not exist, with their last deletion, if in (version, until], by version."""
        start = bisect_right(self.deleted, (version, "~"))
        for deleted, row_id in self.deleted[start:]:
            if deleted > until:
                return
            if row_id not in self.rows and self.deleted_at.get(row_id) == deleted:
                yield deleted, row_id


class Store:
    """All tables with one row version counter."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.now = now
        self.version = 900_000
        self.expired_before = 0
        self.tables = {name: TableStore(table) for name, table in BY_NAME.items()}
        self._undo: list[Callable[[], None]] | None = None

    def timestamp(self) -> str:
        """Now, as the Web API writes it."""
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def put(self, table: str, row_id: str, row: Row, user: str) -> Row:
        """Store a new state of a row; gives it a version, times and the modifying user."""
        store = self.tables[table]
        old = store.rows.get(row_id)
        self.version += 1
        stamp = self.timestamp()
        row |= {"versionnumber": self.version, "modifiedon": stamp, "_modifiedby_value": user}
        if old is None:
            row |= {
                "createdon": row.get("overriddencreatedon") or stamp,
                "_createdby_value": user,
                "_ownerid_value": user,
            }
        self._remember(lambda: store.set(row_id, old))
        store.set(row_id, row)
        store.changed.append((self.version, row_id))
        return row

    def remove(self, table: str, row_id: str) -> None:
        """Delete a row."""
        store = self.tables[table]
        old = store.rows[row_id]
        self.version += 1
        # The log needs no undoing: what it says of a row that exists is passed over.
        self._remember(lambda: store.set(row_id, old))
        store.set(row_id, None)
        store.deleted.append((self.version, row_id))
        store.deleted_at[row_id] = self.version

    def load(self, table: str, rows: Iterable[Row], user: str) -> None:
        """Put many rows at once, as demo data; they bring their own times or get the present."""
        store = self.tables[table]
        for row in rows:
            self.version += 1
            stamp = row.get("modifiedon") or self.timestamp()
            row |= {
                "versionnumber": self.version,
                "modifiedon": stamp,
                "_modifiedby_value": user,
                "createdon": row.get("createdon") or stamp,
                "_createdby_value": user,
                "_ownerid_value": user,
            }
            store.set(row[store.table.primary_id], row)
            store.changed.append((self.version, row[store.table.primary_id]))

    def expire_tokens(self) -> None:
        """Make every delta token handed out so far an expired one."""
        self.version += 1
        self.expired_before = self.version

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes within, or, when an exception leaves the block, none."""
        self._undo = []
        try:
            yield
        except BaseException:
            for undo in reversed(self._undo):
                undo()
            raise
        finally:
            self._undo = None

    def _remember(self, undo: Callable[[], None]) -> None:
        if self._undo is not None:
            self._undo.append(undo)

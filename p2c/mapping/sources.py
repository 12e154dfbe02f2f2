"""Where a field's value comes from: a column, or a column of the row that a lookup points to.

`parse_path` knows the syntax of the published templates; resolving the names against the tables
is left to `p2c.templates`.
"""

import re
from dataclasses import dataclass

from p2c.model import SourceRow

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PLAIN = re.compile(rf"({_NAME})(?:\.({_NAME}))?")
_POLYMORPHIC = re.compile(rf"({_NAME})((?:\.{_NAME}\({_NAME}\))+)")
_TARGET = re.compile(rf"\.({_NAME})\(({_NAME})\)")


@dataclass(frozen=True, slots=True)
class Column:
    """A plain column of the row."""

    name: str

    def read(self, row: SourceRow) -> object:
        """Return the column's value; None when it is blank or absent."""
        return row.columns.get(self.name)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class LookupColumn:
    """A column of the row that a lookup points to, by the table that row is in.

    Attributes:
        lookup: The lookup column, such as ``parentcustomerid``.
        columns: Table to the column wanted from there. A row of another table gives a blank.
    """

    lookup: str
    columns: tuple[tuple[str, str], ...]

    def read(self, row: SourceRow) -> object:
        """Return the value; None when the lookup is empty or leads to another table."""
        found = row.lookups.get(self.lookup)
        if found is None:
            return None
        for table, column in self.columns:
            if table == found.table:
                return found.columns.get(column)
        return None

    def __str__(self) -> str:
        if len(self.columns) == 1:
            return f"{self.lookup}.{self.columns[0][1]}"
        return self.lookup + "".join(f".{table}({column})" for table, column in self.columns)


@dataclass(frozen=True, slots=True)
class LookupId:
    """The primary key of the row that a lookup points to; of one table, or of any with ""."""

    lookup: str
    table: str = ""

    def read(self, row: SourceRow) -> object:
        """Return the id; None when the lookup is empty or leads to another table."""
        found = row.lookups.get(self.lookup)
        if found is None or (self.table and found.table != self.table):
            return None
        return found.row_id

    def __str__(self) -> str:
        return f"{self.lookup}.{self.table}" if self.table else f"_{self.lookup}_value"


Source = Column | LookupColumn | LookupId


@dataclass(frozen=True, slots=True)
class Path:
    """A source as it is written, not yet resolved.

    Attributes:
        column: The first name: a column, or a lookup when there are targets.
        targets: Table and column behind the lookup; the table is "" where none is written.
    """

    column: str
    targets: tuple[tuple[str, str], ...] = ()


def parse_path(text: str) -> Path | None:
    """Read ``column``, ``lookup.column`` or ``lookup.Table(column).Table(column)``, else None."""
    if plain := _PLAIN.fullmatch(text.strip()):
        column, behind = plain.groups()
        return Path(column, (("", behind),) if behind else ())
    if polymorphic := _POLYMORPHIC.fullmatch(text.strip()):
        column, targets = polymorphic.groups()
        return Path(column, tuple((found[1], found[2]) for found in _TARGET.finditer(targets)))
    return None

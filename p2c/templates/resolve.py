"""Resolves the names in a task against the metadata, and gathers what the task has to read."""

from dataclasses import dataclass, field

from p2c.mapping.filters import Filter, FilterError, targets_required
from p2c.mapping.sources import Column, LookupColumn, LookupId, Source, parse_path
from p2c.model import Lookup, LookupTarget, SourceQuery
from p2c.templates.files import suggestion
from p2c.templates.metadata import ColumnDefinition, Metadata, Table


class SourceError(Exception):
    """A source cannot be resolved; the message says what was found and expected."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class SourceTable:
    """A task's source table; remembers what was resolved, for the query.

    Attributes:
        columns: Plain columns used so far, as an ordered set.
        lookups: Lookup to table to columns used so far.
    """

    metadata: Metadata
    name: str
    columns: dict[str, None] = field(default_factory=dict)
    lookups: dict[str, dict[str, dict[str, None]]] = field(default_factory=dict)

    @property
    def table(self) -> Table:
        """The table's metadata."""
        return self.metadata.tables[self.name]

    def source(self, text: str) -> Source:
        """Resolve a field's source.

        Raises:
            SourceError: It is no path, or names something unknown.
        """
        path = parse_path(text)
        if path is None:
            raise SourceError(
                "source-invalid",
                f"'{text}' is no source; expected column, lookup.column or "
                "lookup.Table(column).Table(column)",
            )
        if path.targets:
            return self._follow(path.column, path.targets)
        if path.column in self.table.lookups:
            raise SourceError(
                "lookup-not-followed",
                f"'{text}' is a lookup; say which column behind it, as {text}.column",
            )
        return self._column(text, path.column)

    def filter_source(self, text: str) -> Source:
        """Resolve a name in a filter: a column, ``_lookup_value`` or ``navigation/column``.

        Raises:
            FilterError: It names something unknown.
        """
        try:
            if "/" in text:
                return self._navigate(text)
            lookup = text.removeprefix("_").removesuffix("_value")
            if text == f"_{lookup}_value" and lookup in self.table.lookups:
                self.lookups.setdefault(lookup, {})
                return LookupId(lookup)
            return self._column(text, text)
        except SourceError as error:
            raise FilterError(str(error), "filter-column-unknown") from error

    def leave_out(self, condition: Filter) -> None:
        """Do not read tables behind a lookup that a row cannot refer to if a filter holds."""
        for lookup, table in targets_required(condition):
            self.lookups[lookup] = {table: self.lookups[lookup].get(table, {})}

    def definitions(self, source: Source) -> tuple[ColumnDefinition, ...]:
        """Return the definitions of the columns a source may read."""
        match source:
            case Column():
                return (self.table.columns[source.name],)
            case LookupColumn():
                tables = self.metadata.tables
                return tuple(tables[table].columns[column] for table, column in source.columns)
            case _:
                return (ColumnDefinition(type="Uniqueidentifier"),)

    def query(self) -> SourceQuery:
        """Return what must be read for everything resolved so far."""
        return SourceQuery(
            self.name,
            self.table.set,
            self.table.primary_key,
            tuple(self.columns),
            tuple(
                Lookup(lookup, tuple(self._target(lookup, table) for table in targets or all_of))
                for lookup, targets in self.lookups.items()
                for all_of in [self.table.lookups[lookup]]
            ),
        )

    def _target(self, lookup: str, table: str) -> LookupTarget:
        return LookupTarget(
            table,
            self.table.lookups[lookup][table],
            self.metadata.tables[table].primary_key,
            tuple(self.lookups[lookup].get(table, ())),
        )

    def _column(self, text: str, column: str) -> Column:
        if column not in self.table.columns:
            hint = suggestion(column, [*self.table.columns, *self.table.lookups])
            raise SourceError("column-unknown", f"table '{self.name}' has no column '{text}'{hint}")
        self.columns[column] = None
        return Column(column)

    def _follow(self, lookup: str, written: tuple[tuple[str, str], ...]) -> LookupColumn:
        targets = self.table.lookups.get(lookup)
        if targets is None:
            hint = suggestion(lookup, list(self.table.lookups))
            raise SourceError(
                "lookup-unknown", f"table '{self.name}' has no lookup '{lookup}'{hint}"
            )
        if written[0][0] == "":
            if len(targets) > 1:
                ways = "".join(f".{table}(…)" for table in targets)
                raise SourceError(
                    "lookup-ambiguous",
                    f"'{lookup}' leads to several tables ({', '.join(targets)}); "
                    f"write {lookup}{ways}",
                )
            written = ((next(iter(targets)), written[0][1]),)
        columns = tuple(self._behind(lookup, table.casefold(), column) for table, column in written)
        if len({table for table, _ in columns}) < len(columns):
            raise SourceError("source-invalid", f"'{lookup}' is followed into one table twice")
        return LookupColumn(lookup, columns)

    def _behind(self, lookup: str, table: str, column: str) -> tuple[str, str]:
        targets = self.table.lookups[lookup]
        if table not in targets:
            raise SourceError(
                "table-unknown",
                f"lookup '{lookup}' does not lead to a table '{table}', only to "
                f"{', '.join(targets)}",
            )
        known = self.metadata.tables[table].columns
        if column not in known:
            hint = suggestion(column, list(known))
            raise SourceError("column-unknown", f"table '{table}' has no column '{column}'{hint}")
        self.lookups.setdefault(lookup, {}).setdefault(table, {})[column] = None
        return table, column

    def _navigate(self, text: str) -> Source:
        property_name, _, column = text.partition("/")
        for lookup, targets in self.table.lookups.items():
            for table, navigation in targets.items():
                if navigation != property_name:
                    continue
                if column == self.metadata.tables[table].primary_key:
                    self.lookups.setdefault(lookup, {}).setdefault(table, {})
                    return LookupId(lookup, table)
                return LookupColumn(lookup, (self._behind(lookup, table, column),))
        known = [name for targets in self.table.lookups.values() for name in targets.values()]
        raise SourceError(
            "lookup-unknown",
            f"table '{self.name}' has no navigation property '{property_name}'"
            f"{suggestion(property_name, known)}",
        )

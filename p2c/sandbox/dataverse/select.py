"""``$select``, ``$expand`` and annotations: which columns of a row are shown, and how."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from p2c.sandbox.dataverse.errors import BAD_REQUEST, refused, unknown_property
from p2c.sandbox.dataverse.schema import BY_NAME, Column, Lookup, Table
from p2c.sandbox.dataverse.store import Row, Store

MAX_EXPANDS = 15
FORMATTED = "OData.Community.Display.V1.FormattedValue"
LOOKUP_TABLE = "Microsoft.Dynamics.CRM.lookuplogicalname"
LOOKUP_NAVIGATION = "Microsoft.Dynamics.CRM.associatednavigationproperty"


@dataclass(frozen=True)
class Expand:
    """One expanded navigation property and what is shown of the row behind it."""

    lookup: Lookup
    shape: "Shape"


@dataclass(frozen=True)
class Shape:
    """What is shown of a row."""

    table: Table
    columns: tuple[str, ...]
    """Shown columns, the primary key always among them."""
    selected: tuple[str, ...]
    """The columns that ``$select`` named; empty for all."""
    expands: tuple[Expand, ...]


@lru_cache(maxsize=512)
def shape_of(table: Table, select: str | None, expand: str | None) -> Shape:
    """Read ``$select`` and ``$expand``.

    Raises:
        Refused: An unknown column or navigation property, or more than 15 expands.
    """
    if select is None or select.strip() in {"", "*"}:
        columns = [name for name in table.columns if name != table.primary_id]
        selected: list[str] = []
    else:
        columns, selected = [], []
        for raw in select.split(","):
            name = raw.strip()
            if name not in table.columns:
                raise unknown_property(name, table.type_name)
            if name not in columns:
                columns.append(name)
            selected.append(name)
            if table.columns[name].kind == "money" and (
                "_transactioncurrencyid_value" not in columns
            ):
                columns.append("_transactioncurrencyid_value")
    if table.primary_id not in columns:
        columns.append(table.primary_id)
    expands = tuple(_expand(table, item) for item in _split(expand or "", ","))
    if _count(expands) > MAX_EXPANDS:
        raise refused(
            400,
            "0x8004430D",
            f"Number of link entity {_count(expands)} exceeded limit {MAX_EXPANDS}",
        )
    return Shape(table, tuple(columns), tuple(dict.fromkeys(selected)), expands)


def _count(expands: tuple[Expand, ...]) -> int:
    return sum(1 + _count(item.shape.expands) for item in expands)


def _split(text: str, separator: str) -> list[str]:
    pieces, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == separator and depth == 0:
            pieces.append(text[start:position])
            start = position + 1
    pieces.append(text[start:])
    return [piece.strip() for piece in pieces if piece.strip()]


def _expand(table: Table, text: str) -> Expand:
    match = re.fullmatch(r"(\w+)(?:\((.*)\))?", text, re.DOTALL)
    if match is None:
        raise refused(
            400, BAD_REQUEST, f"Term '{text[:100]}' is not valid in a $expand expression."
        )
    lookup = table.lookups.get(match[1])
    if lookup is None:
        raise unknown_property(match[1], table.type_name)
    options = dict(item.partition("=")[::2] for item in _split(match[2] or "", ";"))
    unknown = set(options) - {"$select", "$expand"}
    if unknown:
        raise refused(
            400,
            BAD_REQUEST,
            f"Query option '{min(unknown)}' is not allowed in $expand of a single-valued property.",
        )
    target = BY_NAME[lookup.target]
    return Expand(lookup, shape_of(target, options.get("$select"), options.get("$expand")))


def projector(
    shape: Shape, store: Store, annotations: str | None, root: str
) -> Callable[[Row], dict[str, Any]]:
    """Build the function that turns a row into its JSON object."""
    columns = shape.columns
    annotate = _annotator(shape, store, annotations) if annotations else None

    def project(row: Row) -> dict[str, Any]:
        shown: dict[str, Any] = {"@odata.etag": f'W/"{row["versionnumber"]}"'}
        for name in columns:
            if annotate is not None:
                annotate(row, name, shown)
            shown[name] = row.get(name)
        for expand, inner in expands:
            shown[expand.lookup.navigation] = _related(row, expand.lookup, store, inner)
        return shown

    expands = [(item, projector(item.shape, store, annotations, root)) for item in shape.expands]
    return project


def _related(
    row: Row, lookup: Lookup, store: Store, project: Callable[[Row], dict[str, Any]]
) -> dict[str, Any] | None:
    target = related_row(row, lookup, store)
    return project(target) if target is not None else None


def related_row(row: Row, lookup: Lookup, store: Store) -> Row | None:
    """The row behind a navigation property; None when it is empty or of another table."""
    row_id = row.get(lookup.column)
    if row_id is None or row.get(f"{lookup.column}!", lookup.target) != lookup.target:
        return None
    return store.tables[lookup.target].rows.get(row_id)


def _annotator(
    shape: Shape, store: Store, wanted: str
) -> Callable[[Row, str, dict[str, Any]], None]:
    patterns = [item.strip() for item in wanted.split(",")]

    def asked(name: str) -> bool:
        return any(
            item in {"*", name} or (item.endswith("*") and name.startswith(item[:-1]))
            for item in patterns
        )

    formatted, table_name, navigation = map(asked, (FORMATTED, LOOKUP_TABLE, LOOKUP_NAVIGATION))

    def annotate(row: Row, name: str, shown: dict[str, Any]) -> None:
        value = row.get(name)
        column = shape.table.columns[name]
        if value is None or column.kind in {"string", "memo", "guid"}:
            return
        if column.kind == "lookup":
            lookup = _lookup_of(shape.table, name, row)
            if navigation and lookup is not None:
                shown[f"{name}@{LOOKUP_NAVIGATION}"] = lookup.navigation
            if table_name:
                shown[f"{name}@{LOOKUP_TABLE}"] = lookup.target if lookup else "systemuser"
            if formatted:
                shown[f"{name}@{FORMATTED}"] = _name_of(row, lookup, store)
        elif formatted:
            shown[f"{name}@{FORMATTED}"] = _formatted(column, value)

    return annotate


def _lookup_of(table: Table, column: str, row: Row) -> Lookup | None:
    target = row.get(f"{column}!")
    for lookup in table.lookups.values():
        if lookup.column == column and target in {None, lookup.target}:
            return lookup
    return None


def _name_of(row: Row, lookup: Lookup | None, store: Store) -> str:
    if lookup is None:
        return "Sandbox User"
    related = related_row(row, lookup, store)
    return (related or {}).get(BY_NAME[lookup.target].primary_name) or ""


def _formatted(column: Column, value: Any) -> str:
    if column.kind == "choice":
        return column.choices.get(value, str(value))
    if column.kind == "bool":
        return "Yes" if value else "No"
    if column.kind == "money":
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) and column.kind == "int" else str(value)

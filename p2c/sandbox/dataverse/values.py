"""What a write may set: column types, lengths, choices and lookups, with the service's refusals."""

import re
from datetime import date, datetime
from typing import Any

from p2c.sandbox.dataverse.errors import (
    BAD_REQUEST,
    NO_ROW_WITH_KEY,
    PAYLOAD,
    VALIDATION,
    no_such_row,
    refused,
)
from p2c.sandbox.dataverse.schema import TABLES, Column, Lookup, Table
from p2c.sandbox.dataverse.store import Row, Store
from p2c.sandbox.filters import fold
from p2c.sandbox.http import BadPathError, parse_path, unquote_literal

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
BIND = "@odata.bind"


def set_values(table: Table, row: Row, body: dict[str, Any], store: Store) -> None:
    """Set a payload's values in `row`.

    Raises:
        Refused: Unknown property, wrong type, over-long text, unknown choice, missing lookup.
    """
    for name, value in body.items():
        if name.endswith(BIND):
            _bind(table, row, name[: -len(BIND)], value, store)
        elif "@" in name:
            continue
        else:
            column = _column(table, name)
            if name != table.primary_id and not column.read_only:
                row[name] = _checked(table, column, value)


def _column(table: Table, name: str) -> Column:
    column = table.columns.get(name)
    if column is not None and column.kind != "lookup":
        return column
    if column is not None:
        raise refused(
            400,
            PAYLOAD,
            "CRM do not support direct update of Entity Reference properties, Use Navigation "
            "properties instead.",
        )
    raise refused(
        400,
        PAYLOAD,
        f"Error identified in Payload provided by the user for Entity :'{table.entity_set}', "
        "InnerException : Microsoft.OData.ODataException: The property "
        f"'{name}' does not exist on type '{table.type_name}'. Make sure to only use property "
        "names that are defined by the type.",
    )


def _checked(table: Table, column: Column, value: Any) -> Any:
    if value is None:
        return column.default
    if column.kind in {"string", "memo"} and isinstance(value, str):
        return _text(table, column, value)
    if column.kind == "choice" and _is_int(value):
        if column.choices and value not in column.choices:
            raise refused(
                400,
                "0x8004431a",
                f"A validation error occurred. The value {value} of '{column.name}' on record of "
                f"type '{table.logical_name}' is outside the valid range. Accepted Values: "
                f"{','.join(map(str, column.choices))}",
            )
        return value
    if _fits(column.kind, value):
        return value
    raise refused(
        400,
        PAYLOAD,
        f"Error identified in Payload provided by the user for Entity :'{table.entity_set}', "
        "InnerException : Microsoft.OData.ODataException: Cannot convert the literal "
        f"'{value}' to the expected type of '{column.name}'.",
    )


def _text(table: Table, column: Column, value: str) -> str | None:
    if column.length is not None and len(value) > column.length:
        raise refused(
            400,
            VALIDATION,
            f"A validation error occurred. The length of the '{column.name}' attribute of the "
            f"'{table.logical_name}' entity exceeded the maximum allowed length of "
            f"'{column.length}'.",
        )
    # An empty text is stored as null.
    return value or None


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "bigint": (int,),
    "money": (int, float),
    "decimal": (int, float),
    "bool": (bool,),
}


def _fits(kind: str, value: Any) -> bool:
    types = _TYPES.get(kind)
    if types is not None:
        return isinstance(value, types) and isinstance(value, bool) == (kind == "bool")
    if not isinstance(value, str):
        return False
    try:
        if kind == "date":
            date.fromisoformat(value)
        elif kind == "datetime":
            datetime.fromisoformat(value)
        else:
            return kind == "guid" and GUID.fullmatch(value) is not None
    except ValueError:
        return False
    return True


def _bind(table: Table, row: Row, navigation: str, value: Any, store: Store) -> None:
    lookup = table.lookups.get(navigation)
    if lookup is None:
        raise refused(
            400,
            PAYLOAD,
            f"An undeclared property '{navigation}' which only has property annotations in the "
            "payload but no property value was found in the payload. In OData, only declared "
            "navigation properties and declared named streams can be represented as properties "
            "without values.",
        )
    if value is None:
        clear_lookup(row, lookup)
        return
    row[lookup.column] = bound_row(str(value), lookup, store)
    row[f"{lookup.column}!"] = lookup.target


def clear_lookup(row: Row, lookup: Lookup) -> None:
    """Make a lookup empty."""
    row.pop(lookup.column, None)
    row.pop(f"{lookup.column}!", None)


def bound_row(reference: str, lookup: Lookup, store: Store) -> str:
    """The id of the row that a ``@odata.bind`` names by id or by alternate key."""
    path = reference.partition("/api/data/")[2].partition("/")[2] or reference
    try:
        segments = parse_path(path)
    except BadPathError as error:
        raise refused(400, BAD_REQUEST, f"Invalid URI '{reference[:100]}'.") from error
    target = TABLES.get(segments[0].name) if len(segments) == 1 else None
    if target is None or target.logical_name != lookup.target or segments[0].key is None:
        raise refused(400, BAD_REQUEST, f"Resource not found for the segment '{reference[:100]}'.")
    key = segments[0].key
    if "" in key:
        row_id = key[""].lower()
        if row_id not in store.tables[lookup.target].rows:
            raise no_such_row(lookup.target, row_id)
        return row_id
    found = rows_with_key(target, key, store)
    if not found:
        raise refused(
            404,
            NO_ROW_WITH_KEY,
            f"A record with the specified key values does not exist in {lookup.target} entity",
        )
    return found[0]


def rows_with_key(table: Table, key: dict[str, str], store: Store) -> list[str]:
    """Ids of the rows with these column values (one column: no composite keys exist here)."""
    (name, literal), *_ = key.items()
    rows = store.tables[table.logical_name]
    value = unquote_literal(literal)
    if rows.indexed(name):
        return rows.with_value(name, value)
    return [row_id for row_id in rows.ids if fold(rows.rows[row_id].get(name)) == fold(value)]

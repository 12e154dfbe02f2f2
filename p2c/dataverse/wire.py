"""Dataverse's JSON turned into p2c's values, and p2c's queries into its query options. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from p2c.model import (
    ChangePage,
    Lookup,
    LookupRow,
    LookupTarget,
    RowId,
    SourceQuery,
    SourceRow,
    TableDefinition,
)
from p2c.odata import urls

Options = list[tuple[str, str]]

_COLUMNS = "Attributes($select=LogicalName,AttributeType)"
_NAVIGATION = "ReferencingEntityNavigationPropertyName"
_RELATIONSHIPS = (
    f"ManyToOneRelationships($select=ReferencingAttribute,ReferencedEntity,{_NAVIGATION})"
)
DEFINITION_OPTIONS: Options = [
    ("$select", "LogicalName,EntitySetName,PrimaryIdAttribute,ChangeTrackingEnabled"),
    ("$expand", f"{_COLUMNS},{_RELATIONSHIPS}"),
]
"""What is asked of a table's definition: whole definitions run to megabytes."""


class WireError(ValueError):
    """A body lacks something that Dataverse always sends."""


def change_page(body: Mapping[str, Any], primary_key: str) -> ChangePage:
    """Read a page of ids, changed ones and deleted ones.

    Raises:
        WireError: An item has no id that can be read; the page would lose it.
    """
    changed: list[RowId] = []
    deleted: list[RowId] = []
    for item in _items(body):
        if is_deleted(item):
            deleted.append(_guid(item.get("id"), "id of a deleted row"))
        else:
            changed.append(_guid(item.get(primary_key), primary_key))
    next_link = link(body, "@odata.nextLink")
    # Both links never come together; should they, the delta link would skip the pages between.
    delta_link = None if next_link else link(body, "@odata.deltaLink")
    return ChangePage(tuple(changed), tuple(deleted), next_link, delta_link)


def source_rows(body: Mapping[str, Any], query: SourceQuery) -> list[SourceRow]:
    """Read rows with their lookups.

    Raises:
        WireError: A selected column is absent. Empty ones come as null, so treating an absent one
            as empty could clear a field in F&O.
    """
    return [_source_row(item, query) for item in _items(body)]


def row_ids(body: Mapping[str, Any], primary_key: str) -> tuple[RowId, ...]:
    """Read a page of ids.

    Raises:
        WireError: A row has no id that can be read.
    """
    return tuple(_guid(item.get(primary_key), primary_key) for item in _items(body))


def table_definition(body: Mapping[str, Any]) -> TableDefinition:
    """Read a table's definition, asked for by `DEFINITION_OPTIONS`.

    Raises:
        WireError: A property is absent.
    """
    columns: dict[str, str] = {}
    for item in _list(body, "Attributes"):
        column, kind = _texts(item, "LogicalName", "AttributeType")
        columns[column] = kind
    navigation: dict[tuple[str, str], str] = {}
    for item in _list(body, "ManyToOneRelationships"):
        if item.get(_NAVIGATION) is not None:
            lookup, target, name = _texts(
                item, "ReferencingAttribute", "ReferencedEntity", _NAVIGATION
            )
            navigation[lookup, target] = name
    table, entity_set, primary_key = _texts(
        body, "LogicalName", "EntitySetName", "PrimaryIdAttribute"
    )
    if not isinstance(body.get("ChangeTrackingEnabled"), bool):
        raise WireError("the property ChangeTrackingEnabled")
    return TableDefinition(
        logical_name=table,
        entity_set=entity_set,
        primary_key=primary_key,
        is_change_tracking_enabled=body["ChangeTrackingEnabled"],
        columns=columns,
        navigation=navigation,
    )


def link(body: Mapping[str, Any], name: str) -> str | None:
    """Return a link of a body verbatim; None when it is absent or empty."""
    found = body.get(name)
    return found if isinstance(found, str) and found else None


def is_deleted(item: Mapping[str, Any]) -> bool:
    """Whether an item of a delta page stands for a deleted row."""
    context = item.get("@odata.context")
    return item.get("reason") == "deleted" or (
        isinstance(context, str) and context.endswith("/$deletedEntity")
    )


def read_options(query: SourceQuery) -> Options:
    """Return ``$select`` and ``$expand`` for reading rows with their lookups."""
    columns = [query.primary_key, *query.columns]
    columns += [lookup_column(lookup) for lookup in query.lookups]
    options = [("$select", ",".join(urls.name(column) for column in dict.fromkeys(columns)))]
    expands = [_expand(target) for lookup in query.lookups for target in lookup.targets]
    if expands:
        options.append(("$expand", ",".join(dict.fromkeys(expands))))
    return options


def rows_filter(primary_key: str, row_ids: Iterable[RowId]) -> str:
    """Return the filter for rows by id.

    The query function `In` is documented, a third shorter than a chain of ``or``, and one
    condition where a chain counts every term against Dataverse's limit of conditions a query.
    """
    values = ",".join(urls.text_literal(urls.guid(row_id)) for row_id in row_ids)
    name = urls.text_literal(urls.name(primary_key))
    return f"Microsoft.Dynamics.CRM.In(PropertyName={name},PropertyValues=[{values}])"


def referring_filter(lookup: Lookup, row_ids: Iterable[RowId]) -> str:
    """Return the filter for rows whose lookup points to one of some rows, of any table.

    A chain of ``or``: how `In` spells a lookup is not documented.
    """
    column = urls.name(lookup_column(lookup))
    return " or ".join(f"{column} eq {urls.guid(row_id)}" for row_id in row_ids)


def lookup_column(lookup: Lookup) -> str:
    """Return the property that holds the id a lookup column points to."""
    return f"_{lookup.column}_value"


def _expand(target: LookupTarget) -> str:
    columns = dict.fromkeys((target.primary_key, *target.columns))
    select = ",".join(urls.name(column) for column in columns)
    return f"{urls.name(target.navigation_property)}($select={select})"


def _source_row(item: Mapping[str, Any], query: SourceQuery) -> SourceRow:
    etag = item.get("@odata.etag")
    return SourceRow(
        row_id=_guid(item.get(query.primary_key), query.primary_key),
        version=etag.removeprefix("W/").strip('"') if isinstance(etag, str) else "",
        columns=_columns(item, query.columns),
        lookups={lookup.column: _lookup_row(item, lookup) for lookup in query.lookups},
    )


def _lookup_row(item: Mapping[str, Any], lookup: Lookup) -> LookupRow | None:
    value = _columns(item, (lookup_column(lookup),))[lookup_column(lookup)]
    if value is None:
        return None
    row_id = _guid(value, lookup_column(lookup))
    for target in lookup.targets:
        expanded = item.get(target.navigation_property)
        if isinstance(expanded, Mapping):
            return LookupRow(target.table, row_id, _columns(expanded, target.columns))
    return LookupRow("", row_id)


def _columns(item: Mapping[str, Any], names: Sequence[str]) -> dict[str, object]:
    absent = [name for name in names if name not in item]
    if absent:
        raise WireError(f"the column {absent[0]} that was selected")
    return {name: item[name] for name in names}


def _items(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return _list(body, "value")


def _list(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    items = body.get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise WireError(f"a list in '{name}'")
    return items


def _texts(item: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    absent = [name for name in names if not isinstance(item.get(name), str)]
    if absent:
        raise WireError(f"the property {absent[0]}")
    return tuple(item[name] for name in names)


def _guid(value: object, where: str) -> RowId:
    try:
        return urls.guid(value if isinstance(value, str) else "")
    except ValueError as error:
        raise WireError(f"a GUID as {where}") from error

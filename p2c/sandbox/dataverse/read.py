"""Reading: one row, or many by filter, order and page. Tracked reads are in `changes`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from p2c.sandbox.dataverse.errors import (
    BAD_REQUEST,
    TOO_MANY_CONDITIONS,
    refused,
    unknown_property,
)
from p2c.sandbox.dataverse.schema import BY_NAME, Table
from p2c.sandbox.dataverse.select import Shape, projector, related_row, shape_of
from p2c.sandbox.dataverse.store import Row, Store
from p2c.sandbox.filters import BadFilterError, Dialect, Filter, Getter, compile_filter, fold
from p2c.sandbox.http import Call, Reply, json_reply
from p2c.sandbox.switches import Switches

KNOWN_OPTIONS = {
    "$select",
    "$filter",
    "$orderby",
    "$top",
    "$expand",
    "$count",
    "$skiptoken",
    "$deltatoken",
}
COUNT_CAP = 5_000
MOST_CONDITIONS = 500

_KINDS = {
    "string": "string",
    "memo": "string",
    "guid": "guid",
    "lookup": "guid",
    "bool": "bool",
    "datetime": "datetime",
    "date": "date",
}


def check_options(options: dict[str, str]) -> None:
    """Refuse query options that the Web API does not support."""
    if "$skip" in options:
        raise refused(400, "0x80060888", "Skip Clause is not supported in CRM")
    for name in options:
        if name.startswith("$") and name not in KNOWN_OPTIONS:
            raise refused(400, BAD_REQUEST, f"The query parameter {name} is not supported.")


def dialect(table: Table, store: Store) -> Dialect:
    """What Dataverse accepts in a filter on this table."""

    def column(path: tuple[str, ...]) -> tuple[Getter, str]:
        if len(path) == 2 and path[0] in table.lookups:
            lookup = table.lookups[path[0]]
            target = BY_NAME[lookup.target]
            if path[1] in target.columns:
                return (
                    lambda row: (related_row(dict(row), lookup, store) or {}).get(path[1]),
                    _KINDS.get(target.columns[path[1]].kind, "number"),
                )
        if len(path) != 1 or path[0] not in table.columns:
            raise unknown_property("/".join(path), table.type_name)
        name = path[0]
        return (lambda row: row.get(name)), _KINDS.get(table.columns[name].kind, "number")

    functions = frozenset({"contains", "startswith", "endswith"})
    return Dialect(column, functions, wildcards=False, enum_prefix=None, in_function=True)


def filtered(table: Table, store: Store, text: str | None) -> list[Row]:
    """The rows a filter lets through, in the order of their ids."""
    tables = store.tables[table.logical_name]
    if not text:
        return [tables.rows[row_id] for row_id in tables.ids]
    try:
        compiled = compile_filter(text, dialect(table, store))
    except BadFilterError as error:
        raise refused(400, BAD_REQUEST, str(error)) from error
    if compiled.conditions > MOST_CONDITIONS:
        raise refused(
            400, TOO_MANY_CONDITIONS, "Number of conditions in query exceeded maximum limit."
        )
    ids = _candidates(table, store, compiled)
    rows = (tables.rows[row_id] for row_id in ids)
    return [row for row in rows if compiled.matches(row)]


def _candidates(table: Table, store: Store, compiled: Filter) -> list[str]:
    tables = store.tables[table.logical_name]
    if compiled.column == table.primary_id:
        return sorted({value for value in compiled.values if value in tables.rows})
    if compiled.column is not None and tables.indexed(compiled.column):
        return sorted(
            {row_id for v in compiled.values for row_id in tables.with_value(compiled.column, v)}
        )
    return tables.ids


def ordered(rows: list[Row], table: Table, text: str | None) -> list[Row]:
    """Sort by ``$orderby``; null comes first, as in SQL Server."""
    for clause in reversed((text or "").split(",")):
        words = clause.split()
        if not words:
            continue
        name = words[0]
        if name not in table.columns:
            raise unknown_property(name, table.type_name)
        key = _sort_key(name)
        rows = sorted(rows, key=key, reverse=words[1:] == ["desc"])
    return rows


def _sort_key(name: str) -> Callable[[Row], tuple[bool, Any]]:
    return lambda row: (row.get(name) is not None, fold(row.get(name)) or 0)


def read_one(call: Call, table: Table, row: Row, store: Store) -> Reply:
    """Answer a GET of one row."""
    options = call.options()
    check_options(options)
    shape = shape_of(table, options.get("$select"), options.get("$expand"))
    etag = f'W/"{row["versionnumber"]}"'
    annotations = call.preferences().get("odata.include-annotations")
    if call.headers.get("if-none-match") == etag and not shape.expands and not annotations:
        return Reply(304)
    body = {"@odata.context": context(call, shape, "/$entity")}
    body |= projector(shape, store, annotations, call.root)(row)
    return json_reply(200, body, {"ETag": etag})


def read_many(call: Call, table: Table, store: Store, switches: Switches) -> Reply:
    """Answer an untracked GET of a set."""
    options = call.options()
    check_options(options)
    preferences = call.preferences()
    shape = shape_of(table, options.get("$select"), options.get("$expand"))
    rows = ordered(filtered(table, store, options.get("$filter")), table, options.get("$orderby"))
    size = page_size(call, switches)
    page, offset = _cookie(options.get("$skiptoken"))
    total = len(rows)
    # $top is ignored when a page size is asked for: the documentation warns of the combination.
    if "$top" in options and "odata.maxpagesize" not in preferences:
        rows = rows[: _whole(options["$top"], "$top")]
    shown = rows[offset : offset + size]
    project = projector(shape, store, preferences.get("odata.include-annotations"), call.root)
    body: dict[str, Any] = {"@odata.context": context(call, shape)}
    if preferences.get("odata.include-annotations") == "*":
        body["@Microsoft.Dynamics.CRM.totalrecordcount"] = (
            min(total, COUNT_CAP) if options.get("$count") == "true" else -1
        )
        body["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] = total > COUNT_CAP
    if options.get("$count") == "true":
        body["@odata.count"] = min(total, COUNT_CAP)
    body["value"] = [project(row) for row in shown]
    if offset + size < len(rows):
        body["@odata.nextLink"] = next_link(call, page + 1, str(offset + size), tracked=False)
    return json_reply(200, body, applied(call))


def context(call: Call, shape: Shape, suffix: str = "") -> str:
    """The context URL of an answer."""
    columns = f"({','.join(shape.selected)})" if shape.selected else ""
    version = call.path.split("/")[3] if call.path.count("/") > 2 else "v9.2"
    return f"{call.root}/api/data/{version}/$metadata#{shape.table.entity_set}{columns}{suffix}"


def page_size(call: Call, switches: Switches) -> int:
    """Rows a page: what is asked for on this very request, at most the service's maximum."""
    asked = call.preferences().get("odata.maxpagesize")
    if asked is None:
        return switches.dataverse_page_size
    return max(1, min(_whole(asked, "odata.maxpagesize"), switches.dataverse_page_size))


def applied(call: Call) -> dict[str, str]:
    """The ``Preference-Applied`` header."""
    preferences = call.preferences()
    found = []
    if "odata.track-changes" in preferences:
        found.append("odata.track-changes")
    if "odata.maxpagesize" in preferences:
        found.append(f"odata.maxpagesize={preferences['odata.maxpagesize']}")
    if "odata.include-annotations" in preferences:
        found.append(f'odata.include-annotations="{preferences["odata.include-annotations"]}"')
    return {"Preference-Applied": ",".join(found)} if found else {}


def next_link(call: Call, page: int, position: str, *, tracked: bool) -> str:
    """The link to the next page: the cookie looks like the real one and is opaque all the same."""
    inner = quote(quote(f'<cookie page="{page - 1}"><at last="{position}" /></cookie>'))
    cookie = f'<cookie pagenumber="{page}" pagingcookie="{inner}" istracking="{tracked}" />'
    kept = [
        piece
        for piece in call.query.split("&")
        if piece and unquote(piece.partition("=")[0]) not in {"$skiptoken", "$deltatoken"}
    ]
    token = "$skiptoken=" + quote(cookie, safe='="/')
    return f"{call.root}{call.path}?{'&'.join([*kept, token])}"


def read_cookie(token: str) -> tuple[int, str, bool]:
    """Page number, position and whether the read is tracked, out of a ``$skiptoken``."""
    try:
        page = int(token.split('pagenumber="')[1].split('"', maxsplit=1)[0])
        inner = unquote(unquote(token.split('pagingcookie="')[1].split('"', maxsplit=1)[0]))
        position = inner.split('last="')[1].split('"')[0]
    except (IndexError, ValueError) as error:
        raise refused(400, "0x80040203", "Malformed XML in the Paging Cookie") from error
    return page, position, 'istracking="True"' in token


def _cookie(token: str | None) -> tuple[int, int]:
    if token is None:
        return 1, 0
    page, position, _ = read_cookie(token)
    return page, _whole(position, "$skiptoken")


def _whole(text: str, name: str) -> int:
    if not text.isdigit():
        raise refused(400, BAD_REQUEST, f"Invalid value '{text[:40]}' for {name} was found.")
    return int(text)


def utc_stamp(moment: datetime) -> str:
    """A time as it stands in a delta token."""
    return moment.astimezone(UTC).strftime("%m/%d/%Y %H:%M:%S")

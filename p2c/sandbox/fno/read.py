"""Reading: one record, or many by filter, order and page; and the limits of companies."""

from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from p2c.sandbox.filters import (
    BadFilterError,
    Dialect,
    Filter,
    Getter,
    compile_filter,
    fold,
)
from p2c.sandbox.fno.errors import bad_request
from p2c.sandbox.fno.schema import NAMESPACE, Entity
from p2c.sandbox.fno.store import Record, Store
from p2c.sandbox.http import Call, Reply, json_reply, unquote_literal
from p2c.sandbox.switches import Switches

KNOWN_OPTIONS = {
    "$select",
    "$filter",
    "$orderby",
    "$top",
    "$skip",
    "$count",
    "$skiptoken",
    "cross-company",
}

_KINDS = {"Edm.String": "string", "Edm.DateTimeOffset": "datetime"}


def check_options(call: Call) -> dict[str, str]:
    """The query options; unknown ones that begin with ``$`` are refused."""
    options = call.options()
    for name in options:
        if name == "$expand":
            raise bad_request(f"Could not find a property named '{options[name][:60]}' to expand.")
        if name.startswith("$") and name not in KNOWN_OPTIONS:
            raise bad_request(f"The query parameter '{name}' is not supported.")
    return options


def company_of(options: dict[str, str], switches: Switches) -> str | None:
    """The only company that a request sees; None with ``cross-company=true``."""
    return None if options.get("cross-company") == "true" else switches.fno_default_company


def key_values(entity: Entity, key: dict[str, str]) -> dict[str, Any]:
    """The values of a key predicate.

    Raises:
        Refused: It does not name exactly the entity's key fields.
    """
    if "" in key and len(entity.keys) == 1:
        key = {entity.keys[0]: key[""]}
    if set(key) != set(entity.keys):
        raise bad_request(
            "The number of keys specified in the URI does not match number of key properties for "
            f"the resource '{entity.type_name}'."
        )
    values: dict[str, Any] = {}
    for name, literal in key.items():
        prop = entity.properties[name]
        if prop.members is not None:
            prefix, _, member = literal.partition("'")
            if prefix != prop.full_type or member[:-1] not in prop.members:
                raise bad_request(f"Bad Request - Error in query syntax: '{literal[:80]}'.")
            values[name] = member[:-1]
        elif prop.type == "Edm.String":
            if not literal.startswith("'"):
                raise bad_request(f"Bad Request - Error in query syntax: '{literal[:80]}'.")
            values[name] = unquote_literal(literal)
        else:
            values[name] = literal
    return values


def find_record(
    entity: Entity, key: dict[str, str], store: Store, company: str | None
) -> Record | None:
    """The record that a key predicate addresses, unless it is another company's."""
    values = key_values(entity, key)
    if company is not None and entity.by_company and fold(values["dataAreaId"]) != fold(company):
        return None
    if entity.entity_set != "CDSContactPersonsV2":
        return store.find(entity.table, values)
    number = values["ContactPersonPartyNumber"]
    for record in store.tables["contacts"].with_value("ContactPersonPartyNumber", number):
        shown = show(entity, record)
        if all(fold(shown[name]) == fold(value) for name, value in values.items()):
            return record
    return None


@lru_cache(maxsize=256)
def selected(entity: Entity, select: str | None) -> tuple[str, ...] | None:
    """The properties that ``$select`` names; None for all."""
    if not select or select.strip() == "*":
        return None
    names = tuple(dict.fromkeys(name.strip() for name in select.split(",")))
    for name in names:
        if name not in entity.properties:
            raise bad_request(
                f"Could not find a property named '{name}' on type '{entity.type_name}'."
            )
    return names


def show(entity: Entity, record: Record, names: tuple[str, ...] | None = None) -> dict[str, Any]:
    """A record's JSON object, with every field that was never set at its empty value."""
    values = record.values
    shown: dict[str, Any] = {"@odata.etag": record.etag}
    empty = entity.empty
    if names is not None:
        for name in names:
            shown[name] = values.get(name, empty[name])
        return shown
    for name, value in empty.items():
        shown[name] = values.get(name, value)
    return shown


def dialect(entity: Entity) -> Dialect:
    """What F&O accepts in a filter on this entity."""

    def column(path: tuple[str, ...]) -> tuple[Getter, str]:
        prop = entity.properties.get(path[0]) if len(path) == 1 else None
        if prop is None:
            raise bad_request(
                f"Could not find a property named '{'/'.join(path)}' on type '{entity.type_name}'."
            )
        name, empty = prop.name, prop.empty
        kind = f"enum:{prop.type}" if prop.members is not None else _KINDS.get(prop.type, "number")
        return (lambda row: row.get(name, empty)), kind

    return Dialect(
        column, frozenset(), wildcards=True, enum_prefix=f"{NAMESPACE}.", in_function=False
    )


def filtered(
    entity: Entity, store: Store, options: dict[str, str], company: str | None
) -> list[Record]:
    """The records that a request sees and its filter lets through."""
    compiled = None
    if options.get("$filter"):
        try:
            compiled = compile_filter(options["$filter"], dialect(entity))
        except BadFilterError as error:
            raise bad_request(str(error)) from error
    records = _candidates(entity, store, compiled)
    if company is not None and entity.by_company:
        records = [r for r in records if fold(r.values.get("dataAreaId")) == fold(company)]
    if compiled is not None:
        records = [r for r in records if compiled.matches(r.values)]
    return records


def _candidates(entity: Entity, store: Store, compiled: Filter | None) -> list[Record]:
    table = store.tables[entity.table]
    if compiled is not None and compiled.column is not None and table.indexed(compiled.column):
        found = {
            record.rec_id: record
            for value in compiled.values
            for record in table.with_value(compiled.column, value)
        }
        return [found[rec_id] for rec_id in sorted(found)]
    return list(table.records.values())


def ordered(entity: Entity, records: list[Record], text: str | None) -> list[Record]:
    """Sort by ``$orderby``."""
    for clause in reversed((text or "").split(",")):
        words = clause.split()
        if not words:
            continue
        name = words[0]
        if name not in entity.properties:
            raise bad_request(
                f"Could not find a property named '{name}' on type '{entity.type_name}'."
            )
        empty = entity.empty[name]
        records = sorted(
            records,
            reverse=words[1:] == ["desc"],
            key=lambda record: fold(record.values.get(name, empty)),
        )
    return records


def read_many(call: Call, entity: Entity, store: Store, switches: Switches) -> Reply:
    """Answer a GET of a set."""
    options = check_options(call)
    names = selected(entity, options.get("$select"))
    records = filtered(entity, store, options, company_of(options, switches))
    total = len(records)
    records = ordered(entity, records, options.get("$orderby"))
    start = _whole(options, "$skip", 0)
    end = min(len(records), start + _whole(options, "$top", len(records)))
    position = start + _position(options.get("$skiptoken"))
    size = switches.fno_page_size
    body: dict[str, Any] = {"@odata.context": context(call, entity, names)}
    if options.get("$count") == "true":
        body["@odata.count"] = total
    body["value"] = [show(entity, r, names) for r in records[position : min(position + size, end)]]
    if position + size < end:
        body["@odata.nextLink"] = _next_link(call, options, position + size, start, switches)
    return json_reply(200, body)


def read_one(call: Call, entity: Entity, record: Record) -> Reply:
    """Answer a GET of one record."""
    names = selected(entity, check_options(call).get("$select"))
    body = {"@odata.context": context(call, entity, names) + "/$entity"}
    return json_reply(200, body | show(entity, record, names), {"ETag": record.etag})


def context(call: Call, entity: Entity, names: tuple[str, ...] | None) -> str:
    """The context URL of an answer."""
    columns = f"({','.join(names)})" if names else ""
    return f"{call.root}/data/$metadata#{entity.entity_set}{columns}"


def _next_link(
    call: Call, options: dict[str, str], position: int, start: int, switches: Switches
) -> str:
    dropped = {"$skiptoken"}
    if switches.fno_next_link == "skip":
        dropped.add("$skip")
        token = f"$skip={position}"
        if "$top" in options:
            dropped.add("$top")
            token += f"&$top={_whole(options, '$top', 0) - (position - start)}"
    else:
        token = f"$skiptoken={quote(f'page:{position - start}')}"
    kept = [
        piece
        for piece in call.query.split("&")
        if piece and unquote(piece.partition("=")[0]) not in dropped
    ]
    return f"{call.root}{call.path}?{'&'.join([*kept, token])}"


def _position(token: str | None) -> int:
    if token is None:
        return 0
    number = token.removeprefix("page:")
    if not number.isdigit():
        raise bad_request("The value for '$skiptoken' is not valid.")
    return int(number)


def _whole(options: dict[str, str], name: str, default: int) -> int:
    text = options.get(name)
    if text is None:
        return default
    if not text.isdigit():
        raise bad_request(f"Invalid value '{text[:40]}' for {name} query option found.")
    return int(text)

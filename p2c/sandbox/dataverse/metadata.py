"""``$metadata`` and ``EntityDefinitions``: what a client asks before it trusts a table."""

import re
import uuid
from typing import Any
from xml.sax.saxutils import quoteattr

from p2c.sandbox.dataverse.errors import BAD_REQUEST, refused
from p2c.sandbox.dataverse.schema import (
    ATTRIBUTE_TYPES,
    BY_NAME,
    EDM_TYPES,
    Column,
    Lookup,
    Table,
)
from p2c.sandbox.http import Call, Reply, Segment, json_reply, unquote_literal
from p2c.sandbox.switches import Switches


def csdl(switches: Switches) -> Reply:
    """The service's metadata document."""
    types = "".join(_entity_type(table) for table in BY_NAME.values())
    sets = "".join(_entity_set(table, switches) for table in BY_NAME.values())
    text = (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">'
        '<edmx:DataServices><Schema Namespace="Microsoft.Dynamics.CRM" Alias="mscrm" '
        'xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        f'{types}<EntityContainer Name="System">{sets}</EntityContainer>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    )
    return Reply(200, text.encode(), {"Content-Type": "application/xml", "OData-Version": "4.0"})


def _entity_type(table: Table) -> str:
    properties = "".join(
        f"<Property Name={quoteattr(column.name)} Type={quoteattr(EDM_TYPES[column.kind])}"
        + (f' MaxLength="{column.length}"' if column.length else "")
        + " />"
        for column in table.columns.values()
    )
    navigation = "".join(
        f'<NavigationProperty Name="{lookup.navigation}" Type="mscrm.{lookup.target}">'
        f'<ReferentialConstraint Property="{lookup.column}" '
        f'ReferencedProperty="{lookup.target}id" /></NavigationProperty>'
        for lookup in table.lookups.values()
    )
    return (
        f'<EntityType Name="{table.logical_name}"><Key><PropertyRef Name="{table.primary_id}" />'
        f"</Key>{properties}{navigation}</EntityType>"
    )


def _entity_set(table: Table, switches: Switches) -> str:
    supported = str(switches.dataverse_change_tracking == "on").lower()
    return (
        f'<EntitySet Name="{table.entity_set}" EntityType="{table.type_name}">'
        '<Annotation Term="Org.OData.Capabilities.V1.ChangeTracking"><Record>'
        f'<PropertyValue Property="Supported" Bool="{supported}" /></Record></Annotation>'
        "</EntitySet>"
    )


def definitions(call: Call, segments: list[Segment], switches: Switches) -> Reply:
    """Answer a request below ``EntityDefinitions``."""
    options = call.options()
    select = [name for name in options.get("$select", "").split(",") if name]
    key = segments[0].key
    if key is None:
        tables = _filtered([_definition(t, switches) for t in BY_NAME.values()], options)
        return json_reply(200, {"value": [_picked(item, select) for item in tables]})
    table = BY_NAME.get(unquote_literal(key.get("LogicalName", "")))
    if table is None:
        raise refused(404, "0x80060888", f"Could not find an entity with name {key}.")
    if len(segments) == 1:
        found = _picked(_definition(table, switches), select)
        return json_reply(200, found | _expanded(table, options.get("$expand", "")))
    if segments[1].name == "Keys":
        return json_reply(200, {"value": [_picked(k, select) for k in keys(table, switches)]})
    if segments[1].name == "Attributes":
        return json_reply(200, {"value": _attributes(table, segments[2:], select, options)})
    raise refused(404, BAD_REQUEST, f"Resource not found for the segment '{segments[1].name}'.")


_EXPAND = re.compile(r"(\w+)(?:\(\$select=([\w,]+)\))?(?:,|$)")


def _expanded(table: Table, expand: str) -> dict[str, Any]:
    """The collections of a definition that ``$expand`` names, each with its own ``$select``."""
    found: dict[str, Any] = {}
    place = 0
    while place < len(expand):
        match = _EXPAND.match(expand, place)
        items = _collection(table, match[1]) if match else None
        if match is None or items is None:
            raise refused(
                400, BAD_REQUEST, f"The query option $expand={expand[:100]} is not valid."
            )
        select = match[2].split(",") if match[2] else []
        kind = "AttributeMetadata" if match[1] == "Attributes" else "OneToManyRelationshipMetadata"
        found[match[1]] = [_picked(item, select, kind) for item in items]
        place = match.end()
    return found


def _collection(table: Table, name: str) -> list[dict[str, Any]] | None:
    if name == "Attributes":
        return [_attribute(table, column) for column in table.columns.values()]
    if name == "ManyToOneRelationships":
        return [_relationship(table, lookup) for lookup in table.lookups.values()]
    return None


def _relationship(table: Table, lookup: Lookup) -> dict[str, Any]:
    name = f"{table.logical_name}_{lookup.navigation}"
    return {
        "MetadataId": str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
        "SchemaName": name,
        "RelationshipType": "OneToManyRelationship",
        "ReferencedEntity": lookup.target,
        "ReferencedAttribute": f"{lookup.target}id",
        "ReferencingEntity": table.logical_name,
        "ReferencingAttribute": lookup.column[1:-6],
        "ReferencingEntityNavigationPropertyName": lookup.navigation,
    }


def _definition(table: Table, switches: Switches) -> dict[str, Any]:
    return {
        "MetadataId": f"70816501-edb9-4740-a16c-6a5efbc0{table.object_type_code:04d}",
        "LogicalName": table.logical_name,
        "SchemaName": table.logical_name.capitalize(),
        "EntitySetName": table.entity_set,
        "LogicalCollectionName": table.entity_set,
        "PrimaryIdAttribute": table.primary_id,
        "PrimaryNameAttribute": table.primary_name,
        "ObjectTypeCode": table.object_type_code,
        "ChangeTrackingEnabled": switches.dataverse_change_tracking == "on",
        "CanChangeTrackingBeEnabled": {"Value": True, "CanBeChanged": True},
    }


def keys(table: Table, switches: Switches) -> list[dict[str, Any]]:
    """The alternate keys of a table with the state of their indexes."""
    if table.logical_name == "contact":
        return [_key("contact", "msdynce_contactnumber", "msdynce_ContactNumber", "Active")]
    if table.logical_name == "account" and switches.dataverse_account_key != "absent":
        state = switches.dataverse_account_key
        return [_key("account", "accountnumber", "msdynce_AccountNumber", state)]
    return []


def _key(table: str, column: str, name: str, state: str) -> dict[str, Any]:
    return {
        "LogicalName": name.lower(),
        "SchemaName": name,
        "EntityLogicalName": table,
        "KeyAttributes": [column],
        "EntityKeyIndexStatus": state,
    }


_CAST = re.compile(r"Microsoft\.Dynamics\.CRM\.(\w+)AttributeMetadata")


def _attributes(
    table: Table, cast: list[Segment], select: list[str], options: dict[str, str]
) -> list[dict[str, Any]]:
    """The columns of a table; properties of one kind of column are selected through a cast."""
    items = [_attribute(table, column) for column in table.columns.values()]
    if cast:
        match = _CAST.fullmatch(cast[0].name)
        kinds = {match[1], f"{match[1]}Type"} if match else set()
        items = [item for item in items if item["AttributeType"] in kinds]
    kind = "AttributeMetadata"
    return [_picked(item, select, kind) for item in _filtered(items, options)]


def _attribute(table: Table, column: Column) -> dict[str, Any]:
    kind = ATTRIBUTE_TYPES[column.kind]
    if column.logical_name == "parentcustomerid":
        kind = "Customer"
    elif column.logical_name in {"statecode", "statuscode"}:
        kind = {"statecode": "State", "statuscode": "Status"}[column.logical_name]
    item: dict[str, Any] = {
        "@odata.type": f"#Microsoft.Dynamics.CRM.{kind}AttributeMetadata",
        "MetadataId": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{table.logical_name}.{column.name}")),
        "LogicalName": column.logical_name,
        "SchemaName": column.logical_name,
        "EntityLogicalName": table.logical_name,
        "AttributeType": kind,
        "RequiredLevel": {
            "Value": "ApplicationRequired" if column.required else "None",
            "CanBeChanged": True,
        },
        "IsValidForRead": True,
        "IsValidForUpdate": not column.read_only,
        "IsValidForCreate": not column.read_only,
    }
    if column.length is not None:
        item["MaxLength"] = column.length
    return item


_CONDITION = re.compile(r"(\w+) eq (true|false|'(?:[^']|'')*')")


def _filtered(items: list[dict[str, Any]], options: dict[str, str]) -> list[dict[str, Any]]:
    if "$filter" not in options:
        return items
    for clause in options["$filter"].split(" and "):
        match = _CONDITION.fullmatch(clause.strip())
        if match is None:
            raise refused(
                400, BAD_REQUEST, f"The metadata query '{clause[:100]}' is not supported."
            )
        wanted = unquote_literal(match[2]) if match[2][0] == "'" else match[2] == "true"
        items = [item for item in items if item.get(match[1]) == wanted]
    return items


def _picked(
    item: dict[str, Any], select: list[str], kind: str = "EntityMetadata"
) -> dict[str, Any]:
    if not select:
        return item
    unknown = [name for name in select if name not in item]
    if unknown:
        raise refused(
            400,
            BAD_REQUEST,
            f"Could not find a property named '{unknown[0]}' on type "
            f"'Microsoft.Dynamics.CRM.{kind}'.",
        )
    return {name: item[name] for name in [*select, "MetadataId"] if name in item}

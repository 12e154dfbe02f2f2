"""``/data/$metadata`` and the metadata service."""

from typing import Any
from xml.sax.saxutils import quoteattr

from p2c.sandbox.fno.schema import MANDATORY, NAMESPACE, READ_ONLY, Entity, entities, enums
from p2c.sandbox.http import Call, Reply, Segment, json_reply, unquote_literal

_REQUIRED = '<Annotation Term="Microsoft.Dynamics.OData.Core.V1.IsRequired" Bool="true" />'


def csdl() -> Reply:
    """The service's metadata document."""
    types = "".join(_entity_type(entity) for entity in entities().values())
    members = "".join(
        f'<EnumType Name="{name}">'
        + "".join(f'<Member Name={quoteattr(m)} Value="{v}" />' for m, v in values.items())
        + "</EnumType>"
        for name, values in enums().items()
    )
    sets = "".join(
        f'<EntitySet Name="{entity.entity_set}" EntityType="{entity.type_name}" />'
        for entity in entities().values()
    )
    text = (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">'
        f'<edmx:DataServices><Schema Namespace="{NAMESPACE}" '
        'xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        f'{members}{types}<EntityContainer Name="Resources">{sets}</EntityContainer>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    )
    return Reply(200, text.encode(), {"Content-Type": "application/xml", "OData-Version": "4.0"})


def _entity_type(entity: Entity) -> str:
    required = {*MANDATORY.get(entity.table, ()), *entity.keys}
    parts = [
        f'<EntityType Name="{entity.name}"><Key>',
        *(f'<PropertyRef Name="{key}" />' for key in entity.keys),
        "</Key>",
    ]
    for prop in entity.properties.values():
        nullable = "" if prop.nullable else ' Nullable="false"'
        head = f'<Property Name="{prop.name}" Type="{prop.full_type}"{nullable}'
        parts.append(f"{head}>{_REQUIRED}</Property>" if prop.name in required else f"{head} />")
    return "".join([*parts, "</EntityType>"])


def answer(call: Call, segments: list[Segment]) -> Reply:
    """Answer a request below ``/metadata``."""
    first = segments[0] if segments else Segment("", None)
    if first.name == "PublicEntities":
        items = {entity.name: _public_entity(entity) for entity in entities().values()}
    elif first.name == "PublicEnumerations":
        items = {name: _public_enum(name, members) for name, members in enums().items()}
    else:
        return json_reply(404, {"Message": "No HTTP resource was found."})
    if first.key is None:
        return json_reply(
            200,
            {
                "@odata.context": f"{call.root}/metadata/$metadata#{first.name}",
                "value": list(items.values()),
            },
        )
    name = unquote_literal(next(iter(first.key.values()), ""))
    if name not in items:
        return json_reply(404, {"Message": f"'{name[:80]}' was not found."})
    return json_reply(200, items[name])


def _public_entity(entity: Entity) -> dict[str, Any]:
    required = MANDATORY.get(entity.table, ())
    return {
        "Name": entity.name,
        "EntitySetName": entity.entity_set,
        "IsReadOnly": entity.table in READ_ONLY,
        "Properties": [
            {
                "Name": prop.name,
                "TypeName": prop.full_type,
                "DataType": "Enum" if prop.members is not None else prop.type[4:],
                "IsKey": prop.name in entity.keys,
                "IsMandatory": prop.name in required or prop.name in entity.keys,
                "AllowEdit": prop.name not in entity.keys,
                "AllowEditOnCreate": True,
            }
            for prop in entity.properties.values()
        ],
    }


def _public_enum(name: str, members: dict[str, int]) -> dict[str, Any]:
    return {
        "Name": name,
        "Members": [{"Name": member, "Value": value} for member, value in members.items()],
    }

"""Types of values, and how they fit; Azure's resource types as they are kept in `types/`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "types"


@dataclass(frozen=True)
class Plain:
    """``any``, ``string``, ``int``, ``bool`` or ``null``."""

    name: str


ANY = Plain("any")
STRING = Plain("string")
INT = Plain("int")
BOOL = Plain("bool")
NULL = Plain("null")


@dataclass(frozen=True)
class OneOf:
    """Texts or numbers that are written out. An `is_open` one may have others, but we use none."""

    values: tuple[str | int, ...]
    is_open: bool = False


@dataclass(frozen=True)
class ListOf:
    """An array."""

    items: "Type"


@dataclass(frozen=True)
class PropertyType:
    """What a property of an object may be."""

    type: "Type"
    required: bool = False
    read_only: bool = False


@dataclass(eq=False)
class ObjectType:
    """An object.

    Attributes:
        others: What properties that are not listed may be; None where there are none.
        conditional: It may not be there: a resource or module under a condition.
    """

    name: str
    properties: Mapping[str, PropertyType] = field(default_factory=dict)
    others: "Type | None" = None
    conditional: bool = False


@dataclass(eq=False)
class Variants:
    """An object whose kind is told by the value of one property."""

    name: str
    discriminator: str
    variants: Mapping[str, ObjectType] = field(default_factory=dict)


Type = Plain | OneOf | ListOf | ObjectType | Variants

ANY_OBJECT = ObjectType("object", others=ANY)


@dataclass(frozen=True)
class ResourceType:
    """One of Azure's resource types, at the API version that is known."""

    name: str
    api_version: str
    scopes: frozenset[str]
    body: ObjectType | Variants


def text_of(kind: Type) -> str:
    """Name a type, for messages."""
    if isinstance(kind, OneOf):
        return " | ".join(repr(value) for value in kind.values)
    if isinstance(kind, ListOf):
        return f"array of {text_of(kind.items)}"
    return kind.name


def misfit(actual: Type, expected: Type) -> str:  # noqa: PLR0911  a line for each pair of kinds
    """Say why a value of one type cannot stand where another is expected; "" if it can."""
    if ANY in (actual, expected) or actual == NULL:
        return ""
    match actual, expected:
        case OneOf(), OneOf():
            wrong = [value for value in actual.values if value not in expected.values]
            return f"found {wrong[0]!r}, expected {text_of(expected)}" if wrong else ""
        case OneOf(), Plain():
            plain = STRING if isinstance(actual.values[0], str) else INT
            return "" if plain == expected else _differ(actual, expected)
        case Plain(), OneOf():
            plain = STRING if isinstance(expected.values[0], str) else INT
            return "" if plain == actual else _differ(actual, expected)
        case ListOf(), ListOf():
            return misfit(actual.items, expected.items)
        case ObjectType(), ObjectType():
            return _misfit_of_objects(actual, expected)
        case ObjectType(), Variants():
            return ""
    return "" if actual == expected else _differ(actual, expected)


def _misfit_of_objects(actual: ObjectType, expected: ObjectType) -> str:
    for name, found in actual.properties.items():
        wanted = expected.properties.get(name)
        kind = wanted.type if wanted else expected.others
        if kind is None:
            return f"'{expected.name}' has no property '{name}'"
        if why := misfit(found.type, kind):
            return f"'{name}': {why}"
    if actual.others is None:
        for name, wanted in expected.properties.items():
            if wanted.required and name not in actual.properties:
                return f"'{expected.name}' needs '{name}'"
    elif expected.others is not None:
        return misfit(actual.others, expected.others)
    return ""


def _differ(actual: Type, expected: Type) -> str:
    return f"found {text_of(actual)}, expected {text_of(expected)}"


@cache
def resource_type(name: str) -> ResourceType | None:
    """Return a resource type by its name, however that is cased; None if it is not kept."""
    for path in FOLDER.glob("*.json"):
        if path.stem.lower() == name.replace("/", "_").lower():
            return _read(json.loads(path.read_text("utf-8")))
    return None


def _read(kept: dict[str, Any]) -> ResourceType:
    objects: dict[str, ObjectType | Variants] = {}
    for name, found in kept["objects"].items():
        made = Variants(name, found["discriminator"]) if "variants" in found else ObjectType(name)
        objects[name] = made
    for name, found in kept["objects"].items():
        made = objects[name]
        if isinstance(made, Variants):
            made.variants = {
                value: _object(ObjectType(name), variant, objects)
                for value, variant in found["variants"].items()
            }
        else:
            _object(made, found, objects)
    body = objects[kept["body"]]
    return ResourceType(kept["name"], kept["api_version"], frozenset(kept["scopes"]), body)


def _object(
    made: ObjectType, found: dict[str, Any], objects: Mapping[str, ObjectType | Variants]
) -> ObjectType:
    made.properties = {
        name: PropertyType(
            _type(kind, objects),
            required=name in found.get("required", ()),
            read_only=name in found.get("read_only", ()),
        )
        for name, kind in found["properties"].items()
    }
    made.others = _type(found["others"], objects) if "others" in found else None
    return made


def _type(kind: Any, objects: Mapping[str, ObjectType | Variants]) -> Type:
    """Read a type: a plain name, or one of {"ref"}, {"items"}, {"one_of", "open"}."""
    if isinstance(kind, str):
        return Plain(kind)
    if "ref" in kind:
        return objects[kind["ref"]]
    if "items" in kind:
        return ListOf(_type(kind["items"], objects))
    return OneOf(tuple(kind["one_of"]), kind["open"])

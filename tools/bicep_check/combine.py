"""Types that are put together from others."""

from tools.bicep_check.types import (
    ANY,
    BOOL,
    INT,
    NULL,
    STRING,
    ListOf,
    ObjectType,
    OneOf,
    PropertyType,
    Type,
)


def type_of_value(value: str | int | bool | None) -> Type:  # noqa: FBT001  it may be one
    """Return the type of a value that is written out."""
    if value is None:
        return NULL
    return BOOL if isinstance(value, bool) else OneOf((value,))


def common(kinds: list[Type]) -> Type:
    """Return a type that holds values of every kind; what is not sure is anything, of none null."""
    kinds = [kind for kind in kinds if kind != NULL]
    if not kinds:
        return NULL
    if all(isinstance(kind, OneOf) for kind in kinds):
        return OneOf(
            tuple(value for kind in kinds if isinstance(kind, OneOf) for value in kind.values)
        )
    if all(isinstance(kind, ObjectType) for kind in kinds):
        return _either(kinds)
    if all(isinstance(kind, ListOf) for kind in kinds):
        return ListOf(common([items_of(kind) for kind in kinds]))
    plain = {_widened(kind) for kind in kinds}
    return plain.pop() if len(plain) == 1 else ANY


def _either(kinds: list[Type]) -> Type:
    """Return what objects of several kinds have in common: what only some have is not sure."""
    objects = [kind for kind in kinds if isinstance(kind, ObjectType)]
    names = [name for name in objects[0].properties if all(name in o.properties for o in objects)]
    properties = {
        name: PropertyType(common([found.properties[name].type for found in objects]))
        for name in names
    }
    others = ANY if any(found.others is not None for found in objects) else None
    return ObjectType("object", properties, others)


def _widened(kind: Type) -> Type:
    if isinstance(kind, OneOf):
        return STRING if isinstance(kind.values[0], str) else INT
    return kind


def united(kinds: list[Type]) -> Type:
    """Return the type of a union of objects, of which the later ones win."""
    properties: dict[str, PropertyType] = {}
    others: Type | None = None
    for kind in kinds:
        if not isinstance(kind, ObjectType):
            return common(kinds)
        properties |= kind.properties
        if kind.others is not None:
            others = ANY
    return ObjectType("object", properties, others)


def item_of(whole: Type) -> ObjectType:
    """Return what ``items`` makes of one property."""
    value: Type = ANY
    if isinstance(whole, ObjectType) and whole.others is None:
        value = common([known.type for known in whole.properties.values()])
    return ObjectType("item", {"key": PropertyType(STRING), "value": PropertyType(value)})


def items_of(kind: Type) -> Type:
    """Return what an array holds; what is no array for sure holds anything."""
    return kind.items if isinstance(kind, ListOf) else ANY


def returned(function: str, kinds: list[Type]) -> Type | None:  # noqa: PLR0911  a line each
    """Return a call's type where its arguments tell it more closely than the signature does.

    Args:
        kinds: Of the arguments; of a lambda, what it returns.
    """
    match function, kinds:
        case "map", [_, each]:
            return ListOf(each)
        case "toObject", [items, _, *values]:
            return ObjectType("object", others=values[0] if values else items_of(items))
        case "flatten", [items]:
            return ListOf(items_of(items_of(items)))
        case "concat", _:
            return ListOf(common([items_of(kind) for kind in kinds]))
        case "items", [whole]:
            return ListOf(item_of(whole))
        case "union", _:
            return united(kinds)
    return None

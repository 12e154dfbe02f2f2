"""Builds a field's mapping from its line in a template, and checks the line by itself.

Checking runs what the line can give through its own transforms: whatever a default or a value
map yields has to convert to the field's type, before any row is read.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from p2c.mapping.conversion import FieldType
from p2c.mapping.engine import FieldMapping
from p2c.mapping.sources import Source
from p2c.mapping.transforms import (
    Country,
    Default,
    Transform,
    Truncate,
    ValueMap,
    left_side,
)
from p2c.mapping.values import Rejection, as_text, is_blank, shown
from p2c.model import Value
from p2c.templates.metadata import ColumnDefinition
from p2c.templates.model import (
    CountryTransform,
    DefaultTransform,
    FieldSpec,
    TruncateTransform,
    ValueMapSpec,
    ValueMapTransform,
)

Report = Callable[[str, str], None]
"""Takes a problem's code and message; the caller knows where the line is."""

NUMBERS = frozenset({"BigInt", "Decimal", "Double", "Integer", "Money"})
CHOICES = frozenset({"Picklist", "State", "Status"})
COPIES: Mapping[str, frozenset[str]] = {
    "Edm.Boolean": frozenset({"Boolean"}),
    "Edm.DateTimeOffset": frozenset({"DateTime"}),
    "Edm.Decimal": NUMBERS,
    "Edm.Double": NUMBERS,
    "Edm.Int32": NUMBERS | CHOICES,
    "Edm.Int64": NUMBERS | CHOICES,
    "enum:NoYes": frozenset({"Boolean"}),
}
"""Field type to the column types that may be copied into it; text fields take every column."""


@dataclass(frozen=True)
class Line:
    """A field's line with everything it refers to resolved."""

    field: str
    spec: FieldSpec
    source: Source | None
    columns: tuple[ColumnDefinition, ...]
    field_type: FieldType
    value_maps: Mapping[str, ValueMapSpec]
    report: Report


def build(line: Line) -> FieldMapping:
    """Return the field's mapping; what is wrong with the line is reported."""
    transforms = _pasted(line) if line.spec.transforms is not None else _own(line)
    mapping = FieldMapping(line.field, line.source, transforms, line.field_type)
    if line.source is None and not any(_fills(transform) for transform in transforms):
        line.report("source-missing", "has neither a source nor a default; give it one of them")
    _check_constants(line, mapping)
    _check_copy(line, transforms)
    return mapping


def map_entries(spec: Mapping[str, object], name: str, report: Report) -> dict[str, str]:
    """Return a value map's entries as they are compared; duplicates are reported."""
    entries: dict[str, str] = {}
    for left, right in spec.items():
        key = left_side(left)
        if key in entries:
            report(
                "value-map-duplicate",
                f"{name} has the left side {shown(left)} twice; case and outer blanks "
                "do not count, so remove one",
            )
        entries[key] = as_text(right) or ""
    if not entries:
        report("value-map-empty", f"{name} is empty; every value would be rejected")
    return entries


def _own(line: Line) -> tuple[Transform, ...]:
    spec = line.spec
    transforms: list[Transform] = []
    value_map = None if spec.value_map is None else _value_map(line, spec.value_map)
    if spec.pass_through and value_map is None:
        line.report("value-map-missing", "has pass_through without a value_map to pass through")
    if spec.country:
        transforms.append(Country(value_map))
    elif value_map is not None:
        transforms.append(value_map)
    if not is_blank(spec.default):
        transforms.append(Default(spec.default))
    if spec.truncate is not False:
        length = None if spec.truncate is True else spec.truncate
        transforms += _truncate(line, length)
    return tuple(transforms)


def _pasted(line: Line) -> tuple[Transform, ...]:
    transforms: list[Transform] = []
    for spec in line.spec.transforms or ():
        match spec:
            case DefaultTransform():
                transforms.append(Default(spec.defaultValue))
            case ValueMapTransform():
                entries = map_entries(spec.valueMap, "its value map", line.report)
                transforms.append(ValueMap("the field's value map", entries))
            case TruncateTransform():
                transforms += _truncate(line, None)
            case CountryTransform():
                # A value map just before it holds spellings; one that lacks a value must not
                # reject what the country list knows.
                before = transforms.pop() if transforms else None
                if isinstance(before, ValueMap):
                    transforms.append(Country(before))
                else:
                    transforms += [before, Country()] if before else [Country()]
    return tuple(transforms)


def _value_map(line: Line, spec: str | ValueMapSpec) -> ValueMap:
    pass_through = line.spec.pass_through
    if not isinstance(spec, str):
        entries = map_entries(spec, "its value map", line.report)
        return ValueMap("the field's value map", entries, pass_through)
    if spec not in line.value_maps:
        known = ", ".join(line.value_maps) or "none"
        line.report("value-map-unknown", f"there is no value map '{spec}'; defined are: {known}")
    # Faults of a shared map are reported once, for the file, not for each field that uses it.
    shared = line.value_maps.get(spec, {})
    entries = map_entries(shared, spec, lambda _code, _message: None)
    return ValueMap(f"value map '{spec}'", entries, pass_through)


def _truncate(line: Line, length: int | None) -> list[Transform]:
    if line.field_type.name != "Edm.String":
        line.report("type-mismatch", f"truncate is for text, the field is {line.field_type.name}")
        return []
    limit = length or line.field_type.max_length
    if limit is None:
        line.report(
            "truncate-length-unknown",
            "truncate needs a length: add the field to lengths or write truncate = 60",
        )
        return []
    return [Truncate(limit)]


def _fills(transform: Transform) -> bool:
    if isinstance(transform, Default):
        return not is_blank(transform.value)
    value_map = _map_of(transform)
    return value_map is not None and bool(value_map.entries.get(""))


def _map_of(transform: Transform) -> ValueMap | None:
    if isinstance(transform, Country):
        return transform.spellings
    return transform if isinstance(transform, ValueMap) else None


def constants(mapping: FieldMapping) -> Iterator[tuple[str, object, Value | Rejection | None]]:
    """Yield what a field's default and value maps may give: its name, as written, as converted."""
    for position, transform in enumerate(mapping.transforms):
        rest = replace(mapping, source=None, transforms=mapping.transforms[position + 1 :])
        if isinstance(transform, Default):
            yield "the default", transform.value, rest.convert(transform.value)
        if (value_map := _map_of(transform)) is not None:
            for right in dict.fromkeys(value_map.entries.values()):
                yield f"the right side in {value_map.name}", right, rest.convert(right)


def _check_constants(line: Line, mapping: FieldMapping) -> None:
    for what, value, result in constants(mapping):
        if not isinstance(result, Rejection):
            continue
        if line.field_type.members and result.code == "value-not-convertible":
            code = "enum-member-unknown"
        else:
            code = {
                "value-too-long": "constant-too-long",
                "value-not-mapped": "default-not-mapped",
            }.get(result.code, "type-mismatch")
        line.report(code, f"{what} {shown(as_text(value) or '')}: {result.text}")


def _check_copy(line: Line, transforms: tuple[Transform, ...]) -> None:
    """A value that no map replaces reaches the conversion as its column has it."""
    if any(isinstance(step, ValueMap) and not step.pass_through for step in transforms):
        return
    if any(isinstance(step, Country) for step in transforms):
        if line.field_type.name != "Edm.String":
            line.report("type-mismatch", f"a country is text, the field is {line.field_type.name}")
        return
    kind = line.field_type.name
    for column in line.columns:
        allowed = COPIES.get(kind, frozenset())
        if kind != "Edm.String" and column.type not in allowed:
            line.report(
                "type-mismatch",
                f"a {column.type} column ({line.source}) is copied into a field of type {kind}; "
                f"{'add a value map' if line.field_type.members else 'take another column'}",
            )

"""Traces how a row is mapped, step by step, for those who ask why it came out as it did. Pure.

Every step is taken by the objects that the engine maps with, and the result is the engine's own,
so that a trace tells no other story. It holds the row's values: it is for the person who asks, and
for no log.
"""

from dataclasses import dataclass

from p2c.mapping.conversion import convert
from p2c.mapping.engine import FieldMapping, RecordMapping, key_problem
from p2c.mapping.filters import Comparison, Filter, comparisons_of, shown_literal
from p2c.mapping.result import MappingResult
from p2c.mapping.task import RowMapper
from p2c.mapping.transforms import Country, Default, Transform, Truncate, ValueMap
from p2c.mapping.values import Rejection, is_blank, text_length
from p2c.model import SourceRow, Value


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison of a filter: what it asks, what the row has, whether it holds."""

    source: str
    operation: str
    literal: str
    value: object
    holds: bool


@dataclass(frozen=True, slots=True)
class FilterTrace:
    """A filter's answer, with each of its comparisons from left to right."""

    text: str
    holds: bool
    comparisons: tuple[Compared, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What a transform, or the conversion, did and what it left."""

    what: str
    value: object


@dataclass(frozen=True, slots=True)
class FieldTrace:
    """How a field's value comes about.

    Attributes:
        source: As templates write it; "" for a field that has none.
        raw: What the row has there.
        type_name: Of the field in F&O.
        value: What F&O is to get; None for a blank, and when it is rejected.
        rejection: Why there is no value.
    """

    field: str
    source: str
    raw: object
    steps: tuple[Step, ...]
    type_name: str
    value: Value | None
    rejection: Rejection | None
    is_key: bool


@dataclass(frozen=True, slots=True)
class MappingTrace:
    """How a row is mapped.

    Attributes:
        filter: None when the task takes every row.
        fields: In the order of the template; empty for a row that the filter leaves out, whose
            fields are not looked at.
        result: What the engine says.
    """

    filter: FilterTrace | None
    fields: tuple[FieldTrace, ...]
    result: MappingResult


def trace_row(map_row: RowMapper, row: SourceRow) -> MappingTrace:
    """Return how a task maps a row; of a mapper that is no `RecordMapping`, the result alone."""
    result = map_row(row)
    if not isinstance(map_row, RecordMapping):
        return MappingTrace(None, (), result)
    passed = None if map_row.filter is None else trace_filter(map_row.filter, row)
    if passed and not passed.holds:
        return MappingTrace(passed, (), result)
    fields = tuple(
        _trace_field(mapping, row, is_key=mapping.field in map_row.key_fields)
        for mapping in map_row.fields
    )
    return MappingTrace(passed, fields, result)


def trace_filter(condition: Filter, row: SourceRow) -> FilterTrace:
    """Return a filter's answer for a row."""
    compared = tuple(_compare(comparison, row) for comparison in comparisons_of(condition))
    return FilterTrace(str(condition), condition.holds(row), compared)


def _compare(comparison: Comparison, row: SourceRow) -> Compared:
    return Compared(
        str(comparison.source),
        comparison.operation,
        shown_literal(comparison.literal),
        comparison.source.read(row),
        comparison.holds(row),
    )


def _trace_field(mapping: FieldMapping, row: SourceRow, *, is_key: bool) -> FieldTrace:
    raw = None if mapping.source is None else mapping.source.read(row)
    steps: list[Step] = []
    value = raw
    for transform in mapping.transforms:
        before, value = value, transform.apply(value)
        if isinstance(value, Rejection):
            break
        steps.append(Step(_described(transform, before, value), value))
    converted = value if isinstance(value, Rejection) else convert(value, mapping.field_type)
    rejection = converted if isinstance(converted, Rejection) else None
    final = None if isinstance(converted, Rejection) else converted
    if rejection is None and final is not None and str(final) != str(value):
        steps.append(Step(f"as {mapping.field_type.name}", final))
    if is_key and rejection is None:
        rejection = key_problem(final)
    return FieldTrace(
        field=mapping.field,
        source="" if mapping.source is None else str(mapping.source),
        raw=raw,
        steps=tuple(steps),
        type_name=mapping.field_type.name,
        value=None if rejection else final,
        rejection=rejection,
        is_key=is_key,
    )


def _described(transform: Transform, before: object, after: object) -> str:
    """Say in a few words what a transform did."""
    match transform:
        case Default():
            return "default, for a blank" if is_blank(before) else "default not needed"
        case ValueMap():
            return _looked_up(transform, before)
        case Country(spellings):
            if spellings is not None and spellings.find(before) is not None:
                return _looked_up(spellings, before)
            return "blank, no country" if is_blank(before) else "country list"
        case Truncate(length):
            if isinstance(before, str) and after != before:
                kept = text_length(after) if isinstance(after, str) else length
                return f"cut from {text_length(before)} to {kept} characters"
            return f"fits into {length} characters"


def _looked_up(value_map: ValueMap, value: object) -> str:
    if value_map.find(value) is not None:
        return value_map.name
    if is_blank(value):
        return f"blank, not in {value_map.name}"
    return f"not in {value_map.name}, passed through"

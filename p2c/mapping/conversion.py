"""Converts mapped values to the types of F&O's fields.

A value that does not convert is rejected, never guessed. What clears a field is here too, because
it depends on the type alone.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from p2c.mapping.values import (
    Rejection,
    as_text,
    is_blank,
    plain_decimal,
    text_length,
)
from p2c.model import Value

TRUE_WORDS = frozenset({"true", "yes", "1"})
FALSE_WORDS = frozenset({"false", "no", "0"})
INTEGER_BITS = {"Edm.Int32": 31, "Edm.Int64": 63}
DECIMALS = frozenset({"Edm.Decimal", "Edm.Double"})
NO_YES = "enum:NoYes"
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class FieldType:
    """The type of a destination field.

    Attributes:
        name: ``Edm.String``, ``Edm.Decimal``, ``enum:NoYes``, …
        members: Names of an enum's members in the order of their values; the first is the empty
            one in F&O.
        max_length: Longest text in UTF-16 code units, or None when it is not known.
    """

    name: str
    members: tuple[str, ...] = ()
    max_length: int | None = None


def convert(value: object, field_type: FieldType) -> Value | Rejection | None:
    """Return a value as F&O takes it, None for a blank, or why it does not convert."""
    if is_blank(value):
        return None
    converted: Value | Rejection
    if field_type.members:
        converted = _to_member(value, field_type)
    elif field_type.name in INTEGER_BITS:
        converted = _to_integer(value, field_type.name)
    elif field_type.name in DECIMALS:
        converted = _to_decimal(value, field_type.name)
    elif field_type.name == "Edm.DateTimeOffset":
        converted = _to_instant(value)
    elif field_type.name == "Edm.Boolean":
        truth = as_truth(value)
        converted = _refused(value, "yes or no") if truth is None else truth
    else:
        converted = _to_text(value, field_type.max_length)
    return converted


def empty_value(field_type: FieldType) -> Value:
    """Return what clears a field: F&O has no null for text and refuses it for other types.

    The first member of an F&O enum is its empty one. A date field that was never set reads back
    as noon of 1 January 1900.
    """
    if field_type.members:
        return field_type.members[0]
    if field_type.name in INTEGER_BITS:
        return 0
    match field_type.name:
        case name if name in DECIMALS:
            return Decimal(0)
        case "Edm.DateTimeOffset":
            return "1900-01-01T12:00:00Z"
        case "Edm.Boolean":
            return False
        case _:
            return ""


def as_truth(value: object) -> bool | None:
    """Return the boolean that a value stands for, or None: true/false, yes/no, 1/0."""
    text = as_text(value)
    word = "" if text is None else text.strip().casefold()
    if word in TRUE_WORDS:
        return True
    return False if word in FALSE_WORDS else None


def as_instant(value: object) -> datetime | None:
    """Return the instant that ISO 8601 text stands for, or None. Text without a zone is UTC.

    A date without a time is noon UTC, which is how F&O carries fields that hold only a date.
    """
    if not isinstance(value, str):
        return None
    text = value.strip()
    try:
        if len(text) <= len("2020-01-01"):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _refused(value: object, expected: str) -> Rejection:
    """The value itself stays out of the reason: it may be a person's data."""
    found = {str: "text", bool: "a boolean", int: "a number", float: "a number"}.get(
        type(value), "a number" if isinstance(value, Decimal) else "an unreadable value"
    )
    return Rejection("value-not-convertible", f"expected {expected}, found {found}")


def _to_text(value: object, max_length: int | None) -> str | Rejection:
    text = as_text(value)
    if text is None:
        return _refused(value, "text")
    # F&O stores text without trailing blanks; sending them would differ from what reads back.
    text = text.rstrip()
    if _HALF_CHARACTER.search(text):
        return Rejection("value-not-convertible", "expected text, found half a character")
    if max_length is not None and text_length(text) > max_length:
        return Rejection(
            "value-too-long",
            f"{text_length(text)} characters, at most {max_length} fit",
            "shorten it in Sales or let the field truncate",
        )
    return text


def _to_member(value: object, field_type: FieldType) -> str | Rejection:
    text = as_text(value)
    word = "" if text is None else text.strip().casefold()
    for member in field_type.members:
        if member.casefold() == word:
            return member
    if field_type.name == NO_YES:
        truth = as_truth(value)
        if truth is not None:
            return "Yes" if truth else "No"
    return _refused(value, f"one of {', '.join(field_type.members)}")


def _to_decimal(value: object, name: str) -> Decimal | Rejection:
    number = _number(value)
    return _refused(value, f"a number ({name})") if number is None else number


def _to_integer(value: object, name: str) -> int | Rejection:
    number = _number(value)
    if number is None:
        return _refused(value, f"a whole number ({name})")
    # Data Integrator cuts decimals to whole numbers without being told to.
    whole = int(number)
    limit = 1 << INTEGER_BITS[name]
    if not -limit <= whole < limit:
        return Rejection("value-not-convertible", f"the number is too large for {name}")
    return whole


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        return None
    # Underscores and digits of other scripts are numbers to Python, but not to people's systems.
    if isinstance(value, str) and not (value.isascii() and "_" not in value):
        return None
    return plain_decimal(value.strip() if isinstance(value, str) else value)


def _to_instant(value: object) -> str | Rejection:
    instant = as_instant(value)
    if instant is None:
        return _refused(value, "a date or time in ISO 8601 form")
    return instant.replace(microsecond=0).isoformat().replace("+00:00", "Z")

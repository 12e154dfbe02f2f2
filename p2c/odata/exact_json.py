"""JSON with exact decimals: amounts are read as `Decimal` and written as plain JSON numbers.

The standard library reads them exactly when asked to but cannot write them without a detour
through binary floating point.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

_PLAIN_DIGITS = 40
_WITHOUT_DECIMALS = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
"""Does in C what most values need; it has no form for a `Decimal` and says so by a TypeError."""


def loads(body: bytes | str) -> Any:
    """Parse JSON; numbers with a fraction or an exponent become `Decimal`.

    Raises:
        ValueError: Not JSON, not UTF-8, or NaN and Infinity, which JSON does not have.
        RecursionError: Nested more deeply than the interpreter allows.
    """
    text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except ArithmeticError as error:
        raise ValueError("number out of range") from error


def dumps(value: object) -> str:
    """Write JSON in ASCII; a `Decimal` becomes a number with exactly its digits.

    Raises:
        ValueError: A value that JSON cannot carry, such as NaN or an unknown type.
    """
    try:
        return _WITHOUT_DECIMALS.encode(value)
    except TypeError:
        return _exact(value)


def _exact(value: object) -> str:
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, Mapping):
        members = (f"{json.dumps(str(name))}:{_exact(item)}" for name, item in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_exact(item) for item in value) + "]"
    if value is None or isinstance(value, (str, int, float, bool)):
        return json.dumps(value, allow_nan=False)
    raise ValueError(f"a value of type {type(value).__name__} has no JSON form")


def _number(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError(f"{value} has no JSON form")
    # Plain digits as long as they are few: an exponent of thousands must not fill the memory.
    return format(value, "f") if abs(value.adjusted()) < _PLAIN_DIGITS else str(value)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")

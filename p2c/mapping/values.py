"""What every step of a mapping shares: blank values, values as text, and rejection.

Text is measured in UTF-16 code units, because F&O keeps strings in nvarchar columns.
"""

from dataclasses import dataclass
from decimal import Decimal

SHOWN_VALUE_LIMIT = 60


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a value cannot be mapped: a stable code, what is wrong, and what a person can do."""

    code: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.text}; {self.advice}" if self.advice else self.text


def is_blank(value: object) -> bool:
    """Return whether a value counts as absent: None, or text of nothing but whitespace."""
    return value is None or (isinstance(value, str) and not value.strip())


def as_text(value: object) -> str | None:
    """Return a scalar as value maps and text fields spell it, or None for anything else.

    Choices and states are whole numbers (``1``), booleans are ``true`` and ``false``, and
    decimals lose their trailing zeros, so that 1, 1.0 and 1.00 are one left side of a value map.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # Python refuses to print integers of more than 4300 digits; no column holds such a number.
        return str(value) if value.bit_length() < 1024 else None
    if isinstance(value, (float, Decimal)):
        number = plain_decimal(value)
        return None if number is None else format(number, "f")
    return None


def plain_decimal(value: float | Decimal | str) -> Decimal | None:
    """Return a number as a decimal without trailing zeros or exponent; None if it is none.

    F&O keeps at most 32 digits, so anything longer is no number for it either.
    """
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except ArithmeticError:
        return None
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or number.adjusted() > 31 or exponent < -31:
        # NaN and the infinities have a letter for an exponent.
        return None
    return Decimal(format(number, "f").rstrip("0").rstrip(".") if exponent < 0 else int(number))


def text_length(text: str) -> int:
    """Return the length as an nvarchar column counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut_text(text: str, length: int) -> str:
    """Return the longest beginning of at most `length` units, no character split."""
    if text_length(text) <= length:
        return text
    used = 0
    for index, character in enumerate(text):
        used += 2 if ord(character) > 0xFFFF else 1
        if used > length:
            return text[:index].rstrip()
    return text


def shown(text: str) -> str:
    """Return a value quoted for a reason: one line, shortened."""
    line = " ".join(text.split())
    return f"'{line if len(line) <= SHOWN_VALUE_LIMIT else line[: SHOWN_VALUE_LIMIT - 1] + '…'}'"

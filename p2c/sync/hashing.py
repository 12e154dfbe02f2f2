"""Keyed hashes of field values: enough to see that a value changed, nothing to read it from."""

import base64
import hmac
from collections.abc import Mapping
from decimal import Decimal

from p2c.model import Value

BLANK = "-"
"""Stands for a field that is blank in F&O as far as p2c had a hand in it."""
MAYBE = "?"
"""Stands for a field that p2c was about to write: its value in F&O is not known."""


def hash_value(key: bytes, field: str, value: Value | None) -> str:
    """Return 12 characters that stand for a field's value; `BLANK` for None.

    Equal values hash equally whatever their scale (10 and 10.00), and a value hashes differently
    in different fields.
    """
    if value is None:
        return BLANK
    text = str(value.normalize()) if isinstance(value, Decimal) else str(value)
    kind = "n" if isinstance(value, int | Decimal) and not isinstance(value, bool) else "s"
    if kind == "n":
        text = str(Decimal(value).normalize())
    digest = hmac.digest(key, f"{field}\0{kind}\0{text}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:9]).decode()


def doubted(hashes: Mapping[str, str]) -> dict[str, str]:
    """Doubt every field that p2c has written; what it never wrote is not its to clear.

    A field that is about to be written for the first time is doubted before it is sent, and one
    that was cleared stays doubted until nothing sent before can act, so `BLANK` is certain.
    """
    found = {field: BLANK if known == BLANK else MAYBE for field, known in hashes.items()}
    # With nothing in doubt the ledger would be trusted without a look.
    return found if MAYBE in found.values() else dict.fromkeys(hashes, MAYBE)


def hash_values(key: bytes, values: Mapping[str, Value | None]) -> dict[str, str]:
    """Hash every field of a record."""
    return {field: hash_value(key, field, value) for field, value in values.items()}

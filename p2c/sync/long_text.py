"""Text of any length in a document: cut into as many properties as it takes. Pure."""

from collections.abc import Mapping

from p2c.model import Scalar

TEXT_PART = 30_000
"""Characters of one property: Azure Tables hold 32,768 in a string, 1 MiB in an entity."""


def cut_text(name: str, text: str) -> dict[str, Scalar]:
    """Return the properties that hold an ASCII text: ``name``, ``name_1``, ``name_2``, …."""
    return {
        _part(name, start // TEXT_PART): text[start : start + TEXT_PART]
        for start in range(0, len(text), TEXT_PART)
    }


def joined_text(body: Mapping[str, Scalar], name: str) -> str:
    """Return the text that properties hold; "" when there is none."""
    parts: list[str] = []
    while (part := _part(name, len(parts))) in body:
        parts.append(str(body[part]))
    return "".join(parts)


def _part(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name

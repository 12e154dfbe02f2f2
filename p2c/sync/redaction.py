"""Takes people's data out of a service's words before they are kept. Pure.

Which fields carry people's data is the template's affair (`TaskMapping.free_text_fields`).
"""

import re
from collections.abc import Mapping

_WHOLE_WORD_BELOW = 4
"""Shorter values are only replaced as whole words: a state may be called ``in``."""
_CUT = "…"


def redacted(text: str, values: Mapping[str, object]) -> str:
    """Replace each value by the name of its field.

    The longest value is looked for first, so that a first name does not leave the rest of a last
    name behind. A value that was cut off at the end of the service's words is found as well.

    Args:
        text: In one line, as `p2c.errors.cut` leaves it.
        values: Field to value; only text of two characters or more is replaced.
    """
    names: dict[str, str] = {}
    for field, value in values.items():
        line = " ".join(value.split()) if isinstance(value, str) else ""
        if len(line) > 1:
            names.setdefault(line, field)
    lines = sorted(names, key=len, reverse=True)
    if lines:
        pattern = re.compile("|".join(map(_pattern, lines)))
        text = pattern.sub(lambda found: f"<{names[found[0]]}>", text)
    end = text.find(_CUT)
    for line in lines if end > 0 else ():
        length = next((n for n in range(len(line), 1, -1) if text[:end].endswith(line[:n])), 0)
        if length:
            return f"{text[: end - length]}<{names[line]}>{text[end:]}"
    return text


def _pattern(line: str) -> str:
    literal = re.escape(line)
    return rf"(?<!\w){literal}(?!\w)" if len(line) < _WHOLE_WORD_BELOW else literal

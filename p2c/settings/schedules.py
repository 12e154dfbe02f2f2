"""When the timers fire: the names of these settings, and whether the host takes a value."""

import re

from p2c.settings.names import SCHEDULE_PREFIX

EXAMPLE_SCHEDULE = "0 */5 * * * *"
"""Every five minutes: a poll that finds nothing costs one request a task."""

_SCHEDULE_RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_SCHEDULE_NAMES = {
    4: ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    5: ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}


def schedule_setting(template: str) -> str:
    """Return the name of the setting that says when a template's timer fires."""
    return f"{SCHEDULE_PREFIX}{template.upper().replace('-', '_')}"


def schedule(value: str) -> str:
    """Check an NCRONTAB expression: the worker takes any text, the host then fails to start.

    Raises:
        ValueError: It is none; the text says why.
    """
    fields = value.split()
    if len(fields) != len(_SCHEDULE_RANGES):
        raise ValueError(f"it has {len(fields)} fields, not six")
    for index, found in enumerate(fields):
        if not all(_is_schedule_item(item, index) for item in found.split(",")):
            raise ValueError(f"its field {index + 1} is '{found}'")
    return value


def _is_schedule_item(item: str, index: int) -> bool:
    match = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?", item)
    if match is None:
        return False
    first, last, step = match.groups()
    if step is not None and int(step) == 0:
        return False
    if first == "*":
        return last is None
    low, high = _SCHEDULE_RANGES[index]
    numbers = [_schedule_number(text, index) for text in (first, last) if text is not None]
    return all(low <= number <= high for number in numbers) and numbers == sorted(numbers)


def _schedule_number(text: str, index: int) -> int:
    names = _SCHEDULE_NAMES.get(index, ())
    if text.lower() in names:
        return names.index(text.lower()) + _SCHEDULE_RANGES[index][0]
    return int(text) if text.isascii() and text.isdigit() else -1

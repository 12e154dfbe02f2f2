"""What is said of a failure that nobody foresaw: its kind and its place, never its text.

The text may quote a value of somebody's row, and the host logs what a function raises.
"""

import traceback
from pathlib import Path

from p2c.errors import P2cError

ROOT = Path(__file__).resolve().parents[2]
PLACES = 6
"""The innermost calls that are named."""


class UnforeseenError(P2cError):
    """A defect, or a state nobody thought of. Raised to the host in place of what was raised."""

    code = "unforeseen"


def kind_and_place(error: BaseException) -> str:
    """Name an error's kind and the calls that led there, the innermost first."""
    frames = traceback.extract_tb(error.__traceback__)[-PLACES:]
    places = [f"{_shown(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames]
    return " < ".join([f"{type(error).__name__}", *reversed(places)])


def _shown(filename: str) -> str:
    path = Path(filename)
    if path.is_relative_to(ROOT):
        return path.relative_to(ROOT).as_posix()
    return "/".join(path.parts[-3:])

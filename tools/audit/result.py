"""What a part of the audit came to, and what that means for the whole."""

from collections.abc import Iterable
from dataclasses import dataclass

OK = 0
FOUND = 1
INCOMPLETE = 3
"""Exit statuses; 2 is wrong use, or a tool that cannot be installed."""


class AuditError(Exception):
    """The audit cannot be carried out; the message says what to do."""


@dataclass(frozen=True)
class Result:
    """What a part came to.

    Attributes:
        part: Its name in the summary.
        looked_at: What it covered, for the summary.
        problems: What is wrong: where, what was found, what was expected, what to do.
        not_done: What could not be looked at, and why. Nothing is known of it then.
    """

    part: str
    looked_at: str
    problems: tuple[str, ...] = ()
    not_done: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """In a few words."""
        found = [f"{len(self.problems)} found"] if self.problems else []
        missing = ["INCOMPLETE"] if self.not_done else []
        return ", ".join(found + missing) or "ok"


def exit_status(results: Iterable[Result]) -> int:
    """What is wrong weighs more than what could not be looked at; neither passes for right."""
    results = list(results)
    if any(result.problems for result in results):
        return FOUND
    return INCOMPLETE if any(result.not_done for result in results) else OK


def summary(results: Iterable[Result]) -> str:
    """A table of the parts, then each problem and each thing that was not done."""
    results = list(results)
    rows = [("Part", "Looked at", "Outcome")]
    rows += [(result.part, result.looked_at, result.outcome) for result in results]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}" for row in rows]
    for title, of in (("Found", "problems"), ("Not done", "not_done")):
        texts = [text for result in results for text in getattr(result, of)]
        if texts:
            lines += ["", f"{title}:", *(f"  - {text}" for text in texts)]
    return "\n".join([*lines, "", _VERDICTS[exit_status(results)]])


_VERDICTS = {
    OK: "Nothing is wrong. Exit status 0.",
    FOUND: "Something is wrong, see above. Exit status 1.",
    INCOMPLETE: "The audit is INCOMPLETE: nothing wrong was found, but not everything could be "
    "looked at, see above. It is no pass. Exit status 3.",
}

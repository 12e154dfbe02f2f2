"""What a check of the set-up finds: one line each, with what to do about it."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from p2c.errors import P2cError


class Verdict(enum.StrEnum):
    """What a check came to; the words of ``check --json``."""

    WELL = "ok"
    WARNING = "warning"
    BROKEN = "broken"
    NOT_CHECKED = "not-checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check came to.

    Attributes:
        area: ``settings``, ``templates``, ``storage``, ``dataverse`` or ``fno``.
        subject: What was looked at.
        found: What was found there; for a check that was left out, why.
        expected: "" when it is what was found.
        advice: What to do; "" when there is nothing to do.
        code: Stable identifier; "" when all is well.
    """

    area: str
    verdict: Verdict
    subject: str
    found: str
    expected: str = ""
    advice: str = ""
    code: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the form that ``check --json`` prints."""
        return {
            "area": self.area,
            "subject": self.subject,
            "result": self.verdict.value,
            "found": self.found,
            "expected": self.expected or None,
            "what_to_do": self.advice or None,
            "code": self.code or None,
        }


def well(area: str, subject: str, found: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(area, Verdict.WELL, subject, found)


def not_checked(area: str, subject: str, why: str) -> Finding:
    """Return a finding that something could not be looked at."""
    return Finding(area, Verdict.NOT_CHECKED, subject, why)


def failed(area: str, subject: str, error: P2cError) -> Finding:
    """Return the finding that an error stands for; its message says what to do."""
    return Finding(area, Verdict.BROKEN, subject, error.message, code=error.code)


def status_of(findings: Iterable[Finding]) -> str:
    """Return Completed, Warning or Error."""
    verdicts = {finding.verdict for finding in findings}
    if Verdict.BROKEN in verdicts:
        return "Error"
    return "Warning" if Verdict.WARNING in verdicts else "Completed"

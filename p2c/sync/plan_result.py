"""What a plan finds out: the rows, the records that would be written, and the sums."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from p2c.model import Outcome, Reason, RecordKey, RowId, Value
from p2c.sync.executions import counts_as_json

Action = Literal["create", "update", "retire"]
IN_HAND = Reason(
    "in-hand",
    "Another worker has the row in hand, so what is left to do for it is not known yet.",
)


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """A record that would be written.

    Attributes:
        action: ``retire`` marks a record that the row no longer has.
        fields: What would be sent: field to its value in F&O now (JSON, None for an empty one and
            for every field of a new record) and its new value.
    """

    action: Action
    key: RecordKey
    fields: Mapping[str, tuple[object, Value]]

    def as_json(self) -> dict[str, object]:
        """Return the form that the command and the HTTP function print."""
        fields = {
            name: {"old": _plain(old), "new": _plain(new)}
            for name, (old, new) in self.fields.items()
        }
        return {"action": self.action, "key": str(self.key), "fields": fields}


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """What a row would come to; a row may be met again and come to something else."""

    template: str
    task: str
    row_id: RowId
    key: str
    outcome: Outcome
    reason: Reason | None
    writes: tuple[PlannedWrite, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the form that the command and the HTTP function print."""
        return {
            "row": self.row_id,
            "key": self.key or None,
            "outcome": self.outcome.value,
            "code": self.reason.code if self.reason else None,
            "reason": self.reason.text if self.reason else None,
            "operations": [write.as_json() for write in self.writes],
        }


Counts = Mapping[str, Mapping[str, Mapping[Outcome, int]]]


@dataclass(frozen=True)
class PlanResult:
    """What a plan came to.

    Attributes:
        counts: Template to task to outcome to rows, as `run` counts them.
        reasons: Template to task to code to rows that were skipped, wait or are rejected for it.
        writes: Action to records that would be written.
        unseen: Template to messages on its queue that could not be looked into.
        elsewhere: Template that was not planned to rows that the plan would queue for it.
        unreadable: Messages that nobody can read, which a run would set aside.
        asked: What tasks ask before they read on, so that what they would read is not planned.
        cut_short: What ended the plan before its end: ``limit``, ``time`` or "".
    """

    counts: Counts
    reasons: Mapping[str, Mapping[str, Mapping[str, int]]]
    writes: Mapping[Action, int]
    unseen: Mapping[str, int]
    elsewhere: Mapping[str, int]
    unreadable: int
    asked: tuple[str, ...]
    cut_short: str

    @property
    def status(self) -> str:
        """``Changes``, ``NoChanges``, or ``Incomplete`` when there may be some unseen."""
        if any(self.writes.values()):
            return "Changes"
        in_hand = any(
            IN_HAND.code in codes for tasks in self.reasons.values() for codes in tasks.values()
        )
        complete = not (self.cut_short or self.unseen or self.asked or in_hand)
        return "NoChanges" if complete else "Incomplete"

    def as_json(self, rows: Callable[[str, str], object]) -> dict[str, object]:
        """Return the form that the command and the HTTP function print.

        Args:
            rows: Template and task to what stands for their rows.
        """
        return {
            "status": self.status,
            "operations": dict(self.writes),
            "templates": {
                template: {
                    "tasks": {
                        task: {
                            "counts": counts_as_json(counts),
                            "reasons": dict(self.reasons.get(template, {}).get(task, {})),
                            "rows": rows(template, task),
                        }
                        for task, counts in tasks.items()
                    }
                }
                for template, tasks in self.counts.items()
            },
            "deletes_need_consent": list(self.asked),
            "cut_short": self.cut_short or None,
            "messages_not_seen": dict(self.unseen),
            "messages_not_readable": self.unreadable,
            "rows_of_other_templates": dict(self.elsewhere),
        }


def _plain(value: object) -> object:
    """Return a value as JSON has it; decimals as numbers."""
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == value.to_integral_value() else float(value)

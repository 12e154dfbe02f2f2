"""What is found out about one row: the chain from its state in Sales to what comes next.

Values of the row and of its record are in here, for the person who asked; nothing of this is
logged or stored. `p2c.sync.explain_row` gathers it, `p2c.sync.explanation_words` puts it in
sentences and `p2c.sync.explanation_json` into JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from p2c.mapping.result import Mapped, Prerequisite
from p2c.mapping.task import TaskMapping
from p2c.mapping.trace import MappingTrace
from p2c.model import Outcome, Reason, RecordKey, RowId, SourceRow, Value
from p2c.sync.checkpoints import Checkpoint
from p2c.sync.decide import Plan
from p2c.sync.find_deleted import question
from p2c.sync.ledger import Entry

Comparison = Literal["new", "equal", "different", "to be cleared", "left alone", "blank"]


@dataclass(frozen=True, slots=True)
class PrerequisiteState:
    """A record that must be in F&O first, and what became of the row that brings it.

    Attributes:
        in_fno: None when it could not be asked for: it has no number, or F&O was not asked.
        outcome: Of that row in its own ledger; None when p2c never finished it.
    """

    prerequisite: Prerequisite
    in_fno: bool | None
    outcome: Outcome | None
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class FieldState:
    """A field of the record: what the mapping says, what F&O holds, and how they compare.

    Attributes:
        comparison: ``new``: F&O has no record yet. ``left alone``: blank in Sales, and F&O's value
            is not p2c's to clear.
        sent: Whether a run would send it.
    """

    field: str
    wanted: Value | None
    actual: object
    comparison: Comparison
    sent: bool


@dataclass(frozen=True, slots=True)
class FormerRecord:
    """What F&O holds under a key that the row had before. `retired` is None when it is gone."""

    key: RecordKey
    retired: bool | None


@dataclass(frozen=True, slots=True)
class FnoState:
    """What F&O holds of the row now, and what a run would send.

    Attributes:
        key: Key of the record the row becomes or would become; None when it gives none.
        exists: Whether F&O has a record under the key; None when it was not asked.
        plan: What a run would do; None when it would do nothing about F&O, or wait.
        forced: What it would do with force, which compares with F&O and not with the ledger.
        trusted: The ledger knows what F&O holds, so that a run would not look.
        problem: Why F&O could not be asked; "" when it was.
    """

    key: RecordKey | None = None
    exists: bool | None = None
    fields: tuple[FieldState, ...] = ()
    former: tuple[FormerRecord, ...] = ()
    plan: Plan | None = None
    forced: Plan | None = None
    trusted: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """Everything that was found out about a row in one task.

    Attributes:
        row: The row in Sales now; None when it is gone, or when Sales could not be asked.
        sales_problem: Why Sales could not be asked; "" when it was.
        entry: The ledger's entry; its version is None when p2c never saw the row.
        mapping: None without a row.
        would_be: What the row would come to if it were processed now and nothing were sent;
            None when it has a record to compare.
        asked_again_at: When the sweep asks F&O again for what the row waits for.
        left_alone: Service to until when all instances leave it alone.
        now: When this was found out.
        number: The row's number as Sales has it or, of a row that is gone, as it was when p2c wrote
            it; "" for none.
    """

    task: TaskMapping
    row_id: RowId
    row: SourceRow | None
    sales_problem: str
    entry: Entry
    checkpoint: Checkpoint
    mapping: MappingTrace | None
    would_be: tuple[Outcome, Reason | None] | None
    prerequisites: tuple[PrerequisiteState, ...]
    fno: FnoState
    now: datetime
    asked_again_at: datetime | None = None
    left_alone: Mapping[str, datetime] = field(default_factory=dict)
    number: str = ""

    @property
    def is_claimed(self) -> bool:
        """Whether a worker holds the row at this moment."""
        return self.entry.claim is not None and self.entry.claim.deadline > self.now

    @property
    def has_changed(self) -> bool:
        """Whether Sales has another version of the row than p2c last read."""
        return (
            self.row is not None
            and self.entry.outcome is not None
            and self.row.version != self.entry.source_version
        )

    @property
    def question(self) -> str:
        """What the task asks before it reads any change; "" when it asks nothing."""
        asked = question(self.task, self.checkpoint.comparison)
        return asked.message if asked else ""

    @property
    def template_has_changed(self) -> bool:
        """Whether template or project changed since all rows were last read."""
        known = self.checkpoint.mapping_fingerprint
        return bool(known) and known != self.task.fingerprint

    @property
    def mapped(self) -> Mapped | None:
        """The record that the row is mapped to now."""
        result = self.mapping.result if self.mapping else None
        return result if isinstance(result, Mapped) else None


@dataclass(frozen=True, slots=True)
class TaskExplanation:
    """What was found out about a row in one task, with its first and its last sentence.

    Attributes:
        summary: What became of the row.
        next: What comes next, and what a person can do.
    """

    facts: TaskFacts
    summary: str
    next: str


@dataclass(frozen=True, slots=True)
class RowExplanation:
    """One row in every task that reads its table."""

    row_id: RowId
    table: str
    number: str
    tasks: tuple[TaskExplanation, ...]

"""How far each task has read: its delta link, or how far a full read has come.

A checkpoint is saved on condition that nobody else saved it meanwhile, so that of two who follow
the same link only one moves it on; the other's messages are doubles, which do no harm.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from p2c.mapping.task import TaskMapping
from p2c.sync.long_text import cut_text, joined_text
from p2c.sync.ports import Documents, Scalar

_PARTITION = "checkpoint"


@dataclass(frozen=True, slots=True)
class FullRead:
    """A full read under way.

    Attributes:
        execution: The execution it belongs to.
        generation: Number of the full read; rows it names carry it.
        phase: ``token`` while a first pass fetches the delta link that covers all that changes
            from now on, ``rows`` while the second pass names every row.
        link: Next page; None for the first.
        delta_link: From the first pass.
        read: Rows named so far.
        force: Rows are compared with what F&O holds.
    """

    execution: str
    generation: int
    phase: Literal["token", "rows"]
    link: str | None = None
    delta_link: str = ""
    read: int = 0
    force: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of the ledger with Sales after a full read: due, under way, or asking.

    Attributes:
        generation: Number of the full read. Rows that it named are in Sales.
        execution: The execution of the full read.
        read: Rows that it named.
        read_at: When it ended, in ISO 8601.
        phase: ``count`` the absent rows, ``ask`` whether so many may be taken for deleted,
            ``queue`` them.
        bucket: Ledger buckets done in this phase.
        known: Rows that the ledger takes to be in Sales, as counted.
        absent: Those of them that are not there, as counted.
        queued: Absent rows queued so far.
        most: Absent rows that may be queued.
        asked_at: When the question was asked, in ISO 8601; "" when it was not.
    """

    generation: int
    execution: str
    read: int
    read_at: str
    phase: Literal["count", "ask", "queue"] = "count"
    bucket: int = 0
    known: int = 0
    absent: int = 0
    queued: int = 0
    most: int = 0
    asked_at: str = ""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a task's reading stands.

    Attributes:
        version: The stored document's version, None when there is none yet.
        delta_link: Yields what changed since the last poll; "" before the first full read ended.
        select_fingerprint: Of the columns the delta link was made for.
        mapping_fingerprint: Of the mapping with which all rows were last enumerated.
        generation: Number of the last full read begun.
        comparison: What is left to do after the last full read to find deleted rows; None when
            nothing is, and while a full read is under way.
        read_fully_by: Execution that last read everything.
        polled_at: When a poll last succeeded.
    """

    version: str | None = None
    delta_link: str = ""
    select_fingerprint: str = ""
    mapping_fingerprint: str = ""
    generation: int = 0
    full_read: FullRead | None = None
    comparison: Comparison | None = None
    read_fully_by: str = ""
    polled_at: datetime | None = None


class Checkpoints:
    """The checkpoints of all tasks."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def read(self, task: TaskMapping) -> Checkpoint:
        """Read a task's checkpoint."""
        document = self._documents.get(_PARTITION, _name(task))
        if document is None:
            return Checkpoint()
        body = document.body
        full = json.loads(joined_text(body, "full_read") or "null")
        comparison = json.loads(joined_text(body, "comparison") or "null")
        return Checkpoint(
            version=document.version,
            delta_link=joined_text(body, "delta_link"),
            select_fingerprint=str(body.get("select_fingerprint", "")),
            mapping_fingerprint=str(body.get("mapping_fingerprint", "")),
            generation=int(body.get("generation", 0)),
            full_read=FullRead(**full) if full else None,
            comparison=Comparison(**comparison) if comparison else None,
            read_fully_by=str(body.get("read_fully_by", "")),
            polled_at=_time(body.get("polled_at")),
        )

    def save(self, task: TaskMapping, checkpoint: Checkpoint) -> str | None:
        """Save a checkpoint; return its new version, None when somebody else saved one."""
        body: dict[str, Scalar] = {
            "select_fingerprint": checkpoint.select_fingerprint,
            "mapping_fingerprint": checkpoint.mapping_fingerprint,
            "generation": checkpoint.generation,
            "read_fully_by": checkpoint.read_fully_by,
            **cut_text("delta_link", checkpoint.delta_link),
        }
        for name in ("full_read", "comparison"):
            part: FullRead | Comparison | None = getattr(checkpoint, name)
            if part:
                # `dataclasses.asdict` of Python 3.13.0 never lets go of an instance with slots.
                stored = {slot: getattr(part, slot) for slot in part.__slots__}
                body.update(cut_text(name, json.dumps(stored)))
        if checkpoint.polled_at:
            body["polled_at"] = checkpoint.polled_at.isoformat()
        return self._documents.put(_PARTITION, _name(task), body, checkpoint.version)


def _name(task: TaskMapping) -> str:
    return f"{task.template}|{task.task}"


def _time(value: object) -> datetime | None:
    return datetime.fromisoformat(str(value)).astimezone(UTC) if value else None

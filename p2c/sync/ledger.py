"""The ledger: for each task and row, who works on it, what F&O was given and what became of it.

An entry is a document in the partition ``<template>|<task>|<bucket>``, where the bucket is one of
16 by the row's id, named by the row's id. Tallies, which add up to executions, lie in the same
partition so that they are written in the same transaction as the outcomes they count.
"""

import json
import uuid
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from p2c.mapping.result import Prerequisite
from p2c.model import Identity, Outcome, Reason, RecordKey, RowId
from p2c.sync.long_text import cut_text, joined_text
from p2c.sync.ports import Document, Documents, Put, Scalar
from p2c.telemetry import SILENT, Telemetry
from p2c.telemetry.metrics import ROWS

BUCKETS = 16
ROWS_PER_TRANSACTION = 96
"""A transaction holds 100 entities; four are left for the tallies written with the rows."""
EXECUTIONS_COUNTED = 3
_TALLY = "~tally|"
# One encoder for all: `json.dumps` would make one for each text that is not in its usual form.
_compact = json.JSONEncoder(separators=(",", ":")).encode


def bucket_of(row_id: RowId) -> str:
    """Return the row's ledger bucket, one hexadecimal digit."""
    return f"{zlib.crc32(row_id.encode()) % BUCKETS:x}"


def all_buckets() -> tuple[str, ...]:
    """Return every bucket."""
    return tuple(f"{number:x}" for number in range(BUCKETS))


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's hold on a row: until the deadline nobody else works on it."""

    owner: str
    claimed_at: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger knows of one row in one task.

    Attributes:
        version: The stored document's version; None for a row not stored yet.
        epoch: Counts claims.
        claim: Who works on the row; None when nobody does.
        unsettled_until: Until then a request of an earlier claim may still take effect in F&O;
            None when what F&O holds is known.
        keys: Every key p2c wrote, or was about to write, for this row; the current one last.
        left: Identity of a key that the row is no longer mapped to, or has lost to another row, to
            the fields p2c wrote under it; a former key of `keys` may be missing here, then it may
            have been any field.
        hashes: Field of the current key's record to the hash of what it holds.
        waits_for: The prerequisite a waiting row waits for.
        intended: What an unconfirmed write was to come to; None when nothing is unconfirmed.
        execution: The execution that last touched the row.
        counted: The latest executions that counted this row, each with the outcome it counted.
        source_version: Row version last read, for people.
        record: Key of the record the row last became or would have become, for people.
        generation: The last full read that named the row.
        since: When the outcome and its reason last changed.
        answer: F&O's last clear answer to a write of the row: ``done``, or the code of the reason
            it gave; "" before the first one.
        answered_at: When that was.
    """

    row_id: RowId
    version: str | None = None
    epoch: int = 0
    claim: Claim | None = None
    unsettled_until: datetime | None = None
    keys: tuple[RecordKey, ...] = ()
    left: Mapping[Identity, frozenset[str]] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    outcome: Outcome | None = None
    reason: Reason | None = None
    waits_for: Prerequisite | None = None
    intended: Outcome | None = None
    execution: str = ""
    counted: Mapping[str, Outcome] = field(default_factory=dict)
    source_version: str = ""
    record: str = ""
    generation: int = 0
    since: datetime | None = None
    answer: str = ""
    answered_at: datetime | None = None

    @property
    def current_key(self) -> RecordKey | None:
        """The key last written or about to be written."""
        return self.keys[-1] if self.keys else None


Tally = Mapping[tuple[str, Outcome], int]
"""Execution and outcome to how many rows more (or fewer) have it."""


@dataclass(frozen=True, slots=True)
class Change:
    """An entry to store, on condition of its version, and what that adds to the tallies."""

    entry: Entry
    tally: Tally = field(default_factory=dict)


class Ledger:
    """The ledger of one task, on a table of documents."""

    def __init__(
        self, documents: Documents, template: str, task: str, telemetry: Telemetry = SILENT
    ) -> None:
        self._documents = documents
        self._telemetry = telemetry
        self._names = {"template": template, "task": task}
        self._prefix = f"{template}|{task}|"

    def read(self, row_ids: Sequence[RowId]) -> dict[RowId, Entry]:
        """Read entries; a row without one gets an empty entry that is not stored yet."""
        found: dict[RowId, Entry] = {}
        for bucket, names in _by_bucket(row_ids).items():
            documents = self._documents.get_many(self._prefix + bucket, names)
            for name in names:
                document = documents.get(name)
                found[name] = _decode(document) if document else Entry(row_id=name)
        return found

    def write(self, changes: Sequence[Change]) -> dict[RowId, str | None]:
        """Store entries, each on condition of its version, in as few transactions as possible.

        Returns:
            The new version of each row; None for a row whose entry someone else has changed, which
            is then not written. The others are.
        """
        versions: dict[RowId, str | None] = {}
        by_row = {change.entry.row_id: change for change in changes}
        for bucket, names in _by_bucket(list(by_row)).items():
            for start in range(0, len(names), ROWS_PER_TRANSACTION):
                part = [by_row[name] for name in names[start : start + ROWS_PER_TRANSACTION]]
                versions.update(self._write_together(self._prefix + bucket, part))
        if self._telemetry.on:
            for change in by_row.values():
                if change.tally and versions[change.entry.row_id] is not None:
                    self._tell(change)
        return versions

    def _tell(self, change: Change) -> None:
        """Tell what was added to the tallies of the execution that touched the row."""
        entry, reason = change.entry, change.entry.reason
        deltas = {o.value: n for (name, o), n in change.tally.items() if name == entry.execution}
        now = next((outcome for outcome, delta in deltas.items() if delta > 0), None)
        if now is None:
            return  # It was counted for the same outcome before.
        attributes = {
            **self._names,
            "outcome": now,
            "previous": next((outcome for outcome, delta in deltas.items() if delta < 0), "none"),
            "code": reason.code if reason else "",
        }
        self._telemetry.record(ROWS, 1, attributes)

    def write_unseen(self, entries: Sequence[Entry]) -> dict[RowId, str] | None:
        """Store entries of rows of one partition that the ledger has never met, all or none.

        Returns:
            The version of each row; None when the ledger knows one of them.
        """
        partition = self._prefix + bucket_of(entries[0].row_id)
        puts = [Put(entry.row_id, _encode(entry), None) for entry in entries]
        answer = self._documents.put_all(partition, puts)
        return None if isinstance(answer, str) else answer

    def entries(
        self,
        outcome: Outcome | None = None,
        *,
        code: str = "",
        buckets: Iterable[str] | None = None,
    ) -> Iterable[Entry]:
        """Stream the entries of the task: all, those with an outcome or a reason, or in buckets."""
        equals: dict[str, Scalar] = {"outcome": outcome.value} if outcome else {}
        return self._scan(equals | ({"reason_code": code} if code else {}), buckets)

    def open_entries(self) -> Iterable[Entry]:
        """Stream the entries of rows that are claimed or unsettled."""
        return self._scan({"open": True})

    def _scan(
        self, equals: Mapping[str, Scalar], buckets: Iterable[str] | None = None
    ) -> Iterable[Entry]:
        for bucket in all_buckets() if buckets is None else buckets:
            for document in self._documents.scan(self._prefix + bucket, last="~", equals=equals):
                yield _decode(document)

    def tally(self, execution: str) -> dict[Outcome, int]:
        """Add up what an execution's rows came to in this task."""
        total = dict.fromkeys(Outcome, 0)
        first = f"{_TALLY}{execution}|"
        for bucket in all_buckets():
            for document in self._documents.scan(
                self._prefix + bucket, first=first, last=first + "~"
            ):
                for outcome in Outcome:
                    total[outcome] += int(document.body.get(outcome.value, 0))
        return total

    def forget_tally(self, execution: str) -> None:
        """Remove an execution's tallies."""
        first = f"{_TALLY}{execution}|"
        for bucket in all_buckets():
            partition = self._prefix + bucket
            for document in self._documents.scan(partition, first=first, last=first + "~"):
                self._documents.delete(partition, document.name)

    def _write_together(self, partition: str, changes: list[Change]) -> dict[RowId, str | None]:
        """Write one transaction; take out the row it fails for and repeat."""
        versions: dict[RowId, str | None] = {}
        remaining = {change.entry.row_id: change for change in changes}
        while remaining:
            puts = [
                Put(name, _encode(change.entry), change.entry.version)
                for name, change in remaining.items()
            ]
            puts += _tally_puts(change.tally for change in remaining.values())
            answer = self._documents.put_all(partition, puts)
            if isinstance(answer, str):
                versions[answer] = None
                del remaining[answer]
                continue
            versions.update({name: answer[name] for name in remaining})
            break
        return versions


def _by_bucket(row_ids: Sequence[RowId]) -> dict[str, list[RowId]]:
    buckets: dict[str, list[RowId]] = {}
    for row in row_ids:
        buckets.setdefault(bucket_of(row), []).append(row)
    return buckets


def _tally_puts(tallies: Iterable[Tally]) -> list[Put]:
    total: dict[str, dict[str, int]] = {}
    for tally in tallies:
        for (execution, outcome), count in tally.items():
            counts = total.setdefault(execution, {})
            counts[outcome.value] = counts.get(outcome.value, 0) + count
    puts = []
    for execution, counts in total.items():
        body: dict[str, Scalar] = {name: count for name, count in counts.items() if count}
        if body:
            puts.append(Put(f"{_TALLY}{execution}|{uuid.uuid4().hex}", body, None))
    return puts


def _encode(entry: Entry) -> dict[str, Scalar]:
    body: dict[str, Scalar] = {
        "epoch": entry.epoch,
        # A row that keeps moving gets a key each time.
        **cut_text(
            "keys", _compact([[key.entity_set, *map(list, key.parts)] for key in entry.keys])
        ),
        "hashes": _compact(dict(entry.hashes)),
        "execution": entry.execution,
        "counted": _compact(dict(list(entry.counted.items())[-EXECUTIONS_COUNTED:])),
        "source_version": entry.source_version,
        "record": entry.record,
        "generation": entry.generation,
        **_encode_left(entry),
    }
    if entry.claim:
        body["claim_owner"] = entry.claim.owner
        body["claim_at"] = entry.claim.claimed_at.isoformat()
        body["claim_deadline"] = entry.claim.deadline.isoformat()
    if entry.unsettled_until:
        body["unsettled_until"] = entry.unsettled_until.isoformat()
    if entry.claim or entry.unsettled_until:
        body["open"] = True
    if entry.outcome:
        body["outcome"] = entry.outcome.value
    if entry.reason:
        body["reason_code"] = entry.reason.code
        body["reason"] = entry.reason.text
    if entry.waits_for:
        body["waits_for"] = encode_prerequisite(entry.waits_for)
    if entry.intended:
        body["intended"] = entry.intended.value
    if entry.since:
        body["since"] = entry.since.isoformat()
    if entry.answered_at:
        body["answer"] = entry.answer
        body["answered_at"] = entry.answered_at.isoformat()
    return body


def _encode_left(entry: Entry) -> dict[str, Scalar]:
    left = [[identity, sorted(fields)] for identity, fields in entry.left.items()]
    return cut_text("left", _compact(left)) if left else {}


def _decode(document: Document) -> Entry:
    body = document.body
    claim = None
    if "claim_owner" in body:
        claim = Claim(
            owner=str(body["claim_owner"]),
            claimed_at=_time(body["claim_at"]),
            deadline=_time(body["claim_deadline"]),
        )
    return Entry(
        row_id=document.name,
        version=document.version,
        epoch=int(body.get("epoch", 0)),
        claim=claim,
        unsettled_until=_optional_time(body.get("unsettled_until")),
        keys=tuple(_decode_key(key) for key in json.loads(joined_text(body, "keys") or "[]")),
        left={
            tuple(identity): frozenset(fields)
            for identity, fields in json.loads(joined_text(body, "left") or "[]")
        },
        hashes=json.loads(str(body.get("hashes", "{}"))),
        outcome=Outcome(str(body["outcome"])) if "outcome" in body else None,
        reason=Reason(str(body["reason_code"]), str(body.get("reason", "")))
        if "reason_code" in body
        else None,
        waits_for=decode_prerequisite(str(body["waits_for"])) if "waits_for" in body else None,
        intended=Outcome(str(body["intended"])) if "intended" in body else None,
        execution=str(body.get("execution", "")),
        counted={
            name: Outcome(outcome)
            for name, outcome in json.loads(str(body.get("counted", "{}"))).items()
        },
        source_version=str(body.get("source_version", "")),
        record=str(body.get("record", "")),
        generation=int(body.get("generation", 0)),
        since=_optional_time(body.get("since")),
        answer=str(body.get("answer", "")),
        answered_at=_optional_time(body.get("answered_at")),
    )


def _decode_key(stored: list[Any]) -> RecordKey:
    entity_set, *parts = stored
    return RecordKey(entity_set, tuple((name, value) for name, value in parts))


def encode_prerequisite(prerequisite: Prerequisite) -> str:
    """Write a prerequisite as JSON."""
    return json.dumps(
        [
            prerequisite.entity_set,
            prerequisite.field,
            prerequisite.value,
            prerequisite.template,
            prerequisite.table,
            prerequisite.row_id,
        ]
    )


def decode_prerequisite(text: str) -> Prerequisite:
    """Read a prerequisite back."""
    return Prerequisite(*json.loads(text))


def _time(value: Scalar) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)


def _optional_time(value: Scalar | None) -> datetime | None:
    return None if value is None else _time(value)

"""Rows that wait for another record, and how they go on.

A waiting row is indexed by the row that will bring what it waits for. Whoever brings a record to
F&O looks here afterwards and queues those who waited. A row registers before F&O is asked a last
time, so one of the two always sees the other; the sweep catches what comes by other ways.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from p2c.mapping.result import Prerequisite
from p2c.model import Reason, RowId
from p2c.sync.ledger import bucket_of, decode_prerequisite, encode_prerequisite
from p2c.sync.messages import ROWS_PER_MESSAGE, RowsMessage
from p2c.sync.ports import Document
from p2c.sync.runtime import Runtime

SWEEP_FIRST_SECONDS = 60.0
SWEEP_LONGEST_SECONDS = 3600.0
SWEEP_NUMBERS = 500
"""Numbers F&O is asked for in one sweep at most, the longest unasked first."""
SWEEP_ROWS = 5_000
"""Waiting rows looked after in one sweep at most, so that memory stays flat."""
WAKE_ROWS = 1_000
"""Woken rows kept in memory until they are queued."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """A waiting row: which task and row, and what it waits for."""

    template: str
    task: str
    row_id: RowId
    prerequisite: Prerequisite
    execution: str


def waiting_reason(prerequisite: Prerequisite) -> Reason:
    """Name what a row waits for."""
    if not prerequisite.value:
        return Reason(
            "prerequisite-without-number",
            f"Its {prerequisite.table} {prerequisite.row_id} has no number yet. It goes on by "
            f"itself once that {prerequisite.table} has one and is in F&O.",
        )
    return Reason(
        "prerequisite-missing",
        f"It waits for {prerequisite.field} {prerequisite.value} in {prerequisite.entity_set}, "
        f"which template '{prerequisite.template}' brings. It goes on by itself then.",
    )


class WaitingRows:
    """The index of waiting rows."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._documents = runtime.stores.waiting

    def register(self, waiter: Waiter) -> None:
        """Remember that a row waits; registering twice is fine."""
        partition, name = _place(waiter)
        known = self._documents.get(partition, name)
        if known and known.body.get("prerequisite") == encode_prerequisite(waiter.prerequisite):
            return
        self._documents.put(
            partition,
            name,
            {
                "template": waiter.template,
                "task": waiter.task,
                "row": waiter.row_id,
                "prerequisite": encode_prerequisite(waiter.prerequisite),
                "execution": waiter.execution,
                "tries": 0,
                "ask_at": self._runtime.clock.now().isoformat(),
            },
            known.version if known else None,
        )

    def forget(self, waiter: Waiter) -> None:
        """Remove a row from the index; absent is fine."""
        self._documents.delete(*_place(waiter))

    def asked_again_at(self, waiter: Waiter) -> datetime | None:
        """Return when a sweep asks F&O again for a row; None when the index lacks the row."""
        known = self._documents.get(*_place(waiter))
        return _time(known.body["ask_at"]) if known else None

    def wake(self, table: str, row_ids: Iterable[RowId]) -> None:
        """Queue the rows that wait for rows which have just come to F&O."""
        by_bucket: dict[str, set[RowId]] = {}
        for row in row_ids:
            by_bucket.setdefault(bucket_of(row), set()).add(row)
        for bucket, rows in by_bucket.items():
            first = f"{bucket}|"
            woken: list[Waiter] = []
            for document in self._documents.scan(table, first=first, last=first + "~"):
                if (waiter := _read(document)).prerequisite.row_id in rows:
                    woken.append(waiter)
                if len(woken) == WAKE_ROWS:
                    self._queue(woken)
                    woken = []
            self._queue(woken)

    def sweep(self, template: str) -> int:
        """Ask F&O for what a template's rows wait for and queue those that can go on.

        Rows whose prerequisite has no number are queued too, to read the number anew. Each row is
        asked for less and less often, up to once an hour.

        Returns:
            How many rows were queued.
        """
        now = self._runtime.clock.now()
        due = self._first_numbers(
            heapq.nsmallest(
                SWEEP_ROWS,
                (
                    document
                    for table in self._tables(template)
                    for document in self._documents.scan(table, equals={"template": template})
                    if _time(document.body["ask_at"]) <= now
                ),
                key=lambda document: _time(document.body["ask_at"]),
            )
        )
        if not due:
            return 0
        present = self.present([_read(document).prerequisite for document in due])
        waiters = [
            waiter
            for document in due
            if not (waiter := _read(document)).prerequisite.value
            or prerequisite_identity(waiter.prerequisite) in present
        ]
        self._queue(waiters)
        for document in due:
            self._ask_later(document, now)
        return len(waiters)

    def count(self, template: str) -> int:
        """Count the rows of a template that wait."""
        equals = {"template": template}
        return sum(
            1
            for table in self._tables(template)
            for _ in self._documents.scan(table, equals=equals)
        )

    def present(self, prerequisites: Iterable[Prerequisite]) -> set[tuple[str, str, str]]:
        """Ask F&O, in one request for each kind, which prerequisites are there."""
        wanted: dict[tuple[str, str], set[str]] = {}
        for prerequisite in prerequisites:
            if prerequisite.value:
                kind = (prerequisite.entity_set, prerequisite.field)
                wanted.setdefault(kind, set()).add(prerequisite.value)
        return {
            _identity(entity_set, field, str(record.get(field) or ""))
            for (entity_set, field), values in wanted.items()
            for record in self._runtime.destination.find(
                entity_set, field, sorted(values), (field,)
            )
        }

    def _tables(self, template: str) -> list[str]:
        tasks = self._runtime.template(template).tasks
        return sorted(
            {
                target.table
                for task in tasks
                for lookup in task.query.lookups
                for target in lookup.targets
            }
        )

    @staticmethod
    def _first_numbers(documents: list[Document]) -> list[Document]:
        numbers: set[str] = set()
        chosen = []
        for document in documents:
            numbers.add(str(document.body["prerequisite"]))
            if len(numbers) > SWEEP_NUMBERS:
                break
            chosen.append(document)
        return chosen

    def _ask_later(self, document: Document, now: datetime) -> None:
        tries = int(document.body.get("tries", 0))
        seconds = min(SWEEP_LONGEST_SECONDS, SWEEP_FIRST_SECONDS * 2**tries)
        body = {
            **document.body,
            "tries": tries + 1,
            "ask_at": (now + timedelta(seconds=seconds)).isoformat(),
        }
        self._documents.put(document.partition, document.name, body, document.version)

    def _queue(self, waiters: list[Waiter]) -> None:
        groups: dict[tuple[str, str, str, str], list[RowId]] = {}
        for waiter in waiters:
            kind = (waiter.template, waiter.task, waiter.execution, bucket_of(waiter.row_id))
            groups.setdefault(kind, []).append(waiter.row_id)
        for (template, task, execution, _), rows in groups.items():
            for start in range(0, len(rows), ROWS_PER_MESSAGE):
                part = tuple(rows[start : start + ROWS_PER_MESSAGE])
                message = RowsMessage(template=template, task=task, execution=execution, rows=part)
                self._runtime.send(message)


def prerequisite_identity(prerequisite: Prerequisite) -> tuple[str, str, str]:
    """Return a prerequisite as F&O compares it."""
    return _identity(prerequisite.entity_set, prerequisite.field, prerequisite.value)


def _identity(entity_set: str, field: str, value: str) -> tuple[str, str, str]:
    return (entity_set, field, value.rstrip().casefold())


def _place(waiter: Waiter) -> tuple[str, str]:
    """Partition and name: grouped by the prerequisite's row, so that waking is one range read."""
    row = waiter.prerequisite.row_id
    name = f"{bucket_of(row)}|{row}|{waiter.template}|{waiter.task}|{waiter.row_id}"
    return waiter.prerequisite.table, name


def _read(document: Document) -> Waiter:
    body = document.body
    return Waiter(
        template=str(body["template"]),
        task=str(body["task"]),
        row_id=str(body["row"]),
        prerequisite=decode_prerequisite(str(body["prerequisite"])),
        execution=str(body["execution"]),
    )


def _time(value: object) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)

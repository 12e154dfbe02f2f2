"""A simulated world for the sync protocol: both services, storage, time and workers that die.

Workers are greenlets that stop before every call to a port, so a test can interleave, stall or
kill them at any step. F&O here may lose an answer, or carry a request out after its caller has
given up, within the bound that the settle time assumes.
"""

import contextlib
import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import greenlet

from p2c.errors import AnswerUnknownError, DeltaLinkExpiredError, ThrottledError, UnavailableError
from p2c.mapping.result import Mapped, MappingResult, NotMapped, Prerequisite
from p2c.mapping.task import CompiledTemplate, TaskMapping
from p2c.model import (
    ChangePage,
    Create,
    Lookup,
    LookupRow,
    LookupTarget,
    Operation,
    Outcome,
    PartResult,
    Reason,
    RecordKey,
    RowId,
    SourceQuery,
    SourceRow,
    Update,
    Written,
)
from p2c.sync.checkpoints import Checkpoints
from p2c.sync.enumerate_changes import EnumerateChanges
from p2c.sync.ledger import Ledger
from p2c.sync.messages import RowsMessage, read_message
from p2c.sync.prerequisites import WaitingRows
from p2c.sync.runtime import Runtime, Stores
from p2c.sync.sync_rows import RowSync
from tests.support.memory import MemoryDocuments, MemoryQueue, SimulatedClock

CLAIM_SECONDS = 30.0
SEND_SECONDS = 60.0
SETTLE_SECONDS = 120
LATE_SECONDS = SETTLE_SECONDS - SEND_SECONDS
HOLD_SECONDS = 40
PAGE = 3

ACCOUNT_QUERY = SourceQuery("account", "accounts", "accountid", ("accountnumber", "name"))
CONTACT_QUERY = SourceQuery(
    "contact",
    "contacts",
    "contactid",
    ("number", "name", "phone"),
    (Lookup("parent", (LookupTarget("account", "parent", "accountid", ("accountnumber",)),)),),
)


def row_id(number: int) -> RowId:
    return str(uuid.UUID(int=number + 1))


def map_account(row: SourceRow) -> MappingResult:
    number = row.columns["accountnumber"]
    if not number:
        return NotMapped(Outcome.SKIPPED, Reason("number-missing", "It has no number."))
    key = RecordKey("Customers", (("dataAreaId", "usmf"), ("Account", str(number))))
    values = {"dataAreaId": "usmf", "Account": number, "Name": row.columns["name"]}
    return Mapped(key, values)


def map_contact(row: SourceRow) -> MappingResult:
    if not row.columns["qualifies"]:
        return NotMapped(Outcome.SKIPPED, Reason("not-a-contact", "The rule leaves it out."))
    parent = row.lookups["parent"]
    if parent is None:
        return NotMapped(Outcome.SKIPPED, Reason("company-not-account", "It has no account."))
    number = str(parent.columns["accountnumber"] or "")
    prerequisite = Prerequisite(
        "Customers", "Account", number, "accounts", "account", parent.row_id
    )
    if not number:
        reason = Reason("prerequisite-without-number", "Its account has no number.")
        return NotMapped(Outcome.WAITING, reason, prerequisite)
    parts = (("dataAreaId", "usmf"), ("Number", str(row.columns["number"])), ("Party", number))
    values = {
        **dict(parts),
        "Name": row.columns["name"],
        "Phone": row.columns["phone"],
        "IsInactive": "No",
    }
    return Mapped(RecordKey("Contacts", parts), values, (prerequisite,))


TEXT = "Edm.String"
ACCOUNTS = TaskMapping(
    template="accounts",
    title="Accounts",
    task="Accounts - Customers",
    query=ACCOUNT_QUERY,
    entity_set="Customers",
    key_fields=("dataAreaId", "Account"),
    field_types={"dataAreaId": TEXT, "Account": TEXT, "Name": TEXT, "OnHold": TEXT},
    empty_values={"Name": "", "OnHold": "No"},
    map_row=map_account,
    number_columns={"Account": "accountnumber"},
    retired={"OnHold": "All"},
    when_moved="leave",
)
CONTACTS = TaskMapping(
    template="contacts",
    title="Contacts",
    task="Contacts",
    query=CONTACT_QUERY,
    entity_set="Contacts",
    key_fields=("dataAreaId", "Number", "Party"),
    field_types=dict.fromkeys(
        ("dataAreaId", "Number", "Party", "Name", "Phone", "IsInactive"), TEXT
    ),
    empty_values={"Name": "", "Phone": "", "IsInactive": "No"},
    map_row=map_contact,
    number_columns={"Number": "number"},
    retired={"IsInactive": "Yes"},
)
TEMPLATES = {
    "accounts": CompiledTemplate("accounts", "Accounts", (), (ACCOUNTS,)),
    "contacts": CompiledTemplate("contacts", "Contacts", ("accounts",), (CONTACTS,)),
}


class Sales:
    """Dataverse with change tracking, in memory."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[RowId, dict[str, Any]]] = {"account": {}, "contact": {}}
        self.changed: dict[tuple[str, RowId], int] = {}
        self.deleted: dict[tuple[str, RowId], dict[str, Any]] = {}
        self.version = 0
        self.expired_before = 0

    def put(self, table: str, row: RowId, **columns: Any) -> None:
        self.version += 1
        self.tables[table].setdefault(row, {}).update(columns)
        self.deleted.pop((table, row), None)
        self.changed[table, row] = self.version

    def remove(self, table: str, row: RowId) -> None:
        self.version += 1
        columns = self.tables[table].pop(row, None)
        if columns is not None:
            self.changed[table, row] = self.version
            self.deleted[table, row] = columns
            self._unlink(row)

    def _unlink(self, account: RowId) -> None:
        """Empty the lookups to a deleted account, as Dataverse does."""
        for row, contact in self.tables["contact"].items():
            if contact["parent"] == account:
                self.put("contact", row, parent=None)

    def expire_links(self) -> None:
        """Let every delta link so far expire."""
        self.version += 1
        self.expired_before = self.version

    def changes(self, query: SourceQuery, link: str | None, *, tracked: bool) -> ChangePage:
        """Links are ``<kind>:<since>:<offset>:<until>``; a full read's pages follow ids."""
        kind, since, offset, until = ("full", 0, 0, self.version)
        if link:
            kind, *numbers = link.split(":")
            since, offset, until = (int(number) for number in numbers)
        if kind == "delta" and since < self.expired_before:
            raise DeltaLinkExpiredError("expired", service="dataverse")
        if kind == "delta" and offset == 0:
            until = self.version
        table = self.tables[query.table]
        if kind == "delta":
            found = sorted(
                row
                for (name, row), version in self.changed.items()
                if name == query.table and since < version <= until
            )
        else:
            found = sorted(table)
        page, rest = found[offset : offset + PAGE], found[offset + PAGE :]
        next_link = f"{kind}:{since}:{offset + PAGE}:{until}" if rest else None
        delta = None if next_link or not (tracked or kind == "delta") else f"delta:{until}:0:0"
        return ChangePage(
            tuple(row for row in page if row in table),
            tuple(row for row in page if row not in table),
            next_link,
            delta,
        )

    def read(self, query: SourceQuery, row_ids: Sequence[RowId]) -> dict[RowId, SourceRow]:
        return {
            row: self.row(query.table, row) for row in row_ids if row in self.tables[query.table]
        }

    def referring(
        self, query: SourceQuery, lookup: Lookup, row_ids: Sequence[RowId]
    ) -> Iterator[tuple[RowId, ...]]:
        found = sorted(
            row
            for row, columns in self.tables[query.table].items()
            if columns[lookup.column] in row_ids
        )
        return (tuple(found[start : start + PAGE]) for start in range(0, len(found), PAGE))

    def find(self, query: SourceQuery, column: str, text: str) -> tuple[RowId, ...]:
        wanted = text.rstrip().casefold()
        return tuple(
            sorted(
                row
                for row, columns in self.tables[query.table].items()
                if str(columns[column]).rstrip().casefold() == wanted
            )
        )

    def row(self, table: str, row: RowId) -> SourceRow:
        columns = dict(self.tables[table][row])
        lookups: dict[str, LookupRow | None] = {}
        if table == "contact":
            parent = columns.pop("parent")
            if parent:
                parent = LookupRow("account", parent, dict(self.tables["account"][parent]))
            lookups["parent"] = parent
        return SourceRow(row, str(self.changed[table, row]), columns, lookups)


@dataclass
class Late:
    """A request that F&O carries out after its caller has given up."""

    due: float
    operation: Operation


class Fno:
    """F&O in memory: records by key, with answers that get lost and effects that come late."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock
        self.records: dict[tuple[str, ...], dict[str, Any]] = {}
        self.late: list[Late] = []
        self.mishaps: list[str] = []
        self.creates: dict[tuple[str, ...], int] = {}
        self.carried_out = 0

    def find(
        self, entity_set: str, field_name: str, values: Iterable[str], select: Sequence[str]
    ) -> list[dict[str, object]]:
        self.carry_out_late()
        wanted = {value.casefold() for value in values}
        return [
            {name: record.get(name, "") for name in select}
            for identity, record in self.records.items()
            if identity[0] == entity_set and str(record.get(field_name, "")).casefold() in wanted
        ]

    def write(self, operations: Sequence[Operation], *, send_before: float) -> list[PartResult]:
        self.carry_out_late()
        if self.clock.monotonic() >= send_before:
            raise UnavailableError("too late", service="fno", code="too-late")
        mishap = self.mishaps.pop(0) if self.mishaps else "none"
        if mishap == "throttled":
            raise ThrottledError("busy", service="fno", status=429, retry_after_seconds=5)
        if mishap == "down":
            raise UnavailableError("down", service="fno", status=503)
        if mishap == "lost-before":
            raise AnswerUnknownError("reset", service="fno")
        if mishap.startswith("late"):
            due = self.clock.monotonic() + LATE_SECONDS * int(mishap.removeprefix("late-")) / 100
            self.late += [Late(due, operation) for operation in operations]
            raise AnswerUnknownError("timed out", service="fno")
        if mishap == "conflict":
            return [self.clash(), *[self.carry_out(operation) for operation in operations[1:]]]
        results = [self.carry_out(operation) for operation in operations]
        if mishap == "lost-after":
            raise AnswerUnknownError("reset", service="fno")
        if mishap == "part-missing":
            results[-1] = PartResult(Written.UNKNOWN, Reason("part-missing", "No answer."))
        return results

    def put_customer(self, number: str) -> None:
        """Put a customer there by other ways than p2c's."""
        record = {"dataAreaId": "usmf", "Account": number, "Name": "Acme"}
        self.records["Customers", "usmf", number.casefold()] = record

    def clash(self) -> PartResult:
        return PartResult(Written.CONFLICT, Reason("update-conflict", "An update conflict."))

    def carry_out_late(self) -> None:
        now = self.clock.monotonic()
        for late in sorted(self.late, key=lambda found: found.due):
            if late.due <= now:
                self.late.remove(late)
                self.carry_out(late.operation)

    def carry_out(self, operation: Operation) -> PartResult:
        identity = operation.key.identity
        self.carried_out += 1
        if isinstance(operation, Update):
            if identity not in self.records:
                return PartResult(Written.ABSENT, Reason("absent", "No resources were found."))
            self.records[identity].update(operation.values)
            return PartResult(Written.DONE)
        assert isinstance(operation, Create)
        if identity in self.records:
            return PartResult(Written.EXISTS, Reason("exists", "The record already exists."))
        if identity[0] == "Contacts" and ("Customers", "usmf", identity[3]) not in self.records:
            reason = Reason("reference-missing", "Not found in the related table.")
            return PartResult(Written.MISSING_REFERENCE, reason)
        self.records[identity] = {**dict(operation.key.parts), **operation.values}
        self.creates[identity] = self.creates.get(identity, 0) + 1
        return PartResult(Written.DONE)


class NoLimit:
    """Leave to send, always."""

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        yield

    def succeeded(self) -> None:
        """Nothing to adapt."""

    def throttled(self) -> None:
        """Nothing to adapt."""


class Stepped:
    """Wraps a port so that the worker using it stops before every call."""

    def __init__(self, port: Any, worker: "Worker") -> None:
        self._port = port
        self._worker = worker

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._worker.pause()
            result = method(*args, **kwargs)
            return list(result) if name in ("scan", "referring") else result

        return call


@dataclass
class Worker:
    """A process working on one thing; it may be stepped, stalled for ever or killed."""

    name: str
    body: Callable[["Worker"], None]
    dead: bool = False
    finished: bool = False
    error: BaseException | None = None
    _greenlet: Any = field(default=None)
    _parent: Any = field(default=None)

    def step(self) -> None:
        """Run until the next call to a port, or to the end."""
        if self.dead or self.finished:
            return
        if self._greenlet is None:
            self._greenlet = greenlet.greenlet(self._run)
        self._parent = greenlet.getcurrent()
        self._greenlet.switch()
        if self.error is not None:
            raise self.error

    def pause(self) -> None:
        self._parent.switch()
        if self.dead:
            raise greenlet.GreenletExit

    def _run(self) -> None:
        try:
            self.body(self)
        except greenlet.GreenletExit:
            return
        except BaseException as error:  # noqa: BLE001  raised again by step()
            self.error = error
        self.finished = True


class World:
    """Everything together, with the actions a test takes on it."""

    def __init__(
        self,
        *,
        row_sync: Callable[..., RowSync] = RowSync,
        enumerate_changes: Callable[[Runtime], EnumerateChanges] = EnumerateChanges,
        sweep: bool = True,
        templates: Mapping[str, CompiledTemplate] = TEMPLATES,
        quiet_rounds: int = 12,
    ) -> None:
        self.clock = SimulatedClock()
        self.sales = Sales()
        self.fno = Fno(self.clock)
        self.queues = {name: MemoryQueue(self.clock) for name in templates}
        self.stores = Stores(*(MemoryDocuments() for _ in range(4)))
        self.workers: list[Worker] = []
        self.templates = templates
        self._quiet_rounds = quiet_rounds
        self._row_sync = row_sync
        self._enumerate = enumerate_changes
        self._sweep = sweep
        self._names = itertools.count(1)
        self._remembered: list[dict[str, Any]] = [{}, {}]

    def runtime(self, worker: Worker) -> Runtime:
        """A process of its own: every port stops the worker first."""

        def step(port: Any) -> Any:
            return Stepped(port, worker)

        return Runtime(
            source=step(self.sales),
            destination=step(self.fno),
            stores=Stores(
                step(self.stores.ledger),
                step(self.stores.waiting),
                step(self.stores.state),
                step(self.stores.executions),
            ),
            queue_of=lambda name: step(self.queues[name]),
            clock=self.clock,
            templates=self.templates,
            hash_key=b"k" * 32,
            settle_seconds=SETTLE_SECONDS,
            owner=worker.name,
            claim_seconds=CLAIM_SECONDS,
            send_seconds=SEND_SECONDS,
        )

    def start(self, body: Callable[[Worker], None]) -> Worker:
        worker = Worker(f"worker-{next(self._names)}", body)
        self.workers.append(worker)
        return worker

    def start_poll(self, template: str, *, all_data: bool = False) -> Worker:
        def poll(worker: Worker) -> None:
            runtime = self.runtime(worker)
            if self._sweep:
                WaitingRows(runtime).sweep(template)
            self._enumerate(runtime).enumerate_template(
                template, f"20260302T080000-{worker.name}", trigger="timer", all_data=all_data
            )

        return self.start(poll)

    def start_worker(self, template: str) -> Worker | None:
        """Take a message, as the Functions host does, and start on it."""
        received = self.queues[template].receive(1, HOLD_SECONDS)
        if not received:
            return None

        def work(worker: Worker) -> None:
            message = read_message(received[0].text)
            assert isinstance(message, RowsMessage)
            runtime = self.runtime(worker)
            row_sync = self._row_sync(runtime, lambda _held: contextlib.nullcontext(), NoLimit())
            # As threads of two processes would, workers share what these remember of the notes.
            row_sync._changed_lookups._notes._known = self._remembered[int(worker.name[-1]) % 2]
            row_sync.process(message)
            worker.pause()
            self.queues[template].complete(received[0])

        return self.start(work)

    def duplicate(self, template: str) -> None:
        """Deliver a message twice, in another order."""
        queue = self.queues[template]
        if queue._messages:
            queue.send(queue._messages[-1].text)
            queue._messages.insert(0, queue._messages.pop())

    def kill(self, worker: Worker) -> None:
        worker.dead = True
        self.workers = [found for found in self.workers if found is not worker]

    def reap(self) -> None:
        self.workers = [found for found in self.workers if not found.finished]

    def run_to_end(self, worker: Worker) -> None:
        while not worker.finished and not worker.dead:
            worker.step()
        self.reap()

    def calm(self) -> None:
        """Faults stop: run every worker to its end, poll, sweep and wait until all is quiet."""
        self.fno.mishaps.clear()
        for worker in list(self.workers):
            self.run_to_end(worker)
        quiet = 0
        for _ in range(150):
            worked = self._work_what_is_visible()
            for template in self.templates:
                self.run_to_end(self.start_poll(template))
            worked = self._work_what_is_visible() or worked
            due = [
                at for queue in self.queues.values() if (at := queue.next_visible_at()) is not None
            ]
            worked = self.accept_deletes() or worked
            if not worked and not due:
                quiet += 1
                if quiet > self._quiet_rounds:
                    return
                # Time for the sweep to ask again for whatever waits.
                self.clock.advance(400)
            elif not worked:
                quiet = 0
                self.clock.advance(max(0.0, min(due) - self.clock.monotonic()) + 1)
        raise AssertionError("The queues do not come to rest.")

    def accept_deletes(self) -> bool:
        """Answer what tasks ask; whether any did."""
        checkpoints = Checkpoints(self.stores.state)
        asked = False
        for template in self.templates.values():
            comparison = checkpoints.read(template.tasks[0]).comparison
            if comparison and comparison.phase == "ask":
                asked = True
                worker = self.start(self._consent_to(template.name))
                self.run_to_end(worker)
        return asked

    def _consent_to(self, template: str) -> Callable[[Worker], None]:
        return lambda worker: self._enumerate(self.runtime(worker)).accept_deletes(template)

    def _work_what_is_visible(self) -> bool:
        worked = False
        for template in self.templates:
            while worker := self.start_worker(template):
                worked = True
                self.run_to_end(worker)
        self.fno.carry_out_late()
        return worked

    def check(self) -> None:
        """F&O holds exactly what the mapping says of the newest rows, once each."""
        assert not self.fno.late
        current: set[tuple[str, ...]] = set()
        for task in (ACCOUNTS, CONTACTS):
            for row in self.sales.tables[task.query.table]:
                result = task.map_row(self.sales.row(task.query.table, row))
                if isinstance(result, Mapped):
                    current.add(result.key.identity)
                    self._check_record(row, result)
            self._check_ledger(task)
        for row, contact in self.sales.tables["contact"].items():
            self._check_old_records(row, contact, current)
        self._check_deleted(current)

    def _check_deleted(self, current: set[tuple[str, ...]]) -> None:
        """Each deleted row is known to be, and its records are marked where the task says so."""
        for (table, row), columns in self.sales.deleted.items():
            entity, number, mark = (
                ("Customers", columns["accountnumber"], {"OnHold": "All"})
                if table == "account"
                else ("Contacts", columns["number"], {"IsInactive": "Yes"})
            )
            task = self.templates[f"{table}s"].tasks[0]
            entry = Ledger(self.stores.ledger, task.template, task.task).read([row])[row]
            known = entry.version is not None
            assert not known or entry.outcome is Outcome.DELETED, f"unnoticed: {entry}"
            if task.when_deleted == "report":
                continue
            for identity, record in self.fno.records.items():
                theirs = identity[0] == entity and identity[2] == str(number).casefold()
                if theirs and identity not in current:
                    assert mark.items() <= record.items(), f"in use: {row} {record}"

    def _check_ledger(self, task: TaskMapping) -> None:
        """Every row rests: nobody holds it and nothing about it is open."""
        for entry in Ledger(self.stores.ledger, task.template, task.task).entries():
            assert entry.claim is None, f"still claimed: {entry}"
            assert entry.unsettled_until is None, f"never verified: {entry}"
            assert entry.outcome is not None, f"no outcome: {entry}"

    def _check_record(self, row: RowId, mapped: Mapped) -> None:
        record = self.fno.records.get(mapped.key.identity)
        assert record is not None, f"lost: {row} {mapped.key}"
        for name, value in mapped.values.items():
            assert record.get(name, "") == (value or ""), f"stale: {row} {name} {record}"
        assert record.get("OnHold", "No") == "No", f"on hold: {row} {record}"

    def _check_old_records(
        self, row: RowId, contact: dict[str, Any], current: set[tuple[str, ...]]
    ) -> None:
        if not contact["qualifies"]:
            return
        parent = self.sales.tables["account"].get(contact["parent"])
        if not parent or not parent["accountnumber"]:
            return
        for identity, record in self.fno.records.items():
            if identity[0] == "Contacts" and identity[2] == str(contact["number"]).casefold():
                active = record["IsInactive"] == "No"
                assert not active or identity in current, f"doubled: {row} {record}"

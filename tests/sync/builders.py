"""What the unit tests of the use cases share: a bench of in-memory ports, rows and messages.

The tables, mappings and services are those of the property test's simulation, without its workers:
here each call runs to its end, and what a test wants to go wrong it says beforehand.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from p2c.mapping.task import CompiledTemplate, TaskMapping
from p2c.model import (
    Lookup,
    Operation,
    Outcome,
    PartResult,
    Reason,
    RowId,
    SourceQuery,
    SourceRow,
    Written,
)
from p2c.sync.claims import Held, make_claim
from p2c.sync.enumerate_changes import EnumerateChanges
from p2c.sync.executions import Executions
from p2c.sync.ledger import Change, Entry, bucket_of
from p2c.sync.messages import EnumerateMessage, Message, RowsMessage, read_message
from p2c.sync.runtime import Runtime, Stores
from p2c.sync.sync_rows import Report, RowSync
from tests.support.memory import MemoryDocuments, MemoryQueue, SimulatedClock
from tests.sync.simulation import (
    ACCOUNTS,
    CLAIM_SECONDS,
    CONTACTS,
    SEND_SECONDS,
    SETTLE_SECONDS,
    TEMPLATES,
    Fno,
    NoLimit,
    Sales,
    row_id,
)

EXECUTION = "20260302T080000-first"
HASH_KEY = b"k" * 32
REFUSED = PartResult(Written.REFUSED, Reason("validation", "F&O does not take it."))


class CrashError(Exception):
    """Stands for the end of the process at this point."""


class Fuse:
    """Lets a number of calls to wrapped ports pass and raises at the next one."""

    def __init__(self, calls: int, error: Exception | None = None, *, method: str = "") -> None:
        self.left = calls
        self.error = error or CrashError()
        self.method = method

    def wrap(self, port: Any) -> Any:
        return _Fused(port, self)

    def burn(self, method: str) -> None:
        if self.method in ("", method):
            self.left -= 1
            if self.left < 0:
                raise self.error


class _Fused:
    def __init__(self, port: Any, fuse: Fuse) -> None:
        self._port = port
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._fuse.burn(name)
            return method(*args, **kwargs)

        return call


class RecordingSales(Sales):
    """Sales that remembers what it was asked and can be told to act during a request."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str | None, bool]] = []
        self.reads: list[tuple[RowId, ...]] = []
        self.queries: list[SourceQuery] = []
        self.errors: list[Exception] = []
        self.searches: list[tuple[str, str, tuple[RowId, ...]]] = []
        self.search_errors: list[Exception] = []
        self.before_page: Callable[[int], None] = lambda _page: None
        self.before_read: Callable[[], None] = lambda: None

    def changes(self, query: SourceQuery, link: str | None, *, tracked: bool) -> Any:
        self.asked.append((link, tracked))
        if self.errors:
            raise self.errors.pop(0)
        self.before_page(len(self.asked))
        return super().changes(query, link, tracked=tracked)

    def read(self, query: SourceQuery, row_ids: Sequence[RowId]) -> dict[RowId, SourceRow]:
        self.reads.append(tuple(row_ids))
        self.queries.append(query)
        if self.errors:
            raise self.errors.pop(0)
        self.before_read()
        return super().read(query, row_ids)

    def referring(
        self, query: SourceQuery, lookup: Lookup, row_ids: Sequence[RowId]
    ) -> Iterator[tuple[RowId, ...]]:
        self.searches.append((query.entity_set, lookup.column, tuple(row_ids)))
        if self.search_errors:
            raise self.search_errors.pop(0)
        return super().referring(query, lookup, row_ids)


class RecordingFno(Fno):
    """F&O that remembers requests and answers as told for records with a number."""

    def __init__(self, clock: SimulatedClock) -> None:
        super().__init__(clock)
        self.finds: list[tuple[str, str, tuple[str, ...]]] = []
        self.batches: list[tuple[Operation, ...]] = []
        self.done: list[Operation] = []
        self.answers: dict[str, list[PartResult]] = {}
        self.errors: list[Exception] = []
        self.before_write: Callable[[], None] = lambda: None

    def find(
        self, entity_set: str, field_name: str, values: Iterable[str], select: Sequence[str]
    ) -> list[dict[str, object]]:
        wanted = tuple(values)
        self.finds.append((entity_set, field_name, wanted))
        return super().find(entity_set, field_name, wanted, select)

    def write(self, operations: Sequence[Operation], *, send_before: float) -> list[PartResult]:
        self.batches.append(tuple(operations))
        self.before_write()
        if self.errors:
            raise self.errors.pop(0)
        return super().write(operations, send_before=send_before)

    def carry_out(self, operation: Operation) -> PartResult:
        told = self.answers.get(operation.key.parts[1][1])
        result = told.pop(0) if told else super().carry_out(operation)
        if result.written is Written.DONE:
            self.done.append(operation)
        return result

    @property
    def operations(self) -> list[Operation]:
        return [operation for batch in self.batches for operation in batch]


@dataclass
class Bench:
    """Everything a use case needs, in memory, and short ways to use it."""

    clock: SimulatedClock = field(default_factory=SimulatedClock)
    sales: RecordingSales = field(default_factory=RecordingSales)
    stores: Stores = field(default_factory=lambda: Stores(*(MemoryDocuments() for _ in range(4))))
    templates: dict[str, CompiledTemplate] = field(default_factory=lambda: dict(TEMPLATES))
    settle_seconds: int = SETTLE_SECONDS
    execution: str = ""

    def __post_init__(self) -> None:
        self.fno = RecordingFno(self.clock)
        self.queues = {name: MemoryQueue(self.clock) for name in self.templates}
        self._syncs: dict[str, RowSync] = {}

    def runtime(self, owner: str = "one", fuse: Fuse | None = None) -> Runtime:
        """A process of its own; its ports burn the fuse if there is one."""
        wrap = fuse.wrap if fuse else lambda port: port
        return Runtime(
            source=wrap(self.sales),
            destination=wrap(self.fno),
            stores=Stores(
                wrap(self.stores.ledger),
                wrap(self.stores.waiting),
                wrap(self.stores.state),
                wrap(self.stores.executions),
            ),
            queue_of=lambda name: wrap(self.queues[name]),
            clock=self.clock,
            templates=self.templates,
            hash_key=HASH_KEY,
            settle_seconds=self.settle_seconds,
            owner=owner,
            execution=self.execution,
            claim_seconds=CLAIM_SECONDS,
            send_seconds=SEND_SECONDS,
        )

    def account(self, number: int, name: str = "Fabrikam", *, account: str | None = None) -> RowId:
        """Put an account into Sales; ``account=""`` leaves it without a number."""
        row = row_id(number)
        known = f"ACC-{number}" if account is None else account
        self.sales.put("account", row, accountnumber=known, name=name)
        return row

    def contact(self, number: int, parent: RowId, name: str = "Ida", **columns: Any) -> RowId:
        """Put a contact into Sales."""
        row = row_id(1000 + number)
        kept = {"number": f"CON-{number}", "phone": "", "qualifies": True, **columns}
        self.sales.put("contact", row, parent=parent, name=name, **kept)
        return row

    def rows(self, task: TaskMapping, *rows: RowId, **parts: Any) -> RowsMessage:
        """Build a message that names rows."""
        return RowsMessage(
            **{"template": task.template, "task": task.task, "execution": EXECUTION, **parts},
            rows=rows,
        )

    def sync(self, owner: str = "one") -> RowSync:
        """The row sync of a process."""
        if owner not in self._syncs:
            self._syncs[owner] = RowSync(self.runtime(owner), hold, NoLimit())
        return self._syncs[owner]

    def process(self, task: TaskMapping, *rows: RowId, owner: str = "one", **parts: Any) -> Report:
        """Process a message that names rows, as one process would."""
        return self.sync(owner).process(self.rows(task, *rows, **parts))

    def enumerate(self, template: str, execution: str = EXECUTION, **parts: Any) -> Any:
        """Enumerate a template as its timer would."""
        return EnumerateChanges(self.runtime()).enumerate_template(
            template, execution, **{"trigger": "timer", **parts}
        )

    def entry(self, task: TaskMapping, row: RowId) -> Entry:
        """What the ledger knows of a row."""
        return self.runtime().ledger(task).read([row])[row]

    def store(self, task: TaskMapping, *entries: Entry) -> None:
        """Put entries into the ledger."""
        self.runtime().ledger(task).write([Change(entry) for entry in entries])

    def claim_for(self, task: TaskMapping, row: RowId, owner: str, seconds: float) -> None:
        """Let another worker hold a row."""
        entry = make_claim(self.entry(task, row), owner, self.clock.now(), seconds)
        self.store(task, entry)

    def queued(self, template: str) -> list[tuple[RowsMessage, float]]:
        """Messages that name rows, each with the seconds until it is visible."""
        now = self.clock.monotonic()
        found = [
            (read_message(message.text), message.visible_at - now)
            for message in self.queues[template]._messages
        ]
        return [(message, delay) for message, delay in found if isinstance(message, RowsMessage)]

    def messages(self, template: str) -> list[Message]:
        """Every message of a queue."""
        return [read_message(message.text) for message in self.queues[template]._messages]

    def named(self, template: str) -> list[RowId]:
        """Rows that a queue's messages name, in order."""
        return [row for message, _ in self.queued(template) for row in message.rows]

    def take_all(self, template: str) -> list[Message]:
        """Take every message off a queue, visible or not."""
        found = self.messages(template)
        self.queues[template]._messages.clear()
        return found

    def later(self, seconds: float) -> Any:
        """The wall clock in some seconds."""
        return self.clock.now() + timedelta(seconds=seconds)


def hold(_held: Held) -> contextlib.AbstractContextManager[object]:
    """Renew nothing: simulated time does not pass while a message is processed."""
    return contextlib.nullcontext()


def in_fno(bench: Bench, number: str, **values: Any) -> None:
    """Put a customer into F&O by other ways than p2c's."""
    record = {"dataAreaId": "usmf", "Account": number, "Name": "Fabrikam", **values}
    bench.fno.records["Customers", "usmf", number.casefold()] = record


def names_in_fno(bench: Bench) -> dict[str, str]:
    return {str(record["Account"]): record["Name"] for record in bench.fno.records.values()}


def counts(bench: Bench, execution: str = EXECUTION) -> dict[Outcome, int]:
    tally = Executions(bench.runtime()).counts(execution)["accounts"][ACCOUNTS.task]
    return {outcome: count for outcome, count in tally.items() if count}


def forget_requests(bench: Bench) -> None:
    bench.fno.finds.clear()
    bench.fno.batches.clear()
    bench.sales.reads.clear()
    bench.sales.queries.clear()


def rows_of_one_bucket(count: int, bucket: str | None = None) -> list[RowId]:
    """Return rows that share a ledger partition."""
    wanted = bucket or bucket_of(row_id(1))
    found: list[RowId] = []
    number = 1
    while len(found) < count:
        if bucket_of(row_id(number)) == wanted:
            found.append(row_id(number))
        number += 1
    return found


def resync_request(template: str, **parts: Any) -> EnumerateMessage:
    """Build a request to enumerate."""
    return EnumerateMessage(**{"template": template, "execution": EXECUTION, **parts})


__all__ = [
    "ACCOUNTS",
    "CLAIM_SECONDS",
    "CONTACTS",
    "EXECUTION",
    "HASH_KEY",
    "REFUSED",
    "SETTLE_SECONDS",
    "TEMPLATES",
    "Bench",
    "CrashError",
    "Fuse",
    "counts",
    "forget_requests",
    "hold",
    "in_fno",
    "names_in_fno",
    "replace",
    "resync_request",
    "row_id",
    "rows_of_one_bucket",
]

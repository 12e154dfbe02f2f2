"""What the use cases need from the outside: both services, a queue, documents and a clock.

The adapters are in `p2c.dataverse`, `p2c.fno` and `p2c.storage`; `p2c.bootstrap` chooses them. One
contract suite holds the in-memory adapters of the property tests to the real ones on Azurite.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from p2c.model import (
    Caller,
    ChangePage,
    DestinationMetadata,
    Document,
    Lookup,
    Operation,
    PartResult,
    Put,
    Received,
    RecordKey,
    RowId,
    Scalar,
    SourceQuery,
    SourceRow,
    TableDefinition,
)


class Clock(Protocol):
    """Time, so that tests can simulate it."""

    def now(self) -> datetime:
        """Wall clock, timezone-aware UTC. Comparable between instances within the clock skew."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow, for deadlines within this process."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Source(Protocol):
    """Dataverse, as the use cases see it."""

    def changes(self, query: SourceQuery, link: str | None, *, tracked: bool) -> ChangePage:
        """Read one page of ids: of all rows (`link` None), or what a next or delta link yields.

        Args:
            tracked: With `link` None, ask for change tracking, so that the last page carries a
                delta link. An untracked read ends with neither link.

        Raises:
            DeltaLinkExpiredError: The link is no longer accepted.
            ServiceRefusedError: Change tracking is off, a privilege is missing, or the last page
                of a tracked read has neither link.
            RetryLaterError: Throttled or unavailable.
        """
        ...

    def read(self, query: SourceQuery, row_ids: Sequence[RowId]) -> dict[RowId, SourceRow]:
        """Read the current state of rows with their lookups; a row that is gone has no entry."""
        ...

    def referring(
        self, query: SourceQuery, lookup: Lookup, row_ids: Sequence[RowId]
    ) -> Iterator[tuple[RowId, ...]]:
        """Stream pages of ids of the query's table whose lookup points to one of some rows.

        A row may come more than once. Raises as `read` does, between pages too.
        """
        ...

    def find(self, query: SourceQuery, column: str, text: str) -> tuple[RowId, ...]:
        """Return the rows of the query's table whose text column equals a text, by ascending id.

        Compares as Dataverse does: without regard to case and trailing blanks.
        """
        ...


class Destination(Protocol):
    """F&O, as the use cases see it."""

    def find(
        self, entity_set: str, field: str, values: Iterable[str], select: Sequence[str]
    ) -> list[dict[str, object]]:
        """Read the default legal entity's records whose `field` equals one of `values`.

        As few requests as the URL length allows. Values compare as F&O compares them (without
        case); the answer may hold more records than were asked for, so match them yourself.
        Property values are JSON values, decimals as `decimal.Decimal`.
        """
        ...

    def write(self, operations: Sequence[Operation], *, send_before: float) -> list[PartResult]:
        """Send operations in one `$batch`, each its own change set; one result for each, in order.

        Never repeats a request by itself. A missing or unreadable part is UNKNOWN.

        Args:
            send_before: Monotonic time after which nothing may be sent.

        Raises:
            ThrottledError, UnavailableError: Certainly nothing was carried out.
            AnswerUnknownError: Any of the operations may have been carried out.
        """
        ...


class SourceSetup(Protocol):
    """What a check of the set-up asks of Dataverse.

    Every method raises `ServiceRefusedError` for what a person has to mend, and `RetryLaterError`.
    """

    def who_am_i(self) -> Caller:
        """Return whom Dataverse takes us for."""
        ...

    def table_definition(self, logical_name: str) -> TableDefinition:
        """Read what the metadata says of a table, in one request."""
        ...

    def changes(self, query: SourceQuery, link: str | None, *, tracked: bool) -> ChangePage:
        """Read a page of ids, as `Source` does."""
        ...

    def sample(self, query: SourceQuery) -> int:
        """Read at most one row with every column and lookup; return how many rows came."""
        ...


class DestinationSetup(Protocol):
    """What a check of the set-up asks of F&O. Raises as `SourceSetup`."""

    def companies(self) -> list[str]:
        """Return the ``dataAreaId`` of every legal entity, in lower case."""
        ...

    def metadata(self, entity_sets: Iterable[str]) -> DestinationMetadata:
        """Read what the metadata says of some data entities, in one request."""
        ...

    def find(
        self, entity_set: str, field: str, values: Iterable[str], select: Sequence[str]
    ) -> list[dict[str, object]]:
        """Read records by the values of a field, as `Destination` does."""
        ...


class StorageProbe(Protocol):
    """What a check of the set-up asks of storage. Raises as `SourceSetup`."""

    def tables(self) -> frozenset[str]:
        """Return the names of the tables that are p2c's."""
        ...

    def queues(self) -> frozenset[str]:
        """Return the names of the queues that are p2c's."""
        ...

    def try_table(self) -> None:
        """Make a table, write, read and remove a document, and remove the table."""
        ...

    def try_queue(self) -> None:
        """Make a queue, send, receive and complete a message, and remove the queue."""
        ...


class Documents(Protocol):
    """One Azure table: named documents in partitions, with optimistic concurrency.

    Every method raises `UnavailableError` (service ``storage``) when storage cannot be reached;
    a write may then have been carried out.
    """

    def get(self, partition: str, name: str) -> Document | None:
        """Read one document; None when there is none."""
        ...

    def get_many(self, partition: str, names: Sequence[str]) -> dict[str, Document]:
        """Read several of one partition, by parallel point reads; absent ones have no entry."""
        ...

    def put(
        self, partition: str, name: str, body: Mapping[str, Scalar], version: str | None
    ) -> str | None:
        """Create (version None) or replace if unchanged. New version, or None on a conflict."""
        ...

    def put_all(self, partition: str, puts: Sequence[Put]) -> dict[str, str] | str:
        """Write up to 100 documents of one partition in one transaction.

        Returns:
            The new versions by name; or, when the transaction failed, the name of a document
            whose condition did not hold. Nothing was written then.
        """
        ...

    def delete(self, partition: str, name: str) -> None:
        """Remove a document whatever its version; absent is fine."""
        ...

    def scan(
        self,
        partition: str,
        *,
        first: str = "",
        last: str = "",
        equals: Mapping[str, Scalar] | None = None,
    ) -> Iterable[Document]:
        """Stream a partition's documents in the order of their names.

        Args:
            first: Least name wanted, inclusive.
            last: Names from here on are not wanted; "" for no bound.
            equals: At most ten properties that must have these values.
        """
        ...


class Outbox(Protocol):
    """The Azure Storage queue of one template, as those see it who put messages there.

    Raises `UnavailableError` like `Documents`.
    """

    def send(self, text: str, *, delay_seconds: float = 0) -> None:
        """Put a message that never expires, visible after the delay (at most seven days)."""
        ...

    def peek(self, limit: int) -> list[str]:
        """Read the texts of up to `limit` (32 at most) visible messages and change nothing.

        Storage shows no more than the first 32, however often it is asked.
        """
        ...

    def length(self) -> int:
        """Return about how many messages there are, hidden ones included."""
        ...


class Queue(Outbox, Protocol):
    """The same queue, as those see it who take messages from it."""

    def receive(self, limit: int, hold_seconds: float) -> list[Received]:
        """Take up to `limit` (32 at most) visible messages and hide them for `hold_seconds`."""
        ...

    def renew(self, message: Received, hold_seconds: float) -> Received | None:
        """Hold on for longer; None when another has taken the message over."""
        ...

    def complete(self, message: Received) -> None:
        """Remove a message; one that has already gone is fine."""
        ...


__all__ = [
    "Clock",
    "Destination",
    "Document",
    "Documents",
    "Outbox",
    "Put",
    "Queue",
    "Received",
    "RecordKey",
    "Scalar",
    "Source",
]

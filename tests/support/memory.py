"""In-memory clock, documents and queue, held to the real ones by tests/storage/test_contract.py.

For tests that need many steps, simulated time, or failures at chosen moments. Not thread-safe:
whoever uses threads locks.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from p2c.model import Document, Put, Received, Scalar
from p2c.storage.limits import (
    check_body,
    check_delay,
    check_equals,
    check_message,
    check_puts,
    check_receive,
)
from p2c.storage.names import encode_name, name_order

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class SimulatedClock:
    """Time that passes only when told to; `sleep` passes it."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._seconds = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    def sleep(self, seconds: float) -> None:
        self.advance(max(0.0, seconds))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds < 0:
            raise ValueError(f"Time cannot pass backwards by {-seconds} seconds.")
        self._seconds += seconds


class MemoryDocuments:
    """Implements `p2c.sync.ports.Documents`."""

    def __init__(self) -> None:
        self._partitions: dict[str, dict[str, Document]] = {}
        self._versions = itertools.count(1)

    def get(self, partition: str, name: str) -> Document | None:
        return self._partitions.get(partition, {}).get(name)

    def get_many(self, partition: str, names: Sequence[str]) -> dict[str, Document]:
        found = (self.get(partition, name) for name in names)
        return {document.name: document for document in found if document is not None}

    def put(
        self, partition: str, name: str, body: Mapping[str, Scalar], version: str | None
    ) -> str | None:
        check_body(name, body)
        encode_name(partition)
        encode_name(name)
        if not self._holds(partition, name, version):
            return None
        return self._write(partition, name, body)

    def put_all(self, partition: str, puts: Sequence[Put]) -> dict[str, str] | str:
        check_puts(puts)
        for put in puts:
            encode_name(put.name)
            if not self._holds(partition, put.name, put.version):
                return put.name
        return {put.name: self._write(partition, put.name, put.body) for put in puts}

    def delete(self, partition: str, name: str) -> None:
        self._partitions.get(partition, {}).pop(name, None)

    def scan(
        self,
        partition: str,
        *,
        first: str = "",
        last: str = "",
        equals: Mapping[str, Scalar] | None = None,
    ) -> Iterable[Document]:
        check_equals(equals or {})
        documents = self._partitions.get(partition, {})
        for name in sorted(documents, key=name_order):
            if name_order(name) < name_order(first):
                continue
            if last and name_order(name) >= name_order(last):
                return
            document = documents.get(name)
            if document and all(
                _same(document.body.get(key), value) for key, value in (equals or {}).items()
            ):
                yield document

    def _holds(self, partition: str, name: str, version: str | None) -> bool:
        now = self.get(partition, name)
        return (now.version if now else None) == version

    def _write(self, partition: str, name: str, body: Mapping[str, Scalar]) -> str:
        version = str(next(self._versions))
        document = Document(partition, name, dict(body), version)
        self._partitions.setdefault(partition, {})[name] = document
        return version


@dataclass
class _Message:
    text: str
    message_id: str
    visible_at: float
    dequeue_count: int = 0
    receipt: str = ""


class MemoryQueue:
    """Implements `p2c.sync.ports.Queue`; a hold runs out when the given clock says so."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._messages: list[_Message] = []
        self._ids = itertools.count(1)

    def send(self, text: str, *, delay_seconds: float = 0) -> None:
        check_message(text)
        check_delay(delay_seconds)
        visible_at = self._clock.monotonic() + math.ceil(delay_seconds)
        self._messages.append(_Message(text, f"message-{next(self._ids)}", visible_at))

    def receive(self, limit: int, hold_seconds: float) -> list[Received]:
        check_receive(limit)
        check_delay(hold_seconds)
        now = self._clock.monotonic()
        taken = [message for message in self._messages if message.visible_at <= now][:limit]
        for message in taken:
            message.dequeue_count += 1
            message.receipt = f"receipt-{next(self._ids)}"
            message.visible_at = now + max(1, math.ceil(hold_seconds))
        return [
            Received(message.text, message.message_id, message.receipt, message.dequeue_count)
            for message in taken
        ]

    def renew(self, message: Received, hold_seconds: float) -> Received | None:
        check_delay(hold_seconds)
        held = self._held(message)
        if held is None:
            return None
        held.receipt = f"receipt-{next(self._ids)}"
        held.visible_at = self._clock.monotonic() + math.ceil(hold_seconds)
        return Received(held.text, held.message_id, held.receipt, held.dequeue_count)

    def complete(self, message: Received) -> None:
        held = self._held(message)
        if held is not None:
            self._messages.remove(held)

    def peek(self, limit: int) -> list[str]:
        check_receive(limit)
        now = self._clock.monotonic()
        return [message.text for message in self._messages if message.visible_at <= now][:limit]

    def length(self) -> int:
        return len(self._messages)

    def next_visible_at(self) -> float | None:
        """Monotonic time at which the next message can be received; None of an empty queue.

        For tests that let time pass until something happens; the real queue cannot tell.
        """
        return min((message.visible_at for message in self._messages), default=None)

    def _held(self, message: Received) -> _Message | None:
        for held in self._messages:
            if held.message_id == message.message_id and held.receipt == message.receipt:
                return held
        return None


def _same(found: Scalar | None, wanted: Scalar) -> bool:
    """Compare as a table does: 1 and true are of different types and never equal."""
    return type(found) is type(wanted) and found == wanted

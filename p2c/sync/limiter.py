"""The shared limiter of F&O: how many requests all instances together have under way.

The limit is a document; a request under way is a slot document held by lease. The limit grows by
one while things go well and halves on a 429 (additive increase, multiplicative decrease). A slot
goes from thread to thread while threads of this process wait for one, so that a busy process
seldom asks storage; otherwise it is given back at once, for the other instances.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from p2c.errors import UnavailableError
from p2c.sync.ports import Clock, Documents

FIRST_LIMIT = 8
HIGHEST_LIMIT = 32
SLOT_SECONDS = 180.0
"""A slot outlives the longest request (120 s) of a worker that was killed."""
KEEP_SECONDS = 60.0
"""A slot may be used again within the process this long after it was taken."""
ADAPT_SECONDS = 10.0
WAIT_SECONDS = 0.02
"""Between two looks for a slot that another thread of this process hands on."""
ASK_SECONDS = 0.25
"""Between two looks in storage, by whichever thread, while all slots are taken."""
PATIENCE_SECONDS = 20.0
_PARTITION = "limiter"


@dataclass(frozen=True, slots=True)
class _Slot:
    name: str
    version: str
    usable_until: float


class Slots(Protocol):
    """What the writer asks for leave to send to F&O."""

    def slot(self) -> AbstractContextManager[None]:
        """Hold one slot while requests are sent."""
        ...

    def succeeded(self) -> None:
        """F&O answered a batch."""
        ...

    def throttled(self) -> None:
        """F&O answered 429."""
        ...


class Limiter:
    """Slots for requests to F&O, shared by all instances through storage."""

    def __init__(self, documents: Documents, clock: Clock, owner: str) -> None:
        self._documents = documents
        self._clock = clock
        self._owner = owner
        self._idle: list[_Slot] = []
        self._waiting = 0
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._adapted_at = clock.monotonic()
        self._ask_at = clock.monotonic()

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one slot for a request.

        Raises:
            UnavailableError: None became free within `PATIENCE_SECONDS`; code ``no-slot``.
        """
        slot = self._take_idle() or self._acquire()
        try:
            yield
        finally:
            self._give_back(slot)

    def succeeded(self) -> None:
        """Let the limit grow, at most by one in `ADAPT_SECONDS` for each process."""
        now = self._clock.monotonic()
        if now - self._adapted_at >= ADAPT_SECONDS:
            self._adapted_at = now
            self._change(lambda limit: min(HIGHEST_LIMIT, limit + 1))

    def throttled(self) -> None:
        """Halve the limit, at most once in `ADAPT_SECONDS` for all instances."""
        self._adapted_at = self._clock.monotonic()
        self._change(lambda limit: max(1, limit // 2), once=True)

    def _give_back(self, slot: _Slot) -> None:
        with self._lock:
            if self._waiting and slot.usable_until > self._clock.monotonic():
                self._idle.append(slot)
                return
        self._free(slot)

    def _stop_waiting(self) -> None:
        with self._lock:
            self._waiting -= 1
            left = []
            if not self._waiting:
                left, self._idle = self._idle, []
        for slot in left:
            self._free(slot)

    def _free(self, slot: _Slot) -> None:
        # Storage that does not answer frees the slot when its lease runs out.
        with contextlib.suppress(UnavailableError):
            self._documents.put(_PARTITION, slot.name, {"owner": ""}, slot.version)
        self._ask_at = self._clock.monotonic()

    def _take_idle(self) -> _Slot | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _acquire(self) -> _Slot:
        """Wait for a slot: one thread asks storage, the others for what comes free here."""
        give_up = self._clock.monotonic() + PATIENCE_SECONDS
        with self._lock:
            self._waiting += 1
        try:
            while self._clock.monotonic() < give_up:
                slot = self._take_idle()
                if not slot and self._asking.acquire(blocking=False):
                    try:
                        slot = self._ask_storage()
                    finally:
                        self._asking.release()
                if slot:
                    return slot
                self._clock.sleep(WAIT_SECONDS)
        finally:
            self._stop_waiting()
        raise UnavailableError(
            "All slots for requests to F&O are taken; the rows are put back.",
            service="fno",
            code="no-slot",
        )

    def _ask_storage(self) -> _Slot | None:
        """Take a slot that is free in storage, unless there was none a moment ago."""
        if self._clock.monotonic() < self._ask_at:
            return None
        slot = self._try_acquire()
        if slot is None:
            self._ask_at = self._clock.monotonic() + ASK_SECONDS
        return slot

    def _try_acquire(self) -> _Slot | None:
        documents = {found.name: found for found in self._documents.scan(_PARTITION)}
        limit = FIRST_LIMIT
        if "limit" in documents:
            limit = int(documents["limit"].body["limit"])
        now = self._clock.now()
        for number in range(limit):
            name = f"slot-{number:02}"
            known = documents.get(name)
            if known and known.body.get("owner") and _time(known.body["until"]) > now:
                continue
            body = {
                "owner": self._owner,
                "until": (now + timedelta(seconds=SLOT_SECONDS)).isoformat(),
            }
            usable_until = self._clock.monotonic() + KEEP_SECONDS
            version = self._documents.put(_PARTITION, name, body, known.version if known else None)
            if version:
                return _Slot(name, version, usable_until)
        return None

    def _change(self, step: Callable[[int], int], *, once: bool = False) -> None:
        document = self._documents.get(_PARTITION, "limit")
        limit = int(document.body["limit"]) if document else FIRST_LIMIT
        now = self._clock.now()
        if once and document and "halved_at" in document.body:
            halved_at = _time(document.body["halved_at"])
            if now - halved_at < timedelta(seconds=ADAPT_SECONDS):
                return
        changed = step(limit)
        if changed == limit and not once:
            return
        body: dict[str, str | int | float | bool] = {"limit": changed}
        if once:
            body["halved_at"] = now.isoformat()
        self._documents.put(_PARTITION, "limit", body, document.version if document else None)


def free_slots(documents: Documents, owner: str) -> None:
    """Free the slots of a process that is known to be dead, before their leases run out."""
    for document in list(documents.scan(_PARTITION, first="slot-", last="slot-~")):
        if document.body.get("owner") == owner:
            documents.put(_PARTITION, document.name, {"owner": ""}, document.version)


def _time(value: object) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)

"""Tells how another run ended, so that what it held or put back is waited for.

Each run keeps a document that it renews every few seconds and removes at its end. One whose
document is no longer renewed was killed: its messages are hidden until their hold ends, and the
slots it took at F&O's limiter are free. A run that gave up leaves word of when the messages that
it put back are due.
"""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from p2c.errors import UnavailableError
from p2c.sync.limiter import free_slots
from p2c.sync.ports import Clock, Document, Documents, Scalar
from p2c.sync.repeat import repeating

BEAT_SECONDS = 5.0
MARGIN_SECONDS = 2.0
_PARTITION = "run"


class Heartbeats:
    """This run's heartbeat and a look at those of others.

    `on_killed` is told the execution of a run that was killed, once it is certainly over.
    """

    def __init__(
        self,
        state: Documents,
        clock: Clock,
        execution: str,
        owner: str,
        hold_seconds: float,
        on_killed: Callable[[str], None] = lambda _execution: None,
    ) -> None:
        self._state = state
        self._clock = clock
        self._execution = execution
        self._owner = owner
        self._on_killed = on_killed
        # A hold may have been taken or prolonged just before the beat that did not come.
        self._gone_after = timedelta(seconds=BEAT_SECONDS + hold_seconds + MARGIN_SECONDS)
        self._first_seen: dict[str, str] = {}

    @contextlib.contextmanager
    def beating(self, due: Callable[[], datetime | None]) -> Iterator[None]:
        """Beat until the block ends, however it ends short of a kill.

        Args:
            due: Asked at the end, when everything that was put back will be visible.
        """
        self._tick()
        try:
            with repeating(self._tick, BEAT_SECONDS, "p2c-beat"):
                yield
        finally:
            # If storage is gone, the next run finds out that this one no longer beats.
            with contextlib.suppress(UnavailableError):
                self._end(due())

    def dead_until(self) -> datetime | None:
        """Return until when runs that ended may have hidden messages; None when none has.

        A run that has beaten since it was first seen is alive, and its messages are its own. What
        a run that is certainly over left behind is removed.
        """
        until = None
        now = self._clock.now()
        for document in list(self._state.scan(_PARTITION)):
            if document.name == self._execution:
                continue
            gone_at = self._gone_at(document)
            if gone_at is None:
                continue
            if gone_at <= now:
                self._bury(document)
            elif until is None or gone_at > until:
                until = gone_at
        return until

    def _gone_at(self, document: Document) -> datetime | None:
        """When nothing of a run is hidden any more; None for one that is alive."""
        if "due_at" in document.body:
            return _time(document.body["due_at"]) + timedelta(seconds=MARGIN_SECONDS)
        beat_at = str(document.body["beat_at"])
        if self._first_seen.setdefault(document.name, beat_at) != beat_at:
            return None
        return _time(beat_at) + self._gone_after

    def _bury(self, document: Document) -> None:
        free_slots(self._state, str(document.body["owner"]))
        if "due_at" not in document.body:
            self._on_killed(document.name)
        self._state.delete(_PARTITION, document.name)

    def _tick(self) -> None:
        self._beat()
        # Whoever waits for a slot of a run that is dead is busy, and so looks for none itself.
        self.dead_until()

    def _beat(self) -> None:
        self._store("beat_at", self._clock.now())

    def _end(self, due: datetime | None) -> None:
        if due and due > self._clock.now():
            self._store("due_at", due)
        else:
            self._state.delete(_PARTITION, self._execution)

    def _store(self, name: str, time: datetime) -> None:
        known = self._state.get(_PARTITION, self._execution)
        body: dict[str, Scalar] = {name: time.isoformat(), "owner": self._owner}
        self._state.put(_PARTITION, self._execution, body, known.version if known else None)


def _time(value: object) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)

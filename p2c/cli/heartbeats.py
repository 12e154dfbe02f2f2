"""Tells whether another run is alive, so that what a killed one held is waited for.

Each run keeps a document that it renews every few seconds and removes at its end. One whose
document is no longer renewed was killed: its messages are hidden until their hold ends, and the
slots it took at F&O's limiter are free.
"""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from p2c.cli.repeat import repeating
from p2c.errors import UnavailableError
from p2c.sync.limiter import free_slots
from p2c.sync.ports import Clock, Document, Documents

BEAT_SECONDS = 5.0
MARGIN_SECONDS = 2.0
_PARTITION = "run"


class Heartbeats:
    """This run's heartbeat and a look at those of others."""

    def __init__(
        self, state: Documents, clock: Clock, execution: str, owner: str, hold_seconds: float
    ) -> None:
        self._state = state
        self._clock = clock
        self._execution = execution
        self._owner = owner
        # A hold may have been taken or prolonged just before the beat that did not come.
        self._gone_after = timedelta(seconds=BEAT_SECONDS + hold_seconds + MARGIN_SECONDS)
        self._first_seen: dict[str, str] = {}

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Beat until the block ends, however it ends short of a kill."""
        self._beat()
        self.dead_until()
        try:
            with repeating(self._beat, BEAT_SECONDS, "p2c-beat"):
                yield
        finally:
            # If storage is gone, the next run finds out that this one no longer beats.
            with contextlib.suppress(UnavailableError):
                self._state.delete(_PARTITION, self._execution)

    def dead_until(self) -> datetime | None:
        """Return until when a run that may be dead can hold messages; None when none does.

        A run that has beaten since it was first seen is alive, and none of ours. What a run that
        is certainly dead left behind is removed.
        """
        until = None
        now = self._clock.now()
        for document in list(self._state.scan(_PARTITION)):
            beat_at = str(document.body["beat_at"])
            first = self._first_seen.setdefault(document.name, beat_at)
            if document.name == self._execution or first != beat_at:
                continue
            gone_at = datetime.fromisoformat(beat_at).astimezone(UTC) + self._gone_after
            if gone_at <= now:
                self._bury(document)
            elif until is None or gone_at > until:
                until = gone_at
        return until

    def _bury(self, document: Document) -> None:
        free_slots(self._state, str(document.body["owner"]))
        self._state.delete(_PARTITION, document.name)

    def _beat(self) -> None:
        known = self._state.get(_PARTITION, self._execution)
        body: dict[str, str | int | float | bool] = {
            "beat_at": self._clock.now().isoformat(),
            "owner": self._owner,
        }
        self._state.put(_PARTITION, self._execution, body, known.version if known else None)

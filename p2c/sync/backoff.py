"""One back-off for all instances: when a service asks for less, everybody waits.

The time until which a service is left alone is a document that every worker reads before it
starts on a message. Within a process it is read again at most every `CACHE_SECONDS`.
"""

import random
from datetime import UTC, datetime, timedelta

from p2c.sync.ports import Clock, Documents
from p2c.telemetry import SILENT, Telemetry
from p2c.telemetry.metrics import BACKOFF

CACHE_SECONDS = 1.0
LONGEST_OBEYED_SECONDS = 24 * 3600.0
"""A Retry-After beyond a day is taken for a mistake: p2c asks again after a day."""
FIRST_SECONDS = 2.0
LONGEST_SECONDS = 60.0
THROTTLED_SECONDS = 30.0
"""Wait after a 429 that has no Retry-After, as Microsoft's own sample does."""
_PARTITION = "backoff"


class Backoff:
    """The shared back-off of one service."""

    def __init__(
        self,
        documents: Documents,
        clock: Clock,
        service: str,
        telemetry: Telemetry = SILENT,
    ) -> None:
        self._documents = documents
        self._telemetry = telemetry
        self._clock = clock
        self.service = service
        self._read_at: float | None = None
        self._until: datetime | None = None
        self._level = 0
        self._since: datetime | None = None

    def until(self) -> datetime | None:
        """Return until when the service is to be left alone, None when it is not."""
        self._refresh()
        if self._until and self._until > self._clock.now():
            return self._until
        return None

    def outage_since(self) -> datetime | None:
        """Return since when the service has not answered at all, None when it has."""
        self._refresh()
        return self._since

    def throttled(self, retry_after_seconds: float | None) -> datetime:
        """Record a 429; return until when to wait."""
        seconds = THROTTLED_SECONDS if retry_after_seconds is None else retry_after_seconds
        return self._close(min(seconds, LONGEST_OBEYED_SECONDS), outage=False)

    def unavailable(self, retry_after_seconds: float | None = None) -> datetime:
        """Record that the service did not answer; return until when to wait."""
        self._refresh()
        seconds = min(LONGEST_SECONDS, FIRST_SECONDS * 2**self._level)
        seconds *= random.uniform(0.75, 1.25)  # noqa: S311  spreads instances, no secret
        asked = min(retry_after_seconds or 0, LONGEST_OBEYED_SECONDS)
        return self._close(max(seconds, asked), outage=True)

    def answered(self) -> None:
        """Record that the service works; costs nothing unless it had been away."""
        if self._level == 0 and self._since is None:
            return
        document = self._documents.get(_PARTITION, self.service)
        if document:
            # A 429 that another request met meanwhile stays in force.
            kept = {name: value for name, value in document.body.items() if name == "until"}
            self._documents.put(_PARTITION, self.service, kept, document.version)
        self._level, self._since = 0, None

    def _close(self, seconds: float, *, outage: bool) -> datetime:
        """Move the shared time forward, never back."""
        now = self._clock.now()
        until = now + timedelta(seconds=seconds)
        for _ in range(5):
            document = self._documents.get(_PARTITION, self.service)
            body = dict(document.body) if document else {}
            known = _time(body.get("until"))
            if known and outage and known > now:
                return known  # Another worker met the same outage first: wait as long as it does.
            if known and known > until:
                until = known
            body["until"] = until.isoformat()
            if outage:
                body["level"] = min(8, int(body.get("level", 0)) + 1)
                body.setdefault("since", now.isoformat())
            version = document.version if document else None
            if self._documents.put(_PARTITION, self.service, body, version):
                self._take(body)
                added = (until - max(now, known or now)).total_seconds()
                cause = {"service": self.service, "cause": "outage" if outage else "throttled"}
                self._telemetry.record(BACKOFF, max(0.0, added), cause)
                break
        return until

    def _refresh(self) -> None:
        now = self._clock.monotonic()
        if self._read_at is not None and now - self._read_at < CACHE_SECONDS:
            return
        document = self._documents.get(_PARTITION, self.service)
        self._take(dict(document.body) if document else {})

    def _take(self, body: dict[str, str | int | float | bool]) -> None:
        self._read_at = self._clock.monotonic()
        self._until = _time(body.get("until"))
        self._level = int(body.get("level", 0))
        self._since = _time(body.get("since"))


def _time(value: object) -> datetime | None:
    return datetime.fromisoformat(str(value)).astimezone(UTC) if value else None

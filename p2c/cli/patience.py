"""How long a run waits for services that do not answer, or ask for less, before it gives up."""

from collections.abc import Mapping

from p2c.errors import P2cError, RetryLaterError, ServiceRefusedError, ThrottledError
from p2c.sync.backoff import CACHE_SECONDS, Backoff
from p2c.sync.ports import Clock

OUTAGE_SECONDS = 60.0
STALL_SECONDS = 300.0
"""Nothing got done for so long, although no service is out: something is very wrong."""
_NO_OUTAGE = frozenset({"no-slot", "too-late"})
"""Codes of errors that arise on our side; what they put back is due at once."""


class Patience:
    """Sits out an outage of a minute and throttling while anything gets done in five.

    An outage ends the run when a request fails that was made a minute or more after the first one
    that failed, so that a service that comes back within the minute is always noticed.
    """

    def __init__(
        self,
        clock: Clock,
        backoff: Mapping[str, Backoff],
        *,
        outage_seconds: float = OUTAGE_SECONDS,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._clock = clock
        self._backoff = backoff
        self._outage_seconds = outage_seconds
        self._stall_seconds = stall_seconds
        self._out_since: dict[str, float] = {}
        self._progress_at = clock.monotonic()
        self._last: P2cError | None = None

    def progressed(self) -> None:
        """Note that something got done, which takes storage at least."""
        self._progress_at = self._clock.monotonic()
        self._out_since.pop("storage", None)

    def met(self, error: RetryLaterError | ServiceRefusedError) -> None:
        """Note what a service answered.

        Raises:
            ServiceRefusedError: Waiting does not help.
            RetryLaterError: It has been waited for long enough.
        """
        if isinstance(error, ServiceRefusedError):
            raise error
        self._last = error
        if isinstance(error, ThrottledError) or error.code in _NO_OUTAGE:
            return
        now = self._clock.monotonic()
        since = self._out_since.setdefault(error.service, now)
        if now - since >= self._outage_seconds:
            raise error

    def check(self) -> None:
        """Forget outages that are over; give up when nothing has got done for too long.

        Raises:
            P2cError: Nothing has.
        """
        now = self._clock.monotonic()
        for service, since in list(self._out_since.items()):
            backoff = self._backoff.get(service)
            # What the back-off says may be as old as its cache.
            known = now - since > 2 * CACHE_SECONDS
            if backoff and known and backoff.outage_since() is None:
                del self._out_since[service]
        if now - self._progress_at >= self._stall_seconds:
            why = f" The last reason was: {self._last}" if self._last else ""
            raise P2cError(
                f"Nothing got done for {self._stall_seconds:.0f} seconds, so the run ends; the "
                f"rest stays queued for the next run.{why}",
                code="run-stalled",
            )

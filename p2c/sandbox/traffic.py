"""Counts of what a service was asked, and the service protection limits that follow from it."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil

from p2c.sandbox.switches import Switches


@dataclass(slots=True)
class Traffic:
    """Counters of one service since the last reset, for tests and load figures."""

    requests: int = 0
    operations: int = 0
    methods: Counter[str] = field(default_factory=Counter)
    """Operations by method, those inside batches included; a batch itself is ``$batch``."""
    statuses: Counter[int] = field(default_factory=Counter)
    cookies: int = 0
    """Requests that sent a cookie back; each would stick to one server of the service."""
    in_flight: int = 0
    max_concurrency: int = 0
    log: deque[dict[str, object]] = field(default_factory=lambda: deque(maxlen=1_000))

    def begin(self, method: str, url: str) -> None:
        """A request has arrived."""
        self.requests += 1
        self.in_flight += 1
        self.max_concurrency = max(self.max_concurrency, self.in_flight)
        self.log.append({"method": method, "url": url[:500]})

    def end(self, status: int) -> None:
        """A request has been answered; status 0 stands for a connection that was cut."""
        self.in_flight -= 1
        self.statuses[status] += 1

    def report(self) -> dict[str, object]:
        """The counters as JSON."""
        return {
            "requests": self.requests,
            "operations": self.operations,
            "methods": dict(self.methods),
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "throttled": self.statuses[429],
            "cookies": self.cookies,
            "max_concurrency": self.max_concurrency,
            "log": list(self.log),
        }


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that a user has exceeded."""

    kind: str
    """requests, seconds or concurrency."""
    retry_after: int


class Limits:
    """Sliding-window limits of each user: requests, execution time, concurrent requests.

    The figures are those that Microsoft documents for Dataverse, unless switched.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._done: dict[str, deque[tuple[float, float]]] = {}
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._running: Counter[str] = Counter()

    def excess(self, user: str, switches: Switches) -> Excess | None:
        """The limit that one more request of this user would exceed."""
        now = self._clock()
        done = self._done.setdefault(user, deque())
        seconds = self._seconds
        while done and done[0][0] <= now - switches.limit_window_seconds:
            seconds[user] -= done.popleft()[1]
        if self._running[user] >= switches.limit_concurrency:
            return Excess("concurrency", 1)
        wait = ceil(done[0][0] + switches.limit_window_seconds - now) if done else 1
        if len(done) >= switches.limit_requests:
            return Excess("requests", max(1, wait))
        if seconds[user] >= switches.limit_seconds:
            return Excess("seconds", max(1, wait))
        return None

    def begin(self, user: str) -> float:
        """A request starts; returns the time, to be given to `end`."""
        self._running[user] += 1
        return self._clock()

    def remaining(self, user: str, switches: Switches) -> tuple[int, float]:
        """Requests and seconds of execution that a user has left in the window."""
        return (
            switches.limit_requests - len(self._done.get(user, ())),
            switches.limit_seconds - self._seconds[user],
        )

    def end(self, user: str, started: float) -> None:
        """A request has been carried out."""
        now = self._clock()
        self._running[user] -= 1
        self._done.setdefault(user, deque()).append((now, now - started))
        self._seconds[user] += now - started

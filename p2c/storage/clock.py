"""The machine's clock."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Implements `p2c.sync.ports.Clock` by the operating system."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

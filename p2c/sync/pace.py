"""How many operations go into one batch: as many as F&O carries out in about 20 seconds."""

import threading

AIM_SECONDS = 20.0
LARGEST = 50
"""Rows of one batch at most: what is lost with one lost answer stays small."""
_WEIGHT = 0.3


class BatchPace:
    """Measures batches of one process and sizes the next."""

    def __init__(self) -> None:
        self._seconds_each: float | None = None
        self._lock = threading.Lock()

    def size(self) -> int:
        """Return how many operations the next batch may have."""
        if not self._seconds_each:
            return LARGEST
        return max(1, min(LARGEST, int(AIM_SECONDS / self._seconds_each)))

    def took(self, operations: int, seconds: float) -> None:
        """Learn from a batch that was answered."""
        each = seconds / max(1, operations)
        with self._lock:
            known = self._seconds_each
            self._seconds_each = each if known is None else known * (1 - _WEIGHT) + each * _WEIGHT

"""Counts what was sent, for ``run --json`` and for finding out why a run is slow."""

import threading


class Meter:
    """Counts HTTP requests of both services and operations of F&O; safe between threads.

    Every request counts: metadata, retries and those that got no answer. An operation is a part of
    a batch or a request of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = {"dataverse": 0, "fno": 0, "fno_operations": 0}

    def count(self, service: str, operations: int) -> None:
        """Count one request that carries a number of operations."""
        with self._lock:
            self._counts[service] += 1
            if service == "fno":
                self._counts["fno_operations"] += operations

    def snapshot(self) -> dict[str, int]:
        """Return the counts so far: ``dataverse``, ``fno``, ``fno_operations``."""
        with self._lock:
            return dict(self._counts)

"""Runs p2c's command line in this process and writes down what the benchmark wants to know of it.

``python -m tools.bench.watched REPORT REQUESTS run contacts --json``. REPORT gets how long the
workers were busy, how long they waited for storage, and the most memory there was; REQUESTS, unless
it is ``-``, gets every request to both services with the thread that sent it. p2c works as it
always does, except that it holds to `CONNECTIONS` requests to F&O at a time, as the other
contenders do.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from p2c.cli import main as command_line
from p2c.odata.transport import Transport
from p2c.storage import AzureDocuments, AzureQueue
from p2c.sync import limiter
from p2c.sync.handle_message import MessageHandler
from tools.bench.memory import peak_bytes

CONNECTIONS = 8
WORKERS = "p2c-run"
"""How the names of the threads begin that handle messages."""


class Watch:
    """Adds up the calls of methods and the seconds that the workers spent in them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.calls: dict[str, int] = {}
        self.seconds: dict[str, float] = {}

    def method(self, owner: type, name: str, label: str) -> None:
        """Watch a method from now on."""
        original: Callable[..., Any] = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return original(*args, **kwargs)
            finally:
                self._add(label, time.perf_counter() - started)

        setattr(owner, name, watched)

    def _add(self, label: str, seconds: float) -> None:
        is_worker = threading.current_thread().name.startswith(WORKERS)
        with self._lock:
            self.calls[label] = self.calls.get(label, 0) + 1
            if is_worker:
                self.seconds[label] = self.seconds.get(label, 0.0) + seconds


def _record_requests(file: Path) -> Callable[[], None]:
    """Remember every request to both services; returns what writes them down, in their order."""
    requests: list[dict[str, object]] = []
    read, write = Transport.read, Transport.write

    def note(transport: Transport, method: str, url: str, headers: Any, body: bytes) -> None:
        requests.append(
            {
                "thread": threading.current_thread().name,
                "service": transport.service,
                "method": method,
                "url": url,
                "headers": dict(headers),
                "body": body.decode(),
            }
        )

    def noted_read(self: Transport, url: str, headers: Any, **options: Any) -> Any:
        note(self, "GET", url, headers, b"")
        return read(self, url, headers, **options)

    def noted_write(
        self: Transport, method: str, url: str, headers: Any, body: bytes, **options: Any
    ) -> Any:
        note(self, method, url, headers, body)
        return write(self, method, url, headers, body, **options)

    def write_down() -> None:
        file.write_text("".join(f"{json.dumps(request)}\n" for request in requests))

    Transport.read, Transport.write = noted_read, noted_write  # type: ignore[method-assign]
    return write_down


def main() -> None:
    """Watch the command that the remaining words name."""
    report, requests = Path(sys.argv[1]), sys.argv[2]
    sys.argv[1:] = sys.argv[3:]
    limiter.HIGHEST_LIMIT = CONNECTIONS
    watch = Watch()
    watch.method(MessageHandler, "handle", "messages")
    # The one place of each adapter that every request passes.
    watch.method(AzureDocuments, "_with_table", "storage")
    watch.method(AzureQueue, "_with_queue", "storage")
    write_requests = _record_requests(Path(requests)) if requests != "-" else lambda: None
    try:
        command_line.main()
    finally:
        said = {"calls": watch.calls, "seconds": watch.seconds, "peak_bytes": peak_bytes()}
        report.write_text(json.dumps(said))
        write_requests()


if __name__ == "__main__":
    main()

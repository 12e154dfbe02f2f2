"""Runs both simulators: one event loop in a thread, a port for each service."""

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from json import dumps
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from p2c.sandbox.control import Control
from p2c.sandbox.faults import Fault, FaultList
from p2c.sandbox.front import Front
from p2c.sandbox.state import State
from p2c.sandbox.switches import DemoSize, Start

T = TypeVar("T")
_START_SECONDS = 30.0


class _Protocol(H11Protocol):
    """Hands the transport to the application, so that a fault can reset the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class Sandbox:
    """Both services on loopback ports while the ``with`` block lasts.

    Besides the control interface over HTTP, the same is to be had as methods; they are safe to
    call from any thread.
    """

    def __init__(
        self,
        *,
        demo: DemoSize | None = None,
        dataverse_port: int = 0,
        fno_port: int = 0,
        **switches: Any,
    ) -> None:
        """Start on the given ports (0: a free one), empty or with demo data, with switches set."""
        start = Start(data="demo", demo=demo) if demo is not None else Start()
        self._state = State(start)
        self._control = Control(self._state)
        self._control.set_switches(switches)
        self._ports = (dataverse_port, fno_port)
        self._sockets: list[socket.socket] = []
        self._servers: list[uvicorn.Server] = []
        self._fronts: list[Front] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.dataverse_url = ""
        self.fno_url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Open both ports and serve; returns when both accept requests.

        Raises:
            OSError: A port cannot be opened.
        """
        try:
            for port in self._ports:
                self._sockets.append(_listening(port))
        except OSError:
            self.stop()
            raise
        self.dataverse_url, self.fno_url = (
            f"http://127.0.0.1:{opened.getsockname()[1]}" for opened in self._sockets
        )
        self._fronts = [Front("dataverse", self._state), Front("fno", self._state)]
        self._servers = [uvicorn.Server(_config(front)) for front in self._fronts]
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name="p2c-sandbox", daemon=True
        )
        self._thread.start()
        ready.result(_START_SECONDS)

    def stop(self) -> None:
        """Close both ports; requests that were to be carried out late are dropped."""
        for server in self._servers:
            server.should_exit = True
            server.force_exit = True
        if self._thread is not None:
            self._thread.join(_START_SECONDS)
        for opened in self._sockets:
            opened.close()
        self._sockets, self._servers, self._thread, self._loop = [], [], None, None

    async def _serve(self, ready: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as group:
                for server, opened in zip(self._servers, self._sockets, strict=True):
                    group.create_task(server.serve(sockets=[opened]))
                while not all(s.started for s in self._servers):  # noqa: ASYNC110 - see below
                    await asyncio.sleep(0.005)  # uvicorn offers no event to wait for.
                ready.set_result(None)
        finally:
            for front in self._fronts:
                await front.stop()

    def reset(self, start: Start | None = None) -> None:
        """Begin anew, empty or as `start` says; switches, faults and counters too."""
        self._call(lambda: self._state.reset(start or Start()))

    def set_switches(self, **switches: Any) -> None:
        """Turn some switches."""
        self._call(lambda: self._control.set_switches(switches))

    def set_latency(self, **services: dict[str, float]) -> None:
        """Set latency: ``set_latency(fno={"request_ms": 50, "operation_ms": 20})``."""
        self._call(lambda: self._control.set_latency(services))

    def add_faults(self, *faults: Fault) -> None:
        """Arm faults."""
        self._call(lambda: self._control.add_faults(FaultList(faults=list(faults)).model_dump()))

    def clear_faults(self) -> None:
        """Disarm all faults."""
        self._call(self._state.faults.clear)

    def faults(self) -> list[dict[str, object]]:
        """The armed faults with how often each matched and hit."""
        return self._call(self._state.faults.report)

    def requests(self) -> dict[str, Any]:
        """Counters of both services."""
        return self._call(self._control.requests)

    def reset_requests(self) -> None:
        """Count from zero."""
        self._call(self._state.reset_traffic)

    def expire_tokens(self) -> None:
        """Expire every delta token handed out so far."""
        self._call(lambda: self._state.dataverse.store.expire_tokens())  # noqa: PLW0108 - late

    def dataverse_rows(self, entity_set: str) -> list[dict[str, Any]]:
        """What Dataverse holds."""
        return self._call(lambda: self._state.dataverse.dump(entity_set))

    def fno_records(self, entity_set: str) -> list[dict[str, Any]]:
        """What F&O holds: the fields that were ever set, RecId and RecVersion."""
        return self._call(lambda: self._state.fno.dump(entity_set))

    def _call(self, action: Callable[[], T]) -> T:
        loop = self._loop
        if loop is None:
            return action()
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(action())
            except BaseException as error:  # noqa: BLE001 - handed to the calling thread
                done.set_exception(error)

        loop.call_soon_threadsafe(run)
        return done.result(_START_SECONDS)


def _listening(port: int) -> socket.socket:
    # With the protocol named, asyncio turns Nagle's algorithm off, which would otherwise hold back
    # each answer for 40 ms.
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(("127.0.0.1", port))
        opened.listen(2048)
    except OSError as error:
        opened.close()
        raise OSError(
            error.errno,
            f"The sandbox cannot open port {port}: {error.strerror}. Choose another port, or 0 for "
            "any free one.",
        ) from error
    return opened


def _config(front: Front) -> uvicorn.Config:
    return uvicorn.Config(
        front,
        http=_Protocol,
        loop="asyncio",
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        log_level="critical",
        server_header=False,
        date_header=True,
        timeout_keep_alive=120,
        timeout_graceful_shutdown=1,
    )


def serve(
    *,
    dataverse_port: int = 0,
    fno_port: int = 0,
    demo: DemoSize | None = None,
    as_json: bool = False,
) -> None:
    """Serve both simulators until SIGINT or SIGTERM; prints both addresses when ready.

    Prints two lines ``dataverse http://…`` and ``fno http://…``, or one JSON object with
    ``dataverse_url`` and ``fno_url``.
    """
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with Sandbox(demo=demo, dataverse_port=dataverse_port, fno_port=fno_port) as sandbox:
        if as_json:
            lines = dumps({"dataverse_url": sandbox.dataverse_url, "fno_url": sandbox.fno_url})
        else:
            lines = f"dataverse {sandbox.dataverse_url}\nfno       {sandbox.fno_url}"
        sys.stdout.write(f"{lines}\n")
        sys.stdout.flush()
        # A wait without end would not let the signal handler run on Windows.
        while not stopped.wait(3600):
            pass

"""A real HTTP server on this machine that plays prepared answers, for tests of the clients.

It answers each request with the next `Reply` of its script and keeps what it received. Faults of
the connection are real ones: resets, cut bodies and silence happen on the socket.
"""

import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from p2c.odata import exact_json


@dataclass(frozen=True)
class Reply:
    """One answer. With `breakage` the connection ends in that way instead."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    breakage: str = ""
    """``reset``, ``close``, ``cut`` (half of the body), or ``silence`` until the server stops."""


@dataclass(frozen=True)
class Received:
    """One request as the server saw it, header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def json_reply(value: object, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    content = {"Content-Type": "application/json; odata.metadata=minimal"}
    return Reply(status, content | named, exact_json.dumps(value).encode())


def error_reply(status: int, code: str, message: str, **headers: str) -> Reply:
    return json_reply({"error": {"code": code, "message": message}}, status, **headers)


def infolog_reply(status: int, text: str) -> Reply:
    inner = {"message": text, "type": "Microsoft.Dynamics.AxODataWriteException"}
    error = {"code": "", "message": "An error has occurred.", "innererror": inner}
    return json_reply({"error": error}, status)


def html_reply(status: int, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    body = b"<!DOCTYPE html><html><body>The service is unavailable. secret-page</body></html>"
    return Reply(status, {"Content-Type": "text/html; charset=utf-8"} | named, body)


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that have gone: some tests make them go."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class CannedServer:
    """Plays a script; a request beyond its end is answered with 599, which no test expects."""

    def __init__(self) -> None:
        self.script: list[Reply | Callable[[Received], Reply]] = []
        self.received: list[Received] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._server = _QuietServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def play(self, *replies: Reply | Callable[[Received], Reply]) -> None:
        self.script.extend(replies)

    def answer(self, request: Received) -> Reply:
        with self._lock:
            self.received.append(request)
            following = self.script.pop(0) if self.script else Reply(599)
        return following(request) if callable(following) else following

    def wait_for_stop(self) -> None:
        self._stop.wait(30)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(server: CannedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # The client's idle connections must not keep the server from stopping.
        timeout = 0.5

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = server.answer(Received(self.command, self.path, headers, body))
            if reply.breakage:
                self._break(reply)
                return
            self._send(reply, reply.body)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the library's names

        def _send(self, reply: Reply, body: bytes) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(body)

        def _break(self, reply: Reply) -> None:
            self.close_connection = True
            if reply.breakage == "silence":
                server.wait_for_stop()
            elif reply.breakage == "cut":
                self._send(reply, reply.body[: len(reply.body) // 2])
            elif reply.breakage == "reset":
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler


class StillClock:
    """A clock that moves only when somebody sleeps, and remembers for how long."""

    def __init__(self) -> None:
        self.time = 1_000.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 8, 0, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


class Tokens:
    """Hands out ``token-1`` until a refresh is forced, then ``token-2``, and so on."""

    def __init__(self) -> None:
        self.number = 1

    def __call__(self, *, force_refresh: bool) -> str:
        self.number += force_refresh
        return f"token-{self.number}"


def multipart_reply(parts: Iterable[bytes], boundary: str = "batchresponse_1") -> Reply:
    sections = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    body = sections + b"--" + boundary.encode() + b"--\r\n"
    return Reply(200, {"Content-Type": f"multipart/mixed; boundary={boundary}"}, body)


def change_set(number: int, status: int, reply: Reply | None = None, **headers: str) -> bytes:
    """The answer to a change set of one operation, nested as the services nest it."""
    extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    body = reply.body if reply else b""
    inner = f"changesetresponse_{number}"
    return (
        (
            f"Content-Type: multipart/mixed; boundary={inner}\r\n\r\n"
            f"--{inner}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
            f"Content-ID: {number}\r\n\r\nHTTP/1.1 {status} Some Words\r\n{extra}\r\n"
        ).encode()
        + body
        + f"\r\n--{inner}--".encode()
    )

"""One HTTP request and its reply, as plain values, and the ASGI code that moves them.

The simulators see only `Call` and `Reply`; the same values stand for the parts of a ``$batch``.
"""

import json
import re
import socket
import struct
from asyncio import Transport
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote, unquote_plus

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON_TYPE = "application/json; odata.metadata=minimal"


@dataclass(frozen=True, slots=True)
class Call:
    """A request: `path` and `query` still percent-encoded, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    root: str
    """Scheme, host and port under which the caller reached the service, without a slash."""

    @property
    def url(self) -> str:
        """Path and query as sent."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def json_body(self) -> dict[str, Any] | None:
        """The body as a JSON object; None when it is not one."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return None
        return parsed if isinstance(parsed, dict) else None

    def options(self) -> dict[str, str]:
        """Query options, decoded; of a repeated one the last counts."""
        return parse_query(self.query)

    def preferences(self) -> dict[str, str]:
        """The ``Prefer`` header: names in lower case, a bare preference has an empty value."""
        return parse_preferences(self.headers.get("prefer", ""))


@dataclass(slots=True)
class Reply:
    """An answer. `operations` counts what was carried out or read: parts of a batch, else 1."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    operations: int = 1

    @property
    def reason(self) -> str:
        """The reason phrase that goes with the status."""
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return "Unknown"

    def raise_if_refused(self) -> None:
        """Raise `Refused` with this answer when it is an error."""
        if self.status >= 400:
            raise Refused(self)


class Refused(Exception):  # noqa: N818 - it is an answer, not a fault of the simulator
    """Ends the handling of an operation with an error answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"HTTP {reply.status}")
        self.reply = reply


def json_reply(status: int, value: object, headers: dict[str, str] | None = None) -> Reply:
    """A JSON answer as both services send it: UTF-8, no blanks between tokens."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    base = {"Content-Type": JSON_TYPE, "OData-Version": "4.0"}
    return Reply(status, body, base | (headers or {}))


def html_reply(status: int, title: str) -> Reply:
    """An HTML error page of the kind that gateways in front of a service send."""
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body>"
    return Reply(status, f"{page}</html>".encode(), {"Content-Type": "text/html; charset=utf-8"})


def parse_query(query: str) -> dict[str, str]:
    """Split and decode a query string."""
    options: dict[str, str] = {}
    for piece in query.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            options[unquote_plus(name)] = unquote_plus(value)
    return options


_PREFERENCE = re.compile(r'\s*([^=,\s]+)\s*(?:=\s*(?:"([^"]*)"|([^,]*)))?\s*(?:,|$)')


def parse_preferences(header: str) -> dict[str, str]:
    """Split a ``Prefer`` header; values may be quoted and then hold commas."""
    found: dict[str, str] = {}
    for match in _PREFERENCE.finditer(header):
        value = match[2] if match[2] is not None else (match[3] or "").strip()
        found[match[1].lower()] = value
    return found


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a resource path: a name, and its key predicate when it has one."""

    name: str
    key: dict[str, str] | None
    """Key parts as literals (strings keep their quotes); a single bare value is under ""."""


class BadPathError(ValueError):
    """A path segment that cannot be read."""


_SEGMENT = re.compile(r"([$\w.]+)(?:\((.*)\))?", re.DOTALL)
_KEY_PART = re.compile(
    r"\s*(?:(\w+)\s*=\s*)?([\w.]*'(?:[^']|'')*'|[^,'=]+)\s*(?:,|$)",
)


def parse_path(path: str) -> list[Segment]:
    """Split a percent-encoded path below the service root into segments.

    Raises:
        BadPathError: A segment or key predicate is malformed.
    """
    return [_segment(unquote(raw)) for raw in path.strip("/").split("/") if raw]


def _segment(text: str) -> Segment:
    match = _SEGMENT.fullmatch(text)
    if match is None:
        raise BadPathError(text)
    if match[2] is None:
        return Segment(match[1], None)
    key: dict[str, str] = {}
    position = 0
    while position < len(match[2]):
        part = _KEY_PART.match(match[2], position)
        if part is None or part.end() == position:
            raise BadPathError(text)
        key[part[1] or ""] = part[2].strip()
        position = part.end()
    return Segment(match[1], key)


def unquote_literal(literal: str) -> str:
    """The value of a key literal: quotes removed and doubled ones undone."""
    if literal.startswith("'") and literal.endswith("'") and len(literal) > 1:
        return literal[1:-1].replace("''", "'")
    return literal


async def read_call(scope: Scope, receive: Receive) -> Call:
    """Read a whole request."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    raw_path = cast("bytes", scope["raw_path"])
    return Call(
        method=scope["method"],
        path=raw_path.decode("latin-1").partition("?")[0],
        query=cast("bytes", scope["query_string"]).decode("latin-1"),
        headers=headers,
        body=b"".join(chunks),
        root=f"{scope['scheme']}://{headers.get('host', 'localhost')}",
    )


async def send_reply(send: Send, reply: Reply) -> None:
    """Send a whole answer."""
    await _start(send, reply)
    await send({"type": "http.response.body", "body": reply.body})


async def send_truncated(send: Send, reply: Reply, scope: Scope, receive: Receive) -> None:
    """Announce the whole answer, send half of it and cut the connection."""
    await _start(send, reply)
    half = reply.body[: len(reply.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    # The half is on its way; a normal close, not a reset, keeps it readable.
    transport = _transport(scope)
    transport.close()
    await _gone(receive)


async def reset_connection(scope: Scope, receive: Receive) -> None:
    """Cut the connection with a TCP reset and without an answer."""
    transport = _transport(scope)
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


async def _start(send: Send, reply: Reply) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in reply.headers.items()]
    if reply.status not in {204, 304}:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})


def _transport(scope: Scope) -> Transport:
    return cast("Transport", scope["state"]["transport"])


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

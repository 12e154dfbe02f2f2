"""Sends requests to one service: tokens, time-outs, repeats, and what came of each.

Reads may be repeated a few times. A write is sent once: whether it may have been carried out is
told by the kind of error, and repeating it is the caller's decision. What a readable answer means
is left to the service's client.
"""

import random
import socket
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self, TypeVar
from urllib.parse import urlsplit

import requests
import requests.adapters
import requests.auth
import urllib3.exceptions
from urllib3.connection import HTTPConnection

import p2c
from p2c.errors import (
    AnswerUnknownError,
    RetryLaterError,
    ServiceRefusedError,
    SettingError,
    ThrottledError,
    UnavailableError,
)
from p2c.odata import urls
from p2c.odata.answer import Answer, describe, is_html, retry_after_seconds, words
from p2c.odata.correlation import current_execution
from p2c.odata.meter import Meter
from p2c.odata.outgoing import OutgoingBody, TooLateError, describe_failure
from p2c.telemetry import SILENT, Attributes, Kind, Telemetry
from p2c.telemetry.metrics import OPERATIONS, REQUESTS, THROTTLED

READ_ATTEMPTS = 3
"""How often a read is sent at most. More belongs to the queue, which waits without a worker."""

LONGEST_READ_WAIT_SECONDS = 5.0
"""Longest wait between two attempts of a read; a service that asks for more is left alone."""


PIECE_BYTES = 64 * 1024
"""What is held in memory of an answer that goes to a file."""

_E = TypeVar("_E", bound=RetryLaterError)


KEEP_ALIVE_SECONDS = 60
"""Idle time after which a connection is probed; well below the four minutes of Azure."""


class TokenProvider(Protocol):
    """Where bearer tokens come from. It caches them; it is asked before every request."""

    def __call__(self, *, force_refresh: bool) -> str:
        """Return a token; with `force_refresh` one that is not the last one given.

        Raises:
            ServiceRefusedError: The credential is wrong.
            UnavailableError: The identity provider cannot be reached.
        """
        ...


class Clock(Protocol):
    """The part of a clock that sending needs."""

    def now(self) -> datetime:
        """Timezone-aware wall clock."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait, and how much at once.

    Attributes:
        connections: Connections at most; further requests wait for one.
        connect_seconds: For a connection, TLS included.
        read_seconds: For the next bytes of an answer. F&O's first request after a restart takes
            tens of seconds, and its own limit for a request is longer still.
    """

    connections: int = 32
    connect_seconds: float = 10.0
    read_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    operations: int
    send_before: float | None
    into: BinaryIO | None = None


class _LostError(Exception):
    """No answer came. `sent` says whether the service may have had the whole request."""

    def __init__(self, what: str, *, sent: bool) -> None:
        super().__init__(what)
        self.what = what
        self.sent = sent


class Transport:
    """Connection to one service, shared by the threads of a process.

    Cookies are off: both services hand out affinity cookies that would tie every request to one
    of their servers. The environment's proxies are used for real services, never for this machine;
    a ``.netrc`` is not, since it would take the token's place. Redirects are not followed.

    Args:
        service: ``dataverse`` or ``fno``; named in errors and counted by the meter.
        root_url: Root as in the settings, without the service's path.
        jitter: Gives a number from 0 to 1 that spreads the repeats of reads.
        telemetry: Told of every request, of its URL up to the first key or filter.
    """

    def __init__(
        self,
        service: str,
        root_url: str,
        get_token: TokenProvider,
        meter: Meter,
        clock: Clock,
        *,
        limits: Limits | None = None,
        jitter: Callable[[], float] = random.random,
        telemetry: Telemetry = SILENT,
    ) -> None:
        try:
            self.root = urls.checked_root(root_url)
        except ValueError as error:
            raise SettingError(f"URL of {service}: found {root_url!r}, {error}") from error
        self.service = service
        self.clock = clock
        self._get_token = get_token
        self._meter = meter
        self._limits = limits or Limits()
        self._jitter = jitter
        self._telemetry = telemetry
        self._token_refused = False
        self._session = _session(self.root, self._limits.connections)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def refuse_token(self) -> None:
        """Have the next request fetch a fresh token: a batch part was answered with 401."""
        self._token_refused = True

    def read(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        batch: bytes | None = None,
        operations: int = 1,
        into: BinaryIO | None = None,
    ) -> Answer:
        """Get a URL, or post a batch that only reads.

        Connection errors, 502, 503 and 504 are repeated up to `READ_ATTEMPTS` times.

        Args:
            into: File that a large answer's body goes to piece by piece, from its beginning; the
                answer then holds no more than the first piece.

        Returns:
            Any readable answer, whatever its status, except those below.

        Raises:
            ServiceRefusedError: Token refused twice (``token-refused``), redirected
                (``redirected``), or the URL is not this service's (``link-foreign``).
            ThrottledError: 429.
            UnavailableError: No answer, a gateway's answer, or an HTML page.
        """
        method = "GET" if batch is None else "POST"
        request = _Request(method, url, headers, batch, operations, None, into)
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                answer = self._answered(request)
                if answer.status not in {502, 503, 504} and not is_html(answer):
                    return self._unless_redirected(request, answer)
                error = self._error(UnavailableError, request, answer)
            except _LostError as lost:
                error = self._lost(UnavailableError, request, lost)
            wait = error.retry_after_seconds or 0.5 * 2**attempt * self._jitter()
            if attempt == READ_ATTEMPTS or wait > LONGEST_READ_WAIT_SECONDS:
                break
            self.clock.sleep(wait)
        raise error

    def write(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        operations: int = 1,
        send_before: float | None = None,
    ) -> Answer:
        """Send a write once; a second time only after 401, which says that nothing was done.

        Args:
            body: Not empty: whether it was asked for shows whether anything was sent.
            send_before: Monotonic time after which the body may not start on its way.

        Returns:
            Any readable answer, whatever its status, except those below.

        Raises:
            ServiceRefusedError: ``token-refused`` or ``link-foreign``; nothing was carried out.
            ThrottledError: 429; nothing was carried out.
            UnavailableError: Not sent: no connection, or too late (``too-late``).
            AnswerUnknownError: Sent, and what came back does not say what became of it.
        """
        if not body:
            raise ValueError("a write without a body")
        request = _Request(method, url, headers, body, operations, send_before)
        try:
            answer = self._answered(request)
        except _LostError as lost:
            raise self._lost(
                AnswerUnknownError if lost.sent else UnavailableError, request, lost
            ) from None
        if is_html(answer) or answer.status < 200 or 300 <= answer.status < 400:
            raise self._error(AnswerUnknownError, request, answer)
        return answer

    def check_link(self, root: str, link: str) -> None:
        """Check that a link a service gave stays within its root.

        Raises:
            ServiceRefusedError: ``link-foreign``; no token has been sent there.
        """
        try:
            urls.check_link(root, link)
        except urls.LinkForeignError as error:
            raise ServiceRefusedError(
                f"{self.service}: a link leaves the service: {error}. No token was sent there. "
                "Check the service's URL in the settings and what stands between it and p2c.",
                service=self.service,
                code="link-foreign",
            ) from error

    def note_parts(self, parts: Iterable[Answer | None]) -> None:
        """Tell how many parts of a batch's answer say that it was too much."""
        throttled = sum(part is not None and part.status == 429 for part in parts)
        if throttled:
            place = {"service": self.service, "of": "operation"}
            self._telemetry.record(THROTTLED, throttled, place)

    def _answered(self, request: _Request) -> Answer:
        self.check_link(self.root, request.url)
        refresh, self._token_refused = self._token_refused, False
        answer = self._told(request, force_refresh=refresh)
        if answer.status == 401:
            answer = self._told(request, force_refresh=True)
        if answer.status == 401:
            raise ServiceRefusedError(
                f"{self.service} refused the token twice, a fresh one included: "
                f"{describe(answer)}. Register the identity that p2c runs as with {self.service}.",
                service=self.service,
                status=401,
                request_id=answer.request_id,
                code="token-refused",
            )
        if answer.status == 429:
            raise self._error(ThrottledError, request, answer)
        return answer

    def _told(self, request: _Request, *, force_refresh: bool) -> Answer:
        """Exchange a request for an answer, and tell of it."""
        url = urlsplit(request.url)
        attributes: Attributes = {
            "service": self.service,
            "http.request.method": request.method,
            # What follows may be a key or a filter, which name a row.
            "url.full": f"{url.scheme}://{url.netloc}{url.path.partition('(')[0]}",
            "server.address": url.hostname or "",
            "server.port": url.port or (443 if url.scheme == "https" else 80),
            "operations": request.operations,
        }
        name = f"{request.method} {self.service}"
        with self._telemetry.span(name, attributes, kind=Kind.CLIENT) as span:
            answer = self._exchange(request, force_refresh=force_refresh)
            span.set({"http.response.status_code": answer.status, "request_id": answer.request_id})
            if not answer.is_success:
                span.fail(str(answer.status))
        return answer

    def _count(self, request: _Request, status: str) -> None:
        service = {"service": self.service}
        self._telemetry.record(REQUESTS, 1, {**service, "status": status})
        self._telemetry.record(OPERATIONS, request.operations, service)
        if status == "429":
            self._telemetry.record(THROTTLED, 1, {**service, "of": "request"})

    def _exchange(self, request: _Request, *, force_refresh: bool) -> Answer:
        token = self._checked_token(self._get_token(force_refresh=force_refresh))
        headers = {
            "Accept": "application/json",
            "OData-Version": "4.0",
            "OData-MaxVersion": "4.0",
            **request.headers,
            "User-Agent": f"p2c/{p2c.__version__}",
            "x-ms-client-request-id": str(uuid.uuid4()),
        }
        if current_execution():
            headers["x-ms-correlation-id"] = current_execution()
        body = None if request.body is None else OutgoingBody(request.body, self._is_late(request))
        status = ""
        try:
            if body is not None:
                body.check()
            self._meter.count(self.service, request.operations)
            status = "none"
            response = self._session.request(
                request.method,
                request.url,
                headers=headers,
                data=body,
                auth=_Bearer(token),
                timeout=(self._limits.connect_seconds, self._limits.read_seconds),
                allow_redirects=False,
                stream=request.into is not None,
            )
            content = response.content if request.into is None else _saved(response, request.into)
            status = str(response.status_code)
        except TooLateError:
            raise UnavailableError(
                f"{self.service}: {_what(self.root, request)} was not sent, its time was over.",
                service=self.service,
                code="too-late",
            ) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            # Without its text and its cause: these quote whole URLs.
            sent = body is not None and body.started
            raise _LostError(describe_failure(error), sent=sent) from None
        finally:
            if status:
                self._count(request, status)
        received = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, received, content)

    def _is_late(self, request: _Request) -> Callable[[], bool]:
        """Return what tells, at the moment of sending, whether it is too late."""
        limit = request.send_before
        return lambda: limit is not None and self.clock.monotonic() >= limit

    def _checked_token(self, token: str) -> str:
        if not token or not all("!" <= character <= "~" for character in token):
            raise ServiceRefusedError(
                f"{self.service}: the credential gave no usable bearer token.",
                service=self.service,
                code="token-refused",
            )
        return token

    def _unless_redirected(self, request: _Request, answer: Answer) -> Answer:
        if 300 <= answer.status < 400:
            raise ServiceRefusedError(
                f"{self.service} redirects {_what(self.root, request)} with {answer.status}, "
                "expected an answer. Redirects are not followed, since the token would go along: "
                "check the service's URL in the settings.",
                service=self.service,
                status=answer.status,
                request_id=answer.request_id,
                code="redirected",
            )
        return answer

    def _error(self, kind: type[_E], request: _Request, answer: Answer) -> _E:
        return kind(
            f"{self.service} answered {answer.status} to {_what(self.root, request)}: "
            f"{describe(answer)}.",
            service=self.service,
            status=answer.status,
            request_id=answer.request_id,
            retry_after_seconds=retry_after_seconds(answer.headers, self.clock.now()),
            said=words(answer),
        )

    def _lost(self, kind: type[_E], request: _Request, lost: _LostError) -> _E:
        return kind(
            f"{self.service} gave no answer to {_what(self.root, request)}: {lost.what}.",
            service=self.service,
        )


class _Bearer(requests.auth.AuthBase):
    """Sets the token; as `auth` it also keeps requests from looking into a ``.netrc``."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers["Authorization"] = f"Bearer {self._token}"
        return prepared


class _Adapter(requests.adapters.HTTPAdapter):
    """Keeps idle connections alive, and notices dead ones.

    Azure drops a connection after four idle minutes without telling either end; a request on such
    a one would wait for its whole time-out.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        options: list[tuple[int, int, int]] = [
            *HTTPConnection.default_socket_options,
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        ]
        if hasattr(socket, "TCP_KEEPIDLE"):  # Not on every system.
            options.append((socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_SECONDS))
        super().init_poolmanager(*args, socket_options=options, **kwargs)


def _session(root: str, connections: int) -> requests.Session:
    session = requests.Session()
    session.trust_env = not urls.is_loopback(urlsplit(root).hostname or "")
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _Adapter(pool_connections=1, pool_maxsize=connections, max_retries=0, pool_block=True)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _saved(response: requests.Response, into: BinaryIO) -> bytes:
    """Write an answer's body to a file, which is emptied first; return the first piece."""
    into.seek(0)
    into.truncate()
    first = b""
    with response:
        for piece in response.iter_content(PIECE_BYTES):
            first = first or piece
            into.write(piece)
    return first


def _what(root: str, request: _Request) -> str:
    """Name a request without its keys and options, which may tell too much."""
    path = request.url.removeprefix(root).partition("?")[0].partition("(")[0]
    return f"{request.method} {path}"

"""What shows whether a request left this machine: its body, and the error that ended it."""

import http.client
import socket
from collections.abc import Callable, Iterator

import requests
import urllib3.exceptions


class TooLateError(Exception):
    """The time to send was over before the body started on its way."""


class OutgoingBody:
    """A request body that knows whether it was asked for.

    The HTTP library connects, negotiates TLS and sends the headers before it reads the body. As
    long as it has not, no service can have carried the request out.

    Args:
        is_late: Asked when the body is about to be sent.
    """

    def __init__(self, content: bytes, is_late: Callable[[], bool]) -> None:
        self._content = content
        self._is_late = is_late
        self.started = False

    def check(self) -> None:
        """Raise `TooLateError` when it is too late to send."""
        if self._is_late():
            raise TooLateError

    def __len__(self) -> int:
        return len(self._content)

    def __iter__(self) -> Iterator[bytes]:
        # Connecting takes time of its own, so the limit is looked at again here, the last moment
        # at which nothing has been carried out.
        self.check()
        self.started = True
        yield self._content


_PLAIN_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (requests.ConnectTimeout, "no connection in time"),
    (requests.ReadTimeout, "no answer in time"),
    (requests.exceptions.ProxyError, "the proxy did not connect"),
    (requests.exceptions.SSLError, "TLS failed: check the certificate"),
    (socket.gaierror, "its host name was not found"),
    (urllib3.exceptions.NameResolutionError, "its host name was not found"),
    (ConnectionRefusedError, "the connection was refused"),
    # Before the reset, of which it is a kind.
    (http.client.RemoteDisconnected, "the connection was closed without an answer"),
    (ConnectionResetError, "the connection was reset"),
    (urllib3.exceptions.IncompleteRead, "the answer was cut short"),
)


def describe_failure(error: Exception) -> str:
    """Say why no answer came, in plain words and without URLs."""
    chain = _chain(error)
    for kind, words in _PLAIN_WORDS:
        if any(isinstance(link, kind) for link in chain):
            return words
    return f"the connection broke ({type(error).__name__})"


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error with those it came from, outermost first."""
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in found:
        found.append(following)
        following = following.__cause__ or following.__context__
    return found

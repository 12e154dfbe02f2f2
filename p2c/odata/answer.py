"""An HTTP answer as a value, and what can be read from it whichever service gave it.

Pure: sending is `p2c.odata.transport`, and what an error means is the clients' affair.
"""

import email.utils
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from p2c.errors import cut
from p2c.odata import exact_json

_REQUEST_ID_HEADERS = ("x-ms-service-request-id", "req_id", "ms-dyn-aid", "x-ms-request-id")


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and body of an HTTP answer or of a batch part."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is one of the 2xx."""
        return 200 <= self.status < 300

    @property
    def request_id(self) -> str:
        """The service's identifier of the request, for its support, or ""."""
        for name in _REQUEST_ID_HEADERS:
            if name in self.headers:
                return cut(self.headers[name])
        return ""


@dataclass(frozen=True, slots=True)
class Fault:
    """The error body both services use: ``{"error": {"code", "message", "innererror"}}``.

    Attributes:
        code: The service's code in lower case, such as ``0x80044352``, or "".
        message: ``error.message``; F&O puts nothing of use there.
        inner_message: ``error.innererror.message``, where F&O puts its infolog, or "".
    """

    code: str
    message: str
    inner_message: str

    @property
    def words(self) -> str:
        """What the service said, most telling first, in one line of at most 256 characters."""
        return cut(self.inner_message or self.message)


def json_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a body holds, decimals exact; None when it holds none."""
    try:
        value = exact_json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def fault(body: bytes) -> Fault | None:
    """Return the error that a body describes; None when it describes none."""
    found = (json_object(body) or {}).get("error")
    if not isinstance(found, dict):
        return None
    inner = found.get("innererror")
    return Fault(
        code=_text(found, "code").lower(),
        message=_text(found, "message"),
        inner_message=_text(inner, "message") if isinstance(inner, dict) else "",
    )


def is_html(answer: Answer) -> bool:
    """Whether a page for people came back: a gateway or a sign-in answered, not the service.

    The declared type alone proves nothing: plain text is at times declared as HTML.
    """
    start = answer.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:9].lower()
    declared = "html" in answer.headers.get("content-type", "").lower()
    return start.startswith((b"<html", b"<!doctype")) or (declared and start[:1] in {b"", b"<"})


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return how long ``Retry-After`` asks to wait, never negative.

    Both forms of RFC 9110 10.2.3 are read: seconds and an HTTP date.

    Args:
        headers: Names in lower case.
        now: Timezone-aware.

    Returns:
        None when the header is absent or says nothing that can be read.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return _until(text, now)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def service_time(headers: Mapping[str, str]) -> datetime | None:
    """Return what the service's clock said, to the second; None when it did not say.

    Args:
        headers: Names in lower case.
    """
    try:
        moment = email.utils.parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    # "-0000" parses without a zone; HTTP dates are GMT.
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def describe(answer: Answer) -> str:
    """Say in one short line what came back: the service's words, or that it was no answer of its.

    It ends without a full stop, for use within a sentence. An unknown body is never quoted: it
    may hold anything.
    """
    if is_html(answer):
        return "an HTML page was returned instead of an answer of the service"
    found = fault(answer.body)
    if found is not None:
        said = " ".join(part for part in (found.code, found.words.rstrip(".")) if part)
        return said or "an error without text"
    return f"a body of {len(answer.body)} bytes without an error description"


def words(answer: Answer) -> str:
    """Return the service's own words in what `describe` says of an answer, "" for none."""
    found = None if is_html(answer) else fault(answer.body)
    return found.words.rstrip(".") if found else ""


def _until(text: str, now: datetime) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
        if moment.tzinfo is None:
            # "-0000" and unknown zones parse without one; HTTP dates are GMT.
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, OverflowError):
        return None


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else "" if value is None else json.dumps(str(value))

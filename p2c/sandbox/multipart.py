"""``multipart/mixed`` batches: reading a request into operations, writing the response.

Which parts are allowed, and in which order they are carried out, is each service's own matter.
"""

import re
import uuid
from dataclasses import dataclass

from p2c.sandbox.http import Call, Reply


class BadBatchError(ValueError):
    """The batch cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of a batch and its Content-ID, when it has one."""

    call: Call
    content_id: str | None


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Requests to be carried out together or not at all."""

    operations: list[Operation]


@dataclass(frozen=True, slots=True)
class PartReply:
    """The reply to one operation, for the response's part."""

    reply: Reply
    content_id: str | None


_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_REQUEST_LINE = re.compile(r"(GET|POST|PATCH|PUT|DELETE) (\S+) HTTP/1\.1")


def parse_batch(call: Call) -> list[Operation | ChangeSet]:
    """Read the parts of a batch in order.

    Raises:
        BadBatchError: No boundary, line ends other than CRLF, or a malformed part.
    """
    boundary = _boundary(call.headers.get("content-type", ""))
    return [_part(part, call) for part in _split(call.body, boundary)]


def count_operations(parts: list[Operation | ChangeSet]) -> int:
    """How many requests a batch holds."""
    return sum(len(part.operations) if isinstance(part, ChangeSet) else 1 for part in parts)


def _boundary(content_type: str) -> bytes:
    match = _BOUNDARY.search(content_type)
    if match is None or not content_type.lower().startswith("multipart/mixed"):
        raise BadBatchError(
            f"Invalid 'Content-Type' header value '{content_type}': "
            "multipart/mixed with a boundary is expected."
        )
    return match[1].encode()


def _split(body: bytes, boundary: bytes) -> list[bytes]:
    marker = b"\r\n--" + boundary
    pieces = (b"\r\n" + body).split(marker)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise BadBatchError(
            "The batch has no part, no closing boundary, or its lines do not end in CRLF."
        )
    parts = []
    for piece in pieces[1:-1]:
        if not piece.startswith(b"\r\n"):
            raise BadBatchError("A boundary is not followed by CRLF.")
        parts.append(piece[2:])
    return parts


def _headers(text: bytes) -> tuple[dict[str, str], bytes]:
    head, separator, rest = text.partition(b"\r\n\r\n")
    if not separator:
        raise BadBatchError("A part has no blank line after its headers.")
    headers = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if line and not colon:
            raise BadBatchError(f"Malformed header line '{line[:80]}' in a part.")
        if line:
            headers[name.strip().lower()] = value.strip()
    return headers, rest


def _part(text: bytes, outer: Call) -> Operation | ChangeSet:
    headers, rest = _headers(text)
    content_type = headers.get("content-type", "")
    if content_type.lower().startswith("multipart/mixed"):
        inner = _split(rest, _boundary(content_type))
        operations = []
        for piece in inner:
            operation = _part(piece, outer)
            if isinstance(operation, ChangeSet):
                raise BadBatchError("A change set must not hold another change set.")
            operations.append(operation)
        return ChangeSet(operations)
    if not content_type.lower().startswith("application/http"):
        raise BadBatchError(f"A part has the content type '{content_type}'.")
    return Operation(_request(rest, outer), headers.get("content-id"))


def _request(text: bytes, outer: Call) -> Call:
    line, separator, rest = text.partition(b"\r\n")
    match = _REQUEST_LINE.fullmatch(line.decode("utf-8", "replace"))
    if match is None or not separator:
        raise BadBatchError(f"Malformed request line '{line[:80].decode('utf-8', 'replace')}'.")
    if rest.startswith(b"\r\n"):
        headers: dict[str, str] = {}
        body = rest[2:]
    else:
        headers, body = _headers(rest)
    path, _, query = _below_root(match[2]).partition("?")
    return Call(match[1], path, query, headers, body, outer.root)


def _below_root(url: str) -> str:
    if "://" not in url:
        return url
    rest = url.partition("://")[2]
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"


def render_batch(
    parts: list[PartReply | list[PartReply]], status: int = 200, *, operations: int
) -> Reply:
    """Write a batch response; a list of parts is a change set that succeeded."""
    boundary = f"batchresponse_{uuid.uuid4()}"
    chunks: list[bytes] = []
    for part in parts:
        chunks.append(f"--{boundary}\r\n".encode())
        if isinstance(part, PartReply):
            chunks.append(_rendered(part))
            continue
        inner = f"changesetresponse_{uuid.uuid4()}"
        chunks.append(f"Content-Type: multipart/mixed; boundary={inner}\r\n\r\n".encode())
        for piece in part:
            chunks.append(f"--{inner}\r\n".encode())
            chunks.append(_rendered(piece))
        chunks.append(f"--{inner}--\r\n".encode())
    chunks.append(f"--{boundary}--\r\n".encode())
    headers = {"Content-Type": f"multipart/mixed; boundary={boundary}", "OData-Version": "4.0"}
    return Reply(status, b"".join(chunks), headers, operations)


def _rendered(part: PartReply) -> bytes:
    head = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if part.content_id is not None:
        head.append(f"Content-ID: {part.content_id}")
    head += ["", f"HTTP/1.1 {part.reply.status} {part.reply.reason}"]
    head += [f"{name}: {value}" for name, value in part.reply.headers.items()]
    return "\r\n".join([*head, "", ""]).encode() + part.reply.body + b"\r\n"

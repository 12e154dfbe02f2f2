"""Multipart ``$batch`` bodies: written for requests, and answers matched to them. Pure.

Each write is a change set of its own, so that one failure rolls back nothing else. Reading the
multipart answer is `p2c.odata.multipart`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from p2c.odata.answer import Answer
from p2c.odata.multipart import Group, read_groups


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One request within a batch.

    Attributes:
        url: Absolute; F&O wants it so, Dataverse takes it.
        body: None for a GET, which stands outside of change sets.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


def content_type(boundary: str) -> str:
    """Return the header that goes with a body written with this boundary."""
    return f"multipart/mixed; boundary={boundary}"


def write_batch(requests: Sequence[BatchRequest], boundary: str) -> bytes:
    """Return a batch body; the n-th request has the Content-ID n, counted from 1.

    Lines end in CRLF, which both services insist on.

    Args:
        boundary: Fresh for every batch, so that no content can hold it.

    Raises:
        ValueError: No requests, or a line end in what becomes a line.
    """
    if not requests:
        raise ValueError("a batch without requests")
    chunks: list[bytes] = []
    for number, request in enumerate(requests, start=1):
        chunks.append(_line(f"--{boundary}"))
        if request.method == "GET":
            chunks.append(_operation(request, None))
            continue
        # No boundary may begin with another (RFC 2046 5.1.1).
        change_set = f"changeset_{number}_{boundary}"
        chunks += [
            _line(f"Content-Type: multipart/mixed; boundary={change_set}"),
            b"\r\n",
            _line(f"--{change_set}"),
            _operation(request, number),
            _line(f"--{change_set}--"),
        ]
    chunks.append(_line(f"--{boundary}--"))
    return b"".join(chunks)


def read_batch(content_type: str, body: bytes, count: int) -> list[Answer | None]:
    """Return the answer to each of `count` requests, in their order; None where there is none.

    An answer belongs to the request whose Content-ID it carries. One without (Dataverse gives
    none to a failed change set) belongs to the request at its place, but only if as many answers
    came as requests were sent and none of the numbered ones is out of its place; otherwise any
    guess could be wrong, and an answer that cannot be placed is left out. So is a Content-ID that
    came twice.

    Raises:
        MultipartError: Nothing could be read, so nothing is known of any request.
    """
    groups = read_groups(content_type, body)
    placed: dict[int, list[Answer]] = {}
    in_place = len(groups) == count
    for place, group in enumerate(groups, start=1):
        for part in group:
            number = _number(part.content_id, count)
            if number is not None:
                placed.setdefault(number, []).append(part.answer)
                in_place = in_place and number == place
            elif part.content_id:
                in_place = False
    if in_place:
        _place_by_order(groups, placed)
    answers = (placed.get(number, []) for number in range(1, count + 1))
    return [found[0] if len(found) == 1 else None for found in answers]


def _place_by_order(groups: Sequence[Group], placed: dict[int, list[Answer]]) -> None:
    for place, group in enumerate(groups, start=1):
        if place not in placed and len(group) == 1:
            placed[place] = [group[0].answer]


def _number(content_id: str, count: int) -> int | None:
    """Return the request that a Content-ID names; None when it names none."""
    text = content_id.strip().strip("<>")
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        return None
    return int(text) if 1 <= int(text) <= count else None


def _operation(request: BatchRequest, content_id: int | None) -> bytes:
    lines = [
        _line("Content-Type: application/http"),
        _line("Content-Transfer-Encoding: binary"),
    ]
    if content_id is not None:
        lines.append(_line(f"Content-ID: {content_id}"))
    lines += [b"\r\n", _line(f"{request.method} {request.url} HTTP/1.1")]
    lines += [_line(f"{name}: {value}") for name, value in request.headers.items()]
    return b"".join([*lines, b"\r\n", request.body or b"", b"\r\n"])


def _line(text: str) -> bytes:
    if "\r" in text or "\n" in text:
        raise ValueError("a line end within a line of a batch")
    return text.encode("ascii") + b"\r\n"

"""Client of F&O's OData service: finds, writes in batches, single records, legal entities.

``cross-company=true`` goes with every request: without it F&O silently limits itself to its
user's default company. What an answer means for a record is `p2c.fno.results`.
"""

import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from p2c.errors import (
    ThrottledError,
    UnavailableError,
)
from p2c.fno.metadata import MetadataError, read_metadata
from p2c.fno.results import result_of
from p2c.model import Create, DestinationMetadata, Operation, PartResult, Reason, RecordKey, Written
from p2c.odata import exact_json, urls
from p2c.odata.answer import Answer, describe, json_object
from p2c.odata.batch import BatchRequest, content_type, write_batch
from p2c.odata.batch_answers import batch_parts
from p2c.odata.refusals import failing, refusal, unreadable
from p2c.odata.transport import Transport

SERVICE = "fno"
SERVICE_PATH = "/data/"

LARGEST_BATCH = 5_000
"""Operations a batch at most."""

_OR = " or "
_CROSS_COMPANY = ("cross-company", "true")
_JSON = "application/json;odata.metadata=minimal"

_MAP_TO_USER = (
    "Map p2c's identity to an F&O user (Microsoft Entra applications) whose roles allow writing."
)


class FnoClient:
    """F&O as p2c uses it; satisfies `p2c.sync.ports.Destination`. Safe between threads.

    Args:
        legal_entity: ``dataAreaId`` that `find` looks in; F&O compares it without case.
    """

    def __init__(self, transport: Transport, legal_entity: str) -> None:
        self._transport = transport
        self._root = transport.root + SERVICE_PATH
        self._legal_entity = legal_entity
        self._most_terms = urls.MAX_URL_LENGTH

    def find(
        self, entity_set: str, field: str, values: Iterable[str], select: Sequence[str]
    ) -> list[dict[str, object]]:
        """Read records by the values of a field; see `p2c.sync.ports.Destination`.

        Raises:
            ValueError: A value holds ``*``, which F&O would read as a wildcard.
            ServiceRefusedError: An entity or field is unknown, or a privilege is missing.
            RetryLaterError: Throttled or unavailable.
        """
        wanted = [value for value in dict.fromkeys(values) if _is_text(value)]
        if any("*" in value for value in wanted):
            raise ValueError("a value with '*', which F&O reads as a wildcard")
        columns = list(dict.fromkeys([field, *select]))
        doing = f"finding records of {entity_set} by {field}"
        records: list[dict[str, object]] = []
        pending = list(self._chunks(entity_set, field, wanted, columns))
        while pending:
            chunk = pending.pop(0)
            answer = self._transport.read(self._find_url(entity_set, field, chunk, columns), {})
            if _is_filter_too_long(answer) and len(chunk) > 1:
                # Remembered, so that later finds need not learn it again.
                self._most_terms = middle = (len(chunk) + 1) // 2
                pending[:0] = [chunk[:middle], chunk[middle:]]
                continue
            records += self._records(answer, doing)
        return records

    def write(self, operations: Sequence[Operation], *, send_before: float) -> list[PartResult]:
        """Send operations in one `$batch`; see `p2c.sync.ports.Destination`.

        An operation that cannot be put into a request is REFUSED without being sent.

        Raises:
            ServiceRefusedError: The batch as a whole is refused; nothing was carried out.
        """
        if len(operations) > LARGEST_BATCH:
            raise ValueError(f"{len(operations)} operations, F&O takes {LARGEST_BATCH}")
        prepared = [self._prepare(operation) for operation in operations]
        sent = [request for request in prepared if isinstance(request, BatchRequest)]
        answers = iter(self._send_batch(sent, send_before) if sent else [])
        now = self._transport.clock.now()
        results: list[PartResult] = []
        for operation, request in zip(operations, prepared, strict=True):
            if isinstance(request, PartResult):
                results.append(request)
                continue
            answer = next(answers)
            if answer is not None and answer.status == 401:
                self._transport.refuse_token()
            results.append(result_of(operation, answer, now))
        return results

    def get(self, key: RecordKey, select: Sequence[str] = ()) -> dict[str, Any] | None:
        """Read one record by its key, every property unless some are selected; None if absent.

        Raises:
            ServiceRefusedError, RetryLaterError: As `find`.
        """
        options = [_CROSS_COMPANY]
        if select:
            options.append(("$select", ",".join(urls.name(column) for column in select)))
        url = self._root + urls.with_options(urls.keyed(key.entity_set, key.parts), options)
        answer = self._transport.read(url, {})
        if answer.status == 404:
            return None
        return self._body(answer, f"reading a record of {key.entity_set}")

    def write_one(self, operation: Operation, *, send_before: float | None = None) -> PartResult:
        """Send one operation as a request of its own.

        Raises:
            As `write`.
        """
        request = self._prepare(operation)
        if isinstance(request, PartResult):
            return request
        answer = self._transport.write(
            request.method,
            request.url,
            request.headers,
            request.body or b"",
            send_before=send_before,
        )
        return result_of(operation, answer, self._transport.clock.now())

    def companies(self) -> list[str]:
        """Return the ``dataAreaId`` of every legal entity, in lower case; also tells health."""
        options = [_CROSS_COMPANY, ("$select", "DataArea")]
        answer = self._transport.read(self._root + urls.with_options("Companies", options), {})
        records = self._records(answer, "reading Companies")
        return [str(record.get("DataArea", "")).lower() for record in records]

    def metadata(self, entity_sets: Iterable[str]) -> DestinationMetadata:
        """Read what F&O's metadata says of some data entities, in one request.

        The document is tens of megabytes, so it goes through a temporary file.

        Raises:
            ServiceRefusedError, RetryLaterError: As `find`.
        """
        doing = "reading the metadata"
        with tempfile.TemporaryFile() as document:
            answer = self._transport.read(
                f"{self._root}$metadata", {"Accept": "application/xml"}, into=document
            )
            if not answer.is_success:
                raise self._read_error(answer, doing)
            try:
                return read_metadata(document, entity_sets)
            except MetadataError as error:
                raise unreadable(SERVICE, answer, doing, str(error)) from error

    def _send_batch(
        self, requests: Sequence[BatchRequest], send_before: float
    ) -> list[Answer | None]:
        boundary = f"batch_{uuid.uuid4()}"
        answer = self._transport.write(
            "POST",
            self._root + urls.with_options("$batch", [_CROSS_COMPANY]),
            {"Content-Type": content_type(boundary), "Accept": "multipart/mixed"},
            write_batch(requests, boundary),
            operations=len(requests),
            send_before=send_before,
        )
        parts = batch_parts(SERVICE, answer, len(requests), no_privilege=_MAP_TO_USER)
        self._transport.note_parts(parts)
        return parts

    def _prepare(self, operation: Operation) -> BatchRequest | PartResult:
        """Return an operation's request, or REFUSED when its values do not fit into one."""
        headers = {"Content-Type": _JSON, "Accept": _JSON, "OData-Version": "4.0"}
        try:
            body = exact_json.dumps(_values(operation)).encode("ascii")
            path, method = urls.keyed(operation.key.entity_set, operation.key.parts), "PATCH"
            if isinstance(operation, Create):
                path, method = operation.key.entity_set, "POST"
            url = self._root + urls.with_options(path, [_CROSS_COMPANY])
        except ValueError as error:
            text = f"The record does not fit into a request: {type(error).__name__}."
            return PartResult(Written.REFUSED, Reason("record-not-sendable", text))
        return BatchRequest(method, url, headers, body)

    def _chunks(
        self, entity_set: str, field: str, values: Sequence[str], columns: Sequence[str]
    ) -> Iterator[list[str]]:
        """Cut values into as few lists as the length of a URL allows."""
        chunk: list[str] = []
        length = fixed = len(self._find_url(entity_set, field, [], columns))
        for value in values:
            added = len(urls.encoded(f"{_OR}{_equals(field, value)}"))
            is_full = length + added > urls.MAX_URL_LENGTH or len(chunk) >= self._most_terms
            if chunk and is_full:
                yield chunk
                chunk, length = [], fixed
            chunk.append(value)
            length += added
        if chunk:
            yield chunk

    def _find_url(
        self, entity_set: str, field: str, values: Sequence[str], columns: Sequence[str]
    ) -> str:
        any_of = _OR.join(_equals(field, value) for value in values)
        options = [
            _CROSS_COMPANY,
            ("$select", ",".join(urls.name(column) for column in columns)),
            ("$filter", f"dataAreaId eq {urls.text_literal(self._legal_entity)} and ({any_of})"),
        ]
        return self._root + urls.with_options(urls.name(entity_set), options)

    def _records(self, answer: Answer, doing: str) -> list[dict[str, object]]:
        """Return the records of an answer and of the pages that follow it."""
        records: list[dict[str, object]] = []
        while True:
            body = self._body(answer, doing)
            page = body.get("value")
            if not isinstance(page, list) or not all(isinstance(item, dict) for item in page):
                raise unreadable(SERVICE, answer, doing, "a list of records in 'value'")
            records += page
            link = body.get("@odata.nextLink")
            if not isinstance(link, str) or not link:
                return records
            self._transport.check_link(self._root, link)
            answer = self._transport.read(link, {})

    def _body(self, answer: Answer, doing: str) -> dict[str, Any]:
        if not answer.is_success:
            raise self._read_error(answer, doing)
        body = json_object(answer.body)
        if body is None:
            raise unreadable(SERVICE, answer, doing, "a JSON object")
        return body

    def _read_error(self, answer: Answer, doing: str) -> Exception:
        if answer.status >= 500 or answer.status == 408:
            busy = "high resource utilization" in describe(answer)
            kind = ThrottledError if busy else UnavailableError
            return failing(kind, SERVICE, answer, doing, self._transport.clock.now())
        if answer.status == 403:
            return refusal(
                SERVICE,
                answer,
                doing,
                code="privilege-missing",
                advice="Map p2c's identity to an F&O user (Microsoft Entra applications) whose "
                "roles allow this data entity.",
            )
        return refusal(
            SERVICE,
            answer,
            doing,
            code="not-found" if answer.status == 404 else "request-refused",
            advice="Compare the data entities and fields of the template with those of this F&O.",
        )


def _equals(field: str, value: str) -> str:
    return f"{urls.name(field)} eq {urls.text_literal(value)}"


def _values(operation: Operation) -> dict[str, object]:
    """Return the JSON members of a write; a creation begins with the key.

    Where a key field is among the values too, the value counts: it has the field's type.
    """
    if isinstance(operation, Create):
        return {**dict(operation.key.parts), **operation.values}
    return dict(operation.values)


def _is_text(value: str) -> bool:
    """Whether a value is whole Unicode text; F&O can hold nothing else, so there is no such key."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_filter_too_long(answer: Answer) -> bool:
    # OData for .NET, which F&O is built on, may limit the nodes of a filter (100 by default, some
    # 20 terms); what F&O allows is not documented.
    return answer.status == 400 and b"node count limit" in answer.body.lower()

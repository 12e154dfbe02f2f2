"""Client of the Dataverse Web API: changes, rows by id, batches, and what a check of it asks.

What its errors mean is `p2c.dataverse.faults`; JSON is read by `p2c.dataverse.wire`.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from p2c.dataverse import wire
from p2c.dataverse.faults import SERVICE, error_of_read
from p2c.errors import AnswerUnknownError, ServiceRefusedError, UnavailableError
from p2c.model import (
    Caller,
    ChangePage,
    Lookup,
    RowId,
    SourceQuery,
    SourceRow,
    TableDefinition,
)
from p2c.odata import exact_json, urls
from p2c.odata.answer import Answer, json_object, service_time
from p2c.odata.batch import BatchRequest, content_type, write_batch
from p2c.odata.batch_answers import batch_parts
from p2c.odata.refusals import refusal, unreadable
from p2c.odata.transport import Transport

_T = TypeVar("_T")

SERVICE_PATH = "/api/data/v9.2/"

LARGEST_PAGE = 5_000
"""Rows a page at most, which is also Dataverse's default."""

LARGEST_BATCH = 1_000
"""Requests a batch at most."""


@dataclass(frozen=True, slots=True)
class DataverseOperation:
    """One request of a batch.

    Attributes:
        path: Relative to the service root, as `p2c.odata.urls.keyed` builds it.
        body: JSON of a write; None for a GET.
        headers: Such as ``If-Match`` or ``Prefer: return=representation``.
    """

    method: str
    path: str
    body: Mapping[str, object] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class DataverseClient:
    """Dataverse as p2c reads it; satisfies `p2c.sync.ports.Source`. Safe between threads.

    Args:
        page_size: Rows a page of changes, at most `LARGEST_PAGE`.
    """

    def __init__(self, transport: Transport, *, page_size: int = LARGEST_PAGE) -> None:
        self._transport = transport
        self._root = transport.root + SERVICE_PATH
        self._page_size = min(page_size, LARGEST_PAGE)

    def changes(self, query: SourceQuery, link: str | None, *, tracked: bool) -> ChangePage:
        """Read one page of ids; see `p2c.sync.ports.Source`.

        Only the primary key is selected: messages name rows, and what is written is read later.
        """
        doing = f"reading changes of {query.entity_set}"
        if link is None:
            path = urls.name(query.entity_set)
            url = self._root + urls.with_options(path, [("$select", urls.name(query.primary_key))])
        else:
            self._transport.check_link(self._root, link)
            url = link
        # The preferences go with every page: without them Dataverse falls back to its own.
        preferences = [f"odata.maxpagesize={self._page_size}"]
        if tracked:
            preferences.insert(0, "odata.track-changes")
        answer = self._transport.read(url, {"Prefer": ",".join(preferences)})
        body = self._body(answer, doing, from_link=link is not None)
        try:
            page = wire.change_page(body, query.primary_key)
        except wire.WireError as error:
            raise unreadable(SERVICE, answer, doing, str(error)) from error
        self._check_links(page, answer, doing, tracked=tracked)
        return page

    def read(self, query: SourceQuery, row_ids: Sequence[RowId]) -> dict[RowId, SourceRow]:
        """Read rows by id with their lookups; a row that is gone has no entry.

        One request as long as its URL stays within `urls.MAX_URL_LENGTH`.

        Raises:
            ValueError: An id is no GUID.
        """
        wanted = list(dict.fromkeys(urls.guid(row_id) for row_id in row_ids))
        found: dict[RowId, SourceRow] = {}
        searches = self._searches(
            query, wire.read_options(query), partial(wire.rows_filter, query.primary_key), wanted
        )
        for url in searches:
            doing = f"reading rows of {query.entity_set}"
            for rows in self._pages(url, doing, partial(wire.source_rows, query=query)):
                found.update({row.row_id: row for row in rows})
        return {row_id: found[row_id] for row_id in wanted if row_id in found}

    def referring(
        self, query: SourceQuery, lookup: Lookup, row_ids: Sequence[RowId]
    ) -> Iterator[tuple[RowId, ...]]:
        """Stream pages of ids of rows whose lookup points to one of some rows.

        As few searches as `urls.MAX_URL_LENGTH` allows: some hundred rows each, where Dataverse
        takes 500 conditions a query.

        Raises:
            ValueError: An id is no GUID.
        """
        wanted = list(dict.fromkeys(urls.guid(row_id) for row_id in row_ids))
        options = [("$select", urls.name(query.primary_key))]
        doing = f"finding {query.entity_set} by {lookup.column}"
        preferences = {"Prefer": f"odata.maxpagesize={self._page_size}"}
        ids = partial(wire.row_ids, primary_key=query.primary_key)
        for url in self._searches(query, options, partial(wire.referring_filter, lookup), wanted):
            yield from self._pages(url, doing, ids, preferences)

    def find(self, query: SourceQuery, column: str, text: str) -> tuple[RowId, ...]:
        """Return the rows whose text column equals a text, by ascending id; see the port."""
        options = [
            ("$select", urls.name(query.primary_key)),
            ("$filter", f"{urls.name(column)} eq {urls.text_literal(text)}"),
        ]
        url = urls.with_options(self._root + urls.name(query.entity_set), options)
        ids = partial(wire.row_ids, primary_key=query.primary_key)
        pages = self._pages(url, f"finding {query.entity_set} by {column}", ids)
        return tuple(sorted({row for page in pages for row in page}))

    def batch(
        self, operations: Sequence[DataverseOperation], *, send_before: float | None = None
    ) -> list[Answer | None]:
        """Send operations in one `$batch`, each write its own change set.

        Returns:
            The answer to each operation, in order, whatever its status; None when it is missing
            or unreadable, so that nothing is known of it.

        Raises:
            ServiceRefusedError: The batch as a whole is refused; nothing was carried out.
            ThrottledError, UnavailableError: Nothing was carried out.
            AnswerUnknownError: There were writes, and any of them may have been carried out.
        """
        if not operations:
            return []
        if len(operations) > LARGEST_BATCH:
            raise ValueError(f"{len(operations)} operations, Dataverse takes {LARGEST_BATCH}")
        boundary = f"batch_{uuid.uuid4()}"
        body = write_batch([self._batch_request(operation) for operation in operations], boundary)
        # Without the preference the first failure would end the batch.
        headers = {"Content-Type": content_type(boundary), "Prefer": "odata.continue-on-error"}
        url = f"{self._root}$batch"
        if all(operation.method == "GET" for operation in operations):
            answer = self._transport.read(url, headers, batch=body, operations=len(operations))
            lost: type[AnswerUnknownError | UnavailableError] = UnavailableError
        else:
            answer = self._transport.write(
                "POST",
                url,
                headers,
                body,
                operations=len(operations),
                send_before=send_before,
            )
            lost = AnswerUnknownError
        parts = batch_parts(SERVICE, answer, len(operations), lost=lost)
        self._transport.note_parts(parts)
        return parts

    def who_am_i(self) -> Caller:
        """Return whom Dataverse takes us for; also tells that it takes the token.

        Raises:
            ServiceRefusedError, RetryLaterError: As a read does.
        """
        doing = "asking who we are"
        answer = self._transport.read(f"{self._root}WhoAmI", {})
        user_id = self._body(answer, doing, from_link=False).get("UserId")
        if not isinstance(user_id, str):
            raise unreadable(SERVICE, answer, doing, "the property UserId")
        return Caller(user_id, service_time(answer.headers))

    def sample(self, query: SourceQuery) -> int:
        """Read at most one row as `read` would, with every column and lookup of the query.

        Returns:
            How many rows came: none when the table is empty, or nothing in it may be read.

        Raises:
            ServiceRefusedError: A name in the query is wrong, or a privilege is missing.
            RetryLaterError: Throttled or unavailable.
        """
        options = [*wire.read_options(query), ("$top", "1")]
        url = self._root + urls.with_options(urls.name(query.entity_set), options)
        doing = f"reading rows of {query.entity_set}"
        return sum(map(len, self._pages(url, doing, partial(wire.source_rows, query=query))))

    def table_definition(self, logical_name: str) -> TableDefinition:
        """Read what the metadata says of a table, its columns and lookups, in one request.

        Raises:
            ServiceRefusedError: There is no such table (``table-unknown``), among others.
        """
        doing = f"reading the definition of table {logical_name}"
        path = f"EntityDefinitions(LogicalName={urls.text_literal(urls.name(logical_name))})"
        answer = self._transport.read(
            self._root + urls.with_options(path, wire.DEFINITION_OPTIONS), {}
        )
        if answer.status == 404:
            raise refusal(
                SERVICE,
                answer,
                doing,
                code="table-unknown",
                advice="Install the solution that brings this table, or correct the template.",
            )
        body = self._body(answer, doing, from_link=False)
        try:
            return wire.table_definition(body)
        except wire.WireError as error:
            raise unreadable(SERVICE, answer, doing, str(error)) from error

    def _searches(
        self,
        query: SourceQuery,
        options: wire.Options,
        filter_for: Callable[[Sequence[RowId]], str],
        row_ids: Sequence[RowId],
    ) -> list[str]:
        """Return URLs that together filter by all ids, each as long as URLs may be."""
        if not row_ids:
            return []
        path = self._root + urls.name(query.entity_set)

        def url(wanted: Sequence[RowId]) -> str:
            return urls.with_options(path, [*options, ("$filter", filter_for(wanted))])

        single = len(url(row_ids[:1]))
        each = len(url([*row_ids[:1], row_ids[0]])) - single
        size = max(1, 1 + (urls.MAX_URL_LENGTH - single) // each)
        return [url(row_ids[start : start + size]) for start in range(0, len(row_ids), size)]

    def _pages(
        self,
        url: str,
        doing: str,
        read: Callable[[Mapping[str, Any]], _T],
        preferences: Mapping[str, str] | None = None,
    ) -> Iterator[_T]:
        """Yield what each page holds, following the next links."""
        following: str | None = url
        while following is not None:
            answer = self._transport.read(following, preferences or {})
            body = self._body(answer, doing, from_link=False)
            try:
                found = read(body)
            except wire.WireError as error:
                raise unreadable(SERVICE, answer, doing, str(error)) from error
            following = wire.link(body, "@odata.nextLink")
            if following is not None:
                self._transport.check_link(self._root, following)
            yield found

    def _body(self, answer: Answer, doing: str, *, from_link: bool) -> dict[str, Any]:
        if not answer.is_success:
            raise error_of_read(answer, doing, self._transport.clock.now(), from_link=from_link)
        body = json_object(answer.body)
        if body is None:
            raise unreadable(SERVICE, answer, doing, "a JSON object")
        return body

    def _check_links(self, page: ChangePage, answer: Answer, doing: str, *, tracked: bool) -> None:
        for link in (page.next_link, page.delta_link):
            if link is not None:
                self._transport.check_link(self._root, link)
        if tracked and page.next_link is None and page.delta_link is None:
            raise ServiceRefusedError(
                f"dataverse ended {doing} with neither a next link nor a delta link, expected one "
                "of them. Changes could be missed from here on, so the previous delta link stays "
                "in use. Try again, and with the request id turn to the service's support.",
                service=SERVICE,
                status=answer.status,
                request_id=answer.request_id,
                code="delta-link-missing",
            )

    def _batch_request(self, operation: DataverseOperation) -> BatchRequest:
        headers = {"Accept": "application/json", **operation.headers}
        if operation.body is None:
            return BatchRequest(operation.method, self._root + operation.path, headers)
        headers["Content-Type"] = "application/json; type=entry"
        body = exact_json.dumps(operation.body).encode("ascii")
        return BatchRequest(operation.method, self._root + operation.path, headers, body)

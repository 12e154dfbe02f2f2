"""Routes requests of the Web API to reading, change tracking, writing and metadata."""

import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from p2c.sandbox.dataverse import metadata
from p2c.sandbox.dataverse.changes import count_changes, is_tracked, read_changes
from p2c.sandbox.dataverse.errors import BAD_REQUEST, LIMITS, NOT_FOUND, error_reply, refused
from p2c.sandbox.dataverse.merge import merge
from p2c.sandbox.dataverse.read import filtered, read_many, read_one
from p2c.sandbox.dataverse.schema import TABLES, Table
from p2c.sandbox.dataverse.store import Row, Store
from p2c.sandbox.dataverse.values import clear_lookup
from p2c.sandbox.dataverse.write import (
    Numbers,
    Writer,
    check_version,
    missing,
    preset_of,
    row_id_of,
)
from p2c.sandbox.faults import Fault
from p2c.sandbox.http import (
    BadPathError,
    Call,
    Refused,
    Reply,
    Segment,
    html_reply,
    json_reply,
    parse_path,
)
from p2c.sandbox.multipart import (
    BadBatchError,
    ChangeSet,
    Operation,
    PartReply,
    count_operations,
    parse_batch,
    render_batch,
)
from p2c.sandbox.switches import Switches
from p2c.sandbox.traffic import Excess

MAX_BATCH = 1_000
Before = Callable[[Call], Awaitable[Reply | None]]
MAX_URL = 32_768
MAX_URL_IN_BATCH = 65_536
_ROOT = re.compile(r"/api/data/v9\.[0-2](/.*)?")
# IIS and the Web API's router refuse these in a path even when they are percent-encoded.
_DANGEROUS = re.compile(r"%2f|%3c|%3e|%2a|%25|%26|%3a|%5c|%3f|%2b|[<>*&:\\+]", re.IGNORECASE)
_NAMESPACE = uuid.UUID("5a0c1f9e-6f0b-4b6e-9d59-0f6a1c0a3d11")


def user_of(call: Call) -> str:
    """The id of the caller's system user: one for each bearer token."""
    return str(uuid.uuid5(_NAMESPACE, call.headers.get("authorization", "")))


class Dataverse:
    """The simulated environment."""

    def __init__(self, seed: int = 7) -> None:
        self.store = Store()
        self.switches = Switches()
        self.writer = Writer(self.store, Numbers(seed))

    def faulty(self, fault: Fault, _call: Call) -> Reply:
        """The answer to an operation that a fault makes a plug-in refuse."""
        return error_reply(400, "0x80040265", fault.text)

    def busy(self, seconds: int) -> Reply:
        """The answer when a fault throttles a request."""
        return self.throttled(Excess("concurrency", seconds))

    def unauthorized(self) -> Reply:
        """The answer to a call without a token."""
        return Reply(
            401,
            headers={
                "WWW-Authenticate": "Bearer authorization_uri="
                "https://login.microsoftonline.com/common/oauth2/authorize"
            },
        )

    def throttled(self, excess: Excess) -> Reply:
        """The answer to a call above a service protection limit."""
        code, text = LIMITS[excess.kind]
        switches = self.switches
        message = text.format(
            requests=switches.limit_requests,
            window=round(switches.limit_window_seconds),
            milliseconds=round(switches.limit_seconds * 1000),
            parallel=switches.limit_concurrency,
        )
        reply = error_reply(429, code, message)
        reply.headers["Retry-After"] = str(excess.retry_after)
        return reply

    def answer(self, call: Call) -> Reply:
        """Carry out one request that is not a batch."""
        try:
            return self._routed(call, MAX_URL)
        except Refused as refusal:
            return refusal.reply

    async def batch(self, call: Call, before: Before) -> Reply:
        """Carry out a batch.

        Args:
            before: Awaited before each operation; what it returns takes the operation's place.
        """
        try:
            parts = parse_batch(call)
            self._check_batch(parts)
        except BadBatchError as error:
            return error_reply(400, BAD_REQUEST, str(error))
        except Refused as refusal:
            return refusal.reply
        user = call.headers.get("authorization", "")
        go_on = "odata.continue-on-error" in call.preferences()
        replies: list[PartReply | list[PartReply]] = []
        for part in parts:
            done = await self._part(part, user, before)
            replies.append(done)
            if isinstance(done, PartReply) and done.reply.status >= 400 and not go_on:
                return render_batch(replies, done.reply.status, operations=count_operations(parts))
        return render_batch(replies, operations=count_operations(parts))

    def _check_batch(self, parts: list[Operation | ChangeSet]) -> None:
        count = count_operations(parts)
        if count > MAX_BATCH:
            raise refused(
                400,
                "0x80060888",
                f"The maximum number of requests allowed in a batch is {MAX_BATCH}, but {count} "
                "were found.",
            )
        for part in parts:
            calls = part.operations if isinstance(part, ChangeSet) else [part]
            if any("/$batch" in operation.call.path for operation in calls):
                raise refused(400, BAD_REQUEST, "A batch must not hold another batch.")
            if isinstance(part, ChangeSet) and any(o.call.method == "GET" for o in calls):
                raise refused(400, BAD_REQUEST, "A change set must not hold GET requests.")

    async def _part(
        self, part: Operation | ChangeSet, user: str, before: Before
    ) -> PartReply | list[PartReply]:
        if isinstance(part, Operation):
            return PartReply(await before(part.call) or self._inner(part.call, user), None)
        refusals = [await before(operation.call) for operation in part.operations]
        done: list[PartReply] = []
        addresses: dict[str, str] = {}
        try:
            with self.store.transaction():
                for operation, refusal in zip(part.operations, refusals, strict=True):
                    call = _referring(operation.call, addresses)
                    reply = refusal or self._inner(call, user)
                    reply.raise_if_refused()
                    if operation.content_id and "OData-EntityId" in reply.headers:
                        addresses[operation.content_id] = reply.headers["OData-EntityId"]
                    done.append(PartReply(reply, operation.content_id))
        except Refused as failure:
            return PartReply(failure.reply, None)
        return done

    def _inner(self, call: Call, user: str) -> Reply:
        inner = Call(
            call.method,
            call.path,
            call.query,
            {**call.headers, "authorization": user},
            call.body,
            call.root,
        )
        try:
            reply = self._routed(inner, MAX_URL_IN_BATCH)
        except Refused as refusal:
            reply = refusal.reply
        if reply.status >= 400:
            reply.headers.setdefault("REQ_ID", str(uuid.uuid4()))
        return reply

    def _routed(self, call: Call, max_url: int) -> Reply:
        if len(call.url) > max_url:
            return html_reply(414, "Request-URI Too Long")
        match = _ROOT.fullmatch(call.path)
        if match is None:
            return html_reply(404, "404 - File or directory not found.")
        below = match[1] or "/"
        if _DANGEROUS.search(below):
            return html_reply(400, "A potentially dangerous Request.Path value was detected.")
        try:
            segments = parse_path(below)
        except BadPathError as error:
            raise refused(
                400, BAD_REQUEST, f"Bad Request - Error in query syntax: {error}"
            ) from None
        if not segments:
            sets = [{"name": name, "kind": "EntitySet", "url": name} for name in TABLES]
            return json_reply(200, {"value": sets})
        return self._dispatched(call, segments)

    def _dispatched(self, call: Call, segments: list[Segment]) -> Reply:
        first = segments[0]
        unbound = self._unbound(call, segments)
        if unbound is not None:
            return unbound
        table = TABLES.get(first.name)
        if table is None:
            raise refused(404, BAD_REQUEST, f"Resource not found for the segment '{first.name}'.")
        if first.key is None:
            return self._set(call, table, segments)
        if len(segments) > 1:
            return self._below_row(call, table, first.key, segments)
        return self._row(call, table, first.key)

    def _unbound(self, call: Call, segments: list[Segment]) -> Reply | None:
        """Answer what is about no set: metadata, functions and actions."""
        match segments[0].name:
            case "$metadata":
                return metadata.csdl(self.switches)
            case "WhoAmI":
                return json_reply(
                    200,
                    {
                        "BusinessUnitId": str(uuid.uuid5(_NAMESPACE, "unit")),
                        "UserId": user_of(call),
                        "OrganizationId": str(uuid.uuid5(_NAMESPACE, "organization")),
                    },
                )
            case "Merge" if call.method == "POST":
                return merge(call, self.writer, user_of(call))
            case "EntityDefinitions":
                return metadata.definitions(call, segments, self.switches)
            case _:
                return None

    def _set(self, call: Call, table: Table, segments: list[Segment]) -> Reply:
        if len(segments) == 2 and segments[1].name == "$count" and call.method == "GET":
            if "$deltatoken" in call.options():
                count = count_changes(call, table, self.store, self.switches)
            else:
                rows = filtered(table, self.store, call.options().get("$filter"))
                count = min(len(rows), 5_000)
            return Reply(200, str(count).encode(), {"Content-Type": "text/plain"})
        if len(segments) > 1:
            raise refused(
                404, BAD_REQUEST, f"Resource not found for the segment '{segments[1].name}'."
            )
        if call.method == "GET":
            if is_tracked(call):
                return read_changes(call, table, self.store, self.switches)
            return read_many(call, table, self.store, self.switches)
        if call.method == "POST":
            return self.writer.create(call, table, user_of(call), self.switches)
        raise refused(405, BAD_REQUEST, f"The requested resource does not support {call.method}.")

    def _row(self, call: Call, table: Table, key: dict[str, str]) -> Reply:
        row_id, row = self._find(table, key)
        user = user_of(call)
        if call.method == "PATCH":
            if row is not None:
                return self.writer.update(call, table, row, user, self.switches, set(key))
            if "if-match" in call.headers:
                raise missing(table, key)
            return self.writer.create(
                call, table, user, self.switches, row_id, preset_of(table, key)
            )
        if row is None:
            raise missing(table, key)
        if call.method == "GET":
            return read_one(call, table, row, self.store)
        if call.method == "DELETE":
            check_version(call, row)
            self.writer.delete(table, row[table.primary_id], user, self.switches)
            return Reply(204, headers={"OData-Version": "4.0"})
        raise refused(405, BAD_REQUEST, f"The requested resource does not support {call.method}.")

    def _find(self, table: Table, key: dict[str, str]) -> tuple[str | None, Row | None]:
        row_id = row_id_of(table, key, self.store, self.switches)
        rows = self.store.tables[table.logical_name].rows
        return row_id, rows.get(row_id) if row_id is not None else None

    def _below_row(
        self, call: Call, table: Table, key: dict[str, str], segments: list[Segment]
    ) -> Reply:
        _, row = self._find(table, key)
        if row is None:
            raise missing(table, key)
        name = segments[1].name
        changed = dict(row)
        if call.method == "DELETE" and name in table.lookups:
            clear_lookup(changed, table.lookups[name])
        elif call.method == "DELETE" and name in table.columns:
            changed[name] = None
        elif call.method == "GET" and name in table.columns:
            return json_reply(200, {"value": row.get(name)})
        else:
            raise refused(404, NOT_FOUND, f"Resource not found for the segment '{name}'.")
        self.writer.replace(table, changed, user_of(call))
        return Reply(204, headers={"OData-Version": "4.0"})

    def dump(self, name: str) -> list[dict[str, Any]]:
        """The rows of a set as they are stored, for tests."""
        rows = self.store.tables[TABLES[name].logical_name].rows
        return [dict(row) for row in rows.values()]


_REFERENCE = re.compile(r"^/?(?:api/data/v9\.\d/)?\$(\w+)")
_BODY_REFERENCE = re.compile(rb'"\$(\w+)"')


def _referring(call: Call, addresses: dict[str, str]) -> Call:
    """Replace ``$1`` references to earlier requests of the change set."""

    def address(content_id: str) -> str:
        if content_id not in addresses:
            raise refused(
                400,
                BAD_REQUEST,
                f"Content-ID Reference: '${content_id}' does not exist in the batch context.",
            )
        return addresses[content_id]

    path = call.path
    match = _REFERENCE.match(path)
    if match is not None and match[1] != "metadata":
        path = address(match[1]).removeprefix(call.root) + path[match.end() :]
    body = (
        _BODY_REFERENCE.sub(lambda found: f'"{address(found[1].decode())}"'.encode(), call.body)
        if b'@odata.bind"' in call.body
        else call.body
    )
    return Call(call.method, path, call.query, call.headers, body, call.root)

"""Routes requests of the OData service to reading, writing, batches and metadata."""

from collections.abc import Awaitable, Callable
from typing import Any

from p2c.sandbox.faults import Fault
from p2c.sandbox.fno import metadata
from p2c.sandbox.fno.errors import (
    LIMITS,
    NOT_FOUND_TEXT,
    ODATA_ERROR,
    THROTTLED,
    WRITE_ERROR,
    InfologError,
    bad_request,
    conflict,
    deadlock,
    error_reply,
    write_failed,
)
from p2c.sandbox.fno.read import (
    check_options,
    company_of,
    context,
    filtered,
    find_record,
    read_many,
    read_one,
    show,
)
from p2c.sandbox.fno.schema import READ_ONLY, Entity, entities
from p2c.sandbox.fno.store import Record, Store
from p2c.sandbox.fno.values import typed_values
from p2c.sandbox.fno.write import Writer, fill_sites, preload
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

MAX_BATCH = 5_000
Before = Callable[[Call], Awaitable[Reply | None]]


class Fno:
    """The simulated environment."""

    def __init__(self) -> None:
        self.store = Store()
        self.writer = Writer(self.store)
        preload(self.store)
        self.switches = Switches()

    @property
    def switches(self) -> Switches:
        """The switches; sites and warehouses are as they say."""
        return self._switches

    @switches.setter
    def switches(self, switches: Switches) -> None:
        self._switches = switches
        fill_sites(self.store, switches)

    def unauthorized(self) -> Reply:
        """The answer to a call without a token."""
        return html_reply(401, "401 - Unauthorized: Access is denied due to invalid credentials.")

    def throttled(self, excess: Excess) -> Reply:
        """The answer to a call above a limit of its user."""
        switches = self.switches
        message = LIMITS[excess.kind].format(
            requests=switches.limit_requests,
            window=round(switches.limit_window_seconds),
            seconds=round(switches.limit_seconds),
            parallel=switches.limit_concurrency,
        )
        return self._too_many(message, excess.retry_after)

    def busy(self, seconds: int) -> Reply:
        """The answer when the environment is short of resources."""
        return self._too_many(THROTTLED.format(seconds=seconds), seconds)

    def _too_many(self, message: str, seconds: int) -> Reply:
        reply = error_reply(429, message, ODATA_ERROR)
        if self.switches.fno_retry_after:
            reply.headers["Retry-After"] = str(seconds)
        return reply

    def faulty(self, fault: Fault, call: Call) -> Reply:
        """The answer to an operation that a fault makes X++ refuse."""
        entity = _entity_in(call)
        if fault.text in {"", "conflict"}:
            lines = conflict(entity).lines
        elif fault.text == "deadlock":
            lines = deadlock(entity).lines
        else:
            lines = (fault.text,)
        return write_failed(entity, lines, self.switches.fno_validation_status)

    def answer(self, call: Call) -> Reply:
        """Carry out one request that is not a batch."""
        try:
            return self._routed(call)
        except Refused as refusal:
            return refusal.reply

    async def batch(self, call: Call, before: Before) -> Reply:
        """Carry out a batch: one operation after the other, each change set as a whole.

        Args:
            before: Awaited before each operation; what it returns takes the operation's place.
        """
        try:
            parts = parse_batch(call)
        except BadBatchError as error:
            return error_reply(400, str(error), ODATA_ERROR)
        count = count_operations(parts)
        if count > MAX_BATCH:
            text = f"The batch contains {count} operations; at most {MAX_BATCH} are allowed."
            return error_reply(400, text, ODATA_ERROR)
        replies: list[PartReply | list[PartReply]] = []
        for part in parts:
            if isinstance(part, Operation):
                reply = await before(part.call) or self.answer(part.call)
                replies.append(PartReply(reply, part.content_id))
            else:
                replies.append(await self._change_set(part, before))
        return render_batch(replies, operations=count)

    async def _change_set(self, part: ChangeSet, before: Before) -> PartReply | list[PartReply]:
        # What precedes the operations takes time, so it comes first: the change set itself runs
        # without a break, and nobody sees half of it.
        refusals = [await before(operation.call) for operation in part.operations]
        done: list[PartReply] = []
        try:
            with self.store.transaction():
                for operation, refusal in zip(part.operations, refusals, strict=True):
                    reply = refusal or self._in_change_set(operation.call)
                    done.append(PartReply(reply, operation.content_id))
                    reply.raise_if_refused()
        except Refused as failure:
            reply = failure.reply
            if reply.status in {400, 500} and WRITE_ERROR.encode() in reply.body:
                reply.status = self.switches.fno_change_set_status
            return PartReply(reply, done[-1].content_id)
        return done

    def _in_change_set(self, call: Call) -> Reply:
        if call.method == "GET":
            return error_reply(400, "A change set must not hold GET requests.", ODATA_ERROR)
        return self.answer(call)

    def _routed(self, call: Call) -> Reply:
        root, _, below = call.path.strip("/").partition("/")
        try:
            segments = parse_path(below)
        except BadPathError as error:
            raise bad_request(f"Bad Request - Error in query syntax: {error}.") from None
        if root == "metadata":
            return metadata.answer(call, segments)
        if root != "data":
            return html_reply(404, "404 - File or directory not found.")
        if not segments:
            sets = [{"name": name, "kind": "EntitySet", "url": name} for name in entities()]
            return json_reply(200, {"value": sets})
        if segments[0].name == "$metadata":
            return metadata.csdl()
        entity = entities().get(segments[0].name)
        if entity is None:
            reply = html_reply(404, "404 - File or directory not found.")
            reply.body = (
                f"No HTTP resource was found that matches the request URI '{call.root}{call.path}'."
            ).encode()
            return reply
        return self._entity(call, entity, segments)

    def _entity(self, call: Call, entity: Entity, segments: list[Segment]) -> Reply:
        key = segments[0].key
        if key is None:
            if len(segments) == 2 and segments[1].name == "$count" and call.method == "GET":
                options = check_options(call)
                company = company_of(options, self.switches)
                count = len(filtered(entity, self.store, options, company))
                return Reply(200, str(count).encode(), {"Content-Type": "text/plain"})
            if len(segments) > 1:
                raise bad_request(f"Resource not found for the segment '{segments[1].name}'.")
            if call.method == "GET":
                return read_many(call, entity, self.store, self.switches)
            if call.method == "POST":
                return self._create(call, entity)
            return error_reply(
                405, "The requested resource does not support this method.", ODATA_ERROR
            )
        return self._record(call, entity, key)

    def _record(self, call: Call, entity: Entity, key: dict[str, str]) -> Reply:
        company = company_of(call.options(), self.switches)
        record = find_record(entity, key, self.store, company)
        if call.method == "GET":
            return read_one(call, entity, record) if record is not None else Reply(404)
        if call.method not in {"PATCH", "DELETE"}:
            return error_reply(
                405, "The requested resource does not support this method.", ODATA_ERROR
            )
        if record is None:
            return error_reply(self.switches.fno_missing_status, NOT_FOUND_TEXT, WRITE_ERROR)
        if not self._etag_fits(call, record):
            return error_reply(412, "The record has been changed since it was read.", ODATA_ERROR)
        try:
            if call.method == "DELETE":
                self._writable(entity)
                self.writer.delete(entity, record)
            else:
                values = typed_values(entity, self._body(call), self.switches)
                self._writable(entity)
                self.writer.update(entity, record, values, self.switches)
        except InfologError as error:
            return write_failed(entity, error.lines, self.switches.fno_validation_status)
        return Reply(204, headers={"OData-Version": "4.0"})

    def _create(self, call: Call, entity: Entity) -> Reply:
        values = typed_values(entity, self._body(call), self.switches)
        self._writable(entity)
        try:
            record = self.writer.create(entity, values, self.switches)
        except InfologError as error:
            return write_failed(entity, error.lines, self.switches.fno_validation_status)
        shown = show(entity, record)
        body = {"@odata.context": f"{context(call, entity, None)}/$entity", **shown}
        keys = ",".join(_key_text(entity, name, shown[name]) for name in entity.keys)
        location = f"{call.root}/data/{entity.entity_set}({keys})".encode("ascii", "replace")
        return json_reply(201, body, {"Location": location.decode(), "ETag": record.etag})

    def _etag_fits(self, call: Call, record: Record) -> bool:
        wanted = call.headers.get("if-match")
        if wanted is None or wanted == "*" or self.switches.fno_etag_mismatch == "ignore":
            return True
        return wanted == record.etag

    @staticmethod
    def _writable(entity: Entity) -> None:
        if entity.table in READ_ONLY:
            raise bad_request(f"The data entity '{entity.name}' is read-only.")

    @staticmethod
    def _body(call: Call) -> dict[str, Any]:
        body = call.json_body()
        if body is None:
            raise bad_request("The request payload is not valid: a JSON object is expected.")
        return body

    def dump(self, name: str) -> list[dict[str, Any]]:
        """The records of a set with the fields that were ever set, for tests."""
        entity = entities()[name]
        records = self.store.tables[entity.table].records.values()
        return [
            {k: v for k, v in record.values.items() if k in entity.properties}
            | {"RecId": record.rec_id, "RecVersion": record.version}
            for record in records
        ]


def _key_text(entity: Entity, name: str, value: Any) -> str:
    prop = entity.properties[name]
    text = str(value).replace("'", "''")
    return f"{name}={prop.full_type}'{text}'" if prop.members is not None else f"{name}='{text}'"


def _entity_in(call: Call) -> Entity:
    try:
        name = parse_path(call.path.partition("/data/")[2])[0].name
        return entities()[name]
    except (BadPathError, IndexError, KeyError):
        return entities()["CustomersV2"]

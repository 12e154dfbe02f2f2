"""What travels on a template's queue: names of rows and requests to enumerate, never data of rows.

The Functions host copies every top-level property of a JSON message into the trigger's metadata and
lets it overwrite ``id``, ``dequeueCount``, ``expirationTime``, ``insertionTime``,
``nextVisibleTime`` and ``popReceipt``; no message here has a property of those names.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from p2c.errors import MessageError
from p2c.model import RowId

GUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
ROWS_PER_MESSAGE = 96
"""Rows of one ledger partition that share a message: as many as one ledger transaction takes."""

Guid = Annotated[str, StringConstraints(pattern=GUID)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Message(BaseModel):
    """What all messages have.

    Attributes:
        trace: W3C ``traceparent`` of the work that sent the message first; "" without telemetry.
        due: When the message was to be seen, ISO 8601; "" without telemetry.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    template: Name
    execution: Name
    trace: str = Field(default="", max_length=100)
    due: str = Field(default="", max_length=40)


class RowsMessage(_Message):
    """Rows of one task to bring up to date.

    Attributes:
        rows: Primary keys in lower case, all of one ledger partition.
        verify: The rows may be unsettled; the message comes again until they are settled.
        force: Compare with what F&O holds now instead of what was last written.
        generation: The full read that named the rows, 0 outside full reads.
        attempt: Clashes these rows have had in a row.
        rounds: How often the message has been through the poison queue.
    """

    kind: Literal["rows"] = "rows"
    task: Name
    rows: tuple[Guid, ...] = Field(min_length=1, max_length=ROWS_PER_MESSAGE)
    verify: bool = False
    force: bool = False
    generation: int = Field(default=0, ge=0)
    attempt: int = Field(default=0, ge=0)
    rounds: int = Field(default=0, ge=0)


class EnumerateMessage(_Message):
    """A request to enumerate: some rows, all of a template's, or else what has changed."""

    kind: Literal["enumerate"] = "enumerate"
    rows: tuple[Guid, ...] = Field(default=(), max_length=1000)
    everything: bool = False
    force: bool = False
    rounds: int = Field(default=0, ge=0)


Message = RowsMessage | EnumerateMessage
_FOR_TELEMETRY = ("trace", "due")
_QUOTING = {
    "extra_forbidden": "It has a property that is not known here",
    "union_tag_invalid": "Its kind is not known here",
}
"""Findings that pydantic words with the message's own text, in words that quote none of it."""
_ADAPTER: TypeAdapter[Message] = TypeAdapter(
    Annotated[Message, Field(discriminator="kind")],
    # Hardly any row is named twice, so remembering their ids takes memory and brings nothing.
    config=ConfigDict(cache_strings="keys"),
)


def read_message(text: str) -> Message:
    """Read a queue message.

    Raises:
        MessageError: It is not one of ours. The text names the place but quotes no value, for a
            foreign message may hold anything.
    """
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        places, finding = first["loc"], first["msg"]
        if first["type"] in _QUOTING:
            places, finding = places[:-1], _QUOTING[first["type"]]
        place = ".".join(str(part) for part in places) or "the message"
        raise MessageError(
            f"A queue message of {len(text)} characters cannot be read: at {place}: "
            f"{finding}. Expected a JSON object of kind 'rows' or 'enumerate' as p2c writes "
            "it. Remove the sender, or start a resync instead of writing to the queue."
        ) from None


def write_message(message: Message) -> str:
    """Return a message as `read_message` reads it, without what only telemetry needs if empty."""
    empty = {name for name in _FOR_TELEMETRY if not getattr(message, name)}
    return message.model_dump_json(exclude=empty)


def put_together(messages: Iterable[Message]) -> Iterator[Message]:
    """Put messages that differ in their rows only together, so that fewer requests serve them.

    For a plan only: rows of different ledger partitions come together then, and a queue's message
    must not have those, because its rows are stored in one transaction.
    """
    kinds: dict[str, tuple[RowsMessage, list[RowId]]] = {}
    for message in messages:
        if not isinstance(message, RowsMessage):
            yield message
            continue
        kind = message.model_dump_json(exclude={"rows", "execution", *_FOR_TELEMETRY})
        first, rows = kinds.setdefault(kind, (message, []))
        rows += [row for row in message.rows if row not in rows]
        if len(rows) >= ROWS_PER_MESSAGE:
            yield first.model_copy(update={"rows": tuple(rows[:ROWS_PER_MESSAGE])})
            del rows[:ROWS_PER_MESSAGE]
    for first, rows in kinds.values():
        if rows:
            yield first.model_copy(update={"rows": tuple(rows)})


def row_id(text: str) -> RowId | None:
    """Return a row id in p2c's form, or None when the text is no GUID."""
    found = text.strip().strip("{}").lower()
    return found if re.match(GUID, found) else None

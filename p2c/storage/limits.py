"""What Azure Storage takes, checked before anything is sent.

The in-memory adapters of the tests call the same checks, so that code which works on them does
not fail on Azure. The numbers are from the service's documentation: entity group transactions,
the table service data model, and the size of queue messages.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from p2c.errors import MessageError
from p2c.model import Put, Scalar

TRANSACTION_LIMIT = 100
"""Entities in one entity group transaction."""

RECEIVE_LIMIT = 32
"""Messages in one receive."""

MESSAGE_LIMIT_BYTES = 48 * 1024
"""UTF-8 bytes of a message before base64, which makes 64 KiB of them."""

DELAY_LIMIT_SECONDS = 7 * 24 * 3600
"""Longest visibility timeout."""

EQUALS_LIMIT = 10
"""Properties compared in a scan; with partition and range below Azure's 15 comparisons."""

_STRING_LIMIT_UNITS = 32 * 1024
_PROPERTY_LIMIT = 252
_PROPERTY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_RESERVED = frozenset({"PartitionKey", "RowKey", "Timestamp"})


def check_body(name: str, body: Mapping[str, Scalar]) -> None:
    """Refuse properties that a table cannot hold.

    Raises:
        ValueError: A property's name or value does not fit, or there are too many.
    """
    if len(body) > _PROPERTY_LIMIT:
        raise ValueError(
            f"Document '{name}' has {len(body)} properties, but Azure allows {_PROPERTY_LIMIT}. "
            "Put related ones into one property."
        )
    for key, value in body.items():
        if not _is_property_name(key):
            raise ValueError(
                f"Document '{name}' has the property name '{key}', but Azure Table allows letters, "
                f"digits and underscores, and reserves {', '.join(sorted(_RESERVED))}. Rename it."
            )
        _check_value(name, key, value)


def check_puts(puts: Sequence[Put]) -> None:
    """Refuse what no transaction can hold.

    Raises:
        ValueError: More than `TRANSACTION_LIMIT` documents, or the same one twice.
    """
    if len(puts) > TRANSACTION_LIMIT:
        raise ValueError(
            f"A transaction of {len(puts)} documents was asked for, but Azure allows "
            f"{TRANSACTION_LIMIT}. Split it."
        )
    names = [put.name for put in puts]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"A transaction has document '{twice}' twice, but Azure allows each once. Merge them."
        )
    for put in puts:
        check_body(put.name, put.body)


def check_equals(equals: Mapping[str, Scalar]) -> None:
    """Refuse a scan that compares more properties than the port allows.

    Raises:
        ValueError: More than `EQUALS_LIMIT`.
    """
    if len(equals) > EQUALS_LIMIT:
        raise ValueError(
            f"A scan compares {len(equals)} properties, but {EQUALS_LIMIT} is the most. "
            "Compare the others after reading."
        )


def check_message(text: str) -> None:
    """Refuse a message that would not fit the queue.

    Raises:
        MessageError: Longer than `MESSAGE_LIMIT_BYTES`.
    """
    size = len(text.encode())
    if size > MESSAGE_LIMIT_BYTES:
        raise MessageError(
            f"A queue message of {size} bytes was to be sent, but Azure Storage takes "
            f"{MESSAGE_LIMIT_BYTES} before base64. Put fewer rows into a message.",
            code="message-too-large",
        )


def check_delay(seconds: float) -> None:
    """Refuse a delay or a hold that the queue cannot keep.

    Raises:
        ValueError: Negative, or more than seven days.
    """
    if not 0 <= seconds <= DELAY_LIMIT_SECONDS:
        raise ValueError(
            f"A queue message was to be hidden for {seconds} seconds, but Azure Storage takes "
            f"0 to {DELAY_LIMIT_SECONDS} (seven days). Choose an earlier time and look again then."
        )


def check_receive(limit: int) -> None:
    """Refuse a number of messages that one receive cannot bring.

    Raises:
        ValueError: Not from 1 to `RECEIVE_LIMIT`.
    """
    if not 1 <= limit <= RECEIVE_LIMIT:
        raise ValueError(
            f"{limit} messages were asked for at once, but Azure Storage gives 1 to "
            f"{RECEIVE_LIMIT}. Receive several times."
        )


@lru_cache(maxsize=1_000)
def _is_property_name(text: str) -> bool:
    return text not in _RESERVED and _PROPERTY_NAME.fullmatch(text) is not None


def _check_value(name: str, key: str, value: object) -> None:
    if isinstance(value, str):
        # A character is one or two units, so that few texts need be counted.
        if 2 * len(value) <= _STRING_LIMIT_UNITS:
            return
        units = len(value.encode("utf-16-le", "surrogatepass")) // 2
        if units > _STRING_LIMIT_UNITS:
            raise ValueError(
                f"Property '{key}' of document '{name}' has {units} UTF-16 units, but Azure Table "
                f"allows {_STRING_LIMIT_UNITS}. Shorten it or split it."
            )
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError(
                f"Property '{key}' of document '{name}' is an integer of {value.bit_length()} "
                "bits, but Azure Table holds 64. Store it as text."
            )
    elif not isinstance(value, float):
        # None in particular: Azure drops such a property without a word.
        raise ValueError(  # noqa: TRY004 - one kind of error for whatever does not fit
            f"Property '{key}' of document '{name}' is of type {type(value).__name__}, but only "
            "text, numbers and booleans can be stored. Leave an empty property out."
        )

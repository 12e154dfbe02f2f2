"""Messages on an Azure Storage queue, encoded as the Functions host expects them."""

import base64
import binascii
import math
from collections.abc import Callable
from typing import TypeVar

from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.queue import QueueClient, QueueMessage

from p2c.model import Received
from p2c.storage.failures import service_code, storage_errors
from p2c.storage.limits import check_delay, check_message, check_receive

_T = TypeVar("_T")

_GONE = frozenset({"MessageNotFound", "PopReceiptMismatch"})
"""Somebody else has the message, or has completed it: no failure of ours."""

_NEVER = -1
"""Time to live; the service's default would drop messages after seven days."""


class AzureQueue:
    """Implements `p2c.sync.ports.Queue` on one Azure Storage queue; safe to share.

    Text is base64 on the wire, which is what the Functions host expects by default
    (host.json, ``messageEncoding``).
    """

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    def ensure(self) -> None:
        """Create the queue if it is missing. What changes it does so by itself when needed."""
        with storage_errors(f"creating queue {self._client.queue_name}"):
            self._create_queue()

    def send(self, text: str, *, delay_seconds: float = 0) -> None:
        check_message(text)
        check_delay(delay_seconds)
        encoded = base64.b64encode(text.encode()).decode("ascii")
        self._with_queue(
            "sending to",
            lambda: self._client.send_message(
                encoded, visibility_timeout=math.ceil(delay_seconds), time_to_live=_NEVER
            ),
        )

    def receive(self, limit: int, hold_seconds: float) -> list[Received]:
        check_receive(limit)
        check_delay(hold_seconds)
        hold = max(1, math.ceil(hold_seconds))

        def one_request() -> list[QueueMessage]:
            messages = self._client.receive_messages(
                messages_per_page=limit, visibility_timeout=hold
            )
            return list(next(messages.by_page(), ()))

        return [_to_received(message) for message in self._with_queue("reading", one_request)]

    def renew(self, message: Received, hold_seconds: float) -> Received | None:
        check_delay(hold_seconds)
        try:
            renewed = self._with_queue(
                "renewing a message of",
                lambda: _unless_gone(
                    lambda: self._client.update_message(
                        message.message_id,
                        message.receipt,
                        visibility_timeout=math.ceil(hold_seconds),
                    )
                ),
            )
        except _GoneError:
            return None
        return Received(
            message.text, message.message_id, str(renewed.pop_receipt), message.dequeue_count
        )

    def complete(self, message: Received) -> None:
        try:
            self._with_queue(
                "completing a message of",
                lambda: _unless_gone(
                    lambda: self._client.delete_message(message.message_id, message.receipt)
                ),
            )
        except _GoneError:
            return

    def peek(self, limit: int) -> list[str]:
        check_receive(limit)
        found = self._unless_missing(
            "looking into", lambda: self._client.peek_messages(max_messages=limit)
        )
        return [_decode(str(message.content)) for message in found or ()]

    def length(self) -> int:
        found = self._unless_missing("counting", self._client.get_queue_properties)
        return int(found.approximate_message_count or 0) if found else 0

    def _with_queue(self, action: str, request: Callable[[], _T]) -> _T:
        """Do a request; if the queue is missing, create it and do the request again."""
        with storage_errors(f"{action} queue {self._client.queue_name}"):
            try:
                return request()
            except HttpResponseError as error:
                if service_code(error) != "QueueNotFound":
                    raise
                self._create_queue()
                return request()

    def _unless_missing(self, action: str, request: Callable[[], _T]) -> _T | None:
        """Do a request that only reads; None if the queue is missing, which then stays so."""
        with storage_errors(f"{action} queue {self._client.queue_name}"):
            try:
                return request()
            except HttpResponseError as error:
                if service_code(error) != "QueueNotFound":
                    raise
                return None

    def _create_queue(self) -> None:
        try:
            self._client.create_queue()
        except ResourceExistsError:
            return


class _GoneError(Exception):
    """The message is no longer held by the one who asks."""


def _unless_gone(request: Callable[[], _T]) -> _T:
    try:
        return request()
    except HttpResponseError as error:
        if service_code(error) in _GONE:
            raise _GoneError from error
        raise


def _to_received(message: QueueMessage) -> Received:
    return Received(
        text=_decode(str(message.content)),
        message_id=str(message.id),
        receipt=str(message.pop_receipt),
        dequeue_count=int(message.dequeue_count or 0),
    )


def _decode(content: str) -> str:
    """Decode base64; other content comes as it is, so that one message cannot spoil a receive."""
    try:
        return base64.b64decode(content, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return content

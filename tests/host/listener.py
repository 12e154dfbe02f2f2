"""A queue trigger, with the rules of the Functions host's storage extension.

A message is received for ten minutes and renewed at half of that. It is deleted when its function
succeeds. When it fails, the message is hidden for host.json's ``visibilityTimeout``, or, after
``maxDequeueCount`` attempts, copied to the poison queue; a poison queue has none of its own, so a
message there stays hidden for the rest of its ten minutes.
"""

import base64
import binascii
import contextlib
import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from tests.host.connection import queue_client

FIRST_POLL_SECONDS = 0.1


class QueueListener:
    """Polls one queue and has its messages processed until stopped."""

    def __init__(self, host, settings, function, queue_name):
        self._host = host
        self._options = host.options
        self.function = function
        self.queue_name = queue_name
        connection = str(function.trigger["connection"])
        self._queue = queue_client(settings, connection, queue_name)
        self._poison = None
        if not queue_name.endswith("-poison"):
            self._poison = queue_client(settings, connection, f"{queue_name}-poison")
        self._running = 0
        self._changed = threading.Condition()
        self._stop = threading.Event()
        most = self._options.batch_size + self._options.new_batch_threshold
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=f"message-{queue_name}")
        self._thread = threading.Thread(target=self._poll, name=f"poll-{queue_name}", daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        """Stop polling and let what runs come to its end."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join()
        self._pool.shutdown()
        self._queue.close()
        if self._poison:
            self._poison.close()

    @property
    def idle(self):
        """Whether no message is being processed."""
        with self._changed:
            return self._running == 0

    def _poll(self):
        empty_polls = 0
        while not self._stop.is_set():
            with self._changed:
                if self._running > self._options.new_batch_threshold:
                    self._changed.wait(0.5)
                    continue
            received = self._receive()
            for message in received:
                with self._changed:
                    self._running += 1
                self._pool.submit(self._process, message)
            empty_polls = 0 if received else empty_polls + 1
            if not received:
                self._stop.wait(self._back_off(empty_polls))

    def _back_off(self, empty_polls):
        longest = self._options.longest_poll_seconds
        if empty_polls == 1:
            return min(longest, FIRST_POLL_SECONDS)
        more = random.uniform(0.8, 1.2) * 2 ** min(20, empty_polls - 1) * FIRST_POLL_SECONDS
        return min(longest, FIRST_POLL_SECONDS + more)

    def _receive(self):
        try:
            pages = self._queue.receive_messages(
                messages_per_page=self._options.batch_size,
                visibility_timeout=self._options.lease_seconds,
            ).by_page()
            return list(next(pages, ()))
        except (ResourceNotFoundError, AzureError):
            return []  # A queue that is missing is not made; it is looked for again.

    def _process(self, message):
        try:
            self._settle(message)
        except HttpResponseError as error:
            # Somebody else has the message by now, or has removed it.
            self._host.note(f"{self.queue_name}: {error.error_code}")
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _settle(self, message):
        text = _decoded(message.content)
        if text is None or message.dequeue_count > self._options.max_dequeue_count:
            self._move_to_poison(message)
            return
        ok, receipt = self._invoke(message, text)
        if ok is None:
            return  # The host itself was stopped.
        if ok:
            self._queue.delete_message(message.id, receipt)
        elif message.dequeue_count >= self._options.max_dequeue_count:
            self._move_to_poison(message, receipt)
        else:
            self._queue.update_message(
                message.id, receipt, visibility_timeout=self._options.visibility_seconds
            )

    def _invoke(self, message, text):
        """Run the function, holding on to the message; returns success and the newest receipt."""
        receipt = message.pop_receipt
        future = self._host.invoke(
            self.function,
            {str(self.function.trigger["name"]): {"string": text}},
            trigger_metadata(message, text),
        )
        while True:
            try:
                return self._host.result(future, self._options.lease_seconds / 2).ok, receipt
            except FutureTimeoutError:
                renewed = self._queue.update_message(
                    message.id, receipt, visibility_timeout=self._options.lease_seconds
                )
                receipt = renewed.pop_receipt

    def _move_to_poison(self, message, receipt=None):
        """Copy the message as it is on the wire and delete it."""
        if self._poison is None:
            return
        with contextlib.suppress(HttpResponseError):
            self._poison.create_queue()
        self._poison.send_message(message.content, time_to_live=-1)
        self._queue.delete_message(message.id, receipt or message.pop_receipt)


def _decoded(content):
    try:
        return base64.b64decode(content, validate=True).decode("utf-8", "replace")
    except binascii.Error:
        return None


def trigger_metadata(message, text):
    """Return what goes along with a message.

    Top-level properties of a JSON object overwrite, whatever their case, what the host puts there.
    """
    known = {
        "QueueTrigger": text,
        "DequeueCount": message.dequeue_count,
        "ExpirationTime": message.expires_on.isoformat(),
        "Id": message.id,
        "InsertionTime": message.inserted_on.isoformat(),
        "NextVisibleTime": message.next_visible_on.isoformat(),
        "PopReceipt": message.pop_receipt,
    }
    with contextlib.suppress(ValueError):
        body = json.loads(text)
        if isinstance(body, dict):
            names = {name.lower(): name for name in known}
            for name, value in body.items():
                if not isinstance(value, list):
                    known[names.get(name.lower(), name)] = value
    return {name: {"json": json.dumps(value)} for name, value in known.items()}

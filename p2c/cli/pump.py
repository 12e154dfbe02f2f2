"""Takes messages off the queues and has a few threads handle them, holding each meanwhile.

What the outcomes mean for the run (waiting, giving up) is left to `p2c.cli.drive`.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from p2c.errors import MessageError, RequestError, UnavailableError
from p2c.model import Received
from p2c.odata.correlation import correlated
from p2c.sync.handle_message import MessageHandler, Settled
from p2c.sync.ports import Clock, Queue
from p2c.sync.repeat import repeating
from p2c.sync.sync_rows import Report

WORKERS = 12
HOLD_SECONDS = 30.0
"""A killed run's messages are visible again after this; as long as a claim holds."""
RENEWALS_PER_HOLD = 3
TRIES = 5
"""How often a message may fail for an unforeseen reason; ``maxDequeueCount`` of host.json."""


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of a message.

    Attributes:
        report: Of one that was processed.
        settled: Of one that cannot be, or failed for the last time.
        error: Why it was settled, or why it comes again at `again_at`.
    """

    template: str
    report: Report | None = None
    settled: Settled | None = None
    error: Exception | None = None
    again_at: datetime | None = None


class _InHand:
    """A message and its newest receipt, which changes whenever the hold is prolonged."""

    def __init__(self, template: str, queue: Queue, message: Received) -> None:
        self.template = template
        self.message = message
        self._queue = queue
        self._lock = threading.Lock()
        self._open = True

    def hold(self, seconds: float) -> None:
        """Hold on for longer, unless it is done with or somebody else's by now."""
        with self._lock:
            if self._open:
                self.message = self._queue.renew(self.message, seconds) or self.message

    def release(self, seconds: float) -> None:
        """Let it be visible again after some seconds."""
        with self._lock:
            self._open = False
            self._queue.renew(self.message, seconds)

    def complete(self) -> None:
        """Remove it."""
        with self._lock:
            self._open = False
            self._queue.complete(self.message)


class Pump:
    """Handles messages in threads; used by one thread as a context manager."""

    def __init__(
        self,
        handler: MessageHandler,
        queue_of: Callable[[str], Queue],
        clock: Clock,
        execution: str,
        *,
        workers: int = WORKERS,
        hold_seconds: float = HOLD_SECONDS,
    ) -> None:
        self._handler = handler
        self._queue_of = queue_of
        self._clock = clock
        self._execution = execution
        # A few more than the threads, so that none waits for the next receive.
        self._room = workers + workers // 2
        self._hold_seconds = hold_seconds
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="p2c-run")
        self._in_hand: dict[Future[Handled], _InHand] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> Self:
        every = self._hold_seconds / RENEWALS_PER_HOLD
        self._exit.enter_context(repeating(self._hold_all, every, "p2c-hold"))
        return self

    def __exit__(self, *_error: object) -> None:
        """Finish what is being worked on and give back the rest."""
        self._stopping.set()
        self._threads.shutdown(wait=True)
        self._exit.close()

    @property
    def busy(self) -> bool:
        """Whether anything is in hand."""
        return bool(self._in_hand)

    def fill(self, templates: Sequence[str]) -> int:
        """Take messages off the templates' queues while there is room; return how many."""
        taken = 0
        for template in templates:
            room = self._room - len(self._in_hand)
            if room <= 0:
                break
            queue = self._queue_of(template)
            for message in queue.receive(min(room, 32), self._hold_seconds):
                self._start(_InHand(template, queue, message))
                taken += 1
        return taken

    def collect(self, timeout_seconds: float) -> Iterator[Handled]:
        """Yield what has been handled; wait for the first one at most so long."""
        if not self._in_hand:
            return
        done, _ = wait(self._in_hand, timeout_seconds, FIRST_COMPLETED)
        for future in done:
            with self._lock:
                del self._in_hand[future]
            yield future.result()

    def _start(self, in_hand: _InHand) -> None:
        with self._lock:
            self._in_hand[self._threads.submit(self._handle, in_hand)] = in_hand

    def _hold_all(self) -> None:
        with self._lock:
            held = list(self._in_hand.values())
        for in_hand in held:
            in_hand.hold(self._hold_seconds)

    def _handle(self, in_hand: _InHand) -> Handled:
        """Handle one message in a thread of its own; never raises."""
        if self._stopping.is_set():
            with contextlib.suppress(UnavailableError):
                in_hand.release(0)
            return Handled(in_hand.template)
        try:
            with correlated(self._execution):
                handled = self._process(in_hand)
            in_hand.complete()
        except Exception as error:  # noqa: BLE001  one message must not stop the others
            return self._failed(in_hand, error)
        return handled

    def _process(self, in_hand: _InHand) -> Handled:
        text = in_hand.message.text
        try:
            return Handled(in_hand.template, report=self._handler.handle(text))
        except (MessageError, RequestError) as error:
            return Handled(in_hand.template, settled=self._handler.settle_poison(text), error=error)

    def _failed(self, in_hand: _InHand, error: Exception) -> Handled:
        """Have a message come again, or settle it after its last try."""
        tries = in_hand.message.dequeue_count
        seconds = min(2.0**tries, self._hold_seconds)
        try:
            if tries >= TRIES and not isinstance(error, UnavailableError):
                settled = self._handler.settle_poison(in_hand.message.text)
                in_hand.complete()
                return Handled(in_hand.template, settled=settled, error=error)
            in_hand.release(seconds)
        except Exception:  # noqa: BLE001  it stays hidden until its hold ends, then comes again
            seconds = self._hold_seconds
        again_at = self._clock.now() + timedelta(seconds=seconds)
        return Handled(in_hand.template, error=error, again_at=again_at)

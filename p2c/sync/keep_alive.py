"""Renews claims while a message is worked on, so that only a lost worker loses its rows."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from p2c.errors import UnavailableError
from p2c.sync.claims import Held

RENEWALS_PER_CLAIM = 3


@contextlib.contextmanager
def keep_claims(held: Held, also: Callable[[], None] | None = None) -> Iterator[None]:
    """Renew claims three times in the time they hold, until the block ends.

    Args:
        held: The claims.
        also: Called at each renewal, for instance to hold on to the message.
    """
    stop = threading.Event()

    def renew() -> None:
        while not stop.wait(held.claim_seconds / RENEWALS_PER_CLAIM):
            # Storage that does not answer lets the claim run out: nothing is sent after that.
            with contextlib.suppress(UnavailableError):
                held.renew()
            if also:
                also()

    thread = threading.Thread(target=renew, name="p2c-keep-claims", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()

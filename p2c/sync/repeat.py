"""Does something again and again in a thread of its own, for holds and heartbeats."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from p2c.errors import UnavailableError


@contextlib.contextmanager
def repeating(action: Callable[[], None], seconds: float, name: str) -> Iterator[None]:
    """Call `action` every so many seconds until the block ends.

    Storage that does not answer is tried again the next time: what the action prolongs runs out
    by itself, and whoever needs it finds that out.
    """
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(seconds):
            with contextlib.suppress(UnavailableError):
                action()

    thread = threading.Thread(target=repeat, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()

"""Which execution a request belongs to, for finding it in the services' own traces."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_execution_id: ContextVar[str] = ContextVar("p2c_execution_id", default="")


@contextmanager
def correlated(execution_id: str) -> Iterator[None]:
    """Send this execution's id with every request of the block, in this thread."""
    token = _execution_id.set(execution_id)
    try:
        yield
    finally:
        _execution_id.reset(token)


def current_execution() -> str:
    """Return the execution that the running code belongs to, or ""."""
    return _execution_id.get()

"""The port: what may be told, and the silence that costs nothing.

Attributes are names, ids, numbers and codes. Never values of rows, URLs or the text of an error.
"""

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from enum import Enum
from typing import Protocol

from p2c.telemetry.metrics import Metric

Value = str | int | float | bool
Attributes = Mapping[str, Value]


class Kind(Enum):
    """What a span is, in OpenTelemetry's words."""

    INTERNAL = "internal"
    CLIENT = "client"
    CONSUMER = "consumer"


class Span(Protocol):
    """A piece of work under way."""

    def set(self, attributes: Attributes) -> None:
        """Add attributes, or replace those of the same name."""
        ...

    def fail(self, code: str) -> None:
        """Mark the work as failed, with a code of docs/error-codes.md or the kind of error."""
        ...


class Telemetry(Protocol):
    """Where spans and metrics go; log records find their own way.

    Attributes:
        on: Whether anybody listens. What is gathered for telemetry alone is not gathered otherwise.
    """

    on: bool

    def span(
        self,
        name: str,
        attributes: Attributes,
        *,
        kind: Kind = Kind.INTERNAL,
        parent: str = "",
    ) -> AbstractContextManager[Span]:
        """Tell of the work of the block, in this thread.

        An exception that leaves the block marks the work as failed by its code, never by its text.

        Args:
            parent: W3C ``traceparent`` of the work that asked for this one, such as a message
                carries; the work under way in this thread is linked then. "": that work itself.
        """
        ...

    def within(self, traceparent: str) -> AbstractContextManager[None]:
        """Take the work of another process for what is under way in the block; "" changes nothing.

        Args:
            traceparent: W3C ``traceparent``, as the Functions host gives with each invocation.
        """
        ...

    def traceparent(self) -> str:
        """Return the W3C ``traceparent`` of the work under way in this thread, "" for none."""
        ...

    def record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        """Add to a counter, or set a gauge to what was found just now."""
        ...

    def flush(self) -> None:
        """Send what has not been sent, now."""
        ...

    def close(self) -> None:
        """Send what has not been sent and stop, within seconds; what then is left is lost.

        For processes that end by themselves: they are done, and not to be kept.
        """
        ...


class _NoSpan:
    def set(self, attributes: Attributes) -> None:
        pass

    def fail(self, code: str) -> None:
        pass


_NOTHING: AbstractContextManager[None] = contextlib.nullcontext()
_NO_SPAN: AbstractContextManager[Span] = contextlib.nullcontext(_NoSpan())


class Silent:
    """Telemetry that is off."""

    on = False

    def span(
        self,
        name: str,  # noqa: ARG002
        attributes: Attributes,  # noqa: ARG002
        *,
        kind: Kind = Kind.INTERNAL,  # noqa: ARG002
        parent: str = "",  # noqa: ARG002
    ) -> AbstractContextManager[Span]:
        return _NO_SPAN

    def within(self, traceparent: str) -> AbstractContextManager[None]:  # noqa: ARG002
        return _NOTHING

    def traceparent(self) -> str:
        return ""

    def record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


SILENT: Telemetry = Silent()

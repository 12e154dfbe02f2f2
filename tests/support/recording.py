"""Telemetry that remembers what it was told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from p2c.telemetry import Attributes, Kind
from p2c.telemetry.metrics import METRICS, Metric


@dataclass
class Told:
    """One span."""

    name: str
    kind: Kind
    parent: str
    attributes: dict
    failed: str = ""

    def set(self, attributes: Attributes) -> None:
        self.attributes.update(attributes)

    def fail(self, code: str) -> None:
        self.failed = code


@dataclass
class RecordingTelemetry:
    """Implements `p2c.telemetry.Telemetry`."""

    on: bool = True
    spans: list[Told] = field(default_factory=list)
    values: list[tuple[str, float, Attributes]] = field(default_factory=list)
    under_way: str = ""

    @contextmanager
    def span(
        self,
        name: str,
        attributes: Attributes,
        *,
        kind: Kind = Kind.INTERNAL,
        parent: str = "",
    ) -> Iterator[Told]:
        told = Told(name, kind, parent, dict(attributes))
        self.spans.append(told)
        yield told

    @contextmanager
    def within(self, traceparent: str) -> Iterator[None]:
        before, self.under_way = self.under_way, traceparent
        yield
        self.under_way = before

    def traceparent(self) -> str:
        return self.under_way

    def record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        assert metric in METRICS
        assert set(attributes) == set(metric.attributes), metric.name
        self.values.append((metric.name, value, dict(attributes)))

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def of(self, metric: Metric) -> list[tuple[float, Attributes]]:
        """The values of a metric, in the order they were told."""
        return [(value, given) for name, value, given in self.values if name == metric.name]

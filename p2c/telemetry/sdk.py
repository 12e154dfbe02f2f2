"""Telemetry by OpenTelemetry: to Azure Monitor, to an OTLP collector, or to standard error.

What p2c sends it makes itself. Instrumentations that watch libraries are off: they would send
URLs, which carry keys, and a span for each of the many requests to storage.
"""

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from azure.core.settings import settings as azure_sdk
from opentelemetry import context as contexts
from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.metrics import CallbackOptions, Counter, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    ConsoleLogRecordExporter,
    LogRecordExporter,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    ConsoleMetricExporter,
    MetricExporter,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import p2c
from p2c.errors import P2cError
from p2c.telemetry.metrics import METRICS, Metric
from p2c.telemetry.port import Attributes, Kind, Value

LOGGER = "p2c"
"""Only p2c's own records are exported: those of libraries quote URLs."""
CLOSE_SECONDS = 5.0
"""So long a command that is done waits for what it told to leave; then that is lost. Each kind of
telemetry would wait ten seconds for an endpoint that is away, and longer the more there is."""

_KINDS = {
    Kind.INTERNAL: SpanKind.INTERNAL,
    Kind.CLIENT: SpanKind.CLIENT,
    Kind.CONSUMER: SpanKind.CONSUMER,
}
_PARENT = "traceparent"
_PROPAGATOR = TraceContextTextMapPropagator()
# Live metrics and counters of the machine would be sent even when p2c does nothing.
_OF_THE_DISTRO = {
    "enable_live_metrics": False,
    "enable_performance_counters": False,
    "instrumentation_options": {
        name: {"enabled": False}
        for name in (
            "azure_sdk",
            "django",
            "fastapi",
            "flask",
            "psycopg2",
            "requests",
            "urllib",
            "urllib3",
        )
    },
}


@dataclass(frozen=True)
class Exporters:
    """Where the three kinds of telemetry go."""

    spans: SpanExporter
    metrics: MetricExporter
    logs: LogRecordExporter


@dataclass(frozen=True)
class Providers:
    """OpenTelemetry's providers of the three kinds of telemetry."""

    spans: TracerProvider
    metrics: MeterProvider
    logs: LoggerProvider


class OpenTelemetry:
    """Implements `p2c.telemetry.Telemetry`."""

    on = True

    def __init__(self, providers: Providers) -> None:
        self._providers = providers
        self._tracer = providers.spans.get_tracer(LOGGER, p2c.__version__)
        meter = providers.metrics.get_meter(LOGGER, p2c.__version__)
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, _Gauge] = {}
        for metric in METRICS:
            words = {"unit": metric.unit, "description": metric.description}
            if metric.kind == "counter":
                self._counters[metric.name] = meter.create_counter(metric.name, **words)
            else:
                gauge = self._gauges[metric.name] = _Gauge()
                meter.create_observable_gauge(metric.name, [gauge.take], **words)

    @contextmanager
    def span(
        self,
        name: str,
        attributes: Attributes,
        *,
        kind: Kind = Kind.INTERNAL,
        parent: str = "",
    ) -> Iterator["_Span"]:
        links = []
        under_way = trace.get_current_span().get_span_context()
        if parent and under_way.is_valid:
            links.append(Link(under_way))
        with self._tracer.start_as_current_span(
            name,
            context=_PROPAGATOR.extract({_PARENT: parent}) if parent else None,
            kind=_KINDS[kind],
            attributes=attributes,
            links=links,
            record_exception=False,
            set_status_on_exception=False,
        ) as started:
            span = _Span(started)
            try:
                yield span
            except Exception as error:
                span.fail(error.code if isinstance(error, P2cError) else type(error).__name__)
                raise

    @contextmanager
    def within(self, traceparent: str) -> Iterator[None]:
        if not traceparent:
            yield
            return
        token = contexts.attach(_PROPAGATOR.extract({_PARENT: traceparent}))
        try:
            yield
        finally:
            contexts.detach(token)

    def traceparent(self) -> str:
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier.get(_PARENT, "")

    def record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        if metric.kind == "counter":
            self._counters[metric.name].add(value, attributes)
        else:
            self._gauges[metric.name].set(value, attributes)

    def flush(self) -> None:
        for provider in vars(self._providers).values():
            provider.force_flush()

    def close(self) -> None:
        logger = logging.getLogger(LOGGER)
        for handler in [found for found in logger.handlers if isinstance(found, LoggingHandler)]:
            logger.removeHandler(handler)
        endings = [
            threading.Thread(target=provider.shutdown, name="p2c-telemetry-end", daemon=True)
            for provider in vars(self._providers).values()
        ]
        for ending in endings:
            ending.start()
        until = time.monotonic() + CLOSE_SECONDS
        for ending in endings:
            ending.join(max(0.0, until - time.monotonic()))
        if any(ending.is_alive() for ending in endings):
            # At the end of the process OpenTelemetry would add its own words to this.
            logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
            logger.warning("Telemetry is lost: it was not taken within %g seconds.", CLOSE_SECONDS)


class _Gauge:
    """What was found at a moment, sent once.

    OpenTelemetry's own gauge is sent again each minute as long as its process lives, also after
    another instance, where the timer fired next, has found something else.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[frozenset[tuple[str, Value]], Observation] = {}

    def set(self, value: float, attributes: Attributes) -> None:
        with self._lock:
            self._found[frozenset(attributes.items())] = Observation(value, attributes)

    def take(self, _options: CallbackOptions) -> list[Observation]:
        """Give what was found since this was asked last."""
        with self._lock:
            found = list(self._found.values())
            self._found.clear()
        return found


class _Span:
    """Implements `p2c.telemetry.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def fail(self, code: str) -> None:
        self._span.set_attribute("error.type", code)
        self._span.set_status(Status(StatusCode.ERROR, code))


def to_azure_monitor(connection_string: str, service: str, *, sampled: bool) -> OpenTelemetry:
    """Send to Application Insights, as its setting APPLICATIONINSIGHTS_AUTHENTICATION_STRING says.

    Args:
        connection_string: Application Insights'.
        service: Name of the app in traces.
        sampled: Leave it to OTEL_TRACES_SAMPLER which traces are sent; otherwise all are.

    Raises:
        ValueError: The connection string is wrong.
    """
    # Imported here because it takes a fifth of a second, and only Azure needs it.
    from azure.monitor.opentelemetry import configure_azure_monitor  # noqa: PLC0415

    _prepare()
    configure_azure_monitor(
        connection_string=connection_string,
        logger_name=LOGGER,
        resource=_resource(service),
        **_OF_THE_DISTRO,
        **({} if sampled else {"sampling_ratio": 1.0}),
    )

    found = (trace.get_tracer_provider(), metrics.get_meter_provider(), get_logger_provider())
    spans, meters, logs = found
    assert isinstance(spans, TracerProvider)
    assert isinstance(meters, MeterProvider)
    assert isinstance(logs, LoggerProvider)
    return OpenTelemetry(Providers(spans, meters, logs))


def to_otlp(service: str, *, sampled: bool) -> OpenTelemetry:
    """Send to an OTLP collector over HTTP, as OTEL_EXPORTER_OTLP_ENDPOINT and its kin say."""
    # Imported here because it takes a tenth of a second, and nothing else needs it.
    from opentelemetry.exporter.otlp.proto.http._log_exporter import (  # noqa: PLC0415
        OTLPLogExporter,
    )
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter,
    )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    exporters = Exporters(OTLPSpanExporter(), OTLPMetricExporter(), OTLPLogExporter())
    return to_exporters(exporters, service, sampled=sampled)


def to_console(service: str, *, sampled: bool) -> OpenTelemetry:
    """Write to standard error, one JSON document after the other."""
    exporters = Exporters(
        ConsoleSpanExporter(out=sys.stderr),
        ConsoleMetricExporter(out=sys.stderr),
        ConsoleLogRecordExporter(out=sys.stderr),
    )
    return to_exporters(exporters, service, sampled=sampled)


def to_exporters(exporters: Exporters, service: str, *, sampled: bool) -> OpenTelemetry:
    """Send to given exporters, in batches by threads of their own."""
    _prepare()
    resource = _resource(service)
    spans = TracerProvider(resource=resource, sampler=None if sampled else ALWAYS_ON)
    spans.add_span_processor(BatchSpanProcessor(exporters.spans))
    meters = MeterProvider([PeriodicExportingMetricReader(exporters.metrics)], resource=resource)
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(exporters.logs))
    logging.getLogger(LOGGER).addHandler(LoggingHandler(logger_provider=logs))
    return OpenTelemetry(Providers(spans, meters, logs))


def _prepare() -> None:
    # It would make spans of its own as soon as OpenTelemetry is there.
    azure_sdk.tracing_enabled = False
    logging.getLogger(LOGGER).setLevel(logging.INFO)


def _resource(service: str) -> Resource:
    return Resource.create({"service.name": service, "service.version": p2c.__version__})

"""An OpenTelemetry collector: takes OTLP over HTTP and shows what came.

Everything is kept as it came, too, so that a test can look for what should not be there.
"""

import gzip
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
SETTINGS = {
    "P2C_TELEMETRY": "otlp",
    "OTEL_METRIC_EXPORT_INTERVAL": "100",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
}


@dataclass(frozen=True)
class Span:
    """A span as it was sent; ids in hexadecimal."""

    name: str
    kind: str
    trace: str
    span: str
    parent: str
    start: int
    end: int
    attributes: dict
    links: tuple = ()
    error: str = ""


@dataclass(frozen=True)
class Log:
    """A log record as it was sent."""

    text: str
    level: str
    trace: str
    span: str
    attributes: dict


@dataclass
class Collector:
    """Runs while the ``with`` block lasts."""

    spans: list = field(default_factory=list)
    logs: list = field(default_factory=list)
    raw: list = field(default_factory=list)
    resources: list = field(default_factory=list)

    def __post_init__(self):
        self._points = {}
        self._units = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def settings(self):
        """The settings that have p2c send here, soon."""
        return {**SETTINGS, "OTEL_EXPORTER_OTLP_ENDPOINT": self.url}

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def metric(self, name):
        """The values of a metric by its attributes, as a sorted tuple of pairs.

        A counter's are added up over all processes; a gauge's is the last one.
        """
        total = defaultdict(float)
        with self._lock:
            for (metric, attributes, _process), (value, is_sum) in self._points.items():
                if metric == name:
                    total[attributes] = total[attributes] + value if is_sum else value
        return dict(total)

    def unit(self, name):
        return self._units[name]

    @property
    def metrics(self):
        return set(self._units)

    def take(self, path, body):
        with self._lock:
            self.raw.append(body)
            {"/v1/traces": self._traces, "/v1/metrics": self._metrics, "/v1/logs": self._logs}[
                path
            ](body)

    def _traces(self, body):
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(_attributes(resource.resource.attributes))
            for scope in resource.scope_spans:
                self.spans += [_span(span) for span in scope.spans]

    def _logs(self, body):
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    self.logs.append(
                        Log(
                            record.body.string_value,
                            record.severity_text,
                            record.trace_id.hex(),
                            record.span_id.hex(),
                            _attributes(record.attributes),
                        )
                    )

    def _metrics(self, body):
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            process = _attributes(resource.resource.attributes)["service.instance.id"]
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self._units[metric.name] = metric.unit
                    is_sum = metric.HasField("sum")
                    for point in (metric.sum if is_sum else metric.gauge).data_points:
                        key = tuple(sorted(_attributes(point.attributes).items()))
                        value = point.as_double or point.as_int
                        self._points[metric.name, key, process] = (value, is_sum)


def tree(spans):
    """Draw spans as indented lines, children in the order they began."""
    children = defaultdict(list)
    known = {span.span for span in spans}
    for span in sorted(spans, key=lambda span: span.start):
        children[span.parent if span.parent in known else ""].append(span)
    shown = ("task", "rows", "operations", "http.response.status_code")
    lines = []

    def draw(parent, depth):
        for span in children[parent]:
            more = [f"{name}={span.attributes[name]}" for name in shown if name in span.attributes]
            outcomes = [
                f"{name}={value}"
                for name, value in span.attributes.items()
                if name.startswith("rows.")
            ]
            took = f"{(span.end - span.start) / 1e6:.0f} ms"
            lines.append(
                f"{'  ' * depth}{span.name} [{span.kind}] {took} {' '.join(more + outcomes)}"
            )
            draw(span.span, depth + 1)

    draw("", 0)
    return "\n".join(lines)


def _span(span):
    return Span(
        name=span.name,
        kind=KINDS[span.kind],
        trace=span.trace_id.hex(),
        span=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        error=span.status.message if span.status.code == 2 else "",
    )


def _attributes(pairs):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def _handler(collector):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # The client's idle connections must not keep the collector from stopping.
        timeout = 0.5

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Keep quiet."""

    return Handler

"""OpenTelemetry behind the port, sent over HTTP to a collector; and what stops it is said."""

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from p2c.bootstrap import start_telemetry
from p2c.errors import SettingError, UnavailableError
from p2c.settings import TelemetrySettings, load_settings, load_telemetry_settings
from p2c.telemetry import Kind, sdk
from p2c.telemetry.metrics import METRICS, QUEUE_AGE, ROWS
from tests.support.collector import Collector

ROOT = Path(__file__).resolve().parents[2]
TRACE, SPAN = "1" * 32, "2" * 16
PARENT = f"00-{TRACE}-{SPAN}-01"
NOT_SAMPLED = f"00-{TRACE}-{SPAN}-00"
ROW = {"template": "accounts", "task": "t", "outcome": "created", "previous": "none", "code": ""}


@pytest.fixture
def collector(monkeypatch):
    with Collector() as collector:
        for name, value in collector.settings.items():
            monkeypatch.setenv(name, value)
        yield collector


@pytest.fixture
def telemetry(collector):
    telemetry = start_telemetry(load_telemetry_settings())
    yield telemetry
    telemetry.close()


def by_name(collector):
    return {span.name: span for span in collector.spans}


def test_spans_within_each_other_are_parent_and_child(collector, telemetry):
    outermost = telemetry.span("outer", {"template": "accounts"})
    with outermost, telemetry.span("inner", {}, kind=Kind.CLIENT) as span:
        span.set({"rows": 3})
    telemetry.flush()
    outer, inner = by_name(collector)["outer"], by_name(collector)["inner"]
    assert (outer.kind, outer.parent, outer.attributes) == (
        "internal",
        "",
        {"template": "accounts"},
    )
    assert (inner.kind, inner.parent, inner.trace) == ("client", outer.span, outer.trace)
    assert inner.attributes == {"rows": 3}


def test_a_message_is_a_child_of_who_sent_it_and_linked_to_what_is_under_way(collector, telemetry):
    invoked = telemetry.within("00-" + "5" * 32 + "-" + "6" * 16 + "-01")
    with invoked, telemetry.span("handle", {}, kind=Kind.CONSUMER, parent=PARENT):
        sent = telemetry.traceparent()
    telemetry.flush()
    (span,) = collector.spans
    assert (span.kind, span.trace, span.parent) == ("consumer", TRACE, SPAN)
    assert span.links == (("5" * 32, "6" * 16),)
    assert sent == f"00-{TRACE}-{span.span}-01"


def test_a_trace_is_sent_whatever_its_parent_was(collector, telemetry):
    """The host may sample; p2c's traces are few, and half of one says nothing."""
    with telemetry.span("handle", {}, parent=NOT_SAMPLED):
        pass
    telemetry.flush()
    assert [span.trace for span in collector.spans] == [TRACE]


def test_a_sampler_that_is_asked_for_decides(collector, monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    telemetry = start_telemetry(load_telemetry_settings())
    with telemetry.span("handle", {}):
        pass
    telemetry.close()
    assert collector.spans == []


def test_an_error_that_leaves_a_span_is_told_by_its_code_and_not_its_text(collector, telemetry):
    for error in (UnavailableError("Kari Moen", service="fno"), ValueError("Kari Moen")):
        with pytest.raises(type(error)), telemetry.span("work", {}):
            raise error
    telemetry.flush()
    assert [span.error for span in collector.spans] == ["service-unavailable", "ValueError"]
    assert [span.attributes["error.type"] for span in collector.spans] == [
        "service-unavailable",
        "ValueError",
    ]
    assert not any(b"Kari" in body for body in collector.raw)


def test_there_is_no_trace_outside_of_spans(telemetry):
    assert telemetry.traceparent() == ""
    with telemetry.within(""):
        assert telemetry.traceparent() == ""
    with telemetry.within(PARENT):
        assert telemetry.traceparent() == PARENT
    assert telemetry.traceparent() == ""


def test_counters_add_up_and_gauges_say_the_last(collector, telemetry):
    for value in (1, 2):
        telemetry.record(ROWS, value, ROW)
        telemetry.record(QUEUE_AGE, value, {"template": "accounts", "queue": "work"})
    telemetry.flush()
    assert collector.metric("p2c.rows") == {tuple(sorted(ROW.items())): 3}
    assert list(collector.metric("p2c.queue.age").values()) == [2]
    assert collector.unit("p2c.queue.age") == "s"


def test_what_a_gauge_found_is_sent_once(collector, telemetry):
    """Another instance may find something else meanwhile, and this one must not deny it."""
    for age, queue in ((1, "work"), (2, "work"), (3, "poison")):
        telemetry.record(QUEUE_AGE, age, {"template": "accounts", "queue": queue})
    telemetry.flush()
    for _ in range(2):
        telemetry.record(ROWS, 1, ROW)
        telemetry.flush()
    assert sum(b"p2c.queue.age" in body for body in collector.raw) == 1
    found = collector.metric("p2c.queue.age").items()
    assert {dict(place)["queue"]: age for place, age in found} == {"work": 2, "poison": 3}


def test_every_metric_can_be_told(collector, telemetry):
    for metric in METRICS:
        telemetry.record(metric, 1, dict.fromkeys(metric.attributes, "x"))
    telemetry.flush()
    assert collector.metrics == {metric.name for metric in METRICS}


def test_log_records_of_p2c_and_of_nobody_else_are_sent_within_their_trace(collector, telemetry):
    with telemetry.span("work", {}):
        logging.getLogger("p2c").info("Done", extra={"template": "accounts", "rows_created": 1})
        logging.getLogger("urllib3").warning("GET /data?$filter=Name eq 'Kari'")
    telemetry.flush()
    (log,), (span,) = collector.logs, collector.spans
    assert (log.text, log.level, log.trace, log.span) == ("Done", "INFO", span.trace, span.span)
    assert log.attributes == {"template": "accounts", "rows_created": 1}


def test_what_is_told_names_the_app(collector, monkeypatch):
    for name, value in (("WEBSITE_SITE_NAME", "func-p2c"), ("OTEL_SERVICE_NAME", "ours")):
        monkeypatch.setenv(name, value)
        telemetry = start_telemetry(load_telemetry_settings())
        with telemetry.span("work", {}):
            pass
        telemetry.close()
    assert [found["service.name"] for found in collector.resources] == ["func-p2c", "ours"]
    assert {found["service.version"] for found in collector.resources} == {"0.1.0"}


def test_closing_sends_what_is_left_and_takes_the_log_away(collector):
    before = list(logging.getLogger("p2c").handlers)
    telemetry = start_telemetry(load_telemetry_settings())
    with telemetry.span("work", {}):
        pass
    telemetry.record(ROWS, 1, ROW)
    telemetry.close()
    assert (len(collector.spans), len(collector.metric("p2c.rows"))) == (1, 1)
    assert logging.getLogger("p2c").handlers == before


def test_closing_is_over_in_time_when_the_endpoint_never_answers(monkeypatch, caplog):
    caplog.set_level(logging.WARNING, "opentelemetry")  # It gets its level back afterwards.
    monkeypatch.setattr(sdk, "CLOSE_SECONDS", 0.3)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        telemetry = start_telemetry(load_telemetry_settings({"P2C_TELEMETRY": "otlp"}))
        with telemetry.span("work", {}):
            logging.getLogger("p2c").warning("Done")
        telemetry.record(ROWS, 1, ROW)
        begun = time.monotonic()
        telemetry.close()
        assert time.monotonic() - begun < 2
        assert caplog.messages[-1] == "Telemetry is lost: it was not taken within 0.3 seconds."


def test_the_console_writes_json_to_standard_error_only():
    program = (
        "from p2c.bootstrap import start_telemetry\n"
        "from p2c.settings import load_telemetry_settings\n"
        "telemetry = start_telemetry(load_telemetry_settings())\n"
        "with telemetry.span('work', {}): pass\n"
        "telemetry.close()\n"
    )
    environ = {**os.environ, "P2C_TELEMETRY": "console"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    assert json.loads(done.stderr)["name"] == "work"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"P2C_TELEMETRY": "azur"},
            "P2C_TELEMETRY: found 'azur'; expected off, azure, otlp or console. Use azure in "
            "Azure, otlp with a collector, console to look at it; see docs/telemetry.md.",
        ),
        (
            {"P2C_TELEMETRY": "azure"},
            "APPLICATIONINSIGHTS_CONNECTION_STRING: found nothing; expected Application Insights' "
            "connection string, since P2C_TELEMETRY is 'azure'. Copy it from its overview, or set "
            "P2C_TELEMETRY to off.",
        ),
    ],
)
def test_a_setting_that_is_wrong_is_named(environ, message):
    with pytest.raises(SettingError) as raised:
        load_telemetry_settings(environ)
    assert raised.value.message == message


def test_the_settings_know_it_too():
    environ = {
        "P2C_DATAVERSE_URL": "http://127.0.0.1:1",
        "P2C_FNO_URL": "http://127.0.0.1:2",
        "P2C_LEGAL_ENTITY": "usmf",
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    }
    assert load_settings({**environ, "P2C_TELEMETRY": "otlp"}).telemetry == "otlp"
    with pytest.raises(SettingError, match="P2C_TELEMETRY: found 'no'; expected off, azure"):
        load_settings({**environ, "P2C_TELEMETRY": "no"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER", "missing"),
    ],
)
def test_a_setting_that_opentelemetry_does_not_take_is_said(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match="OpenTelemetry does not take its settings"):
        start_telemetry(load_telemetry_settings({"P2C_TELEMETRY": "otlp"}))


def test_a_connection_string_that_is_none_is_named_and_not_shown():
    settings = TelemetrySettings("azure", "p2c", sampled=False, connection_string="secret-thing")
    with pytest.raises(SettingError) as raised:
        start_telemetry(settings)
    assert "Mend APPLICATIONINSIGHTS_CONNECTION_STRING" in raised.value.message
    assert "secret-thing" not in raised.value.message + repr(settings)

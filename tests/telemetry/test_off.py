"""Telemetry that is off costs nothing: no library, no thread, no words in messages, no request."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from p2c.settings import load_telemetry_settings
from p2c.sync.messages import RowsMessage, write_message
from p2c.sync.observe import Observer
from p2c.telemetry import SILENT
from p2c.telemetry.metrics import ROWS
from tests.sync.builders import ACCOUNTS, Bench, row_id

ROOT = Path(__file__).resolve().parents[2]
LOADED = """
import json, sys, threading
import function_app
from p2c.bootstrap import start_telemetry
from p2c.settings import load_telemetry_settings
start_telemetry(load_telemetry_settings())
print(json.dumps([
    sorted(name for name in sys.modules if name.startswith(("opentelemetry", "azure.monitor"))),
    [thread.name for thread in threading.enumerate()],
]))
"""


def loaded(**settings: str) -> tuple[list[str], list[str]]:
    """The modules and threads of a process that has begun its telemetry."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=ROOT,
        env={**environ, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    modules, threads = json.loads(done.stdout.splitlines()[-1])
    return modules, threads


def test_off_loads_no_library_and_starts_no_thread() -> None:
    assert loaded() == ([], ["MainThread"])


def test_on_loads_it() -> None:
    modules, threads = loaded(P2C_TELEMETRY="console")
    assert "opentelemetry.sdk.trace" in modules
    assert len(threads) > 1
    assert not [name for name in modules if name.startswith("azure.monitor")]


def test_off_is_the_default() -> None:
    assert load_telemetry_settings({}).choice == "off"
    assert load_telemetry_settings({"P2C_TELEMETRY": " "}).choice == "off"


def test_a_message_says_nothing_of_it() -> None:
    bench = Bench()
    bench.runtime().send(bench.rows(ACCOUNTS, row_id(1)))
    (text,) = bench.queues["accounts"].peek(1)
    assert not {"trace", "due"} & json.loads(text).keys()


def test_nothing_is_asked_for_it() -> None:
    bench = Bench()

    def refuse(*_: object) -> None:
        pytest.fail("storage was asked")

    observer = Observer(bench.runtime(), refuse)
    for documents in vars(bench.stores).values():
        documents.get = documents.scan = refuse
    observer.freshness("accounts")
    observer.backlog("accounts")
    assert observer.ended("accounts") == []


def test_what_is_told_goes_nowhere() -> None:
    with SILENT.span("work", {"template": "accounts"}) as span:
        span.set({"rows": 1})
        span.fail("code")
        assert SILENT.traceparent() == ""
    with SILENT.within("00-" + "1" * 32 + "-" + "2" * 16 + "-01"):
        assert SILENT.traceparent() == ""
    SILENT.record(ROWS, 1, {})
    SILENT.flush()
    SILENT.close()


def test_a_trace_stays_on_a_message_that_comes_again_by_a_process_without_telemetry() -> None:
    trace = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
    message = RowsMessage(
        template="accounts", task="Accounts - Customers", execution="e", rows=(row_id(1),)
    )
    assert "trace" not in write_message(message)
    assert json.loads(write_message(message.model_copy(update={"trace": trace})))["trace"] == trace

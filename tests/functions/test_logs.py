"""What a log record carries, and what it never says."""

import logging
import re
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from p2c.errors import SettingError, ThrottledError
from p2c.functions import current
from p2c.functions.current import invocation
from p2c.functions.logs import log, log_ended
from p2c.functions.unforeseen import UnforeseenError, kind_and_place
from p2c.model import Outcome
from p2c.sync.executions import Execution, ExecutionSummary
from p2c.telemetry import SILENT
from tests.support.recording import RecordingTelemetry

AGREED = {"action", "template", "task", "row_id", "execution_id"}


@pytest.fixture
def records(caplog, monkeypatch):
    """The records of p2c's own logger, in a list that grows."""
    caplog.set_level(logging.INFO, "p2c")
    found = []
    monkeypatch.setattr(caplog.handler, "emit", found.append)
    return found


def fail():
    raise ValueError("Kari Moen is no number")


def raised():
    try:
        fail()
    except ValueError as error:
        return error


def test_a_record_has_the_agreed_particulars_whatever_it_is_about(records):
    log(logging.INFO, "Done", action="sync")
    log(logging.INFO, "Done", action="sync", template="accounts", task="T", execution_id="e")
    assert all(vars(record).keys() >= AGREED for record in records)
    assert [records[1].template, records[1].task, records[1].row_id] == ["accounts", "T", ""]


def test_numbers_of_rows_are_particulars_by_outcome(records):
    log(logging.INFO, "Done", action="sync", outcomes={Outcome.CREATED: 2, Outcome.REJECTED: 0})
    assert (records[0].rows_created, records[0].rows_rejected) == (2, 0)


def test_an_error_is_recorded_by_its_code_and_text(records):
    log(logging.ERROR, "Stopped", action="sync", error=SettingError("P2C_FNO_URL: found nothing"))
    assert (records[0].code, records[0].reason) == (
        "setting-invalid",
        "P2C_FNO_URL: found nothing",
    )


def test_of_a_services_words_that_may_quote_a_row_none_is_recorded(records):
    error = ThrottledError("fno answered 429: Kari Moen.", service="fno", said="Kari Moen")
    log(logging.WARNING, "Later", action="sync", error=error)
    assert records[0].reason == "fno answered 429: (words not kept)."


def test_an_error_that_nobody_foresaw_is_recorded_by_its_kind_and_place(records):
    log(logging.ERROR, "Failed", action="sync", error=raised())
    assert records[0].code == "unforeseen"
    assert records[0].exc_info is None
    assert records[0].reason.startswith("ValueError < tests/functions/test_logs.py:")
    assert "in fail < tests/functions/test_logs.py:" in records[0].reason
    assert "Kari" not in str(vars(records[0]))


def test_calls_within_libraries_are_named_by_the_end_of_their_path():
    with pytest.raises(KeyError) as caught:
        logging.getLogger().makeRecord("n", 1, "f", 1, "m", (), None, extra={"message": "x"})
    assert re.match(
        r"KeyError < python3\.\d+/logging/__init__\.py:\d+ in make", kind_and_place(caught.value)
    )


def test_the_host_gets_no_words_of_an_error_that_nobody_foresaw(records, monkeypatch):
    monkeypatch.setattr(current, "_started", [SILENT])
    context = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=None))
    with pytest.raises(UnforeseenError) as caught, invocation(context):
        fail()
    assert "ValueError < tests/functions/test_logs.py" in caught.value.message
    assert "Kari" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert [record.getMessage() for record in records] == ["A function failed"]


def test_an_invocation_belongs_to_what_the_host_tells_of_it(monkeypatch):
    told = RecordingTelemetry()
    monkeypatch.setattr(current, "_started", [told])
    context = SimpleNamespace(trace_context=SimpleNamespace(trace_parent="00-a-b-01"))
    with invocation(context):
        assert told.traceparent() == "00-a-b-01"
    assert told.traceparent() == ""


def test_telemetry_that_cannot_be_sent_is_logged_once_and_keeps_nothing_from_working(
    records, monkeypatch
):
    monkeypatch.setattr(current, "_started", [])
    monkeypatch.setenv("P2C_TELEMETRY", "nowhere")
    context = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=None))
    done = []
    for _ in range(2):
        with invocation(context):
            done.append(True)
    assert done == [True, True]
    assert [record.getMessage() for record in records] == ["Telemetry is not sent"]
    assert records[0].code == "setting-invalid"


def test_an_error_of_p2c_reaches_the_host_as_it_is(monkeypatch):
    monkeypatch.setattr(current, "_started", [SILENT])
    context = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=None))
    with pytest.raises(SettingError, match="mend it"), invocation(context):
        raise SettingError("mend it")


@pytest.mark.parametrize(
    ("status", "level"),
    [("Completed", logging.INFO), ("Warning", logging.WARNING), ("Error", logging.ERROR)],
)
def test_the_end_of_an_execution_is_recorded_with_all_its_rows(records, status, level):
    started = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    execution = Execution("e", "timer", ("accounts",), started, error_code="throttled")
    counts = {"accounts": {"T": {Outcome.CREATED: 2}, "U": {Outcome.CREATED: 1}}}
    log_ended("accounts", ExecutionSummary(execution, status, counts))
    (record,) = records
    assert (record.levelno, record.getMessage()) == (level, "An execution has ended")
    assert (record.rows_created, record.rows_deleted, record.status) == (3, 0, status)
    assert (record.trigger, record.code) == ("timer", "throttled")
    assert record.started_at == "2026-03-02T08:00:00+00:00"
    assert vars(record).keys() >= AGREED

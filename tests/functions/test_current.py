"""What an invocation raises, as the worker tells the host of it."""

import traceback
from types import SimpleNamespace

import pytest

from p2c.errors import P2cError, ServiceRefusedError, SettingError
from p2c.functions import current
from p2c.functions.current import invocation
from p2c.functions.unforeseen import UnforeseenError
from p2c.telemetry import SILENT

CONTEXT = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=None))
SAID = "Kari Moen is unknown"


@pytest.fixture(autouse=True)
def silent(monkeypatch):
    monkeypatch.setattr(current, "_started", [SILENT])


def told_the_host(error, cause):
    """The kind of error that the host is told of, and everything that it is told."""
    error.__context__ = error.__cause__ = cause
    with pytest.raises(P2cError) as raised, invocation(CONTEXT):
        raise error
    return type(raised.value), "".join(traceback.format_exception(raised.value))


def test_the_host_is_told_of_an_error_without_a_services_words():
    refused = ServiceRefusedError(f"fno refused: {SAID}.", service="fno", said=SAID)
    kind, told = told_the_host(refused, None)
    assert kind is ServiceRefusedError
    assert "fno refused: (words not kept)." in told
    assert "Kari" not in told


def test_the_host_is_not_told_what_an_error_came_from():
    kind, told = told_the_host(SettingError("P2C_FNO_URL: found nothing"), ValueError(SAID))
    assert kind is SettingError
    assert "SettingError: P2C_FNO_URL: found nothing" in told
    assert "Kari" not in told


def test_the_host_is_told_the_place_of_an_error_that_nobody_foresaw():
    kind, told = told_the_host(ZeroDivisionError(SAID), None)
    assert kind is UnforeseenError
    assert "ZeroDivisionError < tests/functions/test_current.py" in told
    assert "Kari" not in told

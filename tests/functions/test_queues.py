"""What happens to a message that cannot be processed now, or ever."""

import logging
import uuid
from types import SimpleNamespace

import pytest

from p2c.bootstrap import open_queue, poison_queue_name, queue_name
from p2c.errors import (
    MessageError,
    ServiceRefusedError,
    SettingError,
    UnavailableError,
)
from p2c.functions.queues import handle, settle, settle_left_behind
from p2c.model import Outcome
from p2c.odata.correlation import current_execution
from p2c.sync.messages import EnumerateMessage
from p2c.sync.sync_rows import Report

TEXT = EnumerateMessage(template="accounts", execution="e", everything=True).model_dump_json()
AWAY = UnavailableError("storage is away", service="storage")
REFUSED = ServiceRefusedError("storage refuses", service="storage")
BROKEN = SettingError("P2C_FNO_URL: found nothing")


@pytest.fixture
def template(azurite_connection_string, monkeypatch):
    """A template's name that no other test uses, in reach of the storage settings alone."""
    monkeypatch.setenv("AzureWebJobsStorage", azurite_connection_string)
    return f"t{uuid.uuid4().hex[:12]}"


def failing(error):
    def get_app():
        raise error

    return get_app


def app_whose(**handler):
    return lambda: SimpleNamespace(handler=SimpleNamespace(**handler))


@pytest.mark.parametrize(
    ("error", "level"),
    [(AWAY, logging.WARNING), (REFUSED, logging.ERROR), (BROKEN, logging.ERROR)],
)
def test_an_outage_or_broken_setting_puts_the_message_back_for_later(
    template, caplog, error, level
):
    handle(failing(error), template, TEXT)
    queue = open_queue(queue_name(template))
    assert queue.length() == 1
    assert queue.receive(1, 1) == [], "it is not to be seen at once"
    (record,) = caplog.records
    assert (record.levelno, record.message) == (level, "A message is put back for later")
    assert (record.template, record.execution_id, record.code) == (template, "e", error.code)


def test_a_failure_while_a_message_is_worked_on_puts_it_back_too(template):
    handle(app_whose(handle=failing_with(AWAY)), template, TEXT)
    assert open_queue(queue_name(template)).length() == 1


def failing_with(error):
    def fail(_text):
        raise error

    return fail


def test_requests_for_a_message_carry_its_execution(template):
    seen = []

    def work(_text):
        seen.append(current_execution())
        return Report()

    handle(app_whose(handle=work), template, TEXT)
    assert seen == ["e"]
    assert current_execution() == ""


def test_a_service_that_refuses_is_logged_as_an_error(template, caplog):
    report = Report(refused=REFUSED, outcomes={Outcome.CREATED: 2})
    handle(app_whose(handle=lambda _text: report), template, TEXT)
    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.ERROR, "A service refuses p2c")
    assert (record.reason, record.rows_created) == ("storage refuses", 2)


def test_an_unknown_failure_is_left_to_the_host(template):
    with pytest.raises(ZeroDivisionError):
        handle(app_whose(handle=failing_with(ZeroDivisionError())), template, TEXT)
    assert open_queue(queue_name(template)).length() == 0


def test_an_unreadable_message_is_left_to_the_host(template, caplog):
    with pytest.raises(MessageError):
        handle(app_whose(), template, '{"kind": "other"}')
    assert open_queue(queue_name(template)).length() == 0
    assert caplog.records[0].code == "message-invalid"


@pytest.mark.parametrize("error", [AWAY, BROKEN, ZeroDivisionError("unforeseen")])
def test_a_poisoned_message_that_cannot_be_settled_is_put_back_on_its_queue(template, error):
    settle(app_whose(settle_poison=failing_with(error)), template, TEXT)
    queue = open_queue(poison_queue_name(template))
    assert queue.length() == 1
    assert queue.receive(1, 1) == []


def test_a_message_that_cannot_even_be_put_back_stays_with_the_host(monkeypatch):
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    for work in (handle, settle):
        with pytest.raises(SettingError, match="AzureWebJobsStorage"):
            work(failing(BROKEN), "accounts", TEXT)


def test_what_the_host_has_given_up_on_is_settled_by_the_timer(app, monkeypatch, connection):
    monkeypatch.setenv("AzureWebJobsStorage", connection)
    poison = app.poison_queue("accounts")
    poison._client.send_message("not base64!")
    settle_left_behind(app, "accounts")
    assert poison.length() == 0
    (kept,) = app.tables["p2cstate"].scan("unreadable-message")
    assert kept.body["length"] == len("not base64!")

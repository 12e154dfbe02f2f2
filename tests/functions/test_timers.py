"""A timer's steps, each whatever becomes of the others; the app built in the test's process."""

from dataclasses import replace

import pytest

from p2c.bootstrap import build_app
from p2c.errors import ServiceRefusedError
from p2c.functions.timers import enumerate_on_timer
from p2c.odata.correlation import current_execution
from p2c.sandbox import Fault
from p2c.settings import load_settings
from p2c.telemetry import Kind
from p2c.telemetry.metrics import EXECUTIONS, FRESHNESS, QUEUE_LENGTH
from tests.functions.world import settings_for
from tests.sandbox.talk import Service, make_account, make_contact
from tests.support.recording import RecordingTelemetry


@pytest.fixture
def waiting(app, sandbox):
    """A contact that waits for its account, and the Dataverse service."""
    dataverse = Service(f"{sandbox.dataverse_url}/api/data/v9.2/")
    account = make_account(dataverse, name="Fjord Foods", accountnumber="ACC-1")
    make_contact(
        dataverse,
        **{
            "lastname": "Moen",
            "msdynce_contactnumber": "CON-1",
            "msdynce_isactivecustomer": False,
            "parentcustomerid_account@odata.bind": f"accounts({account})",
        },
    )
    enumerate_on_timer(app, "contacts")
    (message,) = app.queue("contacts").receive(32, 600)
    app.handler.handle(message.text)
    app.queue("contacts").complete(message)
    sandbox.reset_requests()
    yield dataverse
    dataverse.session.close()


def fno_requests(sandbox):
    return sandbox.requests()["fno"]["requests"]


def test_fno_away_keeps_the_sweep_but_not_the_enumeration_from_going_on(app, sandbox, waiting):
    sandbox.add_faults(
        Fault(effect="status", status=429, retry_after=30, service="fno", count=None)
    )
    make_contact(waiting, lastname="Berg", msdynce_contactnumber="CON-2")
    enumerate_on_timer(app, "contacts")
    assert app.queue("contacts").length() == 1
    assert fno_requests(sandbox) == 1
    until = app.backoff["fno"].until()
    assert until, "F&O asked to be left alone, and everybody knows"

    enumerate_on_timer(app, "contacts")
    assert fno_requests(sandbox) == 1, "and so it is"


def test_fno_that_does_not_answer_is_noted_as_an_outage(app, sandbox, waiting):
    sandbox.add_faults(Fault(effect="status", status=503, service="fno", count=None))
    enumerate_on_timer(app, "contacts")
    assert app.backoff["fno"].outage_since()


def test_dataverse_away_is_no_failure_of_the_timer(app, sandbox):
    sandbox.add_faults(Fault(effect="reset_before", service="dataverse", count=None))
    enumerate_on_timer(app, "accounts")
    assert app.backoff["dataverse"].outage_since()
    assert app.executions.latest(5) == []


def test_a_step_that_fails_is_raised_when_the_others_are_done(app, sandbox):
    class SweepBroken:
        def sweep(self, template):
            raise ZeroDivisionError

    dataverse = Service(f"{sandbox.dataverse_url}/api/data/v9.2/")
    make_account(dataverse, name="Fjord Foods")
    dataverse.session.close()
    with pytest.raises(ZeroDivisionError):
        enumerate_on_timer(replace(app, waiting=SweepBroken()), "accounts")
    assert app.queue("accounts").length() == 1
    assert app.tables["p2cstate"].get("executions", "cleaned"), "old executions were looked for"


def test_requests_of_a_timer_carry_its_execution(app):
    seen = []

    class SweepSeen:
        def sweep(self, template):
            seen.append(current_execution())
            return 0

    enumerate_on_timer(replace(app, waiting=SweepSeen()), "accounts")
    assert len(seen[0]) == len("20260302T080000-1a2b3c4d")


def test_a_refusal_is_raised_so_that_the_timer_shows_as_failed(app, sandbox):
    sandbox.set_switches(dataverse_change_tracking="off")
    with pytest.raises(ServiceRefusedError):
        enumerate_on_timer(app, "accounts")


class TestTelemetry:
    @pytest.fixture
    def told(self):
        return RecordingTelemetry()

    @pytest.fixture
    def app(self, connection, sandbox, told):
        app = build_app(load_settings(settings_for(connection, sandbox)), telemetry=told)
        app.ensure_storage()
        yield app
        app.close()

    def test_a_timer_that_finds_nothing_tells_how_fresh_it_is_and_that_it_is_done(self, app, told):
        enumerate_on_timer(app, "accounts")
        assert told.of(FRESHNESS) == [], "nothing had been read before"
        enumerate_on_timer(app, "accounts")
        completed = (1, {"template": "accounts", "status": "Completed"})
        assert told.of(EXECUTIONS) == [completed, completed]
        ((lag, names),) = told.of(FRESHNESS)
        assert (lag < 60, names["template"]) == (True, "accounts")
        queues = [(value, given["queue"]) for value, given in told.of(QUEUE_LENGTH)]
        assert queues == [(0, "work"), (0, "poison")] * 2
        spans = [span.name for span in told.spans if span.kind is Kind.INTERNAL]
        assert spans == ["timer accounts", "enumerate accounts"] * 2

    def test_a_timer_that_is_stopped_tells_of_no_execution_that_is_done(self, app, told, sandbox):
        sandbox.add_faults(Fault(effect="status", status=503, service="dataverse", count=None))
        enumerate_on_timer(app, "accounts")
        assert told.of(EXECUTIONS) == []
        assert told.of(QUEUE_LENGTH), "what waits is told all the same"

    def test_a_timer_that_finds_something_tells_of_it_when_it_has_ended(self, app, told, sandbox):
        dataverse = Service(f"{sandbox.dataverse_url}/api/data/v9.2/")
        make_account(dataverse, name="Fjord Foods", accountnumber="ACC-1")
        dataverse.session.close()
        enumerate_on_timer(app, "accounts")
        assert told.of(EXECUTIONS) == []
        (message,) = app.queue("accounts").receive(32, 600)
        app.handler.handle(message.text)
        app.queue("accounts").complete(message)
        enumerate_on_timer(app, "accounts")
        statuses = [given["status"] for _, given in told.of(EXECUTIONS)]
        assert len(statuses) == 2, "the one that has ended, and the one that found nothing"

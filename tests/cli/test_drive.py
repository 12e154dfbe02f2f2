"""The driver waits for what passes, gives up on what does not, and loses nothing either way."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from p2c.bootstrap import App
from p2c.cli.drive import Driver, RunResult
from p2c.cli.heartbeats import BEAT_SECONDS, MARGIN_SECONDS
from p2c.mapping.task import TaskMapping
from p2c.model import Outcome
from p2c.sandbox import Fault
from p2c.sync.claims import make_claim
from p2c.sync.handle_message import MessageHandler
from p2c.sync.ledger import Change, Entry
from p2c.sync.messages import RowsMessage
from p2c.sync.sync_rows import Report

TASK = "Accounts - Customers"


class Notes:
    """Keeps what people would see."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def enumerated(self, task: TaskMapping, read: int) -> None:
        pass

    def handled(self, template: str, outcomes: Mapping[Outcome, int]) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)


@contextmanager
def app_of(world, execution: str = "20260101T000000-00000000") -> Iterator[App]:
    app = world.app(execution, "accounts")
    try:
        yield app
    finally:
        app.close()


def drive(world, execution: str = "20260101T000000-00000000", notes=None, **bounds) -> RunResult:
    with app_of(world, execution) as app:
        return Driver(app, notes or Notes(), **bounds).run()


def customers(world) -> list[str]:
    return sorted(record["CustomerAccount"] for record in world.sandbox.fno_records("CustomersV2"))


def counts(result: RunResult) -> dict[str, int]:
    return {
        outcome.value: count for outcome, count in result.counts["accounts"][TASK].items() if count
    }


def test_a_short_outage_is_sat_out(world) -> None:
    world.account(accountnumber="A1")
    fault = Fault(effect="status", status=503, service="fno", method="POST", count=1)
    world.sandbox.add_faults(fault)
    notes = Notes()
    result = drive(world, notes=notes)
    assert result.status == "Completed"
    assert sum(counts(result).values()) == 1
    assert customers(world) == ["A1"]
    assert any("503" in note for note in notes.notes)


def test_an_outage_that_lasts_ends_the_run_and_leaves_the_rest_to_the_next(world) -> None:
    world.account(accountnumber="A1")
    world.sandbox.add_faults(Fault(effect="status", status=503, service="fno", count=None))
    result = drive(world, outage_seconds=1)
    assert result.status == "Error"
    assert "503" in result.error.message
    world.sandbox.clear_faults()
    again = drive(world, "20260101T000001-00000000")
    assert (again.status, counts(again)) == ("Completed", {"created": 1})
    assert customers(world) == ["A1"]


def test_an_outage_of_dataverse_is_sat_out_too(world) -> None:
    world.account(accountnumber="A1")
    world.sandbox.add_faults(Fault(effect="reset_before", service="dataverse", count=2))
    assert drive(world).status == "Completed"
    assert customers(world) == ["A1"]


def test_throttling_is_waited_for_and_is_no_outage(world) -> None:
    world.account(accountnumber="A1")
    fault = Fault(effect="status", status=429, retry_after=1, service="fno", count=2)
    world.sandbox.add_faults(fault)
    result = drive(world, outage_seconds=0)
    assert (result.status, counts(result)) == ("Completed", {"created": 1})


def test_throttling_without_end_ends_the_run(world) -> None:
    world.account(accountnumber="A1")
    fault = Fault(effect="status", status=429, retry_after=1, service="fno", count=None)
    world.sandbox.add_faults(fault)
    result = drive(world, stall_seconds=3)
    assert result.status == "Error"
    assert result.error.code == "run-stalled"


def test_a_lost_reply_is_looked_into_and_the_record_is_there_once(world) -> None:
    world.account(accountnumber="A1")
    fault = Fault(effect="reset_after", service="fno", method="POST", path="$batch")
    world.sandbox.add_faults(fault)
    result = drive(world)
    assert result.status == "Completed"
    assert customers(world) == ["A1"]


def test_rows_that_another_worker_holds_are_waited_for(world) -> None:
    row = world.account(accountnumber="A1")
    with app_of(world) as app:
        app.ensure_storage()
        now = app.runtime.clock.now()
        claimed = make_claim(Entry(row), "another worker", now, 3)
        app.runtime.ledger(app.runtime.task("accounts", TASK)).write([Change(claimed)])
    drive(world)
    assert customers(world) == ["A1"]


def test_a_row_that_a_thread_of_this_process_holds_is_tried_again_soon(world) -> None:
    row = world.account(accountnumber="A1")
    with app_of(world) as app:
        app.ensure_storage()
        now = app.runtime.clock.now()
        claimed = make_claim(Entry(row), app.runtime.owner, now, 30)
        app.runtime.ledger(app.runtime.task("accounts", TASK)).write([Change(claimed)])
        message = RowsMessage(template="accounts", task=TASK, execution="1", rows=(row,))
        report = app.handler.handle(message.model_dump_json())
    assert now < report.wait_until < now + timedelta(seconds=10)


def test_what_was_put_back_while_a_service_is_left_alone_is_waited_for(world) -> None:
    row = world.account(accountnumber="A1")
    with app_of(world) as app:
        app.ensure_storage()
        app.enumerate_changes.enumerate_template("accounts", "20260101T000000-1", trigger="timer")
        for message in app.queue("accounts").receive(32, 30):
            app.queue("accounts").complete(message)
        message = RowsMessage(template="accounts", task=TASK, execution="1", rows=(row,))
        app.queue("accounts").send(message.model_dump_json(), delay_seconds=3)
        app.backoff["fno"].throttled(2)
    assert counts(drive(world)) == {"created": 1}


def test_messages_that_a_killed_run_held_are_waited_for(world) -> None:
    hold = 1.0
    row = world.account(accountnumber="A1")
    with app_of(world) as app:
        app.ensure_storage()
        app.enumerate_changes.enumerate_rows(
            "accounts", [row], "20260101T000000-11111111", trigger="run", force=False
        )
        app.enumerate_changes.enumerate_template(
            "accounts", "20260101T000000-11111111", trigger="run"
        )
        queue, clock = app.queue("accounts"), app.runtime.clock
        while queue.receive(32, 4):
            continue
        # Its last beat is as long ago as still lets it have held them.
        seconds = BEAT_SECONDS + hold + MARGIN_SECONDS - 5
        beat_at = (clock.now() - timedelta(seconds=seconds)).isoformat()
        body = {"beat_at": beat_at, "owner": "killed"}
        app.runtime.stores.state.put("run", "20260101T000000-11111111", body, None)
    result = drive(world, "20260101T000001-00000000", hold_seconds=hold)
    assert customers(world) == ["A1"]
    assert result.status == "Completed"


class FailingHandler(MessageHandler):
    """Fails in a way that nobody foresaw, as often as it is told."""

    def __init__(self, handler: MessageHandler, times: int) -> None:
        self._handler = handler
        self.left = times
        self.calls = 0
        self._lock = threading.Lock()

    def handle(self, text: str) -> Report:
        with self._lock:
            self.calls += 1
            self.left -= 1
            fails = self.left >= 0
        if fails:
            raise ZeroDivisionError("unforeseen")
        return self._handler.handle(text)

    def settle_poison(self, text: str):
        return self._handler.settle_poison(text)


def test_a_message_that_fails_once_is_handled_again(world) -> None:
    world.account(accountnumber="A1")
    notes = Notes()
    with app_of(world) as app:
        failing = replace(app, handler=FailingHandler(app.handler, 1))
        result = Driver(failing, notes, hold_seconds=1).run()
    assert (result.status, counts(result)) == ("Completed", {"created": 1})
    assert any("ZeroDivisionError" in note for note in notes.notes)


def test_a_message_that_always_fails_is_left_for_later_and_named(world) -> None:
    world.account(accountnumber="A1")
    with app_of(world) as app:
        handler = FailingHandler(app.handler, 1000)
        result = Driver(replace(app, handler=handler), Notes(), hold_seconds=1).run()
        assert handler.calls == 5
        assert result.status == "Error"
        assert result.error.code == "worker-failed"
        assert app.queue("accounts").length() == 1


def test_a_message_is_held_for_as_long_as_it_is_worked_on(world) -> None:
    world.account(accountnumber="A1")
    world.sandbox.set_latency(fno={"request_ms": 1500, "operation_ms": 0})
    with app_of(world) as app:
        handler = FailingHandler(app.handler, 0)
        result = Driver(replace(app, handler=handler), Notes(), hold_seconds=1).run()
    assert handler.calls == 1
    assert counts(result) == {"created": 1}


class Interrupting(Notes):
    """Somebody presses Ctrl-C once the first rows are done."""

    def handled(self, template: str, outcomes: Mapping[Outcome, int]) -> None:
        raise KeyboardInterrupt


def test_an_interrupted_run_finishes_what_is_in_hand_and_leaves_the_rest(world) -> None:
    numbers = [f"A{number}" for number in range(60)]
    for number in numbers:
        world.account(accountnumber=number)
    interrupted = drive(world, notes=Interrupting(), workers=1)
    assert (interrupted.status, interrupted.error.code) == ("Error", "run-interrupted")
    done = len(customers(world))
    assert 0 < done < 60
    again = drive(world, "20260101T000001-00000000")
    assert again.status == "Completed"
    assert counts(again)["created"] == 60 - done
    assert customers(world) == sorted(numbers)


def test_leftovers_of_another_execution_count_to_the_run_that_does_them(world) -> None:
    row = world.account(accountnumber="A1")
    with app_of(world) as app:
        app.ensure_storage()
        app.enumerate_changes.enumerate_template("accounts", "20260101T000000-1", trigger="timer")
        app.enumerate_changes.enumerate_rows(
            "accounts", [row], "20260101T000000-2", trigger="resync", force=False
        )
    result = drive(world, "20260101T000001-00000000", workers=1)
    assert sum(counts(result).values()) == 1

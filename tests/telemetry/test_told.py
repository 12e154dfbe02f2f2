"""What the use cases tell while they work."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from p2c.errors import AnswerUnknownError, ThrottledError
from p2c.sync.backoff import Backoff
from p2c.sync.enumerate_changes import EnumerateChanges
from p2c.sync.executions import TAKEN_AT_ONCE, Executions
from p2c.sync.handle_message import MessageHandler
from p2c.sync.ledger import BUCKETS
from p2c.sync.messages import EnumerateMessage, read_message, write_message
from p2c.sync.observe import REJECTED_SECONDS, Observer
from p2c.sync.plan_run import RunPlanner
from p2c.sync.runtime import Runtime
from p2c.sync.sync_rows import RowSync
from p2c.telemetry import Kind
from p2c.telemetry.metrics import (
    BACKOFF,
    EXECUTIONS,
    FRESHNESS,
    QUEUE_AGE,
    QUEUE_LENGTH,
    REJECTED,
    ROWS,
    WAITING,
)
from tests.support.memory import MemoryDocuments, MemoryQueue
from tests.support.recording import RecordingTelemetry
from tests.sync.builders import ACCOUNTS, CONTACTS, EXECUTION, REFUSED, Bench, NoLimit, hold

TRACE = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
OTHER = "00-" + "3" * 32 + "-" + "4" * 16 + "-01"


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def told() -> RecordingTelemetry:
    return RecordingTelemetry()


@pytest.fixture
def runtime(bench: Bench, told: RecordingTelemetry) -> Runtime:
    return replace(bench.runtime(), telemetry=told)


@pytest.fixture
def handler(runtime: Runtime) -> MessageHandler:
    return MessageHandler(runtime, RowSync(runtime, hold, NoLimit()))


@pytest.fixture
def observer(bench: Bench, runtime: Runtime) -> Observer:
    bench.queues["poison"] = MemoryQueue(bench.clock)
    return Observer(runtime, lambda _template: bench.queues["poison"])


def rows_told(told: RecordingTelemetry) -> list[tuple[str, str, str]]:
    """Previous outcome, outcome and reason of each row that was told of."""
    found = told.of(ROWS)
    assert all(value == 1 for value, _ in found)
    return [(given["previous"], given["outcome"], given["code"]) for _, given in found]


def added_up(told: RecordingTelemetry) -> dict[str, int]:
    """What docs/telemetry.md says an execution's counts are."""
    total: dict[str, int] = {}
    for before, after, _ in rows_told(told):
        total[after] = total.get(after, 0) + 1
        total[before] = total.get(before, 0) - 1
    return {outcome: count for outcome, count in total.items() if count and outcome != "none"}


def test_a_message_is_a_span_of_the_trace_it_carries(bench, handler, told) -> None:
    row = bench.account(1)
    message = bench.rows(ACCOUNTS, row).model_copy(update={"trace": TRACE})
    handler.handle(write_message(message))
    (span,) = told.spans
    assert (span.name, span.kind, span.parent) == ("handle accounts", Kind.CONSUMER, TRACE)
    assert span.attributes == {
        "template": "accounts",
        "execution_id": EXECUTION,
        "task": ACCOUNTS.task,
        "rows": 1,
        "verify": False,
        "rows.created": 1,
    }
    assert span.failed == ""


def test_a_message_whose_service_is_away_is_a_span_that_failed(bench, handler, told) -> None:
    row = bench.account(1)
    bench.fno.errors.append(ThrottledError("too much", service="fno"))
    handler.handle(write_message(bench.rows(ACCOUNTS, row)))
    assert told.spans[0].failed == "throttled"


def test_messages_carry_the_trace_of_the_work_that_sends_them(bench, runtime, told) -> None:
    bench.account(1)
    with told.within(TRACE):
        EnumerateChanges(runtime).enumerate_template("accounts", EXECUTION, trigger="timer")
    (message,) = bench.messages("accounts")
    assert message.trace == TRACE
    assert message.due == bench.clock.now().isoformat(timespec="seconds")
    names = [(span.name, span.attributes["rows"]) for span in told.spans]
    assert names == [("enumerate accounts", 1)]


def test_a_row_that_comes_again_stays_in_its_trace_and_is_due_later(bench, handler, told) -> None:
    row = bench.account(1)
    bench.fno.errors.append(AnswerUnknownError("lost", service="fno"))
    message = bench.rows(ACCOUNTS, row).model_copy(update={"trace": TRACE})
    with told.within(OTHER):
        handler.handle(write_message(message))
    found = bench.messages("accounts")
    assert len(found) == 2, "a verification, and another try"
    assert {message.trace for message in found} == {TRACE}
    assert all(message.due > bench.clock.now().isoformat() for message in found)


def test_a_request_to_enumerate_carries_its_trace(bench, runtime, told) -> None:
    with told.within(TRACE):
        request = EnumerateMessage(template="accounts", execution=EXECUTION, everything=True)
        EnumerateChanges(runtime).request(request, trigger="resync")
    (message,) = bench.messages("accounts")
    assert message.trace == TRACE
    assert told.spans[0].name == "resync accounts"


def test_rows_are_told_by_outcome_and_reason(bench, handler, told) -> None:
    good, bad, nameless = bench.account(1), bench.account(2), bench.account(3, account="")
    bench.fno.answers["ACC-2"] = [REFUSED]
    for row in (good, bad, nameless):
        handler.handle(write_message(bench.rows(ACCOUNTS, row)))
    assert rows_told(told) == [
        ("none", "created", ""),
        ("none", "rejected", "validation"),
        ("none", "skipped", "number-missing"),
    ]
    assert told.of(ROWS)[0][1]["task"] == ACCOUNTS.task


def test_a_row_that_waited_is_told_with_the_outcome_it_had(bench, handler, told) -> None:
    account = bench.account(1)
    contact = bench.contact(1, account)
    handler.handle(write_message(bench.rows(CONTACTS, contact)))
    handler.handle(write_message(bench.rows(ACCOUNTS, account)))
    for message in bench.take_all("contacts"):
        handler.handle(write_message(message))
    assert rows_told(told) == [
        ("none", "waiting", "prerequisite-missing"),
        ("none", "created", ""),
        ("waiting", "created", ""),
    ]
    assert added_up(told) == {"created": 2}


def test_a_row_that_was_written_and_met_again_is_told_once(bench, handler, told) -> None:
    row = bench.account(1)
    for _ in range(3):
        handler.handle(write_message(bench.rows(ACCOUNTS, row)))
    assert rows_told(told) == [("none", "created", "")]


def test_a_row_whose_entry_somebody_else_changed_is_not_told(bench, runtime, told) -> None:
    row = bench.account(1)
    sync = RowSync(runtime, hold, NoLimit())
    bench.fno.before_write = lambda: bench.store(
        ACCOUNTS, replace(bench.entry(ACCOUNTS, row), epoch=9)
    )
    sync.process(bench.rows(ACCOUNTS, row))
    assert rows_told(told) == []


def test_a_poisoned_row_is_told_as_rejected(bench, handler, told) -> None:
    row = bench.account(1)
    handler.settle_poison(write_message(bench.rows(ACCOUNTS, row, rounds=3)))
    assert rows_told(told) == [("none", "rejected", "worker-failed")]


def test_a_plan_tells_nothing(bench, runtime, told) -> None:
    bench.account(1)
    plan = RunPlanner(runtime, lambda _name: MemoryDocuments(), lambda _row: None)
    assert plan.plan(["accounts"]).status == "Changes"
    assert (told.values, told.spans) == ([], [])


def test_backoff_is_told_in_seconds_and_what_overlaps_once(bench, told) -> None:
    backoff = Backoff(MemoryDocuments(), bench.clock, "fno", told)
    backoff.throttled(10)
    bench.clock.advance(4)
    backoff.throttled(10)
    backoff.throttled(2)
    assert [value for value, _ in told.of(BACKOFF)] == [10, 4, 0]
    bench.clock.advance(60)
    backoff.unavailable(90)
    assert told.of(BACKOFF)[-1] == (90, {"service": "fno", "cause": "outage"})


def test_freshness_is_told_from_the_last_read_to_its_end(bench, observer, told) -> None:
    observer.freshness("accounts")
    assert told.of(FRESHNESS) == [], "before the first read there is nothing to tell"
    bench.enumerate("accounts")
    bench.clock.advance(90)
    observer.freshness("accounts")
    assert told.of(FRESHNESS) == [(90, {"template": "accounts", "task": ACCOUNTS.task})]


def test_the_age_of_a_queue_is_that_of_the_message_that_has_been_due_longest(
    bench, runtime, observer, told
) -> None:
    message = bench.rows(ACCOUNTS, bench.account(1))
    for delay in (0, 30, 600):
        runtime.send(message, delay_seconds=delay)
    bench.queues["accounts"].send("no message of ours")
    for due in ("yesterday", "2026-03-01"):  # No time, and none that says of which zone.
        foreign = message.model_copy(update={"due": due})
        bench.queues["accounts"].send(write_message(foreign))
    bench.clock.advance(100)
    observer.backlog("accounts")
    work = {"template": "accounts", "queue": "work"}
    poison = {"template": "accounts", "queue": "poison"}
    assert told.of(QUEUE_LENGTH) == [(6, work), (0, poison)]
    assert told.of(QUEUE_AGE) == [(100, work), (0, poison)]


def test_waiting_and_rejected_rows_are_counted_these_once_an_hour(
    bench, observer, handler, told
) -> None:
    bench.fno.answers["ACC-2"] = [REFUSED]
    handler.handle(write_message(bench.rows(ACCOUNTS, bench.account(2))))
    absent = bench.account(1)
    handler.handle(write_message(bench.rows(CONTACTS, bench.contact(1, absent))))
    for template in ("accounts", "contacts", "accounts"):
        observer.backlog(template)
    assert [value for value, _ in told.of(WAITING)] == [0, 1, 0]
    expected = [(1, {"template": "accounts"}), (0, {"template": "contacts"})]
    assert told.of(REJECTED) == expected
    bench.clock.advance(REJECTED_SECONDS)
    observer.backlog("accounts")
    assert told.of(REJECTED) == [*expected, expected[0]]


def test_an_execution_is_told_once_when_it_has_ended(bench, runtime, observer, told) -> None:
    bench.account(1)
    bench.enumerate("accounts")
    assert observer.ended("accounts") == [], "it still runs"
    (message,) = bench.take_all("accounts")
    bench.sync().process(message)
    assert observer.ended("contacts") == [], "it is another template's"
    (summary,) = observer.ended("accounts")
    assert (summary.status, summary.execution.execution_id) == ("Completed", EXECUTION)
    assert observer.ended("accounts") == []
    assert told.of(EXECUTIONS) == [(1, {"template": "accounts", "status": "Completed"})]


def test_an_execution_of_the_day_before_is_told(bench, observer) -> None:
    bench.account(1)
    bench.enumerate("accounts")
    bench.sync().process(bench.take_all("accounts")[0])
    bench.clock.advance(timedelta(days=1).total_seconds())
    assert len(observer.ended("accounts")) == 1


def test_a_run_of_several_templates_is_told_for_each(bench, runtime, observer, told) -> None:
    executions = Executions(runtime)
    executions.start(EXECUTION, "run", ["accounts", "contacts"])
    executions.update(EXECUTION, error="away", error_code="service-unavailable")
    observer.ended("accounts")
    statuses = [(given["template"], given["status"]) for _, given in told.of(EXECUTIONS)]
    assert statuses == [("accounts", "Error"), ("contacts", "Error")]


def test_an_execution_that_ends_with_its_process_is_told_then_and_by_no_timer(
    bench, runtime, observer, told
) -> None:
    executions = Executions(runtime)
    for execution in (EXECUTION, f"{EXECUTION}x"):
        executions.start(execution, "run", ["accounts"])
    observer.ended_now(EXECUTION)
    assert told.of(EXECUTIONS) == [], "it still runs"
    for execution in (EXECUTION, f"{EXECUTION}x"):
        executions.update(execution, enumerated="accounts")
    for _ in range(2):
        observer.ended_now(EXECUTION)
    assert told.of(EXECUTIONS) == [(1, {"template": "accounts", "status": "Completed"})]
    (left,) = observer.ended("accounts")
    assert left.execution.execution_id == f"{EXECUTION}x"


def test_no_number_of_executions_that_run_keeps_a_timer_long_or_one_from_being_told(
    bench, runtime, observer
) -> None:
    executions = Executions(runtime)
    for number in range(3 * TAKEN_AT_ONCE):
        executions.start(f"{EXECUTION}-{number:02}", "timer", ["accounts"])
    executions.update(f"{EXECUTION}-50", enumerated="accounts")
    scans: list[str] = []
    scan = bench.stores.ledger.scan

    def noted(partition: str, **bounds: object) -> object:
        scans.append(partition)
        return scan(partition, **bounds)

    bench.stores.ledger.scan = noted
    found = observer.ended("accounts")
    assert len(scans) == TAKEN_AT_ONCE * BUCKETS
    for _ in range(1000):
        found = found or observer.ended("accounts")
    (summary,) = found
    assert summary.execution.execution_id == f"{EXECUTION}-50"


def test_only_one_of_several_observers_tells_an_execution(bench, runtime, observer, told) -> None:
    Executions(runtime).start(EXECUTION, "timer", ["accounts"])
    Executions(runtime).update(EXECUTION, error="x", error_code="y")
    other = Observer(runtime, lambda _template: bench.queues["accounts"])
    taken: list[int] = []
    documents = bench.stores.executions
    put: Callable[..., str | None] = documents.put

    def overtaken(*args: object) -> str | None:
        documents.put = put
        taken.append(len(other.ended("accounts")))
        return put(*args)

    documents.put = overtaken
    assert observer.ended("accounts") == []
    assert taken == [1]
    assert len(told.of(EXECUTIONS)) == 1


def test_an_execution_that_found_nothing_counts_as_completed(observer, told) -> None:
    observer.nothing_changed("accounts")
    assert told.of(EXECUTIONS) == [(1, {"template": "accounts", "status": "Completed"})]


def test_a_message_of_telemetry_is_read(bench) -> None:
    message = bench.rows(ACCOUNTS, bench.account(1))
    message = message.model_copy(update={"trace": TRACE, "due": "2026-03-02T08:00:00+00:00"})
    assert read_message(write_message(message)) == message


def test_a_run_that_finishes_another_executions_rows_tells_that_executions(
    bench, runtime, told
) -> None:
    row = bench.account(1)
    sync = RowSync(replace(runtime, execution="20260302T090000-run"), hold, NoLimit())
    sync.process(bench.rows(ACCOUNTS, row))
    sync.process(bench.rows(ACCOUNTS, row, execution="20260302T090000-run"))
    assert rows_told(told) == [("none", "created", "")]
    assert added_up(told) == {"created": 1}


def test_what_another_execution_had_counted_for_a_row_is_not_its_previous_outcome(
    bench, runtime, told
) -> None:
    run = "20260302T090000-run"
    sync = RowSync(replace(runtime, execution=run), hold, NoLimit())
    account = bench.account(1)
    contact = bench.contact(1, account)
    sync.process(bench.rows(CONTACTS, contact, execution=run))
    sync.process(bench.rows(ACCOUNTS, account))
    sync.process(bench.rows(CONTACTS, contact))
    assert rows_told(told)[-1] == ("none", "created", "")

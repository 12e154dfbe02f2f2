"""What becomes of a message, and of one that failed for a reason nobody foresaw."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from p2c.errors import MessageError, RequestError, ServiceRefusedError, UnavailableError
from p2c.model import Outcome
from p2c.sync.enumerate_changes import EnumerateChanges
from p2c.sync.executions import Executions
from p2c.sync.handle_message import (
    ENUMERATE_SECONDS,
    ROUND_SECONDS,
    ROUNDS,
    MessageHandler,
    Settled,
    unreadable_messages,
)
from p2c.sync.messages import EnumerateMessage
from p2c.sync.sync_rows import Report
from tests.sync.builders import (
    ACCOUNTS,
    EXECUTION,
    SETTLE_SECONDS,
    Bench,
    resync_request,
    row_id,
    rows_of_one_bucket,
)

TRIES = 5
"""As host.json has it."""
GONE = {"kind": "rows", "template": "leads", "execution": "e", "task": "t", "rows": [row_id(1)]}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def handler(bench: Bench) -> MessageHandler:
    return MessageHandler(bench.runtime(), bench.sync())


def handle(bench: Bench, message: Any) -> Report:
    return handler(bench).handle(message.model_dump_json())


def settle(bench: Bench, message: Any) -> Settled:
    return handler(bench).settle_poison(message.model_dump_json())


def summary(bench: Bench) -> Any:
    return Executions(bench.runtime()).summary(EXECUTION)


def request(bench: Bench, **parts: Any) -> EnumerateMessage:
    """A request to enumerate, recorded and taken off the queue."""
    message = resync_request("accounts", **parts)
    EnumerateChanges(bench.runtime()).request(message, trigger="resync")
    bench.take_all("accounts")
    return message


# Messages as they come.


def test_a_message_that_names_rows_brings_them_up_to_date(bench: Bench):
    row = bench.account(1)
    assert handle(bench, bench.rows(ACCOUNTS, row)).outcomes == {Outcome.CREATED: 1}


def test_a_request_for_rows_queues_them(bench: Bench):
    message = request(bench, rows=(row_id(1), row_id(2)), force=True)
    assert handle(bench, message).wait_until is None
    assert set(bench.named("accounts")) == {row_id(1), row_id(2)}
    assert {found.force for found, _ in bench.queued("accounts")} == {True}
    assert summary(bench).execution.read == {"accounts": {ACCOUNTS.task: 2}}


def test_a_request_for_everything_queues_every_row_and_is_done(bench: Bench):
    rows = {bench.account(number) for number in range(8)}
    handle(bench, request(bench, everything=True))
    assert set(bench.named("accounts")) == rows
    assert not any(isinstance(found, EnumerateMessage) for found in bench.messages("accounts"))


def test_an_enumeration_that_runs_out_of_time_goes_on_with_the_next_message(bench: Bench):
    rows = {bench.account(number) for number in range(8)}
    bench.sales.before_page = lambda page: (
        bench.clock.advance(ENUMERATE_SECONDS) if page == 4 else None
    )
    message = request(bench, everything=True)
    report = handle(bench, message)
    assert message in bench.messages("accounts")
    assert report.wait_until == bench.clock.now()
    handle(bench, message)
    assert set(bench.named("accounts")) == rows
    assert len(bench.named("accounts")) == 8


@pytest.mark.parametrize(
    ("error", "noted"),
    [
        (UnavailableError("down", service="dataverse", status=503), "unavailable"),
        (ServiceRefusedError("No privilege.", service="dataverse", status=403), "refused"),
    ],
)
def test_an_enumeration_that_a_service_stopped_comes_again_in_a_minute(
    bench: Bench, error: Exception, noted: str
):
    row = bench.account(1)
    message = request(bench, everything=True)
    bench.sales.errors.append(error)
    report = handle(bench, message)
    assert getattr(report, noted) is error
    assert report.wait_until == bench.clock.now() + timedelta(seconds=ROUND_SECONDS)
    [kept] = bench.queues["accounts"]._messages
    assert kept.visible_at == ROUND_SECONDS
    bench.take_all("accounts")
    bench.clock.advance(ROUND_SECONDS)
    handle(bench, message)
    assert bench.named("accounts") == [row]
    handle(bench, bench.queued("accounts")[0][0])
    assert summary(bench).status == "Completed"


@pytest.mark.parametrize("everything", [True, False])
def test_a_request_delivered_twice_counts_its_rows_once(bench: Bench, *, everything: bool):
    row = bench.account(1)
    message = request(bench, everything=everything, rows=() if everything else (row,))
    handle(bench, message)
    handle(bench, message)
    for found in bench.take_all("accounts"):
        handle(bench, found)
    assert summary(bench).status == "Completed"
    assert summary(bench).counts["accounts"][ACCOUNTS.task][Outcome.CREATED] == 1


def test_what_is_no_message_is_the_callers_to_set_aside(bench: Bench):
    with pytest.raises(MessageError, match="A queue message of 7 characters cannot be read"):
        handler(bench).handle("{broken")


def test_a_message_of_a_template_that_is_not_there_is_the_callers_to_set_aside(bench: Bench):
    with pytest.raises(RequestError, match="There is no template 'leads'"):
        handler(bench).handle(json.dumps(GONE))


# Messages that failed too often.


def test_the_rows_of_a_poisoned_message_go_round_again_one_by_one(bench: Bench):
    rows = rows_of_one_bucket(3)
    settled = settle(bench, bench.rows(ACCOUNTS, *rows, force=True, attempt=2))
    assert settled == Settled(sent_again=3)
    assert bench.queued("accounts") == [
        (bench.rows(ACCOUNTS, row, force=True, attempt=2, rounds=1), ROUND_SECONDS) for row in rows
    ]


def test_each_round_waits_longer_and_the_last_one_rejects(bench: Bench):
    row = bench.account(1)
    message, delays = bench.rows(ACCOUNTS, row), []
    while not (settled := settle(bench, message)).rejected:
        [(message, delay)] = bench.queued("accounts")
        bench.take_all("accounts")
        delays.append(delay)
    assert delays == [60, 120, 180]
    assert settled == Settled(rejected=1)
    assert bench.queued("accounts") == []
    entry = bench.entry(ACCOUNTS, row)
    assert entry.outcome is Outcome.REJECTED
    assert entry.reason is not None
    assert entry.reason.code == "worker-failed"
    assert entry.reason.text == (
        "Processing it failed 3 times over for a reason that p2c does not know. Look at the log "
        "of the template's queue function, then retry the row."
    )
    assert (entry.execution, entry.since) == (EXECUTION, bench.clock.now())
    assert summary_counts(bench) == {Outcome.REJECTED: 1}


def summary_counts(bench: Bench) -> dict[Outcome, int]:
    counts = Executions(bench.runtime()).counts(EXECUTION)["accounts"][ACCOUNTS.task]
    return {outcome: count for outcome, count in counts.items() if count}


def test_a_row_that_fails_each_time_after_it_was_claimed_is_rejected_in_the_end(bench: Bench):
    """As the host does it: tries in quick succession, after the fifth the poison queue at once."""
    row = bench.account(1)

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError

    bench.fno.find = fail  # type: ignore[method-assign]
    bench.queues["accounts"].send(bench.rows(ACCOUNTS, row).model_dump_json())
    for _ in range(40):
        message = next((found for found, _ in bench.queued("accounts") if not found.verify), None)
        if message is None:
            break
        others = [found for found in bench.take_all("accounts") if found != message]
        for other in others:
            bench.queues["accounts"].send(other.model_dump_json())
        bench.clock.advance(ROUND_SECONDS * ROUNDS)
        for _ in range(TRIES):
            with pytest.raises(ZeroDivisionError):
                handle(bench, message)
            bench.clock.advance(2)
        settle(bench, message)
    entry = bench.entry(ACCOUNTS, row)
    assert (entry.outcome, entry.claim) == (Outcome.REJECTED, None)
    assert entry.reason is not None
    assert entry.reason.code == "worker-failed"
    # What was sent before it failed may act yet, so it is looked at when nothing can any more.
    assert entry.unsettled_until is not None
    assert [message.verify for message, _ in bench.queued("accounts")] == [True]


def test_a_row_that_was_rejected_so_is_written_when_it_is_retried(bench: Bench):
    row = bench.account(1)
    settle(bench, bench.rows(ACCOUNTS, row, rounds=ROUNDS))
    assert bench.process(ACCOUNTS, row).outcomes == {Outcome.CREATED: 1}
    assert summary_counts(bench) == {Outcome.CREATED: 1}


def test_a_row_that_another_worker_holds_is_not_rejected_but_sent_again(bench: Bench):
    rows = rows_of_one_bucket(2)
    bench.claim_for(ACCOUNTS, rows[0], "two", 30)
    settled = settle(bench, bench.rows(ACCOUNTS, *rows, rounds=ROUNDS))
    assert settled == Settled(sent_again=1, rejected=1)
    [(again, delay)] = bench.queued("accounts")
    assert (again, delay) == (bench.rows(ACCOUNTS, rows[0], rounds=ROUNDS), ROUND_SECONDS)
    assert bench.entry(ACCOUNTS, rows[0]).outcome is None
    assert bench.entry(ACCOUNTS, rows[1]).outcome is Outcome.REJECTED


def test_a_row_that_a_worker_claims_meanwhile_is_not_rejected_but_sent_again(bench: Bench):
    rows = rows_of_one_bucket(2)
    read = bench.stores.ledger.get_many

    def overtaken(partition: str, names: Any) -> Any:
        found = read(partition, names)
        bench.stores.ledger.get_many = read
        bench.claim_for(ACCOUNTS, rows[0], "two", 30)
        return found

    bench.stores.ledger.get_many = overtaken
    settled = settle(bench, bench.rows(ACCOUNTS, *rows, rounds=ROUNDS))
    assert settled == Settled(sent_again=1, rejected=1)
    assert bench.named("accounts") == [rows[0]]
    assert bench.entry(ACCOUNTS, rows[0]).outcome is None
    assert summary_counts(bench) == {Outcome.REJECTED: 1}


def test_a_row_whose_worker_died_is_rejected_and_stays_unsettled(bench: Bench):
    row = bench.account(1)
    bench.claim_for(ACCOUNTS, row, "dead", 30)
    bench.clock.advance(30)
    settle(bench, bench.rows(ACCOUNTS, row, rounds=ROUNDS))
    entry = bench.entry(ACCOUNTS, row)
    assert (entry.outcome, entry.claim) == (Outcome.REJECTED, None)
    assert entry.unsettled_until == bench.later(SETTLE_SECONDS - 30)


def test_rejecting_does_not_shorten_the_time_in_which_a_row_is_unsettled(bench: Bench):
    row = bench.account(1)
    until = bench.later(900)
    bench.store(ACCOUNTS, replace(bench.entry(ACCOUNTS, row), unsettled_until=until))
    bench.claim_for(ACCOUNTS, row, "dead", 30)
    bench.clock.advance(30)
    settle(bench, bench.rows(ACCOUNTS, row, rounds=ROUNDS))
    assert bench.entry(ACCOUNTS, row).unsettled_until == until


def test_a_poisoned_request_goes_round_again_and_is_then_recorded_as_failed(bench: Bench):
    message = request(bench, everything=True)
    assert settle(bench, message) == Settled(sent_again=1)
    assert bench.messages("accounts") == [message.model_copy(update={"rounds": 1})]
    assert settle(bench, message.model_copy(update={"rounds": ROUNDS})) == Settled(rejected=1)
    found = summary(bench)
    assert (found.status, found.execution.error_code) == ("Error", "enumeration-failed")
    assert found.execution.error == (
        "The request to enumerate 'accounts' failed 3 times over. Look at the log of its queue "
        "function, then start the resync again."
    )


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("Kari Nordmann", "A queue message of 13 characters cannot be read"),
        (json.dumps(GONE), "There is no template 'leads'"),
        (
            json.dumps({**GONE, "template": "accounts"}),
            "Template 'accounts' has no task 't'",
        ),
    ],
)
def test_a_message_nobody_can_use_is_kept_as_a_hash_and_never_as_text(
    bench: Bench, text: str, finding: str
):
    for _ in range(2):
        settled = handler(bench).settle_poison(text)
    assert settled.unreadable.startswith(finding)
    assert unreadable_messages(bench.runtime()) == 1
    [document] = bench.stores.state.scan("unreadable-message")
    assert document.body["length"] == len(text)
    assert "Nordmann" not in json.dumps([document.name, *map(str, document.body.values())])
    assert bench.messages("accounts") == []


def test_a_foreign_message_as_long_as_a_queue_takes_can_be_set_aside(bench: Bench):
    text = json.dumps({**GONE, "template": "accounts", "x" * 45_000: 1})
    assert handler(bench).settle_poison(text).unreadable != ""
    assert unreadable_messages(bench.runtime()) == 1

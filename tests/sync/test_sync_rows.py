"""What a message's rows come to, each for itself, whoever else holds them or is away."""

import contextlib
from dataclasses import replace
from typing import Any

import pytest

from p2c.errors import (
    RequestError,
    ServiceRefusedError,
    ThrottledError,
    UnavailableError,
)
from p2c.model import Outcome, Reason
from p2c.sync.limiter import Limiter
from p2c.sync.sync_rows import LONGEST_DELAY_SECONDS, RowSync
from tests.sync.builders import (
    ACCOUNTS,
    CLAIM_SECONDS,
    CONTACTS,
    EXECUTION,
    SETTLE_SECONDS,
    Bench,
    Fuse,
    counts,
    forget_requests,
    hold,
    in_fno,
    names_in_fno,
    rows_of_one_bucket,
)
from tests.sync.simulation import NoLimit


@pytest.fixture
def bench() -> Bench:
    return Bench()


# What a row comes to.


def test_a_new_row_is_created_and_recorded(bench: Bench):
    row = bench.account(1)
    report = bench.process(ACCOUNTS, row, generation=4)
    assert names_in_fno(bench) == {"ACC-1": "Fabrikam"}
    assert (report.outcomes, report.wait_until) == ({Outcome.CREATED: 1}, None)
    entry = bench.entry(ACCOUNTS, row)
    assert (entry.outcome, entry.reason, entry.claim) == (Outcome.CREATED, None, None)
    assert (entry.unsettled_until, entry.intended) == (None, None)
    assert (entry.execution, entry.source_version, entry.generation) == (EXECUTION, "1", 4)
    assert (entry.since, entry.epoch) == (bench.clock.now(), 1)
    assert bench.queued("accounts") == []
    assert counts(bench) == {Outcome.CREATED: 1}


def test_many_rows_cost_one_read_one_look_and_one_batch(bench: Bench):
    rows = [bench.account(number) for number in range(20)]
    bench.process(ACCOUNTS, *rows)
    requests = (len(bench.sales.reads), len(bench.fno.finds), len(bench.fno.batches))
    assert requests == (1, 1, 1)
    assert len(names_in_fno(bench)) == 20


def test_an_unchanged_row_costs_no_request_to_f_and_o(bench: Bench):
    row = bench.account(1)
    bench.process(ACCOUNTS, row)
    forget_requests(bench)
    assert bench.process(ACCOUNTS, row).outcomes == {Outcome.UNCHANGED: 1}
    assert (bench.fno.finds, bench.fno.batches) == ([], [])


def test_of_a_changed_row_only_the_change_is_sent_without_a_look(bench: Bench):
    parent = bench.account(1)
    bench.process(ACCOUNTS, parent)
    contact = bench.contact(1, parent, phone="1")
    bench.process(CONTACTS, contact)
    bench.contact(1, parent, phone="2")
    forget_requests(bench)
    assert bench.process(CONTACTS, contact, owner="two").outcomes == {Outcome.UPDATED: 1}
    assert [dict(operation.values) for operation in bench.fno.operations] == [{"Phone": "2"}]
    assert bench.fno.finds == []


def test_a_record_that_is_in_f_and_o_already_is_adopted_without_a_write(bench: Bench):
    in_fno(bench, "ACC-1")
    row = bench.account(1)
    assert bench.process(ACCOUNTS, row).outcomes == {Outcome.UNCHANGED: 1}
    assert bench.fno.batches == []
    assert bench.entry(ACCOUNTS, row).current_key is not None


def test_a_row_that_the_mapping_leaves_out_is_recorded_with_its_reason(bench: Bench):
    row = bench.account(1, account="")
    assert bench.process(ACCOUNTS, row).outcomes == {Outcome.SKIPPED: 1}
    assert bench.entry(ACCOUNTS, row).reason == Reason("number-missing", "It has no number.")
    assert (bench.fno.finds, bench.fno.batches) == ([], [])


def test_force_overwrites_what_was_edited_in_f_and_o(bench: Bench):
    row = bench.account(1)
    bench.process(ACCOUNTS, row)
    in_fno(bench, "ACC-1", Name="Edited")
    assert bench.process(ACCOUNTS, row).outcomes == {Outcome.UNCHANGED: 1}
    assert names_in_fno(bench) == {"ACC-1": "Edited"}
    assert bench.process(ACCOUNTS, row, force=True).outcomes == {Outcome.UPDATED: 1}
    assert names_in_fno(bench) == {"ACC-1": "Fabrikam"}


def test_force_without_a_difference_writes_nothing(bench: Bench):
    row = bench.account(1)
    bench.process(ACCOUNTS, row)
    forget_requests(bench)
    assert bench.process(ACCOUNTS, row, force=True).outcomes == {Outcome.UNCHANGED: 1}
    assert (len(bench.fno.finds), bench.fno.batches) == (1, [])


def test_the_newest_state_is_written_whatever_the_message_meant(bench: Bench):
    row = bench.account(1, "Old")
    stale = bench.rows(ACCOUNTS, row)
    bench.account(1, "New")
    bench.sync().process(stale)
    assert names_in_fno(bench) == {"ACC-1": "New"}


def test_a_row_is_read_only_after_it_was_claimed(bench: Bench):
    row = bench.account(1)
    claims: list[bool] = []
    bench.sales.before_read = lambda: claims.append(bench.entry(ACCOUNTS, row).claim is not None)
    bench.process(ACCOUNTS, row)
    assert claims == [True]


def test_the_reason_of_an_outcome_keeps_the_time_since_when_it_holds(bench: Bench):
    row = bench.account(1, account="")
    bench.process(ACCOUNTS, row)
    since = bench.clock.now()
    bench.clock.advance(100)
    bench.process(ACCOUNTS, row)
    assert bench.entry(ACCOUNTS, row).since == since
    bench.account(1)
    bench.process(ACCOUNTS, row)
    assert bench.entry(ACCOUNTS, row).since == bench.clock.now()


def test_the_run_counts_rows_of_other_executions_too():
    bench = Bench(execution="20260302T090000-run")
    bench.process(ACCOUNTS, bench.account(1))
    assert counts(bench) == counts(bench, "20260302T090000-run") == {Outcome.CREATED: 1}


def test_a_message_of_a_task_that_is_not_there_says_which_there_are(bench: Bench):
    with pytest.raises(RequestError) as caught:
        bench.process(replace(ACCOUNTS, task="Leads"), bench.account(1))
    assert caught.value.code == "task-unknown"
    assert caught.value.message == (
        "Template 'accounts' has no task 'Leads'; it has 'Accounts - Customers'. "
        "The message is from another version of the template: start a resync."
    )


# Rows held by somebody else.


def test_a_row_that_another_worker_holds_is_queued_alone_for_when_its_claim_ends(bench: Bench):
    rows = [bench.account(number) for number in range(3)]
    bench.claim_for(ACCOUNTS, rows[1], "two", 17)
    report = bench.process(ACCOUNTS, *rows, attempt=2, force=True)
    assert report.outcomes == {Outcome.CREATED: 2}
    assert report.wait_until == bench.later(17)
    expected = bench.rows(ACCOUNTS, rows[1], attempt=2, force=True)
    assert bench.queued("accounts") == [(expected, 17)]
    assert set(names_in_fno(bench)) == {"ACC-0", "ACC-2"}


def test_the_report_says_when_the_last_of_the_held_rows_is_free(bench: Bench):
    rows = [bench.account(number) for number in range(3)]
    for row, seconds in zip(rows, (17, 29, 5), strict=True):
        bench.claim_for(ACCOUNTS, row, "two", seconds)
    assert bench.process(ACCOUNTS, *rows).wait_until == bench.later(29)
    assert {found.rows: delay for found, delay in bench.queued("accounts")} == {
        (rows[0],): 17,
        (rows[1],): 29,
        (rows[2],): 5,
    }


def test_a_row_that_this_process_holds_is_tried_again_soon(bench: Bench):
    row = bench.account(1)
    bench.claim_for(ACCOUNTS, row, "one", 30)
    report = bench.process(ACCOUNTS, row)
    assert bench.queued("accounts") == [(bench.rows(ACCOUNTS, row), 2)]
    assert (report.wait_until, report.outcomes) == (bench.later(2), {})
    assert bench.sales.reads == []


def test_a_row_claimed_by_another_at_the_same_moment_is_tried_again_soon(bench: Bench):
    rows = rows_of_one_bucket(3)
    numbers = [int(row.replace("-", ""), 16) - 1 for row in rows]
    for number in numbers:
        bench.account(number)
    ledger = bench.stores.ledger
    read = ledger.get_many

    def overtaken(partition: str, names: Any) -> Any:
        found = read(partition, names)
        ledger.get_many = read
        bench.claim_for(ACCOUNTS, rows[1], "two", 17)
        return found

    ledger.get_many = overtaken
    assert bench.process(ACCOUNTS, *rows).outcomes == {Outcome.CREATED: 2}
    assert bench.queued("accounts") == [(bench.rows(ACCOUNTS, rows[1]), 2)]


def test_rows_of_a_first_full_read_are_claimed_without_reading_the_ledger(bench: Bench):
    rows = rows_of_one_bucket(3)
    for row in rows:
        bench.account(int(row.replace("-", ""), 16) - 1)
    fuse = Fuse(0, AssertionError("the ledger was read"), method="get_many")
    sync = RowSync(bench.runtime(fuse=fuse), hold, NoLimit())
    report = sync.process(bench.rows(ACCOUNTS, *rows, rows[0], generation=1))
    assert report.outcomes == {Outcome.CREATED: 3}
    assert [bench.entry(ACCOUNTS, row).epoch for row in rows] == [1, 1, 1]


@pytest.mark.parametrize("parts", [{"generation": 2}, {"generation": 1}])
def test_a_full_read_claims_rows_that_the_ledger_knows_by_what_it_knows(
    bench: Bench, parts: dict[str, int]
):
    rows = rows_of_one_bucket(3)
    for row in rows:
        bench.account(int(row.replace("-", ""), 16) - 1)
    bench.process(ACCOUNTS, rows[0])
    bench.claim_for(ACCOUNTS, rows[1], "two", 17)
    report = bench.process(ACCOUNTS, *rows, **parts)
    assert report.outcomes == {Outcome.UNCHANGED: 1, Outcome.CREATED: 1}
    assert bench.queued("accounts") == [(bench.rows(ACCOUNTS, rows[1], **parts), 17)]
    assert [bench.entry(ACCOUNTS, row).epoch for row in rows] == [2, 1, 1]


def test_a_claim_that_ran_out_is_taken_over_with_a_verification_queued_first(bench: Bench):
    row = bench.account(1)
    bench.claim_for(ACCOUNTS, row, "dead", CLAIM_SECONDS)
    bench.clock.advance(CLAIM_SECONDS)
    verifications: list[Any] = []
    bench.sales.before_read = lambda: verifications.extend(bench.queued("accounts"))
    report = bench.process(ACCOUNTS, row)
    left = SETTLE_SECONDS - CLAIM_SECONDS
    assert verifications == [(bench.rows(ACCOUNTS, row, verify=True), left)]
    assert names_in_fno(bench) == {"ACC-1": "Fabrikam"}
    assert report.outcomes == {Outcome.WAITING: 1}
    entry = bench.entry(ACCOUNTS, row)
    assert entry.unsettled_until == bench.later(left)
    assert entry.reason is not None
    assert entry.reason.code == "verification-pending"
    assert entry.reason.text == (
        "F&O holds the newest values. An earlier request may still act until "
        "2026-03-02 08:02:00 UTC; F&O is looked at again then."
    )


def test_a_verification_looks_once_nothing_can_act_any_more_and_settles(bench: Bench):
    row = bench.account(1)
    bench.claim_for(ACCOUNTS, row, "dead", CLAIM_SECONDS)
    bench.clock.advance(CLAIM_SECONDS)
    bench.process(ACCOUNTS, row)
    in_fno(bench, "ACC-1", Name="A late request's value")
    [(verification, delay)] = bench.queued("accounts")
    bench.take_all("accounts")
    bench.clock.advance(delay)
    assert bench.sync().process(verification).outcomes == {Outcome.UPDATED: 1}
    assert names_in_fno(bench) == {"ACC-1": "Fabrikam"}
    assert bench.entry(ACCOUNTS, row).unsettled_until is None
    assert bench.queued("accounts") == []


def test_a_verification_that_comes_too_early_comes_again(bench: Bench):
    row = bench.account(1)
    bench.claim_for(ACCOUNTS, row, "dead", CLAIM_SECONDS)
    bench.clock.advance(CLAIM_SECONDS)
    bench.process(ACCOUNTS, row)
    bench.take_all("accounts")
    bench.process(ACCOUNTS, row, verify=True)
    left = SETTLE_SECONDS - CLAIM_SECONDS
    assert bench.queued("accounts") == [(bench.rows(ACCOUNTS, row, verify=True), left)]


def test_an_unsettled_row_has_one_verification_however_often_its_answers_are_lost(bench: Bench):
    row = bench.account(1)
    message = bench.rows(ACCOUNTS, row)
    for _ in range(3):
        bench.fno.mishaps = ["lost-before"]
        bench.sync().process(message)
        bench.clock.advance(5)
    verifications = [found for found, _ in bench.queued("accounts") if found.verify]
    assert verifications == [bench.rows(ACCOUNTS, row, verify=True)]


def test_a_verification_further_away_than_storage_hides_a_message_comes_again(bench: Bench):
    settle = 30 * 24 * 3600
    bench.settle_seconds = settle
    row = bench.account(1)
    bench.fno.mishaps = ["lost-before"]
    bench.process(ACCOUNTS, row)
    verification = bench.rows(ACCOUNTS, row, verify=True)
    assert (verification, LONGEST_DELAY_SECONDS) in bench.queued("accounts")
    bench.take_all("accounts")
    bench.clock.advance(LONGEST_DELAY_SECONDS)
    bench.sync().process(verification)
    assert (verification, LONGEST_DELAY_SECONDS) in bench.queued("accounts")
    assert LONGEST_DELAY_SECONDS < 7 * 24 * 3600


# Services that are away.


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (ThrottledError("busy", service="fno", status=429, retry_after_seconds=33), 33),
        (ThrottledError("busy", service="dataverse", status=429, retry_after_seconds=9), 9),
        (UnavailableError("down", service="fno", status=503, retry_after_seconds=50), 50),
        (UnavailableError("down", service="dataverse", retry_after_seconds=50), 50),
    ],
)
def test_while_a_service_is_away_the_message_is_put_back_whole_for_that_time(
    bench: Bench, error: Any, seconds: float
):
    rows = [bench.account(number) for number in range(3)]
    (bench.fno if error.service == "fno" else bench.sales).errors.append(error)
    report = bench.process(ACCOUNTS, *rows, attempt=4)
    assert (report.unavailable, report.outcomes) == (error, {})
    [(message, delay)] = bench.queued("accounts")
    assert set(message.rows) == set(rows)
    assert replace_rows(message) == replace_rows(bench.rows(ACCOUNTS, *rows, attempt=4))
    assert delay == seconds
    assert [bench.entry(ACCOUNTS, row).claim for row in rows] == [None] * 3
    assert [bench.entry(ACCOUNTS, row).outcome for row in rows] == [None] * 3
    bench.take_all("accounts")
    forget_requests(bench)
    # All instances leave the service alone, without claiming anything.
    again = bench.sync("two").process(message)
    assert again.wait_until == bench.later(seconds)
    assert bench.queued("accounts") == [(message, seconds)]
    assert (bench.sales.reads, bench.fno.finds, bench.fno.batches) == ([], [], [])
    bench.clock.advance(seconds)
    assert bench.sync("two").process(message).outcomes == {Outcome.CREATED: 3}


def replace_rows(message: Any) -> Any:
    return message.model_copy(update={"rows": ()})


def test_an_outage_however_long_uses_up_no_attempt_and_rejects_nothing(bench: Bench):
    row = bench.account(1)
    message = bench.rows(ACCOUNTS, row)
    for _ in range(30):
        bench.fno.errors.append(UnavailableError("down", service="fno", status=503))
        assert bench.sync().process(message).outcomes == {}
        bench.fno.errors.clear()
        [(message, delay)] = bench.queued("accounts")
        assert 0 < delay <= 76
        bench.take_all("accounts")
        bench.clock.advance(delay)
    assert message.attempt == 0
    assert bench.sync().process(message).outcomes == {Outcome.CREATED: 1}


def test_a_service_that_refuses_has_the_rows_put_back_and_is_reported(bench: Bench):
    row = bench.account(1)
    error = ServiceRefusedError("The user is disabled.", service="fno", status=401)
    bench.fno.errors.append(error)
    report = bench.process(ACCOUNTS, row)
    assert (report.refused, report.outcomes) == (error, {})
    assert bench.named("accounts") == [row]
    assert bench.entry(ACCOUNTS, row).outcome is None


def test_an_outage_of_storage_is_the_callers_and_the_message_stays(bench: Bench):
    row = bench.account(1)
    bench.sales.errors.append(UnavailableError("away", service="storage"))
    with pytest.raises(UnavailableError, match="away"):
        bench.process(ACCOUNTS, row)


def test_rows_of_the_batches_before_an_outage_are_recorded_and_the_rest_put_back(bench: Bench):
    rows = [bench.account(number) for number in range(60)]

    def fail_next() -> None:
        bench.fno.before_write = lambda: bench.fno.errors.append(
            UnavailableError("down", service="fno", status=503)
        )

    bench.fno.before_write = fail_next
    report = bench.process(ACCOUNTS, *rows)
    assert report.outcomes == {Outcome.CREATED: 50}
    [(message, _)] = bench.queued("accounts")
    assert len(message.rows) == 10
    assert set(message.rows) == {
        row for row in rows if bench.entry(ACCOUNTS, row).outcome is not Outcome.CREATED
    }


def test_batches_get_smaller_when_f_and_o_takes_long_for_them(bench: Bench):
    bench.clock.advance(1000)
    bench.fno.before_write = lambda: bench.clock.advance(25)
    bench.process(ACCOUNTS, *(bench.account(number) for number in range(50)))
    bench.fno.before_write = lambda: None
    bench.process(ACCOUNTS, *(bench.account(number) for number in range(50, 100)))
    assert [len(batch) for batch in bench.fno.batches] == [50, 40, 10]


def test_nothing_is_sent_when_the_time_of_the_claim_is_up(bench: Bench):
    row = bench.account(1)
    bench.sales.before_read = lambda: bench.clock.advance(CLAIM_SECONDS)
    report = bench.process(ACCOUNTS, row)
    assert isinstance(report.unavailable, UnavailableError)
    assert report.unavailable.code == "too-late"
    assert report.unavailable.message == (
        "The claim on the rows has run out before they were sent; they are put back."
    )
    assert bench.fno.batches == []
    assert bench.named("accounts") == [row]


def test_rows_that_find_no_slot_are_put_back_at_once(bench: Bench):
    row = bench.account(1)
    with contextlib.ExitStack() as stack:
        holder = Limiter(bench.stores.state, bench.clock, "two")
        for _ in range(8):
            stack.enter_context(holder.slot())
        limiter = Limiter(bench.stores.state, bench.clock, "one")
        report = RowSync(bench.runtime(), hold, limiter).process(bench.rows(ACCOUNTS, row))
    assert report.unavailable is not None
    assert report.unavailable.code == "no-slot"
    assert bench.queued("accounts") == [(bench.rows(ACCOUNTS, row), 0)]
    assert bench.sync().backoff["fno"].until() is None


def test_a_row_taken_over_by_another_while_it_was_written_is_verified(bench: Bench):
    rows = [bench.account(1), bench.account(2)]
    bench.fno.before_write = lambda: bench.claim_for(ACCOUNTS, rows[0], "two", 30)
    report = bench.process(ACCOUNTS, *rows)
    assert report.outcomes == {Outcome.CREATED: 1}
    expected = bench.rows(ACCOUNTS, rows[0], verify=True)
    assert bench.queued("accounts") == [(expected, SETTLE_SECONDS)]
    claim = bench.entry(ACCOUNTS, rows[0]).claim
    assert claim is not None
    assert claim.owner == "two"
    assert counts(bench) == {Outcome.CREATED: 1}


def test_nothing_is_sent_for_a_row_that_another_has_taken_over(bench: Bench):
    rows = [bench.account(1), bench.account(2)]
    bench.sales.before_read = lambda: bench.claim_for(ACCOUNTS, rows[0], "two", 30)
    bench.process(ACCOUNTS, *rows)
    assert set(names_in_fno(bench)) == {"ACC-2"}
    assert [message.verify for message, _ in bench.queued("accounts")] == [True]


def test_what_is_written_first_is_in_the_ledger_before_it_is_sent(bench: Bench):
    row = bench.account(1)
    stored: list[Any] = []
    bench.fno.before_write = lambda: stored.append(bench.entry(ACCOUNTS, row))
    bench.process(ACCOUNTS, row)
    [entry] = stored
    assert [str(key) for key in entry.keys] == ["Customers(dataAreaId=usmf,Account=ACC-1)"]
    assert entry.hashes == {"Name": "?"}
    assert entry.intended is Outcome.CREATED


def test_a_failure_nobody_foresaw_gives_the_rows_free_and_has_them_verified(bench: Bench):
    row = bench.account(1)
    bench.sales.errors.append(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        bench.process(ACCOUNTS, row)
    entry = bench.entry(ACCOUNTS, row)
    assert (entry.claim, entry.unsettled_until) == (None, bench.later(SETTLE_SECONDS))
    assert bench.queued("accounts") == [(bench.rows(ACCOUNTS, row, verify=True), SETTLE_SECONDS)]


def test_a_failure_in_which_storage_is_gone_leaves_the_claims_to_run_out(bench: Bench):
    row = bench.account(1)
    real = bench.stores.ledger.put_all

    def fail(*_: Any) -> Any:
        bench.stores.ledger.put_all = gone  # type: ignore[method-assign]
        raise ZeroDivisionError

    def gone(*_: Any) -> Any:
        raise UnavailableError("down", service="storage")

    bench.fno.find = fail  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        bench.process(ACCOUNTS, row)
    bench.stores.ledger.put_all = real  # type: ignore[method-assign]
    assert bench.entry(ACCOUNTS, row).claim is not None

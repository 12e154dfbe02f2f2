"""Rows deleted while nobody listened: found after a full read, unless they are too many."""

from typing import Any

import pytest

from p2c.errors import ConsentError, DeltaLinkExpiredError, RequestError, ThrottledError
from p2c.model import Outcome, RowId
from p2c.sync import find_deleted
from p2c.sync.checkpoints import Checkpoint, Checkpoints
from p2c.sync.enumerate_changes import EnumerateChanges, Enumerated
from p2c.sync.executions import Executions
from p2c.sync.find_deleted import COMPARE_ANYWAY_SECONDS, most_absent
from p2c.sync.handle_message import MessageHandler
from p2c.sync.messages import RowsMessage
from tests.sync.builders import (
    ACCOUNTS,
    CONTACTS,
    Bench,
    CrashError,
    Fuse,
    forget_requests,
    replace,
    resync_request,
    row_id,
)

KNOWN = 40
SECOND, THIRD, FOURTH = (f"2026030{day}T080000-later" for day in (2, 3, 4))


@pytest.fixture
def bench() -> Bench:
    """Forty accounts that p2c has written."""
    bench = Bench()
    for number in range(KNOWN):
        bench.account(number)
    bench.enumerate("accounts")
    work_off(bench)
    return bench


def work_off(bench: Bench) -> None:
    for message in bench.take_all("accounts"):
        assert isinstance(message, RowsMessage)
        bench.sync().process(message)


def vanish(bench: Bench, *numbers: int) -> list[RowId]:
    """Delete accounts while the delta link expires, and read everything again."""
    for number in numbers:
        bench.sales.remove("account", row_id(number))
    bench.sales.errors = [DeltaLinkExpiredError("expired", service="dataverse")]
    bench.enumerate("accounts", SECOND)
    assert not bench.sales.errors
    return sorted(row_id(number) for number in numbers)


def checkpoint(bench: Bench) -> Checkpoint:
    return Checkpoints(bench.stores.state).read(ACCOUNTS)


def deleted(bench: Bench) -> list[RowId]:
    entries = bench.runtime().ledger(ACCOUNTS).entries(Outcome.DELETED)
    return sorted(entry.row_id for entry in entries)


def compare_now(bench: Bench, execution: str = THIRD, **parts: Any) -> Enumerated:
    enumerate_changes = EnumerateChanges(bench.runtime(**parts))
    return enumerate_changes.find_deleted("accounts", execution, trigger="run")


def stopped_by(result: Enumerated) -> ConsentError:
    (error,) = result.stopped.values()
    assert isinstance(error, ConsentError)
    return error


def test_rows_deleted_before_an_expired_link_are_found_once_the_full_read_is_worked_off(
    bench: Bench,
):
    gone = vanish(bench, 3, 17)
    forget_requests(bench)
    bench.enumerate("accounts", THIRD)
    assert bench.sales.reads == [], "its rows are still on the queue"
    work_off(bench)
    forget_requests(bench)
    assert bench.enumerate("accounts", THIRD).read == {ACCOUNTS.task: 2}
    assert sorted(bench.named("accounts")) == gone
    work_off(bench)
    assert deleted(bench) == gone
    assert checkpoint(bench).comparison is None
    counts = Executions(bench.runtime()).counts(THIRD)["accounts"][ACCOUNTS.task]
    assert counts[Outcome.DELETED] == 2


def test_only_rows_that_the_full_read_did_not_name_are_asked_for_by_their_primary_key(
    bench: Bench,
):
    gone = vanish(bench, 3, 17)
    work_off(bench)
    forget_requests(bench)
    bench.enumerate("accounts", THIRD)
    assert {row for rows in bench.sales.reads for row in rows} == set(gone)
    assert {(query.columns, query.lookups) for query in bench.sales.queries} == {((), ())}


def test_no_lookup_is_followed_to_see_whether_a_row_is_there():
    bench = Bench()
    rows = [bench.contact(number, bench.account(1)) for number in range(20)]
    bench.process(CONTACTS, *rows)
    bench.enumerate("contacts")
    bench.enumerate("contacts", SECOND, all_data=True)
    forget_requests(bench)
    EnumerateChanges(bench.runtime()).find_deleted("contacts", THIRD, trigger="run")
    assert {(query.columns, query.lookups) for query in bench.sales.queries} == {((), ())}


def test_a_comparison_that_finds_every_row_asks_for_none_and_happens_once(bench: Bench):
    vanish(bench)
    work_off(bench)
    forget_requests(bench)
    assert bench.enumerate("accounts", THIRD).read == {ACCOUNTS.task: 0}
    assert (bench.sales.reads, checkpoint(bench).comparison) == ([], None)
    assert bench.queued("accounts") == []


def test_the_first_full_read_has_nothing_to_compare_with():
    bench = Bench()
    bench.account(1)
    bench.enumerate("accounts")
    assert checkpoint(bench).delta_link
    assert checkpoint(bench).comparison is None


def test_a_comparison_before_the_rows_are_worked_off_takes_none_of_them_for_deleted(bench: Bench):
    gone = vanish(bench, 3, 17)
    pending = len(bench.queued("accounts"))
    compare_now(bench)
    queued = bench.queued("accounts")[pending:]
    assert sorted(row for message, _ in queued for row in message.rows) == gone


def test_a_full_read_whose_rows_never_end_is_compared_after_an_hour(bench: Bench):
    vanish(bench, 3, 17)
    bench.take_all("accounts")
    bench.clock.advance(COMPARE_ANYWAY_SECONDS - 1)
    assert bench.enumerate("accounts", THIRD).read == {ACCOUNTS.task: 0}
    bench.clock.advance(1)
    assert bench.enumerate("accounts", THIRD).read == {ACCOUNTS.task: 2}


def test_rows_known_to_be_deleted_are_no_longer_known_rows(bench: Bench):
    vanish(bench, 3, 17)
    work_off(bench)
    bench.enumerate("accounts", THIRD)
    work_off(bench)
    bench.enumerate("accounts", FOURTH, all_data=True)
    work_off(bench)
    forget_requests(bench)
    assert bench.enumerate("accounts", "20260305T080000-last").read == {ACCOUNTS.task: 0}
    assert bench.sales.reads == []


@pytest.mark.parametrize(
    ("known", "most"), [(0, 0), (1, 0), (19, 0), (20, 1), (39, 1), (40, 2), (100, 5), (119, 5)]
)
def test_more_than_five_per_cent_are_too_many(known: int, most: int):
    assert most_absent(known) == most


def test_two_of_forty_are_concluded_from_and_three_are_asked_about(bench: Bench):
    vanish(bench, 1, 2, 3)
    work_off(bench)
    error = stopped_by(bench.enumerate("accounts", THIRD))
    assert error.code == "deletes-need-consent"
    assert error.message == (
        "Template 'accounts', task 'Accounts - Customers': after a full read 3 of 40 known rows "
        "were not found in Sales, more than 5 % (at most 2 were expected). Nothing is concluded "
        "from that, and the task reads no changes until somebody decides. Likely causes: p2c's "
        "user has lost a privilege or sees fewer business units; P2C_DATAVERSE_URL names another "
        "environment; or so many rows were deleted. If they were: 'run accounts --accept-deletes', "
        'or POST /api/resync/accounts with {"accept_deletes": true}. If not, mend the cause, then '
        "'run accounts --all-data' compares anew."
    )
    summary = Executions(bench.runtime()).summary(THIRD)
    assert (summary.status, summary.execution.error_code) == ("Error", "deletes-need-consent")


def test_a_task_that_asks_reads_nothing_and_queues_nothing(bench: Bench):
    vanish(bench, 1, 2, 3)
    work_off(bench)
    bench.enumerate("accounts", THIRD)
    bench.account(1)
    bench.sales.asked.clear()
    forget_requests(bench)
    for _ in range(2):
        stopped_by(bench.enumerate("accounts", FOURTH))
        stopped_by(compare_now(bench, FOURTH))
    assert (bench.sales.asked, bench.sales.reads) == ([], [])
    assert bench.queued("accounts") == []
    assert deleted(bench) == []


def test_a_task_that_asks_begins_no_full_read_by_itself(bench: Bench):
    vanish(bench, 1, 2, 3)
    work_off(bench)
    bench.enumerate("accounts", THIRD)
    known = checkpoint(bench)
    other_columns = bench.later(0).isoformat()
    Checkpoints(bench.stores.state).save(ACCOUNTS, replace(known, select_fingerprint=other_columns))
    stopped_by(bench.enumerate("accounts", FOURTH))
    assert checkpoint(bench).full_read is None


def test_with_consent_the_rows_are_queued_and_the_task_reads_on(bench: Bench):
    gone = vanish(bench, 1, 2, 3)
    work_off(bench)
    bench.enumerate("accounts", THIRD)
    bench.account(5, "Contoso")
    enumerate_changes = EnumerateChanges(bench.runtime())
    for _ in range(2):  # A second consent before it has been acted on is the same one.
        enumerate_changes.accept_deletes("accounts")
    assert bench.enumerate("accounts", FOURTH).read == {ACCOUNTS.task: 4}
    assert sorted(bench.named("accounts")) == sorted([*gone, row_id(5)])
    work_off(bench)
    assert deleted(bench) == gone
    assert not bench.enumerate("accounts", FOURTH).stopped


def test_there_is_nothing_to_consent_to_where_no_task_asks(bench: Bench):
    enumerate_changes = EnumerateChanges(bench.runtime())
    with pytest.raises(RequestError, match="no task asks whether rows were deleted") as caught:
        enumerate_changes.accept_deletes("accounts")
    assert caught.value.code == "nothing-to-accept"
    vanish(bench, 1)
    with pytest.raises(RequestError):  # It is due, but asks nothing.
        enumerate_changes.accept_deletes("accounts")


def test_consent_that_nobody_acted_on_ends_with_the_next_full_read(bench: Bench):
    vanish(bench, 1, 2, 3)
    work_off(bench)
    bench.enumerate("accounts", THIRD)
    EnumerateChanges(bench.runtime()).accept_deletes("accounts")
    bench.enumerate("accounts", FOURTH, all_data=True)
    work_off(bench)
    stopped_by(bench.enumerate("accounts", "20260305T080000-last"))


def test_more_absent_rows_than_were_consented_to_are_asked_about_anew(bench: Bench):
    gone = vanish(bench, 1, 2, 3)
    bench.take_all("accounts")  # None of the full read's rows was processed: all are asked for.
    compare_now(bench)
    EnumerateChanges(bench.runtime()).accept_deletes("accounts")
    for number in range(10, 20):
        bench.sales.remove("account", row_id(number))
    error = stopped_by(bench.enumerate("accounts", FOURTH))
    assert "13 of 40 known rows" in error.message
    queued = bench.named("accounts")
    assert len(set(queued)) <= 3 + most_absent(KNOWN)
    assert set(queued) <= {*gone, *(row_id(number) for number in range(10, 20))}


def test_another_full_read_compares_anew_and_finds_the_rows_that_are_back(bench: Bench):
    vanish(bench, 1, 2, 3)
    work_off(bench)
    bench.enumerate("accounts", THIRD)
    for number in (1, 2):
        bench.account(number)
    assert not bench.enumerate("accounts", FOURTH, all_data=True).stopped
    work_off(bench)
    last = "20260305T080000-last"
    assert bench.enumerate("accounts", last).read == {ACCOUNTS.task: 1}
    assert bench.named("accounts") == [row_id(3)]


def test_a_full_read_of_several_timers_is_not_held_up_by_what_was_asked_before_it(bench: Bench):
    vanish(bench, 1, 2, 3)
    work_off(bench)
    bench.enumerate("accounts", THIRD)
    bench.sales.before_page = lambda _page: bench.clock.advance(10)
    until = bench.clock.monotonic() + 5
    result = bench.enumerate("accounts", FOURTH, all_data=True, until=until)
    assert result.unfinished == [ACCOUNTS.task]
    assert bench.enumerate("accounts", FOURTH).stopped == {}
    assert checkpoint(bench).full_read is None


def test_a_full_read_that_begins_meanwhile_takes_over(bench: Bench):
    vanish(bench, 3, 17)
    work_off(bench)
    begun = False

    def begin_another() -> None:
        nonlocal begun
        if not begun:
            begun = True
            bench.enumerate("accounts", FOURTH, all_data=True)

    bench.sales.before_read = begin_another
    bench.enumerate("accounts", THIRD)
    comparison = checkpoint(bench).comparison
    assert comparison is not None
    assert (comparison.generation, comparison.bucket, comparison.phase) == (3, 0, "count")
    bench.sales.before_read = lambda: None
    work_off(bench)
    bench.enumerate("accounts", "20260305T080000-last")
    work_off(bench)
    assert deleted(bench) == sorted([row_id(3), row_id(17)])


def test_of_two_processes_at_one_comparison_one_gives_way(bench: Bench):
    gone = vanish(bench, 3, 17)
    work_off(bench)
    compared = False

    def compare_meanwhile() -> None:
        nonlocal compared
        if not compared:
            compared = True
            bench.enumerate("accounts", FOURTH)

    bench.sales.before_read = compare_meanwhile
    result = bench.enumerate("accounts", THIRD)
    assert (result.read, result.stopped) == ({ACCOUNTS.task: 0}, {})
    assert sorted(bench.named("accounts")) == gone


def test_a_comparison_cut_short_at_any_step_is_finished_by_the_next(bench: Bench):
    gone = vanish(bench, 3, 17)
    work_off(bench)
    crashes = 0
    for calls in range(1, 400):
        try:
            compare_now(bench, fuse=Fuse(calls))
            break
        except CrashError:
            crashes += 1
    assert crashes > 3
    assert checkpoint(bench).comparison is None
    assert set(bench.named("accounts")) == set(gone)
    work_off(bench)
    assert deleted(bench) == gone


def test_a_comparison_stops_for_the_function_timeout_and_goes_on_the_next_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    gone = vanish(bench, 3, 17)
    work_off(bench)
    bench.sales.before_read = lambda: bench.clock.advance(10)
    until = bench.clock.monotonic() + 5
    bench.enumerate("accounts", THIRD, until=until)
    comparison = checkpoint(bench).comparison
    assert comparison is not None
    assert (comparison.phase, comparison.absent) == ("count", 1)
    # It goes on although new rows of the same execution are under way.
    monkeypatch.setattr(find_deleted.FindDeleted, "_is_worked_off", lambda *_: False)
    bench.enumerate("accounts", FOURTH)
    assert sorted(bench.named("accounts")) == gone


def test_dataverse_that_throttles_during_a_comparison_is_left_alone(bench: Bench):
    vanish(bench, 3, 17)
    work_off(bench)
    bench.sales.errors = [ThrottledError("busy", service="dataverse", retry_after_seconds=30)]
    result = bench.enumerate("accounts", THIRD)
    assert [type(error) for error in result.stopped.values()] == [ThrottledError]
    bench.sales.asked.clear()
    bench.enumerate("accounts", THIRD)
    assert bench.sales.asked == []
    bench.clock.advance(31)
    assert bench.enumerate("accounts", THIRD).read == {ACCOUNTS.task: 2}


def test_rows_are_asked_for_in_bounded_numbers(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(find_deleted, "ROWS_PER_REQUEST", 2)
    vanish(bench)
    bench.take_all("accounts")
    forget_requests(bench)
    compare_now(bench)
    assert {len(rows) for rows in bench.sales.reads} == {1, 2}
    assert sum(len(rows) for rows in bench.sales.reads) == KNOWN


def test_a_requested_full_read_that_ends_in_a_question_is_not_requested_again(bench: Bench):
    vanish(bench, 1, 2, 3)
    work_off(bench)
    bench.enumerate("accounts", THIRD)
    handler = MessageHandler(bench.runtime(), bench.sync())
    request = resync_request("accounts", execution=FOURTH)
    report = handler.handle(request.model_dump_json())
    assert (report.wait_until, report.refused, report.unavailable) == (None, None, None)
    assert bench.queued("accounts") == []


def test_consent_given_by_a_request_goes_on_with_what_changed(bench: Bench):
    gone = vanish(bench, 1, 2, 3)
    work_off(bench)
    bench.enumerate("accounts", THIRD)
    EnumerateChanges(bench.runtime()).accept_deletes("accounts")
    MessageHandler(bench.runtime(), bench.sync()).handle(
        resync_request("accounts", execution=FOURTH).model_dump_json()
    )
    assert sorted(bench.named("accounts")) == gone

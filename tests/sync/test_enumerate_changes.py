"""Every change is named on the queue before the link that brought it is given up."""

import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from p2c.errors import (
    DeltaLinkExpiredError,
    RequestError,
    ServiceRefusedError,
    ThrottledError,
    UnavailableError,
)
from p2c.mapping.task import TaskMapping
from p2c.sync.backoff import Backoff
from p2c.sync.checkpoints import Checkpoint, Checkpoints, FullRead
from p2c.sync.enumerate_changes import EnumerateChanges, cut_into_messages
from p2c.sync.executions import Executions
from p2c.sync.ledger import bucket_of
from p2c.sync.long_text import TEXT_PART
from p2c.sync.messages import EnumerateMessage, RowsMessage
from tests.support.memory import START, MemoryDocuments
from tests.sync.builders import (
    ACCOUNTS,
    EXECUTION,
    TEMPLATES,
    Bench,
    CrashError,
    Fuse,
    resync_request,
    row_id,
    rows_of_one_bucket,
)

LATER = "20260302T090000-later"
EXPIRED = DeltaLinkExpiredError("The link has expired.", service="dataverse")


def checkpoint(bench: Bench) -> Checkpoint:
    return Checkpoints(bench.stores.state).read(ACCOUNTS)


def seeded(count: int) -> Bench:
    """A bench whose accounts have all been enumerated, with empty queues."""
    bench = Bench()
    for number in range(count):
        bench.account(number)
    bench.enumerate("accounts")
    bench.take_all("accounts")
    bench.sales.asked.clear()
    return bench


def dies_after(bench: Bench, calls: int) -> bool:
    """Enumerate in a process that dies after some calls to the outside; False when it got done."""
    runtime = bench.runtime(fuse=Fuse(calls))
    try:
        EnumerateChanges(runtime).enumerate_template("accounts", LATER, trigger="timer")
    except CrashError:
        return True
    return False


def summary(bench: Bench, execution: str = EXECUTION) -> Any:
    return Executions(bench.runtime()).summary(execution)


def changed_mapping(bench: Bench, **parts: str) -> None:
    task = replace(ACCOUNTS, **parts)
    bench.templates["accounts"] = replace(TEMPLATES["accounts"], tasks=(task,))


# Messages.


def test_a_message_names_rows_of_one_ledger_partition_and_at_most_96():
    rows = [*rows_of_one_bucket(200), *(row_id(number) for number in range(40))]
    rows = list(dict.fromkeys(rows))
    messages = list(cut_into_messages(ACCOUNTS, rows, EXECUTION, force=True, generation=3))
    for message in messages:
        assert len({bucket_of(row) for row in message.rows}) == 1
        assert len(message.rows) <= 96
        assert (message.force, message.generation) == (True, 3)
    assert Counter(row for message in messages for row in message.rows) == Counter(rows)


def test_rows_are_cut_into_as_few_messages_as_possible_of_about_equal_size():
    messages = list(cut_into_messages(ACCOUNTS, rows_of_one_bucket(200), EXECUTION))
    assert [len(message.rows) for message in messages] == [67, 67, 66]


def test_no_rows_make_no_message():
    assert list(cut_into_messages(ACCOUNTS, [], EXECUTION)) == []


# Polls.


def test_a_poll_names_what_changed_and_what_was_deleted_since_the_last_one():
    bench = seeded(8)
    edited, added = bench.account(3, "Contoso"), bench.account(20)
    bench.sales.remove("account", row_id(5))
    result = bench.enumerate("accounts", LATER)
    assert set(bench.named("accounts")) == {edited, added, row_id(5)}
    assert result.read == {ACCOUNTS.task: 3}
    assert {message.generation for message, _ in bench.queued("accounts")} == {0}
    assert bench.enumerate("accounts", LATER).read == {ACCOUNTS.task: 0}


def test_a_poll_that_finds_nothing_costs_one_request_and_leaves_no_trace():
    bench = seeded(4)
    bench.enumerate("accounts", LATER)
    assert len(bench.sales.asked) == 1
    assert bench.queues["accounts"].length() == 0
    assert Executions(bench.runtime()).latest(5)[0].execution.execution_id == EXECUTION


def test_an_execution_is_recorded_when_a_poll_finds_something():
    bench = seeded(4)
    bench.account(3, "Contoso")
    bench.enumerate("accounts", LATER)
    found = summary(bench, LATER)
    assert found.execution.read == {"accounts": {ACCOUNTS.task: 1}}
    assert (found.execution.trigger, found.execution.enumerated) == ("timer", {"accounts"})


def test_the_pages_of_a_delta_link_are_all_followed_before_the_next_link_is_kept():
    bench = seeded(1)
    changed = {bench.account(number, "Contoso") for number in range(8)}
    kept: list[str] = []
    bench.sales.before_page = lambda _page: kept.append(checkpoint(bench).delta_link)
    before = checkpoint(bench).delta_link
    bench.enumerate("accounts", LATER)
    assert set(bench.named("accounts")) == changed
    assert kept == [before] * 3
    assert checkpoint(bench).delta_link not in ("", before)


def test_a_poll_that_dies_at_any_step_loses_no_change():
    for calls in itertools.count():
        bench = seeded(1)
        changed = {bench.account(number, "Contoso") for number in range(7)}
        before = checkpoint(bench).delta_link
        died = dies_after(bench, calls)
        if checkpoint(bench).delta_link != before:
            assert set(bench.named("accounts")) == changed, f"lost when it died at step {calls}"
        bench.enumerate("accounts", LATER + "2")
        assert set(bench.named("accounts")) == changed, f"lost after it died at step {calls}"
        if not died:
            break
    assert calls > 10


# Full reads.


def test_the_first_poll_names_every_row_and_the_next_only_changes():
    bench = Bench()
    rows = {bench.account(number) for number in range(8)}
    result = bench.enumerate("accounts")
    assert Counter(bench.named("accounts")) == Counter(rows)
    assert result.read == {ACCOUNTS.task: 8}
    assert checkpoint(bench).full_read is None
    assert {message.generation for message, _ in bench.queued("accounts")} == {1}
    bench.take_all("accounts")
    assert bench.enumerate("accounts", LATER).read == {ACCOUNTS.task: 0}


def test_a_full_read_fetches_a_delta_link_before_it_names_the_first_row():
    bench = Bench()
    for number in range(7):
        bench.account(number)
    queued: list[tuple[bool, int]] = []
    bench.sales.before_page = lambda _page: queued.append(
        (bench.sales.asked[-1][1], bench.queues["accounts"].length())
    )
    bench.enumerate("accounts")
    assert [tracked for tracked, _ in queued] == [True] * 3 + [False] * 3
    assert [length for tracked, length in queued if tracked] == [0] * 3


@pytest.mark.parametrize("page", range(1, 7))
@pytest.mark.parametrize("number", [0, 4, 6, 30])
def test_no_change_made_during_either_pass_of_a_full_read_is_lost(page: int, number: int):
    bench = Bench()
    for known in range(7):
        bench.account(known)
    named_before: list[int] = []

    def change(now: int) -> None:
        if now == page:
            named_before.append(len(bench.named("accounts")))
            bench.account(number, "Contoso")

    bench.sales.before_page = change
    bench.enumerate("accounts")
    bench.enumerate("accounts", LATER)
    assert row_id(number) in bench.named("accounts")[named_before[0] :]


def test_a_full_read_that_dies_at_any_step_costs_no_more_than_a_page():
    for calls in itertools.count():
        bench = Bench()
        rows = {bench.account(number) for number in range(7)}
        if not dies_after(bench, calls):
            break
        bench.enumerate("accounts", LATER)
        named = Counter(bench.named("accounts"))
        assert set(named) == rows, f"lost after it died at step {calls}"
        assert sum(named.values()) <= 7 + 3
        # Two passes of three pages, and the page or poll under way when it died.
        assert len(bench.sales.asked) <= 7
        assert checkpoint(bench).full_read is None
    assert calls > 20


def test_a_full_read_goes_on_under_the_execution_that_began_it():
    bench = Bench()
    for number in range(7):
        bench.account(number)
    bench.sales.before_page = lambda page: bench.clock.advance(100) if page == 4 else None
    first = bench.enumerate("accounts", until=50)
    assert first.unfinished == [ACCOUNTS.task]
    assert summary(bench).status == "Running"
    second = bench.enumerate("accounts", LATER)
    assert second.unfinished == []
    assert {message.execution for message, _ in bench.queued("accounts")} == {EXECUTION}
    found = summary(bench).execution
    assert (found.enumerated, found.read) == (
        {"accounts"},
        {"accounts": {ACCOUNTS.task: 7}},
    )


def test_a_full_read_out_of_time_is_left_for_later_without_a_request():
    bench = Bench()
    bench.account(1)
    result = bench.enumerate("accounts", until=0.0)
    assert result.unfinished == [ACCOUNTS.task]
    assert bench.sales.asked == []


def test_an_expired_delta_link_is_followed_by_a_full_read():
    bench = seeded(4)
    bench.sales.errors.append(EXPIRED)
    result = bench.enumerate("accounts", LATER)
    assert set(bench.named("accounts")) == {row_id(number) for number in range(4)}
    assert {message.generation for message, _ in bench.queued("accounts")} == {2}
    assert result.stopped == {}
    assert [link for link, _ in bench.sales.asked[1:]].count(None) == 2


def test_links_of_a_full_read_that_expire_begin_it_anew():
    bench = Bench()
    for number in range(7):
        bench.account(number)

    def expire(page: int) -> None:
        if page == 5:
            raise EXPIRED

    bench.sales.before_page = expire
    result = bench.enumerate("accounts")
    named = Counter(bench.named("accounts"))
    assert set(named) == {row_id(number) for number in range(7)}
    assert result.stopped == {}
    assert checkpoint(bench).generation == 2
    assert checkpoint(bench).full_read is None


def test_a_delta_link_is_not_used_again_after_its_select_changed():
    bench = seeded(4)
    link = checkpoint(bench).delta_link
    changed_mapping(bench, select_fingerprint="more columns")
    bench.enumerate("accounts", LATER)
    assert link not in [asked for asked, _ in bench.sales.asked]
    assert len(bench.named("accounts")) == 4
    bench.take_all("accounts")
    assert bench.enumerate("accounts", LATER + "2").read == {ACCOUNTS.task: 0}


def test_a_changed_mapping_alone_does_not_read_everything():
    bench = seeded(4)
    changed_mapping(bench, fingerprint="another default")
    bench.enumerate("accounts", LATER)
    assert bench.named("accounts") == []


def test_all_data_names_every_row_although_nothing_changed():
    bench = seeded(4)
    bench.enumerate("accounts", LATER, all_data=True, force=True)
    assert len(bench.named("accounts")) == 4
    assert {message.force for message, _ in bench.queued("accounts")} == {True}
    assert {message.execution for message, _ in bench.queued("accounts")} == {LATER}


def test_all_data_is_recorded_even_when_there_is_no_row():
    bench = Bench()
    bench.enumerate("accounts", all_data=True)
    assert summary(bench).status == "Completed"


def test_what_changes_after_all_data_is_found_by_the_next_poll():
    bench = seeded(4)
    bench.enumerate("accounts", LATER, all_data=True)
    bench.take_all("accounts")
    edited = bench.account(2, "Contoso")
    bench.enumerate("accounts", LATER + "2")
    assert bench.named("accounts") == [edited]


def test_of_two_who_follow_the_same_link_one_moves_it_on_and_both_name_the_change():
    bench = seeded(4)
    edited = bench.account(2, "Contoso")
    bench.sales.before_page = lambda page: (
        bench.enumerate("accounts", LATER + "2") if page == 1 else None
    )
    bench.enumerate("accounts", LATER)
    assert bench.named("accounts") == [edited, edited]
    bench.take_all("accounts")
    assert bench.enumerate("accounts", LATER + "3").read == {ACCOUNTS.task: 0}


# Chosen rows.


def test_chosen_rows_are_named_once_each_without_asking_sales():
    bench = Bench()
    rows = [row_id(1), row_id(2), row_id(1)]
    result = EnumerateChanges(bench.runtime()).enumerate_rows(
        "accounts", rows, EXECUTION, trigger="resync", force=True
    )
    assert Counter(bench.named("accounts")) == Counter(rows[:2])
    assert {message.force for message, _ in bench.queued("accounts")} == {True}
    assert result.read == {ACCOUNTS.task: 2}
    assert bench.sales.asked == []
    assert summary(bench).execution.read == {"accounts": {ACCOUNTS.task: 2}}
    assert summary(bench).execution.enumerated == {"accounts"}


def test_a_request_is_recorded_and_queued_and_nothing_else():
    bench = Bench()
    message = resync_request("accounts", everything=True)
    EnumerateChanges(bench.runtime()).request(message, trigger="resync")
    assert bench.messages("accounts") == [message]
    assert isinstance(bench.messages("accounts")[0], EnumerateMessage)
    assert (summary(bench).status, bench.sales.asked) == ("Running", [])


def test_an_unknown_template_names_those_that_there_are():
    with pytest.raises(RequestError) as caught:
        Bench().enumerate("ledgers")
    assert caught.value.code == "template-unknown"
    assert caught.value.message == (
        "There is no template 'ledgers'; there are: accounts, contacts."
    )


# Services that refuse or are away.


def test_a_refusal_stops_the_template_and_is_recorded_with_its_words():
    bench = Bench()
    error = ServiceRefusedError(
        "Change tracking is off.", service="dataverse", code="change-tracking-off"
    )
    bench.sales.errors.append(error)
    result = bench.enumerate("accounts")
    assert result.stopped == {ACCOUNTS.task: error}
    found = summary(bench)
    assert found.status == "Error"
    assert (found.execution.error, found.execution.error_code) == (
        "Change tracking is off.",
        "change-tracking-off",
    )


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (ThrottledError("busy", service="dataverse", status=429, retry_after_seconds=40), 40.0),
        (UnavailableError("down", service="dataverse", status=503, retry_after_seconds=50), 50.0),
    ],
)
def test_while_dataverse_asks_to_be_left_alone_nothing_is_asked(error: Exception, seconds: float):
    bench = seeded(2)
    edited = bench.account(1, "Contoso")
    bench.sales.errors.append(error)
    assert bench.enumerate("accounts", LATER).stopped == {ACCOUNTS.task: error}
    bench.sales.asked.clear()
    again = bench.enumerate("accounts", LATER + "2")
    assert [type(found) for found in again.stopped.values()] == [UnavailableError]
    assert bench.sales.asked == []
    bench.clock.advance(seconds)
    assert bench.enumerate("accounts", LATER + "3").stopped == {}
    assert bench.named("accounts") == [edited]


def test_a_poll_or_a_full_read_that_succeeds_ends_the_outage():
    bench = seeded(2)
    for all_data in (False, True):
        bench.sales.errors.append(UnavailableError("down", service="dataverse", status=503))
        bench.enumerate("accounts", LATER)
        backoff = Backoff(bench.stores.state, bench.clock, "dataverse")
        assert backoff.outage_since() == bench.clock.now()
        bench.clock.advance(100)
        bench.enumerate("accounts", f"{LATER}-{all_data}", all_data=all_data)
        bench.clock.advance(2)
        assert backoff.outage_since() is None


def test_an_outage_of_storage_does_not_close_dataverse():
    bench = seeded(2)
    runtime = bench.runtime(
        fuse=Fuse(0, UnavailableError("away", service="storage"), method="changes")
    )
    EnumerateChanges(runtime).enumerate_template("accounts", LATER, trigger="timer")
    assert Backoff(bench.stores.state, bench.clock, "dataverse").until() is None


def test_the_tasks_before_the_one_that_stopped_are_done_and_those_after_it_wait():
    bench = Bench()
    tasks = tuple(replace(ACCOUNTS, task=name) for name in ("first", "second", "third"))
    bench.templates["accounts"] = replace(TEMPLATES["accounts"], tasks=tasks)
    bench.account(1)

    def refuse(page: int) -> None:
        if page == 3:
            raise ServiceRefusedError("No privilege.", service="dataverse")

    bench.sales.before_page = refuse
    result = bench.enumerate("accounts")
    assert result.read == {"first": 1}
    assert list(result.stopped) == ["second"]
    assert {message.task for message, _ in bench.queued("accounts")} == {"first"}


def test_progress_tells_the_task_and_the_rows_named_so_far():
    bench = Bench()
    for number in range(7):
        bench.account(number)
    told: list[tuple[str, int]] = []

    def note(task: TaskMapping, read: int) -> None:
        told.append((task.task, read))

    bench.enumerate("accounts", progress=note)
    assert told == [(ACCOUNTS.task, read) for read in (3, 6, 7)]


def test_rows_messages_are_all_that_an_enumeration_queues():
    bench = Bench()
    bench.account(1)
    bench.enumerate("accounts")
    assert [type(message) for message in bench.messages("accounts")] == [RowsMessage]


# Checkpoints.


def test_a_checkpoint_reads_back_as_it_was_saved_whatever_its_links_length():
    checkpoints = Checkpoints(MemoryDocuments())
    full = FullRead(
        EXECUTION, 4, "rows", link="n" * TEXT_PART * 2, delta_link="d" * 40, read=12, force=True
    )
    saved = Checkpoint(
        delta_link="l" * (TEXT_PART + 1),
        select_fingerprint="s",
        mapping_fingerprint="m",
        generation=4,
        full_read=full,
        polled_at=START,
    )
    version = checkpoints.save(ACCOUNTS, saved)
    assert checkpoints.read(ACCOUNTS) == replace(saved, version=version)


def test_a_shorter_link_leaves_nothing_of_a_longer_one():
    checkpoints = Checkpoints(MemoryDocuments())
    version = checkpoints.save(ACCOUNTS, Checkpoint(delta_link="l" * (TEXT_PART + 1)))
    checkpoints.save(ACCOUNTS, Checkpoint(version=version, delta_link="short"))
    assert checkpoints.read(ACCOUNTS).delta_link == "short"


def test_a_checkpoint_that_somebody_else_saved_meanwhile_is_not_overwritten():
    checkpoints = Checkpoints(MemoryDocuments())
    known = checkpoints.read(ACCOUNTS)
    assert checkpoints.save(ACCOUNTS, replace(known, delta_link="theirs")) is not None
    assert checkpoints.save(ACCOUNTS, replace(known, delta_link="ours")) is None
    assert checkpoints.read(ACCOUNTS).delta_link == "theirs"

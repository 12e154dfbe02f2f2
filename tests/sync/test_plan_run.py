"""What a plan says of rows in each state, and where it says that it could not look."""

from collections import Counter

import pytest

from p2c.errors import UnavailableError
from p2c.model import Outcome
from p2c.sync.plan_result import IN_HAND
from p2c.sync.what_if import PEEKED
from tests.sync.builders import (
    ACCOUNTS,
    CONTACTS,
    SETTLE_SECONDS,
    Bench,
    forget_requests,
    in_fno,
    row_id,
)
from tests.sync.planning import done_operations, plan, planned_operations, run, stored
from tests.sync.simulation import PAGE


def test_a_new_account_and_its_contact_are_both_created() -> None:
    bench = Bench()
    bench.contact(1, bench.account(1))
    before = stored(bench)
    result, rows = plan(bench)
    assert [(row.task, row.outcome) for row in rows] == [
        (ACCOUNTS.task, Outcome.CREATED),
        (CONTACTS.task, Outcome.CREATED),
    ]
    assert rows[0].writes[0].fields["Name"] == (None, "Fabrikam")
    assert result.status == "Changes"
    assert result.writes == {"create": 2, "update": 0, "retire": 0}
    assert stored(bench) == before
    run(bench)
    assert planned_operations(rows) == done_operations(bench)


def test_a_plan_counts_as_the_run_does() -> None:
    bench = Bench()
    bench.contact(1, bench.account(1))
    bench.contact(2, bench.account(2, account=""))
    bench.contact(3, bench.account(3), qualifies=False)
    planned, _ = plan(bench)
    run(bench)
    for template, tasks in planned.counts.items():
        for task, counts in tasks.items():
            entries = bench.runtime().ledger(bench.runtime().task(template, task)).entries()
            found = Counter(entry.outcome for entry in entries)
            assert {name: count for name, count in counts.items() if count} == found
    assert planned.reasons == {
        "accounts": {ACCOUNTS.task: {"number-missing": 1}},
        "contacts": {CONTACTS.task: {"prerequisite-without-number": 1, "not-a-contact": 1}},
    }


def test_a_contact_whose_account_is_not_planned_waits() -> None:
    bench = Bench()
    bench.contact(1, bench.account(1))
    result, rows = plan(bench, "contacts")
    assert [(row.outcome, row.writes) for row in rows] == [(Outcome.WAITING, ())]
    assert result.status == "NoChanges"


def test_a_waiting_contact_goes_on_when_the_plan_brings_its_account() -> None:
    bench = Bench()
    contact = bench.contact(1, bench.account(1))
    run(bench, "contacts")
    _, rows = plan(bench)
    assert [(row.row_id, row.outcome) for row in rows][1:] == [(contact, Outcome.CREATED)]


def test_old_values_are_read_where_the_ledger_is_trusted() -> None:
    bench = Bench()
    account = bench.account(1, "Fabrikam")
    run(bench)
    in_fno(bench, "ACC-1", Name="By hand")
    bench.account(1, "Contoso")
    _, (row,) = plan(bench)
    assert (row.row_id, row.writes[0].fields) == (account, {"Name": ("By hand", "Contoso")})


def test_a_record_that_is_gone_in_fno_is_planned_to_be_created() -> None:
    bench = Bench()
    bench.account(1, "Fabrikam")
    run(bench)
    bench.fno.records.clear()
    bench.account(1, "Contoso")
    _, (row,) = plan(bench)
    assert [write.action for write in row.writes] == ["create"]


def test_a_record_under_an_old_key_is_planned_to_be_retired() -> None:
    bench = Bench()
    contact = bench.contact(1, bench.account(1))
    bench.account(2)
    run(bench)
    bench.contact(1, row_id(2))
    _, (row,) = plan(bench)
    assert [(write.action, write.fields.get("IsInactive")) for write in row.writes] == [
        ("create", (None, "No")),
        ("retire", ("No", "Yes")),
    ]
    assert row.row_id == contact


def test_a_row_that_another_worker_holds_is_said_to_be_in_hand() -> None:
    bench = Bench()
    account = bench.account(1)
    bench.claim_for(ACCOUNTS, account, "other", 30)
    result, (row,) = plan(bench, "accounts")
    assert (row.outcome, row.reason) == (Outcome.WAITING, IN_HAND)
    assert result.counts["accounts"][ACCOUNTS.task][Outcome.WAITING] == 1
    assert result.status == "Incomplete"


def test_a_message_that_cannot_be_read_is_counted_and_left() -> None:
    bench = Bench()
    bench.queues["accounts"].send("no message of ours")
    result, rows = plan(bench, "accounts")
    assert (result.unreadable, rows, bench.queues["accounts"].length()) == (1, [], 1)


def test_unsettled_rows_are_found_behind_the_messages_that_storage_shows() -> None:
    bench = Bench()
    account = bench.account(1)
    bench.fno.mishaps = ["lost-before"]
    run(bench, "accounts")
    bench.clock.advance(SETTLE_SECONDS + 1)
    due = bench.take_all("accounts")
    for number in range(PEEKED):
        other = bench.rows(ACCOUNTS, row_id(500 + number))
        bench.queues["accounts"].send(other.model_dump_json())
    for message in due:
        bench.queues["accounts"].send(message.model_dump_json())
    result, rows = plan(bench, "accounts")
    assert result.unseen == {"accounts": len(due)}
    assert [row.row_id for row in rows if row.writes] == [account]


@pytest.mark.parametrize(
    ("limit", "told", "cut_short"), [(1, 1, "limit"), (2, 2, "limit"), (3, 3, ""), (4, 3, "")]
)
def test_a_limit_is_on_the_rows_looked_at(limit: int, told: int, cut_short: str) -> None:
    bench = Bench()
    for number in range(3):
        bench.account(number)
    result, rows = plan(bench, "accounts", most_rows=limit)
    assert (len(rows), result.cut_short) == (told, cut_short)


def test_a_limit_that_a_page_just_fills_cuts_off_the_next() -> None:
    bench = Bench()
    for number in range(PAGE + 1):
        bench.account(number)
    result, rows = plan(bench, "accounts", most_rows=PAGE)
    assert (len(rows), result.cut_short) == (PAGE, "limit")


@pytest.mark.parametrize("known", [False, True])
def test_a_plan_ends_when_its_time_is_over(*, known: bool) -> None:
    bench = Bench()
    bench.account(1)
    if known:
        run(bench)
        bench.account(1, "New")
    result, rows = plan(bench, "accounts", until=bench.clock.monotonic())
    assert (result.cut_short, result.status, rows) == ("time", "Incomplete", [])


def test_rows_that_are_in_each_others_way_are_planned_to_the_end() -> None:
    bench = Bench()
    first, second = bench.account(1, account="A1"), bench.account(2, account="A2")
    run(bench)
    bench.account(1, account="A3")
    bench.account(2, account="A1")
    result, rows = plan(bench, "accounts", most_rows=2)
    assert [(row.row_id, row.outcome) for row in rows] == [
        (first, Outcome.UPDATED),
        (second, Outcome.UPDATED),
    ]
    assert (result.cut_short, result.reasons) == ("", {})


def test_chosen_rows_are_planned_and_no_other() -> None:
    bench = Bench()
    chosen, _ = bench.account(1), bench.account(2)
    _, (row,) = plan(bench, "accounts", rows=[chosen])
    assert row.row_id == chosen


def test_force_compares_with_what_fno_holds() -> None:
    bench = Bench()
    bench.account(1, "Fabrikam")
    run(bench)
    in_fno(bench, "ACC-1", Name="By hand")
    assert plan(bench, "accounts", all_data=True)[0].status == "NoChanges"
    assert plan(bench, "accounts", force=True)[0].writes["update"] == 1


@pytest.mark.parametrize("service", ["dataverse", "fno"])
def test_a_service_that_is_left_alone_is_not_asked(service: str) -> None:
    bench = Bench()
    bench.account(1)
    bench.sync().backoff[service].throttled(60)
    with pytest.raises(UnavailableError, match="left alone until"):
        plan(bench, "accounts")
    assert bench.fno.finds == []


def test_messages_of_one_kind_are_looked_at_together() -> None:
    bench = Bench()
    for number in range(60):
        bench.account(number)
    run(bench)
    for number in range(60):
        bench.account(number, "New")
    forget_requests(bench)
    plan(bench, "accounts")
    pages = -(-60 // PAGE)
    assert len(bench.sales.reads) == pages
    assert len(bench.fno.finds) == pages


def test_two_accounts_that_swap_their_numbers_are_planned_as_the_run_swaps_them() -> None:
    bench = Bench()
    bench.account(1, "Ann", account="A1")
    bench.account(2, "Bob", account="A2")
    run(bench)
    bench.account(1, "Ann", account="A2")
    bench.account(2, "Bob", account="A1")
    bench.fno.done.clear()
    _, rows = plan(bench)
    run(bench)
    assert len(done_operations(bench)) == 2
    assert planned_operations(rows) == done_operations(bench)

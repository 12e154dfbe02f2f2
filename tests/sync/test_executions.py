"""What executions say of themselves, and when they are forgotten."""

from datetime import timedelta
from typing import Any

import pytest

from p2c.errors import RequestError
from p2c.model import Outcome
from p2c.sync.executions import (
    KEPT_DAYS,
    Executions,
    counts_as_json,
    new_execution_id,
    status_of,
)
from p2c.sync.ledger import Change, Entry
from tests.support.memory import START
from tests.sync.builders import ACCOUNTS, CONTACTS, EXECUTION, Bench, row_id

READ = {"accounts": {ACCOUNTS.task: 2}}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def executions(bench: Bench) -> Executions:
    return Executions(bench.runtime())


def started(bench: Bench, execution: str = EXECUTION) -> Executions:
    found = executions(bench)
    found.start(execution, "timer", ["accounts"])
    return found


def tally(bench: Bench, number: int, outcome: Outcome, execution: str = EXECUTION) -> None:
    change = Change(Entry(row_id=row_id(number)), {(execution, outcome): 1})
    bench.runtime().ledger(ACCOUNTS).write([change])


@pytest.mark.parametrize(
    ("counts", "error", "status"),
    [
        ({}, False, "Completed"),
        ({Outcome.CREATED: 3, Outcome.UNCHANGED: 2}, False, "Completed"),
        ({Outcome.WAITING: 3, Outcome.SKIPPED: 2}, False, "Completed"),
        ({Outcome.CREATED: 3, Outcome.REJECTED: 1}, False, "Warning"),
        ({Outcome.WAITING: 1, Outcome.REJECTED: 5}, False, "Warning"),
        ({Outcome.REJECTED: 5}, False, "Error"),
        ({}, True, "Error"),
        ({Outcome.CREATED: 3}, True, "Error"),
    ],
)
def test_the_status_follows_from_what_the_rows_came_to(
    counts: dict[Outcome, int], status: str, *, error: bool
):
    assert status_of([counts], error=error) == status


def test_a_task_whose_rows_were_all_rejected_is_a_warning_while_another_task_went_well():
    assert status_of([{Outcome.REJECTED: 2}, {Outcome.CREATED: 1}], error=False) == "Warning"


def test_an_execution_runs_until_every_row_that_was_read_has_been_counted(bench: Bench):
    found = started(bench)
    statuses = [found.summary(EXECUTION).status]
    found.update(EXECUTION, read=READ)
    tally(bench, 1, Outcome.CREATED)
    statuses.append(found.summary(EXECUTION).status)
    found.update(EXECUTION, enumerated="accounts")
    statuses.append(found.summary(EXECUTION).status)
    tally(bench, 2, Outcome.WAITING)
    statuses.append(found.summary(EXECUTION).status)
    assert statuses == ["Running", "Running", "Running", "Completed"]


def test_an_execution_whose_rows_are_counted_runs_until_all_are_enumerated(bench: Bench):
    found = started(bench)
    found.update(EXECUTION, read={"accounts": {ACCOUNTS.task: 1}})
    tally(bench, 1, Outcome.REJECTED)
    assert found.summary(EXECUTION).status == "Running"
    found.update(EXECUTION, enumerated="accounts")
    assert found.summary(EXECUTION).status == "Error"


def test_an_execution_of_two_templates_runs_until_both_are_enumerated(bench: Bench):
    found = executions(bench)
    found.start(EXECUTION, "run", ["accounts", "contacts"])
    statuses = []
    for template in ("contacts", "accounts"):
        statuses.append(found.summary(EXECUTION).status)
        found.update(EXECUTION, enumerated=template)
    assert [*statuses, found.summary(EXECUTION).status] == ["Running", "Running", "Completed"]


def test_an_error_that_was_mended_is_none(bench: Bench):
    found = started(bench)
    found.update(EXECUTION, error="No privilege.", error_code="service-refused")
    found.update(EXECUTION, enumerated="accounts", error="")
    shown = found.summary(EXECUTION)
    assert (shown.status, shown.execution.error_code) == ("Completed", "")
    assert "error" not in shown.as_json()


def test_an_execution_that_was_stopped_is_an_error_whatever_its_rows_came_to(bench: Bench):
    found = started(bench)
    tally(bench, 1, Outcome.CREATED)
    found.update(EXECUTION, error="Change tracking is off.", error_code="change-tracking-off")
    shown: Any = found.summary(EXECUTION).as_json()
    assert shown["status"] == "Error"
    assert shown["error"] == {"code": "change-tracking-off", "message": "Change tracking is off."}


def test_the_json_form_has_every_outcome_and_their_sum(bench: Bench):
    found = started(bench)
    found.update(EXECUTION, read=READ, enumerated="accounts")
    tally(bench, 1, Outcome.CREATED)
    tally(bench, 2, Outcome.REJECTED)
    assert found.summary(EXECUTION).as_json() == {
        "execution_id": EXECUTION,
        "trigger": "timer",
        "status": "Warning",
        "started_at": "2026-03-02T08:00:00+00:00",
        "templates": {
            "accounts": {
                "tasks": {
                    ACCOUNTS.task: {
                        "read": 2,
                        "created": 1,
                        "updated": 0,
                        "unchanged": 0,
                        "skipped": 0,
                        "waiting": 0,
                        "rejected": 1,
                        "deleted": 0,
                    }
                }
            }
        },
    }


def test_counts_add_up_to_what_was_read():
    counts = {Outcome.CREATED: 3, Outcome.DELETED: 2}
    assert counts_as_json(counts)["read"] == 5


def test_starting_twice_changes_nothing(bench: Bench):
    found = started(bench)
    found.update(EXECUTION, read=READ)
    bench.clock.advance(60)
    found.start(EXECUTION, "resync", ["contacts"])
    execution = found.summary(EXECUTION).execution
    assert (execution.trigger, execution.templates) == ("timer", ("accounts",))
    assert (execution.started_at, execution.read) == (START, READ)


def test_what_one_update_leaves_out_another_has_kept(bench: Bench):
    found = started(bench)
    found.update(EXECUTION, read={"accounts": {"first": 1}})
    found.update(EXECUTION, read={"accounts": {"second": 2}})
    found.update(EXECUTION, enumerated="accounts")
    execution = found.summary(EXECUTION).execution
    assert execution.read == {"accounts": {"first": 1, "second": 2}}
    assert execution.enumerated == {"accounts"}


def test_an_update_that_meets_another_one_is_made_on_top_of_it(bench: Bench):
    found = started(bench)
    put = bench.stores.executions.put

    def overtaken(*args: Any) -> Any:
        bench.stores.executions.put = put
        executions(bench).update(EXECUTION, enumerated="accounts")
        return put(*args)

    bench.stores.executions.put = overtaken
    found.update(EXECUTION, read=READ)
    execution = found.summary(EXECUTION).execution
    assert (execution.enumerated, execution.read) == ({"accounts"}, READ)


def test_updating_an_execution_that_was_never_recorded_records_none(bench: Bench):
    executions(bench).update(EXECUTION, enumerated="accounts")
    assert executions(bench).latest(5) == []


@pytest.mark.parametrize("name", [EXECUTION, "", "../executions"])
def test_an_unknown_execution_is_reported_as_such(bench: Bench, name: str):
    with pytest.raises(RequestError) as caught:
        executions(bench).summary(name)
    assert caught.value.code == "execution-unknown"
    assert caught.value.message == (
        f"There is no execution '{name}'. Executions are kept 45 days; "
        "GET /api/executions lists them."
    )


def test_the_latest_executions_come_newest_first_over_several_days(bench: Bench):
    found, ids = executions(bench), []
    for _ in range(5):
        ids.append(found.new_id())
        found.start(ids[-1], "timer", ["accounts"])
        bench.clock.advance(10 * 3600)
    listed = [summary.execution.execution_id for summary in found.latest(10)]
    assert listed == ids[::-1]
    assert [summary.execution.execution_id for summary in found.latest(2)] == ids[:-3:-1]


def test_ids_sort_by_time_and_differ_within_a_second():
    ids = [new_execution_id(START), new_execution_id(START)]
    assert ids[0] != ids[1]
    assert all(found.startswith("20260302T080000-") for found in ids)
    assert max(ids) < new_execution_id(START + timedelta(seconds=1))


def test_only_the_templates_of_an_execution_are_shown(bench: Bench):
    started(bench)
    assert set(executions(bench).summary(EXECUTION).counts) == {"accounts"}


def test_counts_are_by_template_and_task(bench: Bench):
    tally(bench, 1, Outcome.CREATED)
    none = dict.fromkeys(Outcome, 0)
    assert executions(bench).counts(EXECUTION) == {
        "accounts": {ACCOUNTS.task: {**none, Outcome.CREATED: 1}},
        "contacts": {CONTACTS.task: none},
    }


def test_executions_and_their_tallies_are_kept_for_45_days(bench: Bench):
    found = started(bench)
    found.update(EXECUTION, enumerated="accounts")
    tally(bench, 1, Outcome.CREATED)
    for _ in range(KEPT_DAYS):
        bench.clock.advance(24 * 3600)
        found.forget_old()
    assert found.summary(EXECUTION).counts["accounts"][ACCOUNTS.task][Outcome.CREATED] == 1
    bench.clock.advance(24 * 3600)
    found.forget_old()
    assert found.latest(10) == []
    assert found.counts(EXECUTION)["accounts"][ACCOUNTS.task][Outcome.CREATED] == 0
    with pytest.raises(RequestError):
        found.summary(EXECUTION)


def test_executions_are_forgotten_although_nobody_looked_for_a_week(bench: Bench):
    found = started(bench)
    bench.clock.advance((KEPT_DAYS + 7) * 24 * 3600)
    found.forget_old()
    assert list(bench.stores.executions.scan(EXECUTION[:8])) == []


def test_old_executions_are_looked_for_once_a_day(bench: Bench):
    found = executions(bench)
    scans: list[str] = []
    scan = bench.stores.executions.scan

    def count(partition: str) -> Any:
        scans.append(partition)
        return scan(partition)

    bench.stores.executions.scan = count
    found.forget_old()
    bench.clock.advance(3600)
    found.forget_old()
    assert len(scans) == len(set(scans)) == 7


def test_rows_found_because_of_others_belong_to_the_execution_and_are_waited_for(bench: Bench):
    found = started(bench)
    found.update(EXECUTION, read={"accounts": {ACCOUNTS.task: 0}}, enumerated="accounts")
    assert found.summary(EXECUTION).status == "Completed"
    found.expect(EXECUTION, CONTACTS, 2)
    found.expect(EXECUTION, CONTACTS, 1)  # The same rows may be found again.
    assert found.summary(EXECUTION).status == "Running"
    for number in range(2):
        change = Change(Entry(row_id=row_id(number)), {(EXECUTION, Outcome.UPDATED): 1})
        bench.runtime().ledger(CONTACTS).write([change])
    summary = found.summary(EXECUTION)
    assert summary.status == "Completed"
    assert summary.counts["contacts"][CONTACTS.task][Outcome.UPDATED] == 2


def test_expected_rows_of_a_template_that_is_still_enumerated_do_not_end_it(bench: Bench):
    found = executions(bench)
    found.start(EXECUTION, "run", ["accounts", "contacts"])
    found.update(EXECUTION, enumerated="accounts")
    found.expect(EXECUTION, CONTACTS, 0)
    assert found.summary(EXECUTION).status == "Running"
    found.update(EXECUTION, enumerated="contacts")
    assert found.summary(EXECUTION).status == "Completed"


def test_an_execution_that_is_no_longer_kept_expects_nothing(bench: Bench):
    executions(bench).expect(EXECUTION, CONTACTS, 2)
    with pytest.raises(RequestError):
        executions(bench).summary(EXECUTION)

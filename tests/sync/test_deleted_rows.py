"""What processing comes to for rows that are gone from Sales, by the task's policy."""

import pytest

from p2c.errors import AnswerUnknownError
from p2c.mapping.task import CompiledTemplate, TaskMapping
from p2c.model import Outcome, PartResult, Reason, Update, Written
from tests.sync.builders import (
    ACCOUNTS,
    CONTACTS,
    REFUSED,
    SETTLE_SECONDS,
    TEMPLATES,
    Bench,
    forget_requests,
    names_in_fno,
    replace,
    row_id,
)

RETIRED_ACCOUNTS = replace(ACCOUNTS, when_deleted="deactivate")
RETIRED_CONTACTS = replace(CONTACTS, when_deleted="deactivate")


def templates(*tasks: TaskMapping) -> dict[str, CompiledTemplate]:
    return {
        name: replace(template, tasks=tuple(task for task in tasks if task.template == name))
        for name, template in TEMPLATES.items()
    }


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def retiring() -> Bench:
    """A bench whose tasks deactivate the records of deleted rows."""
    return Bench(templates=templates(RETIRED_ACCOUNTS, RETIRED_CONTACTS))


def holds(bench: Bench) -> dict[str, str]:
    """Customers' numbers to their hold."""
    return {str(found["Account"]): found.get("OnHold", "") for found in bench.fno.records.values()}


def test_a_deleted_row_is_reported_with_the_key_of_its_record_and_f_and_o_is_not_asked(
    bench: Bench,
):
    row = bench.account(1)
    bench.process(ACCOUNTS, row)
    bench.sales.remove("account", row)
    forget_requests(bench)
    assert bench.process(ACCOUNTS, row).outcomes == {Outcome.DELETED: 1}
    entry = bench.entry(ACCOUNTS, row)
    assert entry.reason is not None
    assert entry.reason.code == "deleted-in-sales"
    assert "Customers(dataAreaId=usmf,Account=ACC-1) stays in F&O" in entry.reason.text
    assert (bench.fno.finds, bench.fno.batches) == ([], [])
    assert names_in_fno(bench) == {"ACC-1": "Fabrikam"}


@pytest.mark.parametrize("policy", ["bench", "retiring"])
def test_a_row_that_came_and_went_between_two_polls_costs_f_and_o_nothing(
    policy: str, request: pytest.FixtureRequest
):
    bench: Bench = request.getfixturevalue(policy)
    for _ in range(2):
        report = bench.process(ACCOUNTS, row_id(9))
        assert report.outcomes == {Outcome.DELETED: 1}
        reason = bench.entry(ACCOUNTS, row_id(9)).reason
        assert reason is not None
        assert reason.code == "came-and-went"
    assert (bench.fno.finds, bench.fno.batches) == ([], [])
    assert bench.queued("accounts") == []


def test_a_deleted_row_is_retired_by_one_look_and_one_batch_and_given_back_when_restored(
    retiring: Bench,
):
    rows = [retiring.account(number) for number in (1, 2)]
    retiring.process(RETIRED_ACCOUNTS, *rows)
    retiring.sales.remove("account", rows[0])
    forget_requests(retiring)
    report = retiring.process(RETIRED_ACCOUNTS, *rows)
    assert report.outcomes == {Outcome.DELETED: 1, Outcome.UNCHANGED: 1}
    assert holds(retiring) == {"ACC-1": "All", "ACC-2": ""}
    assert (len(retiring.fno.finds), len(retiring.fno.batches)) == (1, 1)
    reason = retiring.entry(RETIRED_ACCOUNTS, rows[0]).reason
    assert reason is not None
    assert reason.code == "deactivated"

    retiring.account(1)
    assert retiring.process(RETIRED_ACCOUNTS, rows[0]).outcomes == {Outcome.UPDATED: 1}
    assert holds(retiring) == {"ACC-1": "No", "ACC-2": ""}
    assert retiring.process(RETIRED_ACCOUNTS, rows[0]).outcomes == {Outcome.UNCHANGED: 1}


def test_a_record_that_is_retired_already_costs_no_write(retiring: Bench):
    row = retiring.account(1)
    retiring.process(RETIRED_ACCOUNTS, row)
    retiring.sales.remove("account", row)
    retiring.process(RETIRED_ACCOUNTS, row)
    forget_requests(retiring)
    assert retiring.process(RETIRED_ACCOUNTS, row).outcomes == {Outcome.DELETED: 1}
    assert retiring.fno.batches == []


def test_every_record_of_a_contact_who_moved_is_retired_when_she_is_deleted(retiring: Bench):
    accounts = [retiring.account(number) for number in (1, 2)]
    retiring.process(RETIRED_ACCOUNTS, *accounts)
    row = retiring.contact(1, accounts[0])
    retiring.process(RETIRED_CONTACTS, row)
    retiring.contact(1, accounts[1])
    retiring.process(RETIRED_CONTACTS, row)
    retiring.sales.remove("contact", row)
    retiring.process(RETIRED_CONTACTS, row)
    marks = {
        identity[3]: record["IsInactive"]
        for identity, record in retiring.fno.records.items()
        if identity[0] == "Contacts"
    }
    assert marks == {"acc-1": "Yes", "acc-2": "Yes"}


def test_a_retirement_whose_answer_was_lost_is_sent_again_and_verified_by_a_late_look(
    retiring: Bench,
):
    row = retiring.account(1)
    retiring.process(RETIRED_ACCOUNTS, row)
    retiring.sales.remove("account", row)
    retiring.fno.errors = [AnswerUnknownError("reset", service="fno")]
    report = retiring.process(RETIRED_ACCOUNTS, row)
    assert report.outcomes == {Outcome.WAITING: 1}
    entry = retiring.entry(RETIRED_ACCOUNTS, row)
    assert entry.unsettled_until == retiring.later(SETTLE_SECONDS)
    assert [message.verify for message, _ in retiring.queued("accounts")] == [True, False]

    retiring.clock.advance(5)
    retiring.process(RETIRED_ACCOUNTS, row)
    assert holds(retiring) == {"ACC-1": "All"}
    assert retiring.entry(RETIRED_ACCOUNTS, row).outcome is Outcome.WAITING
    # A late request takes the mark away again before the verification.
    retiring.clock.advance(SETTLE_SECONDS)
    retiring.fno.records["Customers", "usmf", "acc-1"]["OnHold"] = "No"
    retiring.process(RETIRED_ACCOUNTS, row, verify=True)
    settled = retiring.entry(RETIRED_ACCOUNTS, row)
    assert (settled.outcome, settled.unsettled_until) == (Outcome.DELETED, None)
    assert holds(retiring) == {"ACC-1": "All"}


def test_what_a_late_request_wrote_after_the_row_was_deleted_is_cleared_when_it_is_restored(
    retiring: Bench,
):
    account = retiring.account(1)
    retiring.process(RETIRED_ACCOUNTS, account)
    row = retiring.contact(1, account, phone="555")
    retiring.fno.mishaps = ["late-50"]
    retiring.process(RETIRED_CONTACTS, row)
    retiring.sales.remove("contact", row)
    retiring.clock.advance(5)
    assert retiring.process(RETIRED_CONTACTS, row).outcomes == {Outcome.WAITING: 1}
    assert ("Contacts", "usmf", "con-1", "acc-1") not in retiring.fno.records
    # The lost request creates the record now, and the verification finds it.
    retiring.clock.advance(SETTLE_SECONDS + 10)
    retiring.process(RETIRED_CONTACTS, row, verify=True)
    record = retiring.fno.records["Contacts", "usmf", "con-1", "acc-1"]
    assert (record["Phone"], record["IsInactive"]) == ("555", "Yes")

    retiring.contact(1, account, phone=None)
    retiring.process(RETIRED_CONTACTS, row)
    assert (record["Phone"], record["IsInactive"]) == ("", "No")


def test_a_record_that_f_and_o_will_not_retire_is_rejected_and_retried_like_any_other(
    retiring: Bench,
):
    row = retiring.account(1)
    retiring.process(RETIRED_ACCOUNTS, row)
    retiring.sales.remove("account", row)
    retiring.fno.answers["ACC-1"] = [REFUSED]
    assert retiring.process(RETIRED_ACCOUNTS, row).outcomes == {Outcome.REJECTED: 1}
    assert retiring.process(RETIRED_ACCOUNTS, row).outcomes == {Outcome.DELETED: 1}
    assert holds(retiring) == {"ACC-1": "All"}


def test_what_f_and_o_quotes_from_a_deleted_rows_record_is_not_kept():
    private = replace(RETIRED_ACCOUNTS, free_text_fields=frozenset({"Name"}))
    bench = Bench(templates=templates(private, RETIRED_CONTACTS))
    row = bench.account(1, "Ida Vik")
    bench.process(private, row)
    bench.sales.remove("account", row)
    said = Reason("validation", "The customer Ida Vik has open orders.")
    bench.fno.answers["ACC-1"] = [PartResult(Written.REFUSED, said)]
    bench.process(private, row)
    reason = bench.entry(private, row).reason
    assert reason is not None
    assert reason.text == "The customer <Name> has open orders."


def test_a_record_that_vanished_between_look_and_retirement_needs_none(retiring: Bench):
    row = retiring.account(1)
    retiring.process(RETIRED_ACCOUNTS, row)
    retiring.sales.remove("account", row)
    retiring.fno.before_write = retiring.fno.records.clear
    forget_requests(retiring)
    assert retiring.process(RETIRED_ACCOUNTS, row).outcomes == {Outcome.DELETED: 1}
    assert [type(operation) for operation in retiring.fno.operations] == [Update]
    assert len(retiring.fno.finds) == 1


def test_a_deleted_row_that_is_restored_where_deleted_rows_are_reported_is_sent_what_differs(
    bench: Bench,
):
    row = bench.account(1)
    bench.process(ACCOUNTS, row)
    bench.sales.remove("account", row)
    bench.process(ACCOUNTS, row)
    bench.account(1, "Contoso")
    forget_requests(bench)
    assert bench.process(ACCOUNTS, row).outcomes == {Outcome.UPDATED: 1}
    assert [operation.values for operation in bench.fno.operations] == [{"Name": "Contoso"}]
    assert bench.fno.finds == []

"""Rejected rows are listed with their reason and retried with their newest state."""

import pytest

from p2c.model import Outcome
from p2c.sync.executions import Executions
from p2c.sync.ledger import bucket_of
from p2c.sync.rejected import RejectedRow, rejected_rows, retry_rejected
from tests.sync.builders import ACCOUNTS, CONTACTS, EXECUTION, REFUSED, Bench


@pytest.fixture
def bench() -> Bench:
    """Account 2 of three and the contact of account 1 are rejected."""
    found = Bench()
    accounts = [found.account(number) for number in (1, 2, 3)]
    found.fno.answers["ACC-2"] = [REFUSED]
    found.process(ACCOUNTS, *accounts)
    found.clock.advance(60)
    found.fno.answers["CON-1"] = [REFUSED]
    found.process(CONTACTS, found.contact(1, accounts[0]))
    return found


def test_a_rejected_row_is_listed_with_its_key_its_reason_and_since_when(bench: Bench):
    assert rejected_rows(bench.runtime(), ["accounts"]) == [
        RejectedRow(
            template="accounts",
            task=ACCOUNTS.task,
            row=bench.account(2),
            key="Customers(dataAreaId=usmf,Account=ACC-2)",
            code="validation",
            reason="F&O does not take it.",
            since="2026-03-02T08:00:00+00:00",
            execution_id=EXECUTION,
        )
    ]


def test_the_rows_of_all_templates_are_listed_in_their_order(bench: Bench):
    assert [row.template for row in rejected_rows(bench.runtime())] == ["accounts", "contacts"]


def test_nothing_is_listed_where_nothing_was_rejected():
    assert rejected_rows(Bench().runtime()) == []


def test_a_retried_row_brings_its_newest_state_and_leaves_the_list(bench: Bench):
    bench.account(2, "Mended")
    chosen = rejected_rows(bench.runtime(), ["accounts"])
    execution = retry_rejected(bench.runtime(), chosen, trigger="retry")
    [(message, delay)] = bench.queued("accounts")
    assert (message.rows, message.execution, delay) == ((chosen[0].row,), execution, 0)
    assert bench.sync().process(message).outcomes == {Outcome.CREATED: 1}
    assert bench.fno.records["Customers", "usmf", "acc-2"]["Name"] == "Mended"
    assert rejected_rows(bench.runtime(), ["accounts"]) == []


def test_a_retry_is_an_execution_that_counts_its_rows(bench: Bench):
    execution = retry_rejected(bench.runtime(), rejected_rows(bench.runtime()), trigger="retry")
    executions = Executions(bench.runtime())
    assert executions.summary(execution).status == "Running"
    assert executions.summary(execution).execution.read == {
        "accounts": {ACCOUNTS.task: 1},
        "contacts": {CONTACTS.task: 1},
    }
    for template in ("accounts", "contacts"):
        for message, _ in bench.queued(template):
            bench.sync().process(message)
    found = executions.summary(execution)
    assert (found.status, found.execution.trigger) == ("Completed", "retry")


def test_many_rows_are_retried_in_messages_of_one_ledger_partition(bench: Bench):
    rows = []
    for number in range(10, 50):
        row = bench.account(number)
        bench.fno.answers[f"ACC-{number}"] = [REFUSED]
        bench.process(ACCOUNTS, row)
        rows.append(row)
    chosen = [row for row in rejected_rows(bench.runtime(), ["accounts"]) if row.row in rows]
    retry_rejected(bench.runtime(), chosen, trigger="retry")
    assert sorted(bench.named("accounts")) == sorted(rows)
    for message, _ in bench.queued("accounts"):
        assert len({bucket_of(row) for row in message.rows}) == 1


def test_only_the_chosen_rows_are_retried(bench: Bench):
    chosen = rejected_rows(bench.runtime(), ["contacts"])
    retry_rejected(bench.runtime(), chosen, trigger="retry")
    assert bench.named("accounts") == []
    assert len(bench.named("contacts")) == 1

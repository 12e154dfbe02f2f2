"""Rejected rows are listed with their reason and retried with their newest state."""

import itertools
from dataclasses import replace

import pytest

from p2c.errors import UnavailableError
from p2c.model import Outcome, Reason
from p2c.sync import rejected
from p2c.sync.executions import Executions
from p2c.sync.ledger import Entry, Ledger, bucket_of
from p2c.sync.rejected import Choice, RejectedRow, rejected_rows, retry_rejected
from tests.sync.builders import ACCOUNTS, CONTACTS, EXECUTION, REFUSED, Bench

EXECUTION_OF_RETRY = "20260302T090000-00000001"


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
    assert list(rejected_rows(bench.runtime(), ["accounts"])) == [
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
    assert list(rejected_rows(Bench().runtime())) == []


def test_rows_of_one_code_are_listed_alone(bench: Bench):
    assert len(list(rejected_rows(bench.runtime(), code="validation"))) == 2
    assert list(rejected_rows(bench.runtime(), code="value-not-mapped")) == []


def retry(bench: Bench, **choice):
    return retry_rejected(bench.runtime(), Choice(**choice), trigger="retry")


def test_a_retried_row_brings_its_newest_state_and_leaves_the_list(bench: Bench):
    row = bench.account(2, "Mended")
    retried = retry(bench, rows=(row,))
    assert (retried.rows, retried.not_rejected) == (1, ())
    [(message, delay)] = bench.queued("accounts")
    assert (message.rows, message.execution, delay) == ((row,), retried.execution, 0)
    assert bench.sync().process(message).outcomes == {Outcome.CREATED: 1}
    assert bench.fno.records["Customers", "usmf", "acc-2"]["Name"] == "Mended"
    assert list(rejected_rows(bench.runtime(), ["accounts"])) == []


def test_a_retry_is_an_execution_that_counts_its_rows(bench: Bench):
    execution = retry(bench).execution
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


def test_many_rows_are_retried_in_full_messages_of_one_ledger_partition(bench: Bench, monkeypatch):
    rows = []
    for number in range(10, 50):
        row = bench.account(number)
        bench.fno.answers[f"ACC-{number}"] = [REFUSED]
        bench.process(ACCOUNTS, row)
        rows.append(row)
    monkeypatch.setattr(rejected, "ROWS_AT_ONCE", 7)
    retried = retry(bench, templates=("accounts",))
    assert retried.queued == {"accounts": {ACCOUNTS.task: 41}}
    assert sorted(bench.named("accounts")) == sorted([*rows, bench.account(2)])
    for message, _ in bench.queued("accounts"):
        assert len({bucket_of(row) for row in message.rows}) == 1
    found = Executions(bench.runtime()).summary(retried.execution)
    assert found.execution.read == {"accounts": {ACCOUNTS.task: 41}}


def test_only_the_chosen_rows_are_retried(bench: Bench):
    assert retry(bench, templates=("contacts",)).queued == {"contacts": {CONTACTS.task: 1}}
    assert bench.named("accounts") == []
    assert retry(bench, code="no-such-code").execution == ""
    assert retry(bench, code="validation").rows == 2


def test_a_row_that_has_gone_well_meanwhile_is_not_queued_and_is_named(bench: Bench):
    row, well = bench.account(2), bench.account(1)
    bench.process(ACCOUNTS, row)
    before = Executions(bench.runtime()).latest(5)
    retried = retry(bench, rows=(row, well, row))
    assert (retried.execution, retried.rows) == ("", 0)
    assert retried.not_rejected == (row, well)
    assert bench.queued("accounts") == []
    assert Executions(bench.runtime()).latest(5) == before


def test_a_row_that_is_retried_twice_is_written_once(bench: Bench):
    row = bench.account(2)
    for _ in range(2):
        retry(bench, rows=(row,))
    outcomes = [bench.sync().process(message).outcomes for message, _ in bench.queued("accounts")]
    assert outcomes == [{Outcome.CREATED: 1}, {Outcome.UNCHANGED: 1}]


def test_a_retry_that_storage_ends_early_says_so_in_its_execution(bench: Bench):
    runtime = bench.runtime()
    sent = []

    class Away:
        def send(self, text, *, delay_seconds=0):
            sent.append(text)
            raise UnavailableError("away", service="storage")

    broken = replace(runtime, queue_of=lambda template: Away())
    with pytest.raises(UnavailableError):
        retry_rejected(broken, Choice(), trigger="retry", execution=EXECUTION_OF_RETRY)
    assert len(sent) == 1
    found = Executions(runtime).summary(EXECUTION_OF_RETRY)
    assert found.status == "Error"
    assert found.execution.error.startswith("The retry stopped before every row was queued.")


def endless(_ledger, _outcome, *, code=""):
    """Entries of rejected rows without end."""
    for number in itertools.count():
        row = f"5c1ec0de-0000-4000-8000-{number:012}"
        yield Entry(row, outcome=Outcome.REJECTED, reason=Reason("blocked", "Because."))


def test_rows_are_listed_as_they_come(bench: Bench, monkeypatch):
    monkeypatch.setattr(Ledger, "entries", endless)
    assert next(rejected_rows(bench.runtime())).code == "blocked"


def test_rows_are_queued_before_the_last_one_is_known(bench: Bench, monkeypatch):
    monkeypatch.setattr(rejected, "ROWS_AT_ONCE", 100)
    seen = []

    def until_queued(*given, **named):
        for entry in endless(*given, **named):
            if bench.named("accounts"):
                return
            seen.append(entry.row_id)
            assert len(seen) <= 100
            yield entry

    monkeypatch.setattr(Ledger, "entries", until_queued)
    assert retry(bench, templates=("accounts",)).rows == 100

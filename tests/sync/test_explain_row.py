"""How a row is found, what is asked for it, and that nothing is written."""

import pytest

from p2c.errors import RequestError, ServiceRefusedError, UnavailableError
from p2c.model import Outcome, PartResult, Reason, Written
from p2c.sync.backoff import Backoff
from p2c.sync.explain_row import MOST_ROWS, RowExplainer
from p2c.sync.explanation import RowExplanation, TaskFacts
from p2c.sync.explanation_json import explanations_as_json
from tests.sync.builders import (
    ACCOUNTS,
    CONTACTS,
    REFUSED,
    Bench,
    Fuse,
    forget_requests,
    in_fno,
    replace,
    row_id,
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def explain(bench: Bench, text: str, template: str | None = None) -> tuple[RowExplanation, ...]:
    return RowExplainer(bench.runtime()).explain(text, template)


def facts(bench: Bench, text: str) -> TaskFacts:
    (row,) = explain(bench, text)
    (task,) = row.tasks
    return task.facts


@pytest.mark.parametrize("spelled", ["{0}", "{1}", "{{{1}}}", " {0} "])
def test_a_row_is_found_by_its_id_in_any_spelling(bench: Bench, spelled: str):
    row = bench.account(10)
    (found,) = explain(bench, spelled.format(row, row.upper()))
    assert (found.row_id, found.table, found.number) == (row, "account", "ACC-10")


@pytest.mark.parametrize("text", ["ACC-1", "acc-1", " ACC-1 "])
def test_a_row_is_found_by_its_number_without_regard_to_case(bench: Bench, text: str):
    row = bench.account(1)
    bench.account(2)
    assert [found.row_id for found in explain(bench, text)] == [row]


def test_a_row_that_is_gone_is_found_by_the_number_it_had_in_f_and_o(bench: Bench):
    parent = bench.account(1)
    row = bench.contact(1, parent)
    bench.process(ACCOUNTS, parent)
    bench.process(CONTACTS, row)
    bench.sales.remove("contact", row)
    (found,) = explain(bench, "con-1")
    assert (found.row_id, found.number) == (row, "CON-1")
    assert facts(bench, "CON-1").row is None
    bench.sales.remove("account", parent)
    assert [found.row_id for found in explain(bench, "ACC-1")] == [parent]


def test_every_row_of_a_number_is_explained_up_to_a_bound(bench: Bench):
    rows = [bench.account(number, account="ACC-0") for number in range(MOST_ROWS + 2)]
    assert [found.row_id for found in explain(bench, "ACC-0")] == sorted(rows)[:MOST_ROWS]


def test_only_the_tasks_of_a_template_that_is_given_are_asked(bench: Bench):
    row = bench.account(1)
    assert explain(bench, row, "accounts")
    with pytest.raises(RequestError) as caught:
        explain(bench, row, "contacts")
    assert caught.value.code == "row-unknown"
    assert "(searched: contact), and the ledger of contacts does not" in caught.value.message
    with pytest.raises(RequestError) as caught:
        explain(bench, row, "nosuch")
    assert caught.value.code == "template-unknown"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "NOPE",
            "ROW: found 'NOPE'; no row in Sales has this number (searched: account.accountnumber, "
            "contact.number), and no record in the ledger of accounts, contacts has it. Check the "
            "number in Sales, or give the row's id.",
        ),
        (
            row_id(77),
            f"ROW: there is no row {row_id(77)} in Sales (searched: account, contact), and the "
            "ledger of accounts, contacts does not know it. Copy the id from the row's address in "
            "Sales, or give the row's number.",
        ),
    ],
)
def test_a_row_that_nobody_knows_is_named_with_where_it_was_looked_for(
    bench: Bench, text: str, message: str
):
    bench.account(1)
    with pytest.raises(RequestError) as caught:
        explain(bench, text)
    assert (caught.value.code, caught.value.message) == ("row-unknown", message)


@pytest.mark.parametrize("text", ["", "  ", "x" * 201])
def test_what_is_no_number_is_not_searched_for(bench: Bench, text: str):
    bench.account(1, account="")
    fuse = Fuse(0, method="find")
    with pytest.raises(RequestError) as caught:
        RowExplainer(bench.runtime(fuse=fuse)).explain(text)
    assert caught.value.code == "row-unknown"
    assert len(caught.value.message) < 500


def test_a_row_costs_a_handful_of_requests(bench: Bench):
    parent = bench.account(1)
    row = bench.contact(1, parent)
    bench.process(ACCOUNTS, parent)
    bench.process(CONTACTS, row)
    forget_requests(bench)
    explain(bench, "CON-1")
    assert len(bench.sales.reads) == 2, "one for each task, which is one for each table here"
    assert [found[0] for found in bench.fno.finds] == ["Customers", "Contacts"]
    assert bench.fno.batches == []


def test_what_a_run_would_send_is_what_the_run_then_sends(bench: Bench):
    here, there = bench.account(1), bench.account(2)
    row = bench.contact(1, here, phone="1")
    bench.process(ACCOUNTS, here, there)
    for parent, change in ((here, {"name": "Ola"}), (here, {"phone": None}), (there, {})):
        bench.contact(1, parent, **{"name": "Ida", "phone": "1", **change})
        before = facts(bench, row)
        assert before.would_be is None
        bench.fno.batches.clear()
        bench.process(CONTACTS, row)
        assert before.fno.plan is not None
        assert list(before.fno.plan.operations) == bench.fno.operations
        after = facts(bench, row).fno
        assert after.plan is not None
        assert after.plan.operations == ()


def test_a_field_says_whether_it_is_equal_different_or_to_be_cleared(bench: Bench):
    parent = bench.account(1)
    row = bench.contact(1, parent, phone="1")
    bench.process(ACCOUNTS, parent)
    new = {state.field: state.comparison for state in facts(bench, row).fno.fields}
    assert new == {"Name": "new", "Phone": "new", "IsInactive": "new"}
    bench.process(CONTACTS, row)
    bench.contact(1, parent, name="Ola", phone=None)
    states = {state.field: state for state in facts(bench, row).fno.fields}
    assert {name: (state.comparison, state.sent) for name, state in states.items()} == {
        "Name": ("different", True),
        "Phone": ("to be cleared", True),
        "IsInactive": ("equal", False),
    }
    assert (states["Name"].wanted, states["Name"].actual) == ("Ola", "Ida")


def test_a_value_that_p2c_never_wrote_is_left_alone(bench: Bench):
    parent = bench.account(1)
    row = bench.contact(1, parent, phone=None)
    bench.process(ACCOUNTS, parent)
    bench.process(CONTACTS, row)
    bench.fno.records["Contacts", "usmf", "con-1", "acc-1"]["Phone"] = "theirs"
    states = {state.field: state.comparison for state in facts(bench, row).fno.fields}
    assert states["Phone"] == "left alone"


def test_a_former_record_is_told_with_its_mark(bench: Bench):
    here, there = bench.account(1), bench.account(2)
    row = bench.contact(1, here)
    bench.process(ACCOUNTS, here, there)
    bench.process(CONTACTS, row)
    bench.contact(1, there)
    (former,) = facts(bench, row).fno.former
    assert (former.key.identity, former.retired) == (("Contacts", "usmf", "con-1", "acc-1"), False)
    bench.process(CONTACTS, row)
    assert facts(bench, row).fno.former[0].retired is True
    del bench.fno.records["Contacts", "usmf", "con-1", "acc-1"]
    assert facts(bench, row).fno.former[0].retired is None


def test_a_prerequisite_is_told_with_its_own_rows_outcome(bench: Bench):
    parent = bench.account(1)
    row = bench.contact(1, parent)
    bench.fno.answers["ACC-1"] = [REFUSED]
    bench.process(ACCOUNTS, parent)
    bench.process(CONTACTS, row)
    found = facts(bench, row)
    (state,) = found.prerequisites
    assert (state.in_fno, state.outcome, state.reason) == (
        False,
        Outcome.REJECTED,
        REFUSED.reason,
    )
    assert found.would_be is not None
    assert found.would_be[0] is Outcome.WAITING
    assert found.fno.plan is None
    in_fno(bench, "ACC-1")
    assert facts(bench, row).prerequisites[0].in_fno is True
    assert facts(bench, row).would_be is None


def test_the_last_clear_answer_of_f_and_o_is_kept(bench: Bench):
    row = bench.account(1)
    bench.fno.answers["ACC-1"] = [REFUSED]
    bench.process(ACCOUNTS, row)
    entry = bench.entry(ACCOUNTS, row)
    assert (entry.answer, entry.answered_at) == ("validation", bench.clock.now())
    bench.clock.advance(60)
    bench.process(ACCOUNTS, row)
    assert bench.entry(ACCOUNTS, row).answer == "done"
    written_at = bench.clock.now()
    bench.clock.advance(60)
    bench.account(1, "Contoso")
    bench.fno.answers["ACC-1"] = [PartResult(Written.UNKNOWN, Reason("part-missing", "None."))]
    bench.process(ACCOUNTS, row)
    entry = bench.entry(ACCOUNTS, row)
    assert (entry.outcome, entry.answer, entry.answered_at) == (
        Outcome.WAITING,
        "done",
        written_at,
    )


def test_a_record_that_needs_no_mark_because_it_is_gone_is_a_clear_answer(bench: Bench):
    task = replace(ACCOUNTS, retired={"Name": "x"}, when_deleted="deactivate")
    bench.templates["accounts"] = replace(bench.templates["accounts"], tasks=(task,))
    row = bench.account(1)
    bench.process(task, row)
    bench.sales.remove("account", row)
    bench.fno.before_write = bench.fno.records.clear
    assert bench.process(task, row).outcomes == {Outcome.DELETED: 1}
    assert (len(bench.fno.batches), bench.entry(task, row).answer) == (2, "done")


def test_a_service_that_is_left_alone_is_not_asked(bench: Bench):
    parent = bench.account(1)
    row = bench.contact(1, parent)
    bench.process(ACCOUNTS, parent)
    bench.process(CONTACTS, row)
    forget_requests(bench)
    for service in ("dataverse", "fno"):
        Backoff(bench.stores.state, bench.clock, service).throttled(90)
    found = facts(bench, row)
    assert (bench.sales.reads, bench.fno.finds) == ([], [])
    assert found.sales_problem == "Sales is left alone until 2026-03-02 08:01:30 UTC"
    assert found.fno.problem == "F&O is left alone until 2026-03-02 08:01:30 UTC"
    assert found.entry.outcome is Outcome.CREATED
    # A number is looked for in the ledger then.
    explainer = RowExplainer(bench.runtime(fuse=Fuse(0, method="find")))
    assert [row.row_id for row in explainer.explain("CON-1")] == [row]


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError("F&O is down.", service="fno", status=503),
        ServiceRefusedError("F&O says no.", service="fno", status=403),
    ],
)
def test_a_service_that_fails_takes_nothing_away_from_the_rest(bench: Bench, error: Exception):
    row = bench.account(1)
    bench.process(ACCOUNTS, row)
    fuse = Fuse(0, error, method="find")
    runtime = bench.runtime(fuse=fuse)
    (explained,) = RowExplainer(runtime).explain(row)
    found = explained.tasks[0].facts
    assert found.fno.problem.endswith(f" [{error.code}]")  # type: ignore[attr-defined]
    assert found.mapped is not None
    assert "is not known" in explained.tasks[0].next


@pytest.mark.parametrize("reads_before", [0, 1])
def test_storage_that_fails_is_an_error(bench: Bench, reads_before: int):
    row = bench.account(1)
    fuse = Fuse(reads_before, UnavailableError("away", service="storage"), method="get_many")
    with pytest.raises(UnavailableError):
        RowExplainer(bench.runtime(fuse=fuse)).explain(row, "accounts")


def test_the_document_says_what_is_absent_by_null(bench: Bench):
    row = bench.account(1)
    document = explanations_as_json(row, explain(bench, row))
    (task,) = document["rows"][0]["tasks"]  # type: ignore[index]
    assert task["last"] == {
        "outcome": None,
        "code": None,
        "reason": None,
        "since": None,
        "execution_id": None,
        "answer": None,
        "answered_at": None,
        "claim": None,
        "unsettled_until": None,
        "keys": [],
    }


def test_a_number_that_is_another_rows_is_foreseen_to_be_rejected(bench: Bench):
    first, second = bench.account(1, account="ACC-0"), bench.account(2, "Twin", account="ACC-0")
    bench.process(ACCOUNTS, first)
    found = facts(bench, second)
    assert found.would_be is not None
    outcome, reason = found.would_be
    assert (outcome, reason.code if reason else "") == (Outcome.REJECTED, "number-taken")
    assert (found.fno.exists, found.fno.plan, found.fno.forced) == (True, None, None)
    assert [state.comparison for state in found.fno.fields] == ["different"]


def test_a_number_whose_owner_is_being_worked_on_is_foreseen_to_wait(bench: Bench):
    first, second = bench.account(1, account="ACC-0"), bench.account(2, account="ACC-0")
    bench.process(ACCOUNTS, first)
    bench.claim_for(ACCOUNTS, first, "another", 30)
    found = facts(bench, second)
    assert found.would_be is not None
    outcome, reason = found.would_be
    assert (outcome, reason.code if reason else "") == (Outcome.WAITING, "number-in-transit")


def test_a_record_that_can_be_taken_over_is_planned_as_the_run_then_does(bench: Bench):
    parent = bench.account(9)
    bench.process(ACCOUNTS, parent)
    first, second = bench.contact(1, parent, phone="1"), bench.contact(2, parent, phone=None)
    bench.process(CONTACTS, first, second)
    bench.sales.remove("contact", first)
    bench.sales.put("contact", second, number="CON-1")
    before = facts(bench, second).fno
    bench.fno.batches.clear()
    bench.process(CONTACTS, second)
    assert before.plan is not None
    assert list(before.plan.operations) == bench.fno.operations
    assert {"Phone": ""} in [dict(operation.values) for operation in bench.fno.operations]


def test_explaining_writes_nothing(bench: Bench):
    parent = bench.account(1)
    rows = [bench.account(2, account="ACC-1"), bench.contact(1, parent), bench.contact(2, parent)]
    bench.process(ACCOUNTS, parent)
    bench.process(CONTACTS, rows[1])
    writing = {"put", "put_all", "delete", "send", "receive", "renew", "complete", "write"}
    for method in writing:
        for row in (parent, *rows):
            runtime = bench.runtime(fuse=Fuse(0, AssertionError(method), method=method))
            assert RowExplainer(runtime).explain(row)

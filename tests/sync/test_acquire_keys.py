"""Of two rows with one number the first keeps the record; the second is told whose it is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from p2c.errors import UnavailableError
from p2c.mapping.task import TaskMapping
from p2c.model import Outcome, RecordKey, RowId
from p2c.sync.acquire_keys import (
    EXPIRED_SECONDS,
    ROUNDS,
    TURN_SECONDS,
    Free,
    KeyAcquirer,
    Taken,
    without_keys,
)
from p2c.sync.claims import CONTENTION_SECONDS
from p2c.sync.hashing import MAYBE
from p2c.sync.ledger import Entry
from p2c.sync.owners import Owner, Owners
from tests.sync.builders import (
    ACCOUNTS,
    CLAIM_SECONDS,
    REFUSED,
    TEMPLATES,
    Bench,
    CrashError,
    forget_requests,
    in_fno,
    names_in_fno,
    row_id,
    rows_of_one_bucket,
)
from tests.sync.numbers import BUYERS
from tests.sync.numbers import TEMPLATES as WITH_BUYERS


@pytest.fixture
def bench() -> Bench:
    made = Bench(templates=dict(WITH_BUYERS))
    made.sales.tables["buyer"] = {}
    return made


def key(number: str) -> RecordKey:
    return RecordKey("Customers", (("dataAreaId", "usmf"), ("Account", number)))


def buyer(
    bench: Bench, number: str | None, name: str | None = "Kari", *, active: bool = True
) -> RowId:
    bench.sales.put("buyer", row_id(500), accountnumber=number, name=name, active=active)
    return row_id(500)


def owner(bench: Bench, number: str) -> Owner | None:
    return Owners(bench.stores.ledger).owners_of([key(number)]).get(key(number).identity)


def reason(bench: Bench, row: RowId, task: TaskMapping = ACCOUNTS) -> tuple[str, str]:
    found = bench.entry(task, row).reason
    assert found
    return found.code, found.text


# Who keeps the record.


def test_the_second_of_two_accounts_with_one_number_is_rejected_and_both_are_named(bench: Bench):
    first, second = bench.account(1, account="A"), bench.account(2, "Contoso", account="A")
    bench.process(ACCOUNTS, first)
    forget_requests(bench)
    assert bench.process(ACCOUNTS, second).outcomes == {Outcome.REJECTED: 1}
    code, text = reason(bench, second)
    assert code == "number-taken"
    for named in (f"account {first}", f"account {second}", "template 'accounts'", str(key("A"))):
        assert named in text
    assert (names_in_fno(bench), bench.fno.finds, bench.fno.batches) == ({"A": "Fabrikam"}, [], [])
    assert bench.entry(ACCOUNTS, second).record == str(key("A"))


def test_rows_of_two_templates_may_not_share_a_number_either(bench: Bench):
    first, second = bench.account(1, account="A"), buyer(bench, "a ")
    bench.process(ACCOUNTS, first)
    assert bench.process(BUYERS, second).outcomes == {Outcome.REJECTED: 1}
    _, text = reason(bench, second, BUYERS)
    assert f"buyer {second} (template 'buyers')" in text
    assert f"account {first} (template 'accounts')" in text


def test_the_first_of_a_message_goes_first_and_the_second_comes_again_at_once(bench: Bench):
    one, other = rows_of_one_bucket(2)
    for row in (one, other):
        bench.sales.put("account", row, accountnumber="A", name=f"Name of {row}")
    report = bench.process(ACCOUNTS, one, other)
    assert report.outcomes == {Outcome.CREATED: 1, Outcome.WAITING: 1}
    assert reason(bench, other)[0] == "number-in-transit"
    assert bench.queued("accounts") == [(bench.rows(ACCOUNTS, other), 0)]
    assert bench.process(ACCOUNTS, other).outcomes == {Outcome.REJECTED: 1}
    assert names_in_fno(bench) == {"A": f"Name of {one}"}


def test_one_number_twice_harms_no_other_row_of_the_message(bench: Bench):
    bench.process(ACCOUNTS, bench.account(1, account="A"))
    rows = [bench.account(2, account="A"), bench.account(3), bench.account(4)]
    assert bench.process(ACCOUNTS, *rows).outcomes == {Outcome.REJECTED: 1, Outcome.CREATED: 2}


def test_nothing_goes_back_and_forth_between_two_rows(bench: Bench):
    rows = [bench.account(1, account="A"), bench.account(2, "Contoso", account="A")]
    for row in rows:
        bench.process(ACCOUNTS, row)
    forget_requests(bench)
    for row in (*rows, *rows):
        bench.process(ACCOUNTS, row)
    assert (bench.fno.batches, names_in_fno(bench)) == ([], {"A": "Fabrikam"})


def test_a_record_that_nobody_owns_yet_is_adopted(bench: Bench):
    in_fno(bench, "A")
    row = bench.account(1, account="A")
    assert bench.process(ACCOUNTS, row).outcomes == {Outcome.UNCHANGED: 1}
    assert owner(bench, "A") == Owner("accounts", ACCOUNTS.task, row)


def test_a_row_that_the_filter_leaves_out_keeps_its_record(bench: Bench):
    first = buyer(bench, "A")
    bench.process(BUYERS, first)
    buyer(bench, "A", active=False)
    bench.process(BUYERS, first)
    second = bench.account(2, account="A")
    assert bench.process(ACCOUNTS, second).outcomes == {Outcome.REJECTED: 1}
    assert names_in_fno(bench) == {"A": "Kari"}


def test_what_f_and_o_refused_to_create_leaves_the_number_to_others(bench: Bench):
    first, second = bench.account(1, account="A"), bench.account(2, "Contoso", account="A")
    bench.fno.answers["A"] = [REFUSED]
    bench.process(ACCOUNTS, first)
    assert bench.process(ACCOUNTS, second).outcomes == {Outcome.CREATED: 1}
    assert bench.process(ACCOUNTS, first).outcomes == {Outcome.REJECTED: 1}
    assert reason(bench, first)[0] == "number-taken"


# Giving a number up.


def moves_away(bench: Bench, row: RowId) -> None:
    bench.sales.put("account", row, accountnumber="B")


def loses_its_number(bench: Bench, row: RowId) -> None:
    bench.sales.put("account", row, accountnumber=None)


def is_deleted(bench: Bench, row: RowId) -> None:
    bench.sales.remove("account", row)


@pytest.mark.parametrize("gives_up", [moves_away, loses_its_number, is_deleted])
@pytest.mark.parametrize("told", [True, False])
def test_what_the_first_gives_up_the_second_takes_over(
    bench: Bench, gives_up: Callable[[Bench, RowId], None], *, told: bool
):
    first, second = bench.account(1, account="A"), bench.account(2, "Contoso", account="A")
    bench.process(ACCOUNTS, first)
    bench.process(ACCOUNTS, second)
    gives_up(bench, first)
    if told:
        bench.process(ACCOUNTS, first)
    assert bench.process(ACCOUNTS, second).outcomes == {Outcome.UPDATED: 1}
    assert names_in_fno(bench)["A"] == "Contoso"
    assert key("A") not in bench.entry(ACCOUNTS, first).keys
    assert owner(bench, "A") == Owner("accounts", ACCOUNTS.task, second)


def test_a_row_restored_with_its_number_is_rejected_when_another_has_it_now(bench: Bench):
    first, second = bench.account(1, account="A"), bench.account(2, "Contoso", account="A")
    bench.process(ACCOUNTS, first)
    is_deleted(bench, first)
    bench.process(ACCOUNTS, second)
    bench.account(1, account="A")
    assert bench.process(ACCOUNTS, first).outcomes == {Outcome.REJECTED: 1}
    assert names_in_fno(bench) == {"A": "Contoso"}


def test_swapped_numbers_end_with_both_records_right(bench: Bench):
    first, second = bench.account(1, "One", account="A"), bench.account(2, "Two", account="B")
    bench.process(ACCOUNTS, first)
    bench.process(ACCOUNTS, second)
    bench.account(1, "One", account="B")
    bench.account(2, "Two", account="A")
    bench.process(ACCOUNTS, first)
    bench.process(ACCOUNTS, second)
    assert names_in_fno(bench) == {"A": "Two", "B": "One"}
    assert bench.entry(ACCOUNTS, first).keys == (key("B"),)
    assert bench.entry(ACCOUNTS, second).keys == (key("A"),)


def test_a_field_that_is_blank_for_the_new_owner_is_cleared(bench: Bench):
    first, second = bench.account(1, account="A"), bench.account(2, "", account="A")
    bench.sales.put("account", second, name=None)
    bench.process(ACCOUNTS, first)
    is_deleted(bench, first)
    bench.process(ACCOUNTS, second)
    assert names_in_fno(bench) == {"A": ""}


def test_the_mark_of_a_deleted_row_is_taken_off_for_the_new_owner(bench: Bench):
    task = replace(ACCOUNTS, when_deleted="deactivate")
    bench.templates["accounts"] = replace(TEMPLATES["accounts"], tasks=(task,))
    first, second = bench.account(1, account="A"), bench.account(2, account="A")
    bench.process(task, first)
    is_deleted(bench, first)
    bench.process(task, first)
    assert bench.fno.records["Customers", "usmf", "a"]["OnHold"] == "All"
    bench.process(task, second)
    assert bench.fno.records["Customers", "usmf", "a"]["OnHold"] == "No"
    forget_requests(bench)
    bench.process(task, first)
    assert bench.fno.batches == []


def test_the_rows_of_a_template_that_is_no_longer_there_keep_nothing(bench: Bench):
    first, second = buyer(bench, "A"), bench.account(2, account="A")
    bench.process(BUYERS, first)
    del bench.templates["buyers"]
    assert bench.process(ACCOUNTS, second).outcomes == {Outcome.UPDATED: 1}
    assert names_in_fno(bench) == {"A": "Fabrikam"}


def test_two_rows_take_both_numbers_of_one_owner(bench: Bench):
    first = bench.account(1, account="A")
    bench.process(ACCOUNTS, first)
    bench.account(1, account="B")
    bench.process(ACCOUNTS, first)
    is_deleted(bench, first)
    rows = [bench.account(2, "Two", account="A"), bench.account(3, "Three", account="B")]
    assert bench.process(ACCOUNTS, *rows).outcomes == {Outcome.UPDATED: 2}
    assert names_in_fno(bench) == {"A": "Two", "B": "Three"}
    assert bench.entry(ACCOUNTS, first).keys == ()


# Waiting until it is clear.


@pytest.mark.parametrize("worker", ["another", "a thread of this one", "a dead one"])
@pytest.mark.parametrize("later", [True, False])
def test_a_row_waits_while_the_owner_is_worked_on(bench: Bench, worker: str, *, later: bool):
    first, second = bench.account(2 - later, account="A"), bench.account(1 + later, account="A")
    bench.process(ACCOUNTS, first)
    bench.claim_for(ACCOUNTS, first, "one" if worker == "a thread of this one" else "two", 30)
    seconds = {
        "another": CLAIM_SECONDS,
        "a thread of this one": CONTENTION_SECONDS,
        "a dead one": EXPIRED_SECONDS,
    }[worker]
    if worker == "a dead one":
        bench.clock.advance(CLAIM_SECONDS)
    report = bench.process(ACCOUNTS, second)
    seconds += TURN_SECONDS if later else 0
    assert report.outcomes == {Outcome.WAITING: 1}
    assert reason(bench, second)[0] == "number-in-transit"
    assert bench.queued("accounts") == [(bench.rows(ACCOUNTS, second), seconds)]
    assert report.wait_until == bench.later(seconds)


def test_a_row_waits_until_nothing_sent_for_the_owner_can_act_and_no_run_waits_for_that(
    bench: Bench,
):
    first, second = bench.account(1, account="A"), bench.account(2, account="A")
    bench.process(ACCOUNTS, first)
    bench.store(ACCOUNTS, replace(bench.entry(ACCOUNTS, first), unsettled_until=bench.later(100)))
    is_deleted(bench, first)
    report = bench.process(ACCOUNTS, second)
    assert report.wait_until is None
    [(message, delay)] = bench.queued("accounts")
    assert (message.rows, delay) == ((second,), 100 + TURN_SECONDS)
    bench.clock.advance(delay)
    assert bench.process(ACCOUNTS, second).outcomes == {Outcome.UNCHANGED: 1}


def test_a_row_that_others_keep_interfering_with_comes_again(bench: Bench):
    first, second = bench.account(1, account="A"), bench.account(2, account="A")
    bench.process(ACCOUNTS, first)
    is_deleted(bench, first)
    put_all, tries = bench.stores.ledger.put_all, []

    def interfere(partition: str, puts: Any) -> Any:
        if partition == "owner|Customers" and puts[0].version:
            tries.append(puts)
            return puts[0].name
        return put_all(partition, puts)

    bench.stores.ledger.put_all = interfere
    report = bench.process(ACCOUNTS, second)
    assert (report.outcomes, len(tries)) == ({Outcome.WAITING: 1}, ROUNDS)
    assert bench.queued("accounts") == [(bench.rows(ACCOUNTS, second), CONTENTION_SECONDS)]
    bench.stores.ledger.put_all = put_all
    assert bench.process(ACCOUNTS, second).outcomes == {Outcome.UNCHANGED: 1}


def test_sales_that_cannot_be_asked_about_the_owner_has_the_rows_put_back(bench: Bench):
    first, second = bench.account(1, account="A"), bench.account(2, account="A")
    bench.process(ACCOUNTS, first)

    real = bench.sales.read
    reads: list[Any] = []

    def read(*asked: Any) -> Any:
        reads.append(asked)
        if len(reads) == 2:
            raise UnavailableError("down", service="dataverse", status=503)
        return real(*asked)

    bench.sales.read = read
    report = bench.process(ACCOUNTS, second)
    assert report.unavailable
    assert report.unavailable.service == "dataverse"
    assert bench.named("accounts") == [second]
    assert bench.entry(ACCOUNTS, second).claim is None


# What it costs, and what it leaves alone.


def test_new_rows_cost_one_transaction_and_known_rows_nothing(bench: Bench):
    rows = rows_of_one_bucket(5)
    for row in rows:
        bench.sales.put("account", row, accountnumber=row, name="Acme")
    asked: list[str] = []
    for name in ("put_all", "get_many"):
        _listen(bench, name, asked)
    bench.process(ACCOUNTS, *rows)
    assert asked == ["put_all"]
    for row in rows:
        bench.sales.put("account", row, name="Contoso")
    bench.process(ACCOUNTS, *rows)
    assert asked == ["put_all"]


def _listen(bench: Bench, name: str, asked: list[str]) -> None:
    real = getattr(bench.stores.ledger, name)

    def listen(partition: str, *more: Any) -> Any:
        if partition.startswith("owner|"):
            asked.append(name)
        return real(partition, *more)

    setattr(bench.stores.ledger, name, listen)


def test_a_verdict_changes_nothing(bench: Bench):
    first, second = bench.account(1, account="A"), bench.account(2, account="A")
    bench.process(ACCOUNTS, first)
    runtime = bench.runtime()
    before = bench.entry(ACCOUNTS, first), owner(bench, "A")
    verdict = KeyAcquirer(runtime).verdicts(ACCOUNTS, {second: key("A")})[second]
    assert isinstance(verdict, Taken)
    is_deleted(bench, first)
    verdict = KeyAcquirer(runtime).verdicts(ACCOUNTS, {second: key("A")})[second]
    assert isinstance(verdict, Free)
    assert verdict.loser == before[0]
    assert (bench.entry(ACCOUNTS, first), owner(bench, "A")) == before


def test_a_lost_current_key_leaves_nothing_certain_of_the_one_before():
    entry = Entry(row_id(1), keys=(key("A"), key("B")), hashes={"Name": "x", "Phone": "-"})
    lost = without_keys(entry, {key("B").identity})
    assert (lost.keys, lost.hashes) == ((key("A"),), {"Name": MAYBE, "Phone": MAYBE})
    lost = without_keys(entry, {key("A").identity})
    assert (lost.keys, lost.hashes) == ((key("B"),), entry.hashes)
    lost = without_keys(entry, {key("A").identity, key("B").identity})
    assert (lost.keys, lost.hashes) == ((), {})


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_row_that_lost_its_number_to_a_worker_that_died_clears_what_it_wrote_there(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, elsewhere: bool
):
    first = bench.account(1, account="A")
    bench.process(ACCOUNTS, first)
    if elsewhere:
        bench.account(1, account="C")
        bench.process(ACCOUNTS, first)
    bench.account(1, account="B")
    second = bench.account(2, account="A")
    real = bench.stores.ledger.put_all

    def die(partition: str, puts: Any) -> Any:
        if partition.startswith("owner|") and puts[0].version is not None:
            raise CrashError
        return real(partition, puts)

    with monkeypatch.context() as dying:
        dying.setattr(bench.stores.ledger, "put_all", die)
        with pytest.raises(CrashError):
            bench.process(ACCOUNTS, second)
    assert key("A") not in bench.entry(ACCOUNTS, first).keys
    bench.sales.put("account", first, accountnumber="A", name=None)
    bench.process(ACCOUNTS, first)
    assert bench.fno.records["Customers", "usmf", "a"]["Name"] == ""

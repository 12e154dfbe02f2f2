"""Rows that wait, and every way in which they go on."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from p2c.mapping.result import Prerequisite
from p2c.model import Lookup, LookupTarget, Outcome, Reason
from p2c.sync.ledger import bucket_of
from p2c.sync.prerequisites import (
    SWEEP_LONGEST_SECONDS,
    SWEEP_NUMBERS,
    Waiter,
    WaitingRows,
    waiting_reason,
)
from tests.sync.builders import (
    ACCOUNTS,
    CONTACTS,
    EXECUTION,
    TEMPLATES,
    Bench,
    row_id,
    rows_of_one_bucket,
)

ACCOUNT_LOOKUP = Lookup(
    "parent", (LookupTarget("account", "parent_account", "accountid", ("accountnumber",)),)
)


@pytest.fixture
def bench() -> Bench:
    """A bench whose contacts follow a lookup to accounts, as a sweep wants to know."""
    found = Bench()
    task = replace(CONTACTS, query=replace(CONTACTS.query, lookups=(ACCOUNT_LOOKUP,)))
    found.templates["contacts"] = replace(TEMPLATES["contacts"], tasks=(task,))
    return found


def needs(number: int, value: str | None = None) -> Prerequisite:
    known = f"ACC-{number}" if value is None else value
    return Prerequisite("Customers", "Account", known, "accounts", "account", row_id(number))


def waiter(number: int, prerequisite: Prerequisite, execution: str = EXECUTION) -> Waiter:
    return Waiter("contacts", CONTACTS.task, row_id(1000 + number), prerequisite, execution)


def waiting(bench: Bench) -> WaitingRows:
    return WaitingRows(bench.runtime())


def index(bench: Bench) -> list[Any]:
    return list(bench.stores.waiting.scan("account"))


def in_fno(bench: Bench, *numbers: str) -> None:
    for number in numbers:
        record = {"dataAreaId": "usmf", "Account": number}
        bench.fno.records["Customers", "usmf", number.casefold()] = record


def asked(bench: Bench) -> list[tuple[str, ...]]:
    return [values for _, _, values in bench.fno.finds]


def test_the_reason_names_what_a_row_waits_for_and_what_brings_it():
    assert waiting_reason(needs(7)) == Reason(
        "prerequisite-missing",
        "It waits for Account ACC-7 in Customers, which template 'accounts' brings. "
        "It goes on by itself then.",
    )


def test_a_prerequisite_without_a_number_is_a_reason_of_its_own():
    assert waiting_reason(needs(7, "")) == Reason(
        "prerequisite-without-number",
        f"Its account {row_id(7)} has no number yet. It goes on by itself once that account has "
        "one and is in F&O.",
    )


def test_registering_twice_is_remembered_once(bench: Bench):
    waiting(bench).register(waiter(1, needs(7)))
    first = index(bench)
    bench.clock.advance(100)
    waiting(bench).register(waiter(1, needs(7)))
    assert index(bench) == first
    assert len(first) == 1


def test_registering_again_keeps_how_seldom_it_is_asked_for(bench: Bench):
    waiting(bench).register(waiter(1, needs(7)))
    waiting(bench).sweep("contacts")
    waiting(bench).register(waiter(1, needs(7)))
    assert [document.body["tries"] for document in index(bench)] == [1]


def test_a_row_whose_account_got_its_number_is_asked_for_anew(bench: Bench):
    waiting(bench).register(waiter(1, needs(7, "")))
    waiting(bench).sweep("contacts")
    waiting(bench).register(waiter(1, needs(7)))
    [document] = index(bench)
    assert (document.body["tries"], "ACC-7" in str(document.body["prerequisite"])) == (0, True)


def test_a_forgotten_row_waits_no_longer_and_forgetting_twice_is_fine(bench: Bench):
    waiting(bench).register(waiter(1, needs(7)))
    waiting(bench).register(waiter(2, needs(7)))
    for _ in range(2):
        waiting(bench).forget(waiter(1, needs(7)))
    assert [document.body["row"] for document in index(bench)] == [row_id(1002)]


def test_a_row_that_came_to_f_and_o_wakes_those_who_waited_for_it_and_nobody_else(bench: Bench):
    bench.account(7)
    neighbour = next(
        number for number in range(8, 200) if bucket_of(row_id(number)) == bucket_of(row_id(7))
    )
    waiting(bench).register(waiter(1, needs(7)))
    waiting(bench).register(waiter(2, needs(neighbour)))
    waiting(bench).wake("account", [row_id(7)])
    assert bench.named("contacts") == [row_id(1001)]
    [(message, delay)] = bench.queued("contacts")
    assert (message.execution, message.task, delay) == (EXECUTION, CONTACTS.task, 0)


def test_waking_for_another_table_wakes_nobody(bench: Bench):
    waiting(bench).register(waiter(1, needs(7)))
    waiting(bench).wake("contact", [row_id(7)])
    assert bench.named("contacts") == []


def test_many_woken_rows_go_in_messages_of_one_partition(bench: Bench):
    rows = rows_of_one_bucket(100)
    for row in rows:
        waiting(bench).register(Waiter("contacts", CONTACTS.task, row, needs(7), EXECUTION))
    waiting(bench).wake("account", [row_id(7)])
    messages = [message for message, _ in bench.queued("contacts")]
    assert [len(message.rows) for message in messages] == [96, 4]
    assert set(bench.named("contacts")) == set(rows)


def test_rows_of_different_executions_are_woken_in_messages_of_their_own(bench: Bench):
    rows = rows_of_one_bucket(2)
    for row, execution in zip(rows, ("one", "two"), strict=True):
        waiting(bench).register(Waiter("contacts", CONTACTS.task, row, needs(7), execution))
    waiting(bench).wake("account", [row_id(7)])
    found = {message.execution: message.rows for message, _ in bench.queued("contacts")}
    assert found == {"one": (rows[0],), "two": (rows[1],)}


def test_a_sweep_asks_f_and_o_once_for_many_and_queues_those_that_can_go_on(bench: Bench):
    for number in range(10):
        waiting(bench).register(waiter(number, needs(number)))
    in_fno(bench, "ACC-3", "ACC-4")
    assert waiting(bench).sweep("contacts") == 2
    assert set(bench.named("contacts")) == {row_id(1003), row_id(1004)}
    assert asked(bench) == [tuple(f"ACC-{number}" for number in range(10))]


def test_a_number_that_f_and_o_writes_in_another_case_is_the_same(bench: Bench):
    waiting(bench).register(waiter(1, needs(7, "acc-7 ")))
    bench.fno.find = lambda *_: [{"Account": "ACC-7"}]
    assert waiting(bench).sweep("contacts") == 1


def test_a_sweep_with_nothing_waiting_asks_nobody(bench: Bench):
    assert waiting(bench).sweep("contacts") == 0
    assert asked(bench) == []


def test_a_row_is_asked_for_less_and_less_often_up_to_once_an_hour(bench: Bench):
    waiting(bench).register(waiter(1, needs(7)))
    times = []
    while len(times) < 9:
        before = len(asked(bench))
        waiting(bench).sweep("contacts")
        if len(asked(bench)) > before:
            times.append(bench.clock.monotonic())
        bench.clock.advance(60)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert SWEEP_LONGEST_SECONDS == 3600


def test_a_row_whose_account_has_no_number_is_queued_to_read_it_anew(bench: Bench):
    waiting(bench).register(waiter(1, needs(7, "")))
    assert waiting(bench).sweep("contacts") == 1
    assert bench.named("contacts") == [row_id(1001)]
    assert asked(bench) == []
    assert waiting(bench).sweep("contacts") == 0


def test_a_sweep_asks_for_at_most_500_numbers_the_longest_unasked_first(bench: Bench):
    for number in range(SWEEP_NUMBERS + 20):
        if number == SWEEP_NUMBERS:
            bench.clock.advance(1)
        waiting(bench).register(waiter(number, needs(number)))
    waiting(bench).sweep("contacts")
    [first] = asked(bench)
    assert len(first) == 500
    assert set(first) == {f"ACC-{number}" for number in range(500)}
    waiting(bench).sweep("contacts")
    assert set(asked(bench)[1]) == {f"ACC-{number}" for number in range(500, 520)}


def test_many_rows_that_wait_for_one_account_are_one_number(bench: Bench):
    for number in range(SWEEP_NUMBERS + 20):
        waiting(bench).register(waiter(number, needs(7)))
    in_fno(bench, "ACC-7")
    assert waiting(bench).sweep("contacts") == SWEEP_NUMBERS + 20
    assert asked(bench) == [("ACC-7",)]


def test_a_sweep_leaves_the_rows_of_other_templates_alone(bench: Bench):
    others = replace(waiter(1, needs(7)), template="contacts-to-customer")
    waiting(bench).register(others)
    in_fno(bench, "ACC-7")
    assert waiting(bench).sweep("contacts") == 0
    assert asked(bench) == []


def test_a_number_that_comes_later_lets_the_row_go_on_by_itself(bench: Bench):
    parent = bench.account(7, account="")
    contact = bench.contact(1, parent)
    bench.process(CONTACTS, contact)
    bench.account(7, account="ACC-7")
    bench.process(ACCOUNTS, parent)
    # Once because its account's number changed, once because the account is in F&O now.
    [(first, _), (second, _)] = bench.queued("contacts")
    assert bench.sync().process(first).outcomes == {Outcome.CREATED: 1}
    assert bench.sync().process(second).outcomes == {Outcome.UNCHANGED: 1}
    assert index(bench) == []


def test_an_account_that_came_by_other_ways_is_found_by_the_sweep(bench: Bench):
    parent = bench.account(7)
    contact = bench.contact(1, parent)
    bench.process(CONTACTS, contact)
    in_fno(bench, "ACC-7")
    assert waiting(bench).sweep("contacts") == 1
    [(message, _)] = bench.queued("contacts")
    assert bench.sync().process(message).outcomes == {Outcome.CREATED: 1}

"""A plan tells what the next run writes, whatever is in Sales, in F&O and in the ledger."""

import contextlib
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from p2c.errors import RequestError, UnavailableError
from p2c.model import Update
from p2c.sync.enumerate_changes import EnumerateChanges
from p2c.sync.plan_result import PlannedWrite
from p2c.sync.prerequisites import WaitingRows
from p2c.sync.what_if import (
    Replaced,
    WhatIfDestination,
    WhatIfDocuments,
    WhatIfQueue,
    _WrittenRecords,
)
from tests.sync.builders import CONTACTS, TEMPLATES, Bench, in_fno, row_id
from tests.sync.planning import (
    done_operations,
    drain,
    plan,
    planned_operations,
    run,
    stored,
)

NAMES = st.sampled_from(["Ann", "Bob", None])
NUMBERS = st.sampled_from(["A{}", "B{}", "a{}", "A0", "A1", ""])
"""Usually an account's own, at times another one's."""
ACCOUNT = st.integers(0, 2)
CONTACT = st.integers(0, 3)
TEMPLATE = st.sampled_from(["accounts", "contacts"])
MISHAPS = st.lists(
    st.sampled_from(
        ["none", "lost-before", "lost-after", "late-40", "late-99", "part-missing", "conflict"]
    ),
    max_size=3,
)
EDIT = st.one_of(
    st.tuples(st.just("account"), ACCOUNT, NUMBERS, NAMES),
    st.tuples(
        st.just("contact"), CONTACT, ACCOUNT, NAMES, NAMES, st.sampled_from([True, True, False])
    ),
    st.tuples(st.just("remove"), CONTACT),
    st.tuples(st.just("customer"), st.sampled_from(["A0", "A1", "A2", "B1"]), NAMES),
    st.tuples(st.just("gone"), st.integers(0, 5)),
    st.tuples(st.just("edited"), st.integers(0, 5), NAMES),
)
STEP = st.one_of(
    st.tuples(st.just("run"), st.booleans(), MISHAPS),
    st.tuples(st.just("only"), TEMPLATE),
    st.tuples(st.just("consent"), TEMPLATE),
    st.tuples(st.just("poll"), TEMPLATE),
    st.tuples(st.just("take"), TEMPLATE, MISHAPS),
    st.tuples(st.just("claim"), CONTACT),
    st.tuples(st.just("wait"), st.sampled_from([1, 35, 130])),
)


ROWS: list[tuple[Any, ...]] = [
    *(("account", number, f"A{number}", "Ann") for number in range(3)),
    *(("contact", number, number % 3, "Ann", None, True) for number in range(4)),
]
START: dict[str, list[tuple[Any, ...]]] = {
    "nothing": [],
    "rows": ROWS,
    "waiting": [*ROWS, ("only", "contacts")],
    "run": [*ROWS, ("run", False, [])],
}


def take(bench: Bench, step: tuple[Any, ...]) -> None:
    """Let something happen to the world."""
    kind, *more = step
    if kind == "run":
        bench.fno.mishaps = list(more[1])
        run(bench, all_data=more[0])
    elif kind == "only":
        run(bench, more[0])
    elif kind == "consent":
        with contextlib.suppress(RequestError):  # There is nothing to consent to.
            EnumerateChanges(bench.runtime()).accept_deletes(more[0])
    elif kind == "poll":
        bench.enumerate(more[0], f"20260302T080000-{len(bench.sales.asked)}")
    elif kind == "take":
        bench.fno.mishaps = list(more[1])
        drain(bench, bench.sync(), more[0], most=1)
    elif kind == "claim":
        bench.claim_for(CONTACTS, row_id(1000 + more[0]), "other", 30)
        bench.queues["contacts"].send(
            bench.rows(CONTACTS, row_id(1000 + more[0])).model_dump_json(), delay_seconds=30
        )
    elif kind == "wait":
        bench.clock.advance(more[0])
    elif kind in ("customer", "gone", "edited"):
        take_in_fno(bench, kind, more)
    else:
        take_in_sales(bench, kind, more)
    bench.fno.mishaps = []
    bench.fno.carry_out_late()


def take_in_sales(bench: Bench, kind: str, more: list[Any]) -> None:
    """Let people do something in Sales."""
    if kind == "account":
        number, account, name = more
        bench.account(number, name, account=account.format(number))
    elif kind == "contact":
        number, parent, name, phone, qualifies = more
        if row_id(parent) not in bench.sales.tables["account"]:
            bench.account(parent, account="")
        bench.contact(number, row_id(parent), name, phone=phone, qualifies=qualifies)
    else:
        bench.sales.remove("contact", row_id(1000 + more[0]))


def take_in_fno(bench: Bench, kind: str, more: list[Any]) -> None:
    """Let people do something in F&O."""
    known = sorted(bench.fno.records)
    if kind == "customer":
        in_fno(bench, more[0], Name=more[1] or "")
    elif known and kind == "gone":
        del bench.fno.records[known[more[0] % len(known)]]
    elif known:
        bench.fno.records[known[more[0] % len(known)]]["Name"] = more[1] or ""


WORLD = given(
    start=st.sampled_from(["nothing", "rows", "waiting", "run", "run"]),
    steps=st.lists(st.tuples(st.lists(EDIT, min_size=1, max_size=3), STEP), max_size=6),
    edits=st.lists(EDIT, min_size=1, max_size=4),
    wait=st.sampled_from([0, 5, 40, 200]),
    templates=st.sampled_from([(), ("accounts",), ("contacts",)]),
    all_data=st.booleans(),
    deactivates=st.booleans(),
)


DEACTIVATING = {
    name: replace(
        template,
        tasks=tuple(replace(task, when_deleted="deactivate") for task in template.tasks),
    )
    for name, template in TEMPLATES.items()
}


def check(
    start: str,
    steps: list[tuple[list[tuple[Any, ...]], tuple[Any, ...]]],
    edits: list[tuple[Any, ...]],
    wait: int,
    templates: tuple[str, ...],
    *,
    all_data: bool,
    deactivates: bool,
) -> None:
    bench = Bench(templates=DEACTIVATING) if deactivates else Bench()
    history = [step for before, step in steps for step in (*before, step)]
    for step in [*START[start], *history, *edits]:
        take(bench, step)
    bench.clock.advance(wait)
    bench.fno.carry_out_late()
    before = stored(bench)
    expected = {identity: dict(record) for identity, record in bench.fno.records.items()}
    try:
        result, rows = plan(bench, *templates, all_data=all_data)
    except UnavailableError:  # A service is left alone: then a run writes nothing either.
        reject()
    finally:
        assert stored(bench) == before
    for write in (write for row in rows for write in row.writes):
        carry_out(expected, write)
    bench.fno.done.clear()
    run(bench, *templates, all_data=all_data)
    assert planned_operations(rows) == done_operations(bench)
    assert sum(result.writes.values()) == len(bench.fno.done)
    assert bench.fno.records == expected


def carry_out(records: dict[tuple[str, ...], dict[str, Any]], write: PlannedWrite) -> None:
    """Write a planned record, if what it replaces is what the plan says."""
    record = records.setdefault(write.key.identity, {})
    assert bool(record) == (write.action != "create")
    for name, (old, new) in write.fields.items():
        assert (record.get(name) or "") == (old or "")
        record[name] = new


def thorough(examples: int, **more: Any) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        **more,
    )


def test_a_plan_is_what_the_next_run_sends_and_changes_nothing() -> None:
    thorough(400)(WORLD(check))()


def planned_records_are_forgotten() -> Any:
    """A contact does not see that the plan creates its account."""
    return mock.patch.object(_WrittenRecords, "put")


def queues_are_not_looked_into() -> Any:
    return mock.patch.object(WhatIfQueue, "look")


def waiting_rows_are_not_swept() -> Any:
    sweep = WaitingRows.sweep

    def only_in_runs(self: WaitingRows, template: str) -> int:
        planning = self._runtime.owner.startswith("plan-")
        return 0 if planning else sweep(self, template)

    return mock.patch.object(WaitingRows, "sweep", only_in_runs)


def records_are_taken_to_be_there() -> Any:
    """An update of a record that somebody deleted is planned as one."""
    carry_out = WhatIfDestination._carry_out
    here = {"Name": "", "IsInactive": ""}
    return mock.patch.object(
        WhatIfDestination,
        "_carry_out",
        lambda self, operation, record: carry_out(
            self, operation, record or (here if isinstance(operation, Update) else record)
        ),
    )


def old_values_are_not_read() -> Any:
    """Old values are those that were sent last."""
    replaced = Replaced.__init__
    return mock.patch.object(
        Replaced,
        "__init__",
        lambda self, operation, old: replaced(self, operation, dict.fromkeys(old)),
    )


def documents_are_stored() -> Any:
    return mock.patch.object(
        WhatIfDocuments,
        "__init__",
        lambda self, real, _: vars(self).update(_real=real, _changed=real),
    )


@pytest.mark.parametrize(
    "mutant",
    [
        planned_records_are_forgotten,
        queues_are_not_looked_into,
        waiting_rows_are_not_swept,
        records_are_taken_to_be_there,
        old_values_are_not_read,
        documents_are_stored,
    ],
    ids=lambda mutant: mutant.__name__,
)
def test_a_plan_that_is_made_in_any_other_way_is_noticed(mutant: Any) -> None:
    # The same worlds each time: a test that sometimes misses a mutant tells nothing.
    search = thorough(2000, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False)
    with mutant(), pytest.raises(AssertionError):
        search(WORLD(check))()

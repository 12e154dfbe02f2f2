"""A plan tells what the next run writes, whatever is in Sales, in F&O and in the ledger."""

from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from p2c.errors import UnavailableError
from p2c.model import Create, Outcome
from p2c.sync.enumerate_changes import EnumerateChanges
from p2c.sync.handle_message import MessageHandler
from p2c.sync.plan_result import PlannedRow, PlanResult
from p2c.sync.plan_run import RunPlanner
from p2c.sync.prerequisites import WaitingRows
from p2c.sync.sync_rows import RowSync
from tests.support.memory import MemoryDocuments
from tests.sync.builders import ACCOUNTS, CONTACTS, Bench, hold, in_fno, row_id
from tests.sync.simulation import NoLimit

HOLD_SECONDS = 30.0
Told = tuple[PlanResult, list[PlannedRow]]


def plan(bench: Bench, *templates: str, **words: Any) -> Told:
    """Plan a run on a bench; without a name, every template."""
    rows: list[PlannedRow] = []
    limits = {name: words.pop(name) for name in ("most_rows", "until") if name in words}
    planner = RunPlanner(bench.runtime(), lambda _name: MemoryDocuments(), rows.append, **limits)
    result = planner.plan(templates or list(bench.templates), **words)
    return result, rows


def run(bench: Bench, *templates: str, all_data: bool = False) -> None:
    """Do what `p2c run` does, in a process of its own, without waiting for anything."""
    sync = RowSync(bench.runtime(f"run-{len(bench.sales.asked)}"), hold, NoLimit())
    for template in templates or list(bench.templates):
        drain(bench, sync, template)
        WaitingRows(bench.runtime()).sweep(template)
        drain(bench, sync, template)
        execution = f"20260302T080000-{len(bench.sales.asked)}"
        bench.enumerate(template, execution, all_data=all_data)
        drain(bench, sync, template)
        EnumerateChanges(bench.runtime()).find_deleted(template, execution, trigger="run")
        drain(bench, sync, template)
    for template in templates or list(bench.templates):
        drain(bench, sync, template)


def drain(bench: Bench, sync: RowSync, template: str, most: int = 1000) -> None:
    handler = MessageHandler(bench.runtime(), sync)
    while most and (taken := bench.queues[template].receive(1, HOLD_SECONDS)):
        most -= 1
        for message in taken:
            handler.handle(message.text)
            bench.queues[template].complete(message)


def planned_operations(rows: Sequence[PlannedRow]) -> list[str]:
    """What the plan says that F&O is sent, in an order that does not depend on the rows'."""
    return sorted(
        repr((write.action == "create", str(write.key), sorted(news.items())))
        for row in rows
        for write in row.writes
        for news in [{name: new for name, (_, new) in write.fields.items()}]
    )


def done_operations(bench: Bench) -> list[str]:
    return sorted(
        repr((isinstance(found, Create), str(found.key), sorted(found.values.items())))
        for found in bench.fno.done
    )


def stored(bench: Bench) -> list[Any]:
    """Everything that a plan must leave as it is."""
    stores = bench.stores
    tables = (stores.ledger, stores.waiting, stores.state, stores.executions)
    return [
        *(
            {
                (document.partition, document.name, document.version)
                for partition in table._partitions.values()
                for document in partition.values()
            }
            for table in tables
        ),
        *([vars(message).copy() for message in queue._messages] for queue in bench.queues.values()),
        {identity: dict(record) for identity, record in bench.fno.records.items()},
        len(bench.fno.batches),
    ]


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


NAMES = st.sampled_from(["Ann", "Bob", None])
NUMBERS = st.sampled_from(["A{}", "B{}", "a{}", ""])
"""Each account has its own, so that no two want the same record."""
ACCOUNT = st.integers(0, 2)
CONTACT = st.integers(0, 3)
TEMPLATE = st.sampled_from(["accounts", "contacts"])
MISHAPS = st.lists(
    st.sampled_from(
        ["none", "lost-before", "lost-after", "late-40", "late-99", "part-missing", "conflict"]
    ),
    max_size=3,
)
STEP = st.one_of(
    st.tuples(st.just("account"), ACCOUNT, NUMBERS, NAMES),
    st.tuples(
        st.just("contact"),
        CONTACT,
        ACCOUNT,
        NAMES,
        NAMES,
        st.sampled_from([True, True, True, False]),
    ),
    st.tuples(st.just("remove"), CONTACT),
    st.tuples(st.just("run"), st.booleans(), MISHAPS),
    st.tuples(st.just("poll"), TEMPLATE),
    st.tuples(st.just("take"), TEMPLATE, MISHAPS),
    st.tuples(st.just("claim"), CONTACT),
    st.tuples(st.just("wait"), st.sampled_from([1, 35, 130])),
    st.tuples(st.just("customer"), st.sampled_from(["A0", "A1", "B1", "a2"]), NAMES),
    st.tuples(st.just("gone"), st.integers(0, 5)),
    st.tuples(st.just("edited"), st.integers(0, 5), NAMES),
)


ROWS: list[tuple[Any, ...]] = [
    *(("account", number, f"A{number}", "Ann") for number in range(3)),
    *(("contact", number, number % 3, "Ann", None, True) for number in range(4)),
]
START: dict[str, list[tuple[Any, ...]]] = {
    "nothing": [],
    "rows": ROWS,
    "run": [*ROWS, ("run", False, [])],
}


def take(bench: Bench, step: tuple[Any, ...]) -> None:
    """Let something happen to the world."""
    kind, *more = step
    if kind == "account":
        number, account, name = more
        bench.account(number, name, account=account.format(number))
    elif kind == "contact":
        number, parent, name, phone, qualifies = more
        if row_id(parent) not in bench.sales.tables["account"]:
            bench.account(parent, account="")
        bench.contact(number, row_id(parent), name, phone=phone, qualifies=qualifies)
    elif kind == "remove":
        bench.sales.remove("contact", row_id(1000 + more[0]))
    elif kind == "run":
        bench.fno.mishaps = list(more[1])
        run(bench, all_data=more[0])
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
    else:
        take_in_fno(bench, kind, more)
    bench.fno.mishaps = []
    bench.fno.carry_out_late()


def take_in_fno(bench: Bench, kind: str, more: list[Any]) -> None:
    """Let people do something in F&O."""
    known = sorted(bench.fno.records)
    if kind == "customer":
        in_fno(bench, more[0], Name=more[1] or "")
    elif known and kind == "gone":
        del bench.fno.records[known[more[0] % len(known)]]
    elif known:
        bench.fno.records[known[more[0] % len(known)]]["Name"] = more[1] or ""


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    start=st.sampled_from(["nothing", "rows", "run", "run"]),
    steps=st.lists(STEP, min_size=3, max_size=20),
    wait=st.sampled_from([0, 5, 40, 200]),
    templates=st.sampled_from([(), ("accounts",), ("contacts",)]),
    all_data=st.booleans(),
)
def test_a_plan_is_what_the_next_run_sends_and_changes_nothing(
    start: str,
    steps: list[tuple[Any, ...]],
    wait: int,
    templates: tuple[str, ...],
    *,
    all_data: bool,
) -> None:
    bench = Bench()
    for step in [*START[start], *steps]:
        take(bench, step)
    bench.clock.advance(wait)
    bench.fno.carry_out_late()
    before = stored(bench)
    try:
        result, rows = plan(bench, *templates, all_data=all_data)
    except UnavailableError:  # A service is left alone: then a run writes nothing either.
        reject()
    finally:
        assert stored(bench) == before
    bench.fno.done.clear()
    run(bench, *templates, all_data=all_data)
    assert planned_operations(rows) == done_operations(bench)
    assert sum(result.writes.values()) == len(bench.fno.done)

"""Plans and runs on a bench, and what to compare them by."""

from collections.abc import Sequence
from typing import Any

from p2c.model import Create, RowId
from p2c.sync.enumerate_changes import EnumerateChanges
from p2c.sync.handle_message import MessageHandler
from p2c.sync.messages import RowsMessage, read_message
from p2c.sync.plan_result import PlannedRow, PlanResult
from p2c.sync.plan_run import RunPlanner
from p2c.sync.prerequisites import WaitingRows
from p2c.sync.sync_rows import RowSync
from tests.support.memory import MemoryDocuments
from tests.sync.builders import Bench, hold
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
    """Do what `p2c run` does, in a process of its own, and wait only for the run's own rows."""
    sync = RowSync(bench.runtime(f"run-{len(bench.sales.asked)}"), hold, NoLimit())
    for template in templates or list(bench.templates):
        drain(bench, sync, template)
        WaitingRows(bench.runtime()).sweep(template)
        drain(bench, sync, template)
        execution = f"20260302T080000-{len(bench.sales.asked)}"
        bench.enumerate(template, execution, all_data=all_data)
        drain(bench, sync, template, to_the_end=True)
        EnumerateChanges(bench.runtime()).find_deleted(template, execution, trigger="run")
        drain(bench, sync, template, to_the_end=True)
    for template in templates or list(bench.templates):
        drain(bench, sync, template, to_the_end=True)


def drain(
    bench: Bench, sync: RowSync, template: str, most: int = 1000, *, to_the_end: bool = False
) -> None:
    handler = MessageHandler(bench.runtime(), sync)
    again: set[RowId] = set()
    while most and (taken := bench.queues[template].receive(1, HOLD_SECONDS)):
        most -= 1
        for message in taken:
            report = handler.handle(message.text)
            bench.queues[template].complete(message)
            again |= {work.row_id for work in report.works if work.retry_in_seconds is not None}
    for _ in range(5) if again and to_the_end else ():
        for message in bench.queues[template]._messages:
            named = read_message(message.text)
            if isinstance(named, RowsMessage) and not named.verify and again.issuperset(named.rows):
                message.visible_at = bench.clock.monotonic()
        drain(bench, sync, template)


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

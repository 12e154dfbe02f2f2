"""Memory stays flat, however many rows change or wait: ten times as many need no more of it."""

import gc
import itertools
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from p2c.mapping.result import Prerequisite
from p2c.model import ChangePage, Document, RowId, SourceQuery, SourceRow
from p2c.storage.scratch import scratch
from p2c.sync import prerequisites
from p2c.sync.enumerate_changes import EnumerateChanges
from p2c.sync.ledger import encode_prerequisite
from p2c.sync.plan_run import RunPlanner
from p2c.sync.prerequisites import WaitingRows
from p2c.sync.runtime import Runtime
from tests.support.memory import START
from tests.sync.builders import Bench, row_id
from tests.sync.simulation import Fno

PAGE_ROWS = 500
MORE_AT_MOST = 1.25


class Forgetful:
    """Takes whatever it is given and keeps nothing."""

    def __init__(self) -> None:
        self.taken = 0

    def send(self, _text: str, *, delay_seconds: float = 0) -> None:
        assert delay_seconds == 0
        self.taken += 1


class EndlessSales:
    """Names rows page by page, each made when it is asked for."""

    def __init__(self, pages: int) -> None:
        self.pages = pages

    def changes(self, _query: SourceQuery, link: str | None, *, tracked: bool) -> ChangePage:
        page = int(link or 0)
        rows = tuple(row_id(page * PAGE_ROWS + number) for number in range(PAGE_ROWS))
        last = page + 1 == self.pages
        return ChangePage(
            rows, (), None if last else str(page + 1), "delta" if last and tracked else None
        )

    def read(self, _query: SourceQuery, rows: Sequence[RowId]) -> dict[RowId, SourceRow]:
        return {row: SourceRow(row, "1", {"accountnumber": row, "name": "Ann"}) for row in rows}


class EndlessWaiters:
    """An index of waiting rows, each made when it is read."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def scan(self, partition: str, **_bounds: Any) -> Iterator[Document]:
        for number in range(self.rows):
            row: RowId = row_id(1000 + number)
            needs = Prerequisite("Customers", "Account", "ACC-7", "accounts", "account", row_id(7))
            body = {
                "template": "contacts",
                "task": "Contacts",
                "row": row,
                "prerequisite": encode_prerequisite(needs),
                "execution": "20260302T080000-one",
                "ask_at": (START - timedelta(seconds=number)).isoformat(),
            }
            yield Document(partition, row, body, "1")

    def put(self, *_args: object) -> str:
        return "2"


def peak_of(work: Callable[[], object]) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def forgetful(runtime: Runtime, queue: Forgetful, **ports: Any) -> Runtime:
    return replace(runtime, queue_of=lambda _name: queue, **ports)


def test_a_full_read_needs_no_more_memory_for_ten_times_the_rows():
    def full_read(pages: int) -> int:
        queue = Forgetful()
        runtime = forgetful(Bench().runtime(), queue, source=EndlessSales(pages))
        enumerate_changes = EnumerateChanges(runtime)
        peak = peak_of(
            lambda: enumerate_changes.enumerate_template(
                "accounts", "20260302T080000-one", trigger="timer"
            )
        )
        assert queue.taken >= pages * 16
        return peak

    full_read(2)  # What the first read leaves behind for good counts for neither.
    assert full_read(60) <= full_read(6) * MORE_AT_MOST


@pytest.mark.parametrize("what", ["sweep", "wake"])
def test_waiting_rows_need_no_more_memory_when_ten_times_as_many_wait(what, monkeypatch):
    monkeypatch.setattr(prerequisites, "SWEEP_ROWS", 200)
    monkeypatch.setattr(prerequisites, "WAKE_ROWS", 200)

    def look_after(rows: int) -> int:
        bench, queue = Bench(), Forgetful()
        bench.fno.records["Customers", "usmf", "acc-7"] = {"dataAreaId": "usmf", "Account": "ACC-7"}
        stores = replace(bench.stores, waiting=EndlessWaiters(rows))
        waiting = WaitingRows(forgetful(bench.runtime(), queue, stores=stores))
        monkeypatch.setattr(waiting, "_tables", lambda _template: ["account"])
        work = {
            "sweep": lambda: waiting.sweep("contacts"),
            "wake": lambda: waiting.wake("account", [row_id(7)]),
        }[what]
        peak = peak_of(work)
        assert queue.taken > 0
        return peak

    look_after(300)
    assert look_after(5_000) <= look_after(500) * MORE_AT_MOST


def test_a_plan_needs_no_more_memory_for_three_times_the_rows(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PAGE_ROWS", 100)

    def plan(pages: int) -> int:
        told = itertools.count()
        bench = Bench()
        services = {"source": EndlessSales(pages), "destination": Fno(bench.clock)}
        runtime = replace(bench.runtime(), **services)
        with scratch() as place:
            planner = RunPlanner(runtime, place, lambda _row: next(told))
            peak = peak_of(lambda: planner.plan(["accounts"]))
        assert next(told) == pages * PAGE_ROWS
        return peak

    plan(1)  # What the first plan leaves behind for good counts for neither.
    assert plan(30) <= plan(10) * MORE_AT_MOST

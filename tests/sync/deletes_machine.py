"""The state machine of rows that go: deleted unseen or seen, restored, under both policies."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from p2c.mapping.task import CompiledTemplate
from tests.sync.machine import ACCOUNTS, CONTACTS, TO_THE_END, WorldMachine
from tests.sync.simulation import TEMPLATES, World, row_id

DEACTIVATING: Mapping[str, CompiledTemplate] = {
    name: replace(
        template, tasks=tuple(replace(task, when_deleted="deactivate") for task in template.tasks)
    )
    for name, template in TEMPLATES.items()
}
ROW = st.sampled_from(
    [
        *(("accounts", number) for number in range(ACCOUNTS)),
        *(("contacts", number) for number in range(CONTACTS)),
    ]
)
MISHAP = st.sampled_from(["none", "late-99", "late-99", "lost-after"])
PAUSES = st.sampled_from([(), (), (5,), (31,), (130,), (31, 31)])


@dataclass(frozen=True)
class Act:
    """Something done to a row, and what becomes of the worker that takes it up."""

    name: str | None
    parent: int
    deletes: bool
    mishap: str
    steps: int
    killed: bool
    pauses: tuple[int, ...]


ACT = st.builds(
    Act,
    name=st.sampled_from(["Ann", "Bob"]),
    parent=st.integers(0, ACCOUNTS - 1),
    deletes=st.booleans(),
    mishap=MISHAP,
    steps=st.one_of(st.just(TO_THE_END), st.integers(4, 24)),
    killed=st.booleans(),
    pauses=PAUSES,
)


class DeletesMachine(WorldMachine):
    """Rows are deleted and restored while workers stall, die and lose answers."""

    make_world: ClassVar = lambda: World(templates=DEACTIVATING)

    @initialize()
    def a_quiet_start(self) -> None:
        """Every row is in F&O already."""
        for number in range(ACCOUNTS):
            self._put("accounts", number, "Ann", number)
        for number in range(CONTACTS):
            self._put("contacts", number, "Ann", number)
        self.world.calm()

    @rule(row=ROW, acts=st.lists(ACT, min_size=2, max_size=4))
    def a_life(self, row: tuple[str, int], acts: list[Act]) -> None:
        """A row is edited, deleted, restored; each time its worker may stall, or lose answers."""
        template, number = row
        for act in acts:
            if act.deletes:
                self.world.sales.remove(template.removesuffix("s"), _id(template, number))
            else:
                self._put(template, number, act.name, act.parent)
            self.world.run_to_end(self.world.start_poll(template))
            self._take_up(template, act)

    @rule(row=ROW, pause=st.sampled_from([5, 31, 130]), name=st.sampled_from(["Ann", "Bob"]))
    def restored_after_an_edit_was_lost(self, row: tuple[str, int], pause: int, name: str) -> None:
        """The row is deleted while a request may still act, and restored as it was before that."""
        lost = Act(
            name="Bob",
            parent=row[1],
            deletes=False,
            mishap="late-99",
            steps=TO_THE_END,
            killed=False,
            pauses=(),
        )
        gone = replace(lost, deletes=True, mishap="none", pauses=(pause,))
        restored = replace(lost, name=name, mishap="none")
        self.a_life(row, [lost, gone, restored])

    @rule(row=ROW, steps=st.integers(1, 30), everything=st.booleans(), first=st.integers(1, 60))
    def vanish(self, row: tuple[str, int], steps: int, first: int, *, everything: bool) -> None:
        """A row is deleted unseen; the full read and what compares may not come to their ends."""
        template, number = row
        self.world.sales.remove(template.removesuffix("s"), _id(template, number))
        if not everything:
            self.world.sales.expire_links()
        self._poll_that_dies(template, first, all_data=everything)
        self.world.run_to_end(self.world.start_poll(template))
        self._work_off(template, [])
        self.world.run_to_end(self.world.start_poll(template))
        self.world.accept_deletes()
        self._poll_that_dies(template, steps)

    def _poll_that_dies(self, template: str, steps: int, *, all_data: bool = False) -> None:
        worker = self.world.start_poll(template, all_data=all_data)
        self._step(worker, steps)
        if not worker.finished:
            self.world.kill(worker)

    def _take_up(self, template: str, act: Act) -> None:
        worker = self.world.start_worker(template)
        if worker is None:
            return
        self.world.fno.mishaps = [act.mishap]
        self._step(worker, act.steps)
        for pause in act.pauses:
            self._pass_time(pause)
            self._work_off(template, [])
        if act.killed and not worker.finished:
            self.world.kill(worker)
        else:
            self._step(worker, TO_THE_END)

    def _put(self, template: str, number: int, name: str | None, parent: int) -> None:
        row = _id(template, number)
        if template == "accounts":
            self.world.sales.put("account", row, accountnumber=f"A{number}", name=name)
            return
        self.world.sales.put(
            "contact",
            row,
            number=f"C{number}",
            name=name,
            phone="1",
            qualifies=True,
            parent=row_id(parent) if row_id(parent) in self.world.sales.tables["account"] else None,
        )


class ReportingMachine(DeletesMachine):
    """The same where deleted rows are only reported."""

    make_world: ClassVar = World


def _id(template: str, number: int) -> str:
    return row_id(number if template == "accounts" else 100 + number)

"""The state machine of rows that go: deleted unseen or seen, restored, under both policies."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from p2c.mapping.task import CompiledTemplate
from tests.sync.machine import ACCOUNTS, CONTACTS, NAME, TO_THE_END, WorldMachine
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
WORD = st.sampled_from(["told", "told", "link expired", "everything read"])
"""How p2c hears of it: by the delta link, or not at all before a full read."""
MISHAP = st.sampled_from(["none", "none", "late-60", "late-99", "lost-after", "lost-before"])
PAUSES = st.lists(st.sampled_from([31, 31, 70, 130]), max_size=2)


class DeletesMachine(WorldMachine):
    """Rows are deleted and restored while workers stall, die and lose answers."""

    make_world: ClassVar = lambda: World(templates=DEACTIVATING)

    @initialize()
    def a_quiet_start(self) -> None:
        """Every row is in F&O already."""
        for number in range(ACCOUNTS):
            self._put("accounts", number, "Acme", number)
        for number in range(CONTACTS):
            self._put("contacts", number, "Ann", number)
        self.world.calm()

    @rule(row=ROW, word=WORD, steps=st.integers(1, 40), mishap=MISHAP, pauses=PAUSES)
    def delete(
        self, row: tuple[str, int], word: str, steps: int, mishap: str, pauses: list[int]
    ) -> None:
        """A row is deleted; the worker that takes it up may stall or lose its answer."""
        template, number = row
        self.world.sales.remove(template.removesuffix("s"), _id(template, number))
        self._hear(template, word)
        self._take_up(template, steps, mishap, pauses)

    @rule(
        row=ROW,
        name=NAME,
        parent=st.integers(0, ACCOUNTS - 1),
        steps=st.integers(1, 40),
        mishap=MISHAP,
        pauses=PAUSES,
    )
    def edit_or_restore(
        self,
        row: tuple[str, int],
        name: str | None,
        parent: int,
        steps: int,
        mishap: str,
        pauses: list[int],
    ) -> None:
        """A row is edited, or is there again with its id."""
        template, number = row
        self._put(template, number, name, parent)
        self._hear(template, "told")
        self._take_up(template, steps, mishap, pauses)

    @rule(row=ROW, name=NAME, parent=st.integers(0, ACCOUNTS - 1), pauses=PAUSES, mishap=MISHAP)
    def delete_while_an_edit_stalls(
        self, row: tuple[str, int], name: str | None, parent: int, pauses: list[int], mishap: str
    ) -> None:
        """An edit's request is under way when the row is deleted, and perhaps restored."""
        template, number = row
        self._put(template, number, name, parent)
        self._hear(template, "told")
        self.world.fno.mishaps = [mishap]
        self._work_off(template, [mishap])
        self.world.sales.remove(template.removesuffix("s"), _id(template, number))
        self._hear(template, "told")
        self._work_off(template, [])
        for pause in pauses:
            self._pass_time(pause)
            self._work_off(template, [])

    @rule(template=st.sampled_from(["accounts", "contacts"]), steps=st.integers(1, 60))
    def poll_that_dies(self, template: str, steps: int) -> None:
        """A poll, and with it a full read or a comparison, may not come to its end."""
        worker = self.world.start_poll(template)
        self._step(worker, steps)
        if not worker.finished:
            self.world.kill(worker)

    @rule(template=st.sampled_from(["accounts", "contacts"]))
    def somebody_consents(self, template: str) -> None:
        """Whatever a task asks is answered."""
        self._work_off(template, [])
        self.world.run_to_end(self.world.start_poll(template))
        self.world.accept_deletes()

    def _hear(self, template: str, word: str) -> None:
        if word == "link expired":
            self.world.sales.expire_links()
        everything = word == "everything read"
        self.world.run_to_end(self.world.start_poll(template, all_data=everything))

    def _take_up(self, template: str, steps: int, mishap: str, pauses: list[int]) -> None:
        worker = self.world.start_worker(template)
        if worker is None:
            return
        self.world.fno.mishaps = [mishap]
        self._step(worker, steps)
        for pause in pauses:
            self._pass_time(pause)
            self._work_off(template, [])
        if not worker.finished and steps % 2:
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

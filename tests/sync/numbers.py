"""Rows of two templates that want the same few numbers, with the records those stand for."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from p2c.mapping.result import Mapped, MappingResult, NotMapped
from p2c.mapping.task import CompiledTemplate, TaskMapping
from p2c.model import Outcome, Reason, RecordKey, RowId, SourceQuery, SourceRow
from p2c.sync.ledger import Entry, Ledger, bucket_of
from p2c.sync.messages import RowsMessage
from p2c.sync.owners import Identity, Owner, Owners
from tests.sync.machine import TO_THE_END, WorldMachine
from tests.sync.simulation import ACCOUNTS, TEXT, NoLimit, Worker, World, row_id

EXECUTION = "20260302T080000-test"
NUMBERS = ("N0", "N1")
WRITTEN = (Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED)


def map_buyer(row: SourceRow) -> MappingResult:
    """Buyers become customers, as accounts do; a buyer who is not active is left out."""
    number = row.columns["accountnumber"]
    key = RecordKey("Customers", (("dataAreaId", "usmf"), ("Account", str(number))))
    if not row.columns["active"]:
        reason = Reason("not-active", "The rule leaves it out.")
        return NotMapped(Outcome.SKIPPED, reason, key=key if number else None)
    if not number:
        return NotMapped(Outcome.SKIPPED, Reason("number-missing", "It has no number."))
    values = {"dataAreaId": "usmf", "Account": number, "Name": row.columns["name"]}
    return Mapped(key, values)


BUYERS = TaskMapping(
    template="buyers",
    title="Buyers",
    task="Buyers - Customers",
    query=SourceQuery("buyer", "buyers", "buyerid", ("accountnumber", "name", "active")),
    entity_set="Customers",
    key_fields=("dataAreaId", "Account"),
    field_types={"dataAreaId": TEXT, "Account": TEXT, "Name": TEXT},
    empty_values={"Name": ""},
    map_row=map_buyer,
)
TASKS = (ACCOUNTS, BUYERS)
TEMPLATES = {
    "accounts": CompiledTemplate("accounts", "Accounts", (), (ACCOUNTS,)),
    "buyers": CompiledTemplate("buyers", "Buyers", (), (BUYERS,)),
}


def _rows() -> list[tuple[str, RowId]]:
    """Two accounts that share messages, an account that does not, and a buyer."""
    first = bucket_of(row_id(0))
    shares = next(number for number in range(1, 99) if bucket_of(row_id(number)) == first)
    other = next(number for number in range(1, 99) if bucket_of(row_id(number)) != first)
    accounts = [("account", row_id(number)) for number in (0, shares, other)]
    return [*accounts, ("buyer", row_id(200))]


ROWS = _rows()


class NumbersWorld(World):
    """A world whose rows may have the same number; in the end each record has one row."""

    def __init__(self) -> None:
        super().__init__(sweep=False, templates=TEMPLATES, quiet_rounds=1)
        self.sales.tables["buyer"] = {}

    def edit(self, which: int, number: str | None, name: str | None, *, active: bool) -> None:
        """Put a row into Sales; its name tells whose record it is."""
        table, row = ROWS[which]
        told = f"{name} of {which}" if name else None
        self.sales.put(table, row, accountnumber=number, name=told, active=active)

    def row(self, which: int) -> dict[str, Any] | None:
        """What Sales holds of a row, None when it is gone."""
        table, row = ROWS[which]
        return self.sales.tables[table].get(row)

    def start_on(self, which: int) -> Worker:
        """Start a worker on a message about one row, which is on the queue once more besides."""
        (task,) = TEMPLATES[template_of(which)].tasks
        message = RowsMessage(
            template=task.template, task=task.task, execution=EXECUTION, rows=(ROWS[which][1],)
        )

        def work(worker: Worker) -> None:
            self._row_sync(
                self.runtime(worker), lambda _held: contextlib.nullcontext(), NoLimit()
            ).process(message)

        return self.start(work)

    def check(self) -> None:
        """One row owns each record and no row is left without: then nothing moves any more."""
        self.full_read()
        self._check_rows()
        before = self.fno.carried_out, self.holders()
        self.full_read()
        assert (self.fno.carried_out, self.holders()) == before, "it goes on"

    def full_read(self) -> None:
        """Let every row come once more, as a retry of rejected rows does."""
        for template in self.templates:
            self.run_to_end(self.start_poll(template, all_data=True))
        self.calm()

    def holders(self) -> dict[Identity, Owner]:
        """The row whose ledger entry has a key; fails when there are two."""
        found: dict[Identity, Owner] = {}
        for task in TASKS:
            for entry in Ledger(self.stores.ledger, task.template, task.task).entries():
                for key in entry.keys:
                    owner = Owner(task.template, task.task, entry.row_id)
                    assert key.identity not in found, f"two owners: {key}"
                    found[key.identity] = owner
        return found

    def _check_rows(self) -> None:
        assert not self.fno.late
        holders = self.holders()
        keys = [
            RecordKey(identity[0], (("", identity[1]), ("", identity[2]))) for identity in holders
        ]
        assert Owners(self.stores.ledger).owners_of(keys) == holders, "the index is wrong"
        for task, entry, mapped in self._mapped():
            holder = holders.get(mapped.key.identity)
            assert holder, f"nobody has {mapped.key}"
            if holder == Owner(task.template, task.task, entry.row_id):
                assert entry.outcome in WRITTEN, entry
                self._check_record(entry.row_id, mapped)
            else:
                self._check_rejected(entry, mapped, holder)
        for task in TASKS:
            self._check_ledger(task)

    def _mapped(self) -> Iterator[tuple[TaskMapping, Entry, Mapped]]:
        for task in TASKS:
            table = self.sales.tables[task.query.table]
            entries = Ledger(self.stores.ledger, task.template, task.task).read(list(table))
            for row in table:
                result = task.map_row(self.sales.row(task.query.table, row))
                if isinstance(result, Mapped):
                    yield task, entries[row], result

    def _check_rejected(self, entry: Entry, mapped: Mapped, holder: Owner) -> None:
        """It is rejected in favour of a row that has this number in Sales still."""
        assert entry.outcome is Outcome.REJECTED, entry
        assert entry.reason
        assert entry.reason.code == "number-taken"
        for named in (entry.row_id, holder.row_id, holder.template, str(mapped.key)):
            assert named in entry.reason.text
        (task,) = TEMPLATES[holder.template].tasks
        assert holder.row_id in self.sales.tables[task.query.table], "kept for a row that is gone"
        kept = task.map_row(self.sales.row(task.query.table, holder.row_id)).key
        assert kept, f"kept for a row without a number: {holder}"
        assert kept.identity == mapped.key.identity, f"kept for a row with another: {holder}"


WHICH = st.integers(0, len(ROWS) - 1)
NUMBER = st.sampled_from([*NUMBERS, *NUMBERS, None])
NAME = st.sampled_from(["Ann", "Bob", None])
TEMPLATE = st.sampled_from(["accounts", "accounts", "buyers"])
MISHAP = st.sampled_from(
    ["none", "none", "down", "lost-before", "lost-after", "late-40", "late-99"]
)
EDIT = st.tuples(WHICH, NUMBER, NAME)
STEPS = st.one_of(st.integers(1, 24), st.just(TO_THE_END))
UNUSED = RecordKey("Customers", (("dataAreaId", "usmf"), ("Account", "N2")))
PAUSE = st.sampled_from([0, 0, 0, 0, 3, 31, 70, 130])


class NumbersMachine(WorldMachine):
    """Any sequence of numbers given, changed, swapped and taken away, deaths and time."""

    make_world: Callable[[], World] = NumbersWorld
    world: NumbersWorld

    @initialize(given=st.lists(NUMBER, min_size=len(ROWS), max_size=len(ROWS)))
    def some_rows(self, given: list[str | None]) -> None:
        for which, number in enumerate(given):
            self.world.edit(which, number, "Ann", active=True)

    @rule(
        edit=EDIT,
        active=st.sampled_from([True, True, False]),
        polled=st.sampled_from([True, True, False]),
    )
    def edit(self, edit: tuple[int, str | None, str | None], *, active: bool, polled: bool) -> None:
        self.world.edit(*edit, active=active)
        if polled:
            self.world.run_to_end(self.world.start_poll(template_of(edit[0])))

    @rule(which=WHICH)
    def delete(self, which: int) -> None:
        self.world.sales.remove(*ROWS[which])

    @rule(one=WHICH, other=WHICH)
    def swap(self, one: int, other: int) -> None:
        found = [
            self.world.sales.tables[ROWS[which][0]].get(ROWS[which][1]) for which in (one, other)
        ]
        if found[0] and found[1]:
            numbers = [str(row["accountnumber"] or "") or None for row in found if row]
            for which, number in zip((other, one), numbers, strict=True):
                self.world.edit(which, number, "Cy", active=True)

    @rule(template=TEMPLATE, everything=st.sampled_from([False, False, True]), steps=STEPS)
    def poll(self, template: str, *, everything: bool, steps: int) -> None:
        self._step(self.world.start_poll(template, all_data=everything), steps)

    @rule(template=TEMPLATE, mishap=MISHAP, steps=STEPS)
    def take_a_message(self, template: str, mishap: str, steps: int) -> None:
        self.world.fno.mishaps = [mishap]
        worker = self.world.start_worker(template)
        if worker:
            self._step(worker, steps)

    @rule(template=TEMPLATE)
    def work_off_the_queue(self, template: str) -> None:
        self._work_off(template, [])

    @rule(which=st.integers(0, 5), steps=STEPS)
    def go_on(self, which: int, steps: int) -> None:
        if self.world.workers:
            self._step(self.world.workers[which % len(self.world.workers)], steps)

    @rule(which=st.integers(0, 5))
    def kill(self, which: int) -> None:
        if self.world.workers:
            self.world.kill(self.world.workers[which % len(self.world.workers)])

    @rule(seconds=PAUSE)
    def time_passes(self, seconds: int) -> None:
        self._pass_time(seconds)

    @rule(template=TEMPLATE)
    def deliver_twice(self, template: str) -> None:
        self.world.duplicate(template)


def template_of(which: int) -> str:
    return "accounts" if ROWS[which][0] == "account" else "buyers"

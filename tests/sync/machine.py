"""The state machine: any sequence of edits, deliveries, faults, crashes and time."""

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.sync.simulation import Worker, World, row_id

ACCOUNTS, CONTACTS = 2, 2
TO_THE_END = 1000
STEPS = st.one_of(st.integers(1, 30), st.just(TO_THE_END))
TEMPLATE = st.sampled_from(["accounts", "contacts", "contacts"])
TEMPLATES = st.sampled_from([(), ("accounts",), ("contacts",), ("accounts", "contacts")])
NAME = st.sampled_from(["Ann", "Bob", "Cy", None])
EDIT = st.tuples(NAME, st.sampled_from([1, 1, 0]))
MISHAP = st.sampled_from(
    [
        "none",
        "throttled",
        "down",
        "lost-before",
        "lost-after",
        "late-5",
        "late-40",
        "late-99",
        "part-missing",
        "conflict",
    ]
)


class WorldMachine(RuleBasedStateMachine):
    """A world; at the end faults stop and F&O must hold the mapping of the newest rows."""

    make_world: Callable[[], World] = World
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.world = type(self).make_world()

    @invariant()
    def count_the_step(self) -> None:
        WorldMachine.steps += 1

    def teardown(self) -> None:
        self.world.calm()
        self.world.check()

    def _work_off(self, template: str, mishaps: list[str]) -> None:
        self.world.fno.mishaps = mishaps
        for _ in range(20):
            worker = self.world.start_worker(template)
            if not worker:
                return
            self._step(worker, TO_THE_END)

    def _pass_time(self, seconds: int) -> None:
        self.world.clock.advance(seconds)
        self.world.fno.carry_out_late()

    def _step(self, worker: Worker, steps: int) -> None:
        for _ in range(steps):
            worker.step()
        self.world.reap()

    def _work(self, templates: tuple[str, ...]) -> None:
        for template in templates:
            self.world.run_to_end(self.world.start_poll(template))
            self._work_off(template, [])

    def _number(self, account: int, suffix: str | None) -> None:
        number = None if suffix is None else f"A{account}{suffix}"
        self.world.sales.put("account", row_id(account), accountnumber=number)

    def _edit_and_poll(self, number: int, name: str | None, parent: int) -> None:
        self._edit(number, name, parent)
        self.world.run_to_end(self.world.start_poll("contacts"))

    def _edit(self, number: int, name: str | None, parent: int) -> None:
        self.world.sales.put(
            "contact",
            row_id(100 + number),
            number=f"C{number}",
            name=name,
            phone="1",
            qualifies=True,
            parent=row_id(parent),
        )


class OverlapMachine(WorldMachine):
    """Two workers on one row at a time: the narrow window where stale writes come from."""

    @initialize()
    def a_quiet_start(self) -> None:
        """Accounts and the first contact are in F&O already; the second contact is new."""
        self.world.sales.put("account", row_id(0), accountnumber="A0", name="Acme")
        self.world.sales.put("account", row_id(1), accountnumber="A1", name="Acme")
        self._edit_and_poll(0, "Ann", 1)
        self.world.calm()

    @rule(
        number=st.integers(0, CONTACTS - 1),
        first=EDIT,
        second=EDIT,
        steps=st.integers(4, 24),
        pauses=st.lists(st.sampled_from([31, 31, 70, 130]), max_size=2),
        more=st.one_of(st.just(TO_THE_END), st.integers(0, 8)),
        mishap=st.sampled_from(["none", "late-60", "late-99", "lost-after", "lost-before"]),
        others_go_on=st.booleans(),
        killed=st.booleans(),
    )
    def overlap(
        self,
        number: int,
        first: tuple[str | None, int],
        second: tuple[str | None, int],
        steps: int,
        pauses: list[int],
        more: int,
        mishap: str,
        *,
        others_go_on: bool,
        killed: bool,
    ) -> None:
        """One worker stalls over a row while others bring a newer edit; then it goes on or dies."""
        self._work_off("contacts", [])
        self._edit_and_poll(number, *first)
        worker = self.world.start_worker("contacts")
        if worker is None:
            return
        self.world.fno.mishaps = [mishap]
        self._step(worker, steps)
        for other in list(self.world.workers) if others_go_on else ():
            if other is not worker:
                self._step(other, TO_THE_END)
        self._edit_and_poll(number, *second)
        self._work_off("contacts", [])
        for pause in pauses:
            self._pass_time(pause)
            self._work_off("contacts", [])
        self._step(worker, more)
        if killed and not worker.finished:
            self.world.kill(worker)

    @rule(number=st.integers(0, CONTACTS - 1), edit=EDIT, steps=st.integers(1, 12))
    def poll_that_dies(self, number: int, edit: tuple[str | None, int], steps: int) -> None:
        """An edit is enumerated by a worker that may not come to the end."""
        self._edit(number, *edit)
        worker = self.world.start_poll("contacts")
        self._step(worker, steps)
        if not worker.finished:
            self.world.kill(worker)


class SyncMachine(WorldMachine):
    """Any sequence of edits, deliveries, faults, crashes and time."""

    @initialize()
    def some_rows(self) -> None:
        for number in range(ACCOUNTS):
            given = f"A{number}" if number else None
            self.world.sales.put("account", row_id(number), accountnumber=given, name="Acme")
        for number in range(CONTACTS):
            self.world.sales.put(
                "contact",
                row_id(100 + number),
                number=f"C{number}",
                name="Ann",
                phone="1",
                qualifies=True,
                parent=row_id(1),
            )

    @rule(number=st.integers(0, ACCOUNTS - 1), name=NAME)
    def edit_account(self, number: int, name: str | None) -> None:
        self.world.sales.put("account", row_id(number), name=name)
        self.world.run_to_end(self.world.start_poll("accounts"))

    @rule(
        number=st.integers(0, ACCOUNTS - 1),
        suffix=st.sampled_from(["", "", "-new", None]),
        polled=st.sampled_from([True, True, False]),
    )
    def change_the_number(self, number: int, suffix: str | None, *, polled: bool) -> None:
        """The contacts of the account belong to another record now, though nobody edits them."""
        self._number(number, suffix)
        if polled:
            self.world.run_to_end(self.world.start_poll("accounts"))

    @rule(
        number=st.integers(0, CONTACTS - 1),
        name=NAME,
        phone=st.sampled_from(["1", "2", None]),
        parent=st.integers(0, ACCOUNTS - 1),
        qualifies=st.sampled_from([True, True, True, True, False]),
        polled=st.sampled_from([True, True, True, False]),
    )
    def edit_contact(
        self,
        number: int,
        name: str | None,
        phone: str | None,
        parent: int,
        *,
        qualifies: bool,
        polled: bool,
    ) -> None:
        self.world.sales.put(
            "contact",
            row_id(100 + number),
            number=f"C{number}",
            name=name,
            phone=phone,
            qualifies=qualifies,
            parent=row_id(parent),
        )
        if polled:
            self.world.run_to_end(self.world.start_poll("contacts"))

    @rule(number=st.integers(0, CONTACTS - 1))
    def delete_contact(self, number: int) -> None:
        self.world.sales.remove("contact", row_id(100 + number))

    @rule(template=TEMPLATE, everything=st.sampled_from([False, False, True]), steps=STEPS)
    def poll(self, template: str, *, everything: bool, steps: int) -> None:
        self._step(self.world.start_poll(template, all_data=everything), steps)

    @rule(template=TEMPLATE, mishap=MISHAP, steps=STEPS)
    def take_a_message(self, template: str, mishap: str, steps: int) -> None:
        self.world.fno.mishaps = [mishap]
        worker = self.world.start_worker(template)
        if worker:
            self._step(worker, steps)

    @rule(template=TEMPLATE, mishaps=st.lists(MISHAP, max_size=2))
    def work_off_the_queue(self, template: str, mishaps: list[str]) -> None:
        self._work_off(template, mishaps)

    @rule(which=st.integers(0, 5), steps=STEPS)
    def go_on(self, which: int, steps: int) -> None:
        if self.world.workers:
            self._step(self.world.workers[which % len(self.world.workers)], steps)

    @rule(which=st.integers(0, 5))
    def kill(self, which: int) -> None:
        if self.world.workers:
            self.world.kill(self.world.workers[which % len(self.world.workers)])

    @rule(seconds=st.sampled_from([1, 6, 6, 31, 45, 70, 130]))
    def time_passes(self, seconds: int) -> None:
        self._pass_time(seconds)

    @rule(template=TEMPLATE)
    def deliver_twice(self, template: str) -> None:
        self.world.duplicate(template)


class LookupMachine(WorldMachine):
    """An account's number changes, there and back, while its contacts and it are worked on."""

    @initialize(first=st.sampled_from(["accounts", "contacts"]))
    def a_quiet_start(self, first: str) -> None:
        """F&O has the customers already, so contacts need not wait for their account."""
        self.world.sales.put("account", row_id(0), accountnumber="A0", name="Acme")
        for number in ("A0", "A0-new", "A0-old"):
            self.world.fno.put_customer(number)
        self._edit_and_poll(0, "Ann", 0)
        if first == "accounts":
            self.world.run_to_end(self.world.start_poll("accounts"))
            self._work_off("accounts", [])
        self._work_off("contacts", [])

    @rule(
        changes=st.lists(
            st.tuples(st.sampled_from(["", "-new", "-old"]), TEMPLATES, st.booleans()),
            min_size=1,
            max_size=4,
        )
    )
    def numbers_change(self, changes: list[tuple[str, tuple[str, ...], bool]]) -> None:
        """The number changes, and some may be at work between one change and the next."""
        for suffix, templates, edited in changes:
            self._number(0, suffix)
            if edited:
                self._edit(0, suffix, 0)
            self._work(templates)

    @rule(
        template=st.sampled_from(["accounts", "contacts"]),
        steps=st.integers(1, 30),
        suffix=st.sampled_from(["", "-new", "-old"]),
        polled=st.booleans(),
        others=TEMPLATES,
        more=st.one_of(st.just(TO_THE_END), st.integers(0, 8)),
        killed=st.booleans(),
    )
    def overlap(
        self,
        template: str,
        steps: int,
        suffix: str,
        others: tuple[str, ...],
        more: int,
        *,
        polled: bool,
        killed: bool,
    ) -> None:
        """A worker stalls, the number changes and others work; then it goes on or dies."""
        if polled:
            self.world.run_to_end(self.world.start_poll(template))
        worker = self.world.start_worker(template)
        if worker is None:
            return
        self._step(worker, steps)
        self._number(0, suffix)
        self._work(others)
        self._step(worker, more)
        if killed and not worker.finished:
            self.world.kill(worker)

    @rule(suffix=st.sampled_from(["", "-new", "-old"]), steps=st.integers(1, 20))
    def worker_that_dies(self, suffix: str, steps: int) -> None:
        """The number changes, and the account's worker may not come to the end of its search."""
        self._number(0, suffix)
        self.world.run_to_end(self.world.start_poll("accounts"))
        worker = self.world.start_worker("accounts")
        if worker is None:
            return
        self._step(worker, steps)
        if not worker.finished:
            self.world.kill(worker)

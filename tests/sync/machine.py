"""The state machine: any sequence of edits, deliveries, faults, crashes and time."""

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.sync.simulation import Worker, World, row_id

ACCOUNTS, CONTACTS = 2, 2
TO_THE_END = 1000
STEPS = st.one_of(st.integers(1, 30), st.just(TO_THE_END))
TEMPLATE = st.sampled_from(["accounts", "contacts", "contacts"])
NAME = st.sampled_from(["Ann", "Bob", "Cy", None])
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


class SyncMachine(RuleBasedStateMachine):
    """Drives a world; at the end faults stop and F&O must hold the mapping of the newest rows."""

    make_world: Callable[[], World] = World
    

    def __init__(self) -> None:
        super().__init__()
        self.world = type(self).make_world()

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

    @rule()
    def give_the_account_a_number(self) -> None:
        self.world.sales.put("account", row_id(0), accountnumber="A0")

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

    @rule(template=TEMPLATE, everything=st.booleans(), steps=STEPS)
    def poll(self, template: str, *, everything: bool, steps: int) -> None:
        self._step(self.world.start_poll(template, all_data=everything), steps)

    @rule(template=TEMPLATE, mishap=MISHAP, steps=STEPS)
    def take_a_message(self, template: str, mishap: str, steps: int) -> None:
        self.world.fno.mishaps = [mishap]
        worker = self.world.start_worker(template)
        if worker:
            self._step(worker, steps)

    @rule(template=TEMPLATE, mishap=MISHAP)
    def process_a_message(self, template: str, mishap: str) -> None:
        self.take_a_message(template, mishap, TO_THE_END)

    @rule(which=st.integers(0, 5), steps=STEPS)
    def go_on(self, which: int, steps: int) -> None:
        if self.world.workers:
            self._step(self.world.workers[which % len(self.world.workers)], steps)

    @rule(which=st.integers(0, 5))
    def kill(self, which: int) -> None:
        if self.world.workers:
            self.world.kill(self.world.workers[which % len(self.world.workers)])

    @rule(seconds=st.sampled_from([1, 5, 31, 45, 70, 130]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds)
        self.world.fno.carry_out_late()

    @rule(template=TEMPLATE)
    def deliver_twice(self, template: str) -> None:
        self.world.duplicate(template)

    def _step(self, worker: Worker, steps: int) -> None:
        for _ in range(steps):
            worker.step()
        self.world.reap()

    def teardown(self) -> None:
        self.world.calm()
        self.world.check()


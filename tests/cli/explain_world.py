"""A world in which the same things always happen: for `explain`'s golden output.

Both services are the sandbox over HTTP; storage and time are in memory, ids are chosen.
"""

import contextlib
import itertools
from dataclasses import replace
from typing import Any

from rich.console import Console

from p2c.cli.explain import print_explanations
from p2c.dataverse import DataverseClient
from p2c.fno import FnoClient
from p2c.mapping.task import TaskMapping
from p2c.odata.meter import Meter
from p2c.odata.transport import Transport
from p2c.sandbox import Sandbox
from p2c.sync.claims import make_claim
from p2c.sync.enumerate_changes import EnumerateChanges
from p2c.sync.explain_row import RowExplainer
from p2c.sync.explanation import RowExplanation
from p2c.sync.ledger import Change
from p2c.sync.messages import RowsMessage, read_message
from p2c.sync.prerequisites import WaitingRows
from p2c.sync.runtime import Runtime, Stores
from p2c.sync.sync_rows import RowSync
from p2c.templates import load_templates
from tests.sandbox.talk import CUSTOMER, Service, currency
from tests.support.memory import MemoryDocuments, MemoryQueue, SimulatedClock
from tests.sync.builders import hold
from tests.sync.simulation import NoLimit

SETTLE_SECONDS = 900
WIDTH = 200


class ExplainWorld:
    """An empty Sales and F&O, the shipped templates, and short ways to make things happen."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.clock = SimulatedClock()
        self.meter = Meter()
        self._open = contextlib.ExitStack()
        self.dataverse = Service(f"{sandbox.dataverse_url}/api/data/v9.2/")
        self.fno = Service(f"{sandbox.fno_url}/data/")
        self._transports = {
            name: self._open.enter_context(
                Transport(name, url, lambda *, force_refresh: "sandbox", self.meter, self.clock)
            )
            for name, url in (("dataverse", sandbox.dataverse_url), ("fno", sandbox.fno_url))
        }
        self.templates = {found.name: found for found in load_templates(legal_entity="usmf")}
        self.queues = {name: MemoryQueue(self.clock) for name in self.templates}
        self.stores = Stores(*(MemoryDocuments() for _ in range(4)))
        self.runtime = Runtime(
            source=DataverseClient(self._transports["dataverse"]),
            destination=FnoClient(self._transports["fno"], "usmf"),
            stores=self.stores,
            queue_of=self.queues.__getitem__,
            clock=self.clock,
            templates=self.templates,
            hash_key=b"k" * 32,
            settle_seconds=SETTLE_SECONDS,
            owner="worker-1",
        )
        self._executions = itertools.count(1)
        self._ids = itertools.count(1)
        self._sync = RowSync(self.runtime, hold, NoLimit())

    def close(self) -> None:
        self._open.close()
        self.dataverse.session.close()
        self.fno.session.close()

    def euro(self) -> dict[str, str]:
        place = f"transactioncurrencies({currency(self.dataverse, 'EUR')})"
        return {"transactioncurrencyid@odata.bind": place}

    def account(self, number: str | None, **values: Any) -> str:
        given = {"name": "Fjord Handel AS", "accountnumber": number, **self.euro()}
        return self._create("account", given | values)

    def contact(self, number: str, account: str | None, **values: Any) -> str:
        given: dict[str, Any] = {
            "msdynce_contactnumber": number,
            "firstname": "Kari",
            "lastname": "Moen",
            "gendercode": 2,
            "address1_country": "Norge",
            "jobtitle": "Innkjøper",
            "msdynce_isactivecustomer": False,
        }
        if account:
            given["parentcustomerid_account@odata.bind"] = f"accounts({account})"
        return self._create("contact", given | values)

    def change(self, table: str, row: str, **values: Any) -> None:
        answer = self.dataverse.patch(f"{table}s({row})", values)
        assert answer.ok, answer.text

    def customer_in_fno(self, number: str) -> None:
        """Make a customer by other ways than p2c's."""
        answer = self.fno.post(
            "CustomersV2?cross-company=true",
            CUSTOMER | {"CustomerAccount": number, "PartyNumber": number},
        )
        assert answer.ok, answer.text

    def forget(self) -> None:
        """Lose the storage account and begin with an empty one."""
        for documents in vars(self.stores).values():
            documents._partitions.clear()

    def writes(self) -> int:
        """How many requests both services were sent that were no reads."""
        return sum(
            count
            for traffic in self.sandbox.requests().values()
            for method, count in traffic["methods"].items()
            if method != "GET"
        )

    def change_in_fno(self, key: str, **values: Any) -> None:
        answer = self.fno.patch(f"{key}?cross-company=true", values)
        assert answer.ok, answer.text

    def delete(self, table: str, row: str) -> None:
        answer = self.dataverse.delete(f"{table}s({row})")
        assert answer.ok, answer.text

    def poll(self, *templates: str, all_data: bool = False) -> None:
        """Let the timers of templates fire a minute later, and work off what is due."""
        self.clock.advance(60)
        execution = f"{self.clock.now():%Y%m%dT%H%M%S}-{next(self._executions):08x}"
        for template in templates or self.templates:
            WaitingRows(self.runtime).sweep(template)
            EnumerateChanges(self.runtime).enumerate_template(
                template, execution, trigger="timer", all_data=all_data
            )
            self.work(template)

    def resync(self, template: str, row: str) -> None:
        """Have one row looked at."""
        execution = f"{self.clock.now():%Y%m%dT%H%M%S}-{next(self._executions):08x}"
        enumerate_changes = EnumerateChanges(self.runtime)
        enumerate_changes.enumerate_rows(template, [row], execution, trigger="resync", force=False)
        self.work(template)

    def set_policy(self, template: str, **policy: Any) -> None:
        """Change a task as a project would."""
        changed = replace(self.task(template), **policy)
        self.templates[template] = replace(self.templates[template], tasks=(changed,))

    def work(self, template: str) -> None:
        """Work off the messages that are visible."""
        queue = self.queues[template]
        while received := queue.receive(1, 60):
            message = read_message(received[0].text)
            assert isinstance(message, RowsMessage)
            self._sync.process(message)
            queue.complete(received[0])

    def task(self, template: str) -> TaskMapping:
        return self.templates[template].tasks[0]

    def claim(self, template: str, row: str) -> None:
        """Let another worker take a row up and do nothing."""
        ledger = self.runtime.ledger(self.task(template))
        entry = ledger.read([row])[row]
        ledger.write([Change(make_claim(entry, "worker-2", self.clock.now(), 30))])

    def explain(self, text: str, template: str | None = None) -> tuple[RowExplanation, ...]:
        return RowExplainer(self.runtime).explain(text, template)

    def stored(self) -> dict[str, Any]:
        """Everything in storage, to see that nothing was written."""
        return {
            "documents": [
                {part: dict(found) for part, found in documents._partitions.items()}
                for documents in (
                    self.stores.ledger,
                    self.stores.waiting,
                    self.stores.state,
                    self.stores.executions,
                )
                if isinstance(documents, MemoryDocuments)
            ],
            "messages": {
                name: [(m.text, m.visible_at, m.dequeue_count) for m in queue._messages]
                for name, queue in self.queues.items()
            },
        }

    def _create(self, table: str, values: dict[str, Any]) -> str:
        row = f"00000000-0000-4000-8000-{next(self._ids):012}"
        answer = self.dataverse.post(f"{table}s", {f"{table}id": row} | values)
        assert answer.ok, answer.text
        return row


def as_text(explained: tuple[RowExplanation, ...]) -> str:
    """What the command prints, on a page of `WIDTH` characters."""
    out = Console(width=WIDTH, highlight=False, markup=False, emoji=False, color_system=None)
    with out.capture() as captured:
        print_explanations(out, explained)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"

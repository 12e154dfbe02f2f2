"""No value of a row is in anything that p2c tells or keeps, whatever happens to the row.

Every column that takes a value gets one that is found nowhere else. Then rows go the functions'
whole way while services refuse them in words that quote them, break, or go away, and everything
that left p2c is searched: log records, spans and metrics as they were sent, every message that was
seen on a queue, every table.
"""

import json
import logging
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from azure.data.tables import TableServiceClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from p2c import bootstrap
from p2c.bootstrap import App, build_app, start_telemetry
from p2c.errors import P2cError
from p2c.functions import current, queues, timers
from p2c.functions.current import invocation
from p2c.sandbox import Fault
from p2c.sandbox.dataverse.schema import TABLES, Column
from p2c.settings import load_settings, load_telemetry_settings
from p2c.storage.account import TABLE_API_VERSION
from p2c.templates import shipped_names
from tests.acceptance.conftest import Company
from tests.functions.world import settings_for
from tests.support.collector import Collector

KEPT = {"accountnumber", "msdynce_contactnumber"}
"""Numbers are keys, which p2c keeps."""
MAPPED = {"address1_country", "address2_country"}
"""Reasons quote what no value map has; half of the rows have a country."""
AROUND = ("{0}", "Kari {0}", 'O\'{0} "&" <Sønner> 株', "{0}\r\n{0}", "{0}@{0}.example")
MARK = "zq7x9kw"
MARKED = {"string", "memo", "money", "decimal", "int", "date", "datetime"}
NUMBER = 748_319_265
DATE = "1893-07-21"
UNMAPPED = re.compile(rf"\(from address\d_country\): '{MARK}' is no country code")
ROUNDS = 4
SENT_LATER = dict.fromkeys(
    ("OTEL_METRIC_EXPORT_INTERVAL", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY"),
    "3600000",
)


class World:
    """The app in this process, telling of itself over HTTP."""

    def __init__(self, company: Company, collector: Collector) -> None:
        found = {**settings_for(company.storage, company.sandbox), "P2C_SETTLE_SECONDS": "0"}
        self.company = company
        self.collector = collector
        self.telemetry = start_telemetry(load_telemetry_settings(collector.settings))
        self.app: App = build_app(load_settings(found), telemetry=self.telemetry)
        self.app.ensure_storage()
        self.messages: list[str] = []

    def close(self) -> None:
        self.app.close()
        self.telemetry.close()

    def make_rows(self, columns: dict[str, Any], of_contacts: dict[str, Any]) -> None:
        """Make an account and three contacts of these columns."""
        number = uuid.uuid4().hex[:10]
        account = self.company.account(f"A{number}", **columns)
        for name, parent, active in (("B", account, False), ("C", None, True), ("D", None, False)):
            found = {"msdynce_isactivecustomer": active, **of_contacts}
            self.company.contact(f"{name}{number}", parent, **found)

    def work(self) -> None:
        """Fire the timers and handle messages, keeping every message that is seen."""
        for template in shipped_names():
            _carried_out(lambda t=template: timers.enumerate_on_timer(self.app, t))
        for _ in range(ROUNDS):
            for template in shipped_names():
                for poison in (False, True):
                    self._handle(template, poison=poison)

    def _handle(self, template: str, *, poison: bool) -> None:
        queue = self.app.poison_queue(template) if poison else self.app.queue(template)
        for message in queue.receive(32, 60):
            self.messages.append(message.text)
            step = queues.settle if poison else queues.handle
            _carried_out(lambda m=message, s=step: s(lambda: self.app, template, m.text))
            queue.complete(message)

    def told_and_kept(self) -> Iterator[tuple[str, str]]:
        """Yield everything that left p2c but for what went to F&O: where it was found, and text."""
        for body in self.collector.raw:
            yield "telemetry", body.decode("utf-8", "replace")
        for text in self.messages:
            yield "message", text
        with TableServiceClient.from_connection_string(
            self.company.storage, api_version=TABLE_API_VERSION
        ) as service:
            for table in bootstrap.TABLES:
                for entity in service.get_table_client(table).list_entities():
                    yield "table", json.dumps(dict(entity), default=str, ensure_ascii=False)


def _carried_out(step: Callable[[], None]) -> None:
    """Call a function's body; the host logs what it raises."""
    context = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=""))
    try:
        with invocation(context):
            step()
    except P2cError:
        logging.getLogger("host").exception("A function raised an error")


@pytest.fixture
def world(company, monkeypatch) -> Iterator[World]:
    with Collector() as collector:
        # Sent when the test says so: what threads do meanwhile would disturb Hypothesis.
        for name, value in {**collector.settings, **SENT_LATER}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AzureWebJobsStorage", company.storage)
        world = World(company, collector)
        monkeypatch.setattr(current, "_started", [world.telemetry])
        yield world
        world.close()


def _value(column: Column) -> st.SearchStrategy[Any]:
    """Values of a column that are found nowhere else."""
    longest = column.length or 2000
    if column.name in MAPPED:
        return st.sampled_from(["Norway", MARK])
    if column.kind in ("string", "memo"):
        texts = [around.format(MARK) for around in AROUND]
        return st.sampled_from([text for text in texts if len(text) <= longest] or [MARK[:longest]])
    if column.kind in ("money", "decimal", "int"):
        return st.just(NUMBER)
    return st.just(DATE if column.kind == "date" else f"{DATE}T11:12:13Z")


def rows(table: str) -> st.SearchStrategy[dict[str, Any]]:
    """Rows with a value in most columns, or in all."""
    columns = {
        column.name: _value(column)
        for column in TABLES[table].columns.values()
        if column.kind in MARKED and not column.read_only and column.name not in KEPT
    }
    return st.fixed_dictionaries({}, optional=columns) | st.fixed_dictionaries(columns)


SAID = {"text": f"Kari {MARK} of {NUMBER} born {DATE}; O'{MARK}", "count": 1}
SERVICES = st.sampled_from(["dataverse", "fno"])
FAULTS = st.one_of(
    st.just(Fault(effect="infolog", level="operation", service="fno", **SAID)),
    st.builds(
        lambda service, status: Fault(effect="status", service=service, status=status, **SAID),
        SERVICES,
        st.sampled_from([429, 500, 503]),
    ),
    st.builds(
        lambda status: Fault(
            effect="status", level="operation", service="fno", status=status, method="POST", **SAID
        ),
        st.sampled_from([400, 429, 500]),
    ),
    st.builds(
        lambda service: Fault(effect="status", service=service, status=400, path="$batch", **SAID),
        SERVICES,
    ),
    st.builds(
        lambda service, effect: Fault(effect=effect, service=service, method="POST"),
        SERVICES,
        st.sampled_from(["garbage", "cut", "truncate", "drop_part", "reset_after"]),
    ),
)
"""What goes wrong, with a service's words that quote a row."""


# An example takes a second, so that shrinking one that fails would take minutes.
@settings(
    max_examples=5,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    account=rows("accounts"),
    contact=rows("contacts"),
    faults=st.lists(FAULTS, max_size=3),
    broken=st.booleans(),
)
def test_no_value_of_a_row_is_told_or_kept(world, caplog, account, contact, faults, broken) -> None:
    caplog.set_level(logging.INFO)
    caplog.clear()
    world.make_rows(account, contact)
    world.company.sandbox.add_faults(*faults)
    with _sometimes_broken(world, broken):
        world.work()
    world.company.sandbox.clear_faults()
    world.work()
    world.telemetry.flush()

    logged = [(record.name, json.dumps(vars(record), default=str)) for record in caplog.records]
    found = [*world.told_and_kept(), *logged]
    kinds = {kind for kind, _ in found}
    assert {"telemetry", "message", "table", "p2c"} <= kinds
    for kind, text in found:
        # Storage keeps why a row is rejected, and so the one value that no value map has.
        kept = UNMAPPED.sub("", text) if kind == "table" else text
        for value in (MARK, str(NUMBER), DATE):
            assert value not in kept, (kind, text[:2000])


@contextmanager
def _sometimes_broken(world: World, broken: bool) -> Iterator[None]:  # noqa: FBT001
    """Have the first read of rows fail in a way that nobody foresaw, with a row in the error."""
    source = world.app.source
    read = source.read

    def failing(*_: object) -> None:
        source.read = read
        raise KeyError(SAID["text"])

    if broken:
        source.read = failing
    yield
    source.read = read

"""One change on its way through the functions, as telemetry tells of it.

``pytest tests/acceptance/test_trace.py -s`` prints the trace.
"""

from collections.abc import Iterator

import pytest

from p2c.sandbox import Sandbox
from tests.functions.world import World
from tests.host.needs import needs_worker
from tests.support.collector import Collector, tree
from tools.azurite import azurite

pytestmark = needs_worker
TASK = "Accounts - Customers"
CONTACTS = "Contacts"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture
def world(collector: Collector) -> Iterator[World]:
    with (
        azurite() as connection,
        Sandbox() as sandbox,
        World(connection, sandbox, **collector.settings) as world,
    ):
        yield world


def test_a_change_is_one_trace_from_the_timer_through_the_queue_to_the_batch(world, collector):
    world.account("A1")
    assert world.host.run_timer("enumerate_accounts").ok
    world.host.wait_until(lambda: world.count("accounts") == 0)
    handled = world.host.wait_until(lambda: _named(collector, "handle accounts"))[0]
    world.host.wait_until(lambda: _named(collector, "timer accounts"))

    spans = [span for span in collector.spans if span.trace == handled.trace]
    print(f"\n{tree(spans)}")  # noqa: T201  whoever runs this wants to see it
    by_id = {span.span: span for span in spans}
    way, span = [], _batch(spans)
    while span:
        way.append((span.name, span.kind))
        span = by_id.get(span.parent)
    assert way == [
        ("POST fno", "client"),
        ("handle accounts", "consumer"),
        ("enumerate accounts", "internal"),
        ("timer accounts", "internal"),
    ]
    timer = _named(collector, "timer accounts")[0]
    assert handled.attributes["execution_id"] == timer.attributes["execution_id"]
    assert handled.attributes["rows.created"] == 1
    assert _batch(spans).attributes["operations"] == 1
    urls = {span.attributes["url.full"] for span in spans if span.kind == "client"}
    assert urls == {
        f"{world.sandbox.dataverse_url}/api/data/v9.2/accounts",
        f"{world.sandbox.fno_url}/data/CustomersV2",
        f"{world.sandbox.fno_url}/data/$batch",
    }
    # The host's invocation of the queue function belongs to another trace, and is linked.
    ((linked, _),) = handled.links
    assert linked != handled.trace


def test_metrics_and_the_log_add_up_to_the_executions_counts(world, collector):
    account = world.account("A1")
    world.account("A2", address1_country="Atlantis")
    world.contact("C1", account)
    # The contact waits first, and is then brought by the account, in its own execution.
    for template in ("contacts", "accounts"):
        assert world.host.run_timer(f"enumerate_{template}").ok
        world.host.wait_until(lambda template=template: world.count(template) == 0)
    world.host.wait_until(lambda: world.sandbox.fno_records("CDSContactPersons"))
    world.host.wait_until(lambda: world.count("contacts") == 0)
    for template in ("contacts", "accounts"):
        assert world.host.run_timer(f"enumerate_{template}").ok  # Tells of those that have ended.

    executions = [world.ended(found) for found in world.execution_ids()]
    expected = _added_up(executions)
    assert expected[TASK] == {"created": 1, "rejected": 1}
    assert expected[CONTACTS] == {"created": 1}
    world.host.wait_until(lambda: _told(collector) == expected)
    ended = world.host.wait_until(lambda: _logs(collector, "An execution has ended", 2))
    for log in ended:
        execution = world.ended(log.attributes["execution_id"])
        (task,) = execution["templates"][log.attributes["template"]]["tasks"].values()
        assert log.attributes["status"] == execution["status"]
        assert log.attributes["rows_rejected"] == task["rejected"]
        # The contact's execution may have been told while it still waited.
        assert log.attributes["rows_created"] + log.attributes["rows_waiting"] == task["created"]
    reasons = {dict(key)["code"] for key in collector.metric("p2c.rows")}
    assert reasons == {"", "value-not-mapped", "prerequisite-missing"}


def test_requests_are_counted_as_the_services_count_them(world, collector):
    world.account("A1")
    world.sandbox.reset_requests()
    assert world.host.run_timer("enumerate_accounts").ok
    world.host.wait_until(lambda: world.count("accounts") == 0)
    for service in ("dataverse", "fno"):
        seen = world.sandbox.requests()[service]["requests"]

        def told(service=service) -> float:
            found = collector.metric("p2c.requests").items()
            return sum(value for key, value in found if dict(key)["service"] == service)

        world.host.wait_until(lambda told=told, seen=seen: told() == seen)


def _named(collector: Collector, name: str):
    return [span for span in collector.spans if span.name == name]


def _batch(spans):
    """The request that wrote the record."""
    (batch,) = (span for span in spans if span.name == "POST fno")
    return batch


def _logs(collector: Collector, text: str, number: int):
    found = [log for log in collector.logs if log.text == text]
    return found if len(found) >= number else None


def _added_up(executions) -> dict[str, dict[str, int]]:
    total: dict[str, dict[str, int]] = {}
    for execution in executions:
        for tasks in execution["templates"].values():
            for task, counts in tasks["tasks"].items():
                for outcome, number in counts.items():
                    if number and outcome != "read":
                        found = total.setdefault(task, {})
                        found[outcome] = found.get(outcome, 0) + number
    return total


def _told(collector: Collector) -> dict[str, dict[str, int]]:
    """What the metric of rows comes to: those with an outcome, less those that had it before."""
    total: dict[str, dict[str, int]] = {}
    for key, value in collector.metric("p2c.rows").items():
        attributes = dict(key)
        counts = total.setdefault(attributes["task"], {})
        for name, sign in (("outcome", 1), ("previous", -1)):
            outcome = attributes[name]
            if outcome != "none":
                counts[outcome] = counts.get(outcome, 0) + sign * int(value)
    return {
        task: {outcome: number for outcome, number in counts.items() if number}
        for task, counts in total.items()
    }

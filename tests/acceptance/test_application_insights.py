"""What reaches Application Insights, by its own exporter, and what the queries make of it.

The functions work in a host with the deployment's own settings for telemetry, while the exporter
sends to a stand-in for the ingestion endpoint, by a managed identity. The queries of the alerts and
the workbook are then asked of what came.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from p2c.sandbox import Fault, Sandbox
from p2c.sync.messages import EnumerateMessage
from p2c.telemetry.metrics import METRICS
from p2c.templates import shipped_names
from tests.functions.world import ROOT, World
from tests.host.needs import needs_worker
from tests.infra.alerting import raised
from tests.infra.deployment import CLIENT_ID, app_settings, deployed
from tests.infra.test_queries import FILES, OF_METRICS, OF_RECORDS, properties_read
from tests.support.certificate import self_signed
from tests.support.identity import ManagedIdentity, claims
from tests.support.ingestion import KEY, Ingestion
from tests.support.workspace import Workspace
from tools.azurite import azurite

pytestmark = [*needs_worker, pytest.mark.xdist_group("application insights")]
MARK = "zq7x9kw"
INGESTION_HOST = "westeurope-1.in.applicationinsights.azure.com"
RESOURCE = "_OTELRESOURCE_"
"""The exporter says with each batch of spans who sends it; the name of the app, no more."""
OF_TELEMETRY = re.compile("P2C_TELEMETRY|PYTHON_ENABLE_.*|APPLICATIONINSIGHTS_.*")
AZURE_MONITOR = "https://monitor.azure.com/"
ALL = {metric.name for metric in METRICS}
ANY_REJECTED = cache(partial(deployed, rejectedRowsThreshold=0))
SOON = dict.fromkeys(
    ("OTEL_METRIC_EXPORT_INTERVAL", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY"), "100"
)
REFUSED = {"effect": "status", "status": 429, "retry_after": 1, "service": "fno"}
IN_AZURE = {"FUNCTIONS_WORKER_RUNTIME": "python", "WEBSITE_SITE_NAME": "func-p2c"}
IDLE = "contacts-to-customer"
"""Its queue function is disabled, so that messages lie on the queue."""


@dataclass(frozen=True)
class Seen:
    """What was sent, and what p2c itself says of its executions."""

    ingestion: Ingestion
    elsewhere: Ingestion
    identity: ManagedIdentity
    workspace: Workspace
    executions: list[dict[str, Any]]
    lying: int
    hosts: set[str]
    now: datetime

    def ask(self, name: str) -> list[dict[str, Any]]:
        """Carry out one of the workbook's queries."""
        return self.workspace.ask(FILES[name], self.now)

    def raised(self, key: str, now: datetime | None = None) -> set[tuple[str, ...]]:
        """Evaluate an alert, of a deployment where any rejected row raises one."""
        return raised(ANY_REJECTED(), key, self.ingestion.envelopes, now or self.now)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("seen")
    certificate = self_signed(folder)
    with (
        Ingestion(certificate) as ingestion,
        Ingestion() as elsewhere,
        ManagedIdentity(CLIENT_ID) as identity,
        azurite() as connection,
        Sandbox() as sandbox,
    ):
        settings = {
            **{k: v for k, v in app_settings(deployed()).items() if OF_TELEMETRY.fullmatch(k)},
            "APPLICATIONINSIGHTS_CONNECTION_STRING": ingestion.connection_string,
            "REQUESTS_CA_BUNDLE": str(certificate.certificate),
            # What another process could not send is kept in the usual one, and would be sent here.
            "TMPDIR": str(folder),
            # Whatever wants to leave this machine is noticed.
            **dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), elsewhere.url),
            "NO_PROXY": "127.0.0.1",
            f"AzureWebJobs.sync_{IDLE.replace('-', '_')}.Disabled": "true",
            **identity.environment,
            **IN_AZURE,
            **SOON,
        }
        with World(connection, sandbox, **settings) as world:
            _happen(world)
            world.host.wait_until(lambda: _all_told(ingestion))
            # The idle template's own does not end.
            executions = list(filter(None, map(world.ended, world.execution_ids())))
            lying = world.count(IDLE)
        hosts = {url.removeprefix("http://") for url in (sandbox.dataverse_url, sandbox.fno_url)}
    now = datetime.now(UTC).replace(tzinfo=None)
    with Workspace(ingestion.envelopes) as workspace:
        yield Seen(ingestion, elsewhere, identity, workspace, executions, lying, hosts, now)


def _happen(world: World) -> None:
    """An account and its contact come; one is rejected, its contact waits; things go wrong."""
    people = {"emailaddress1": f"{MARK}@{MARK}.example", "telephone1": MARK, "address1_city": MARK}
    brought = world.account("A1", name=f"{MARK} AS", **people)
    rejected = world.account("A2", name=f"{MARK} & Co", address1_country="Atlantis", **people)
    world.contact("C1", brought, firstname=MARK, lastname=MARK)
    world.contact("C2", rejected, firstname=MARK, lastname=MARK)
    due = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    message = EnumerateMessage(template=IDLE, execution="e", due=due)
    world.put(IDLE, message.model_dump_json())
    world.put("accounts", f'{{"kind": "{MARK}"}}')
    world.sandbox.add_faults(
        Fault(path="$batch", **REFUSED),
        Fault(level="operation", method="POST", **REFUSED),
    )
    for template in ("accounts", "contacts"):
        assert world.host.run_timer(f"enumerate_{template}").ok
        world.host.wait_until(lambda template=template: world.count(template) == 0)
    # They tell of the executions that have ended, and of what waits.
    for name in shipped_names():
        assert world.host.run_timer(f"enumerate_{name.replace('-', '_')}").ok


def _all_told(ingestion: Ingestion) -> bool:
    texts = [data["message"] for data, _ in ingestion.of("MessageData")]
    settled = "A poisoned message is settled" in texts
    return settled and texts.count("An execution has ended") == 2 and _told(ingestion) >= ALL


def _told(ingestion: Ingestion) -> set[str]:
    found = [data["metrics"] for data, _ in ingestion.of("MetricData")]
    return {point["name"] for points in found for point in points}


@pytest.mark.parametrize("name", OF_METRICS)
def test_metrics_that_a_query_reads_are_sent_with_their_attributes(seen, name):
    asked = {metric for metric in ALL if f'"{metric}"' in FILES[name]}
    assert asked <= _told(seen.ingestion)
    sent = {
        attribute
        for data, _ in seen.ingestion.of("MetricData")
        if data["metrics"][0]["name"] in asked
        for attribute in data["properties"]
    }
    assert properties_read(FILES[name]) <= sent


@pytest.mark.parametrize("name", OF_RECORDS)
def test_records_that_a_query_reads_are_sent_with_their_particulars(seen, name):
    texts = set(re.findall(r'Message == "([^"]+)"', FILES[name]))
    records = [data for data, _ in seen.ingestion.of("MessageData")]
    of_the_query = [data for data in records if not texts or data["message"] in texts]
    assert texts <= {data["message"] for data in of_the_query}
    assert any(properties_read(FILES[name]) <= data["properties"].keys() for data in of_the_query)


def test_each_data_point_is_one_value_and_each_particular_a_text(seen):
    for data, _ in seen.ingestion.of("MetricData"):
        (point,) = data["metrics"]
        assert point["name"] == RESOURCE or point["count"] == 1
    for kind in ("MetricData", "MessageData"):
        for data, _ in seen.ingestion.of(kind):
            assert {type(value) for value in data["properties"].values()} == {str}


def test_the_rows_of_the_workbook_are_those_of_the_executions(seen):
    total: dict[tuple[str, str], dict[str, int]] = {}
    for execution in seen.executions:
        for template, found in execution["templates"].items():
            for task, counts in found["tasks"].items():
                row = total.setdefault((template, task), {})
                for outcome, number in counts.items():
                    row[outcome.capitalize()] = row.get(outcome.capitalize(), 0) + number
    expected = [
        {"Template": template, "Task": task, **{k: n for k, n in counts.items() if k != "Read"}}
        for (template, task), counts in sorted(total.items())
    ]
    assert seen.ask("rows.kql") == expected
    assert [(row["Created"], row["Rejected"], row["Waiting"]) for row in expected] == [
        (1, 1, 0),
        (1, 0, 1),
    ]
    by_outcome = {row["Outcome"]: row["Rows"] for row in seen.ask("outcomes.kql")}
    assert by_outcome["created"] == 2
    assert seen.ask("reasons.kql")[0].items() >= {
        "Code": "value-not-mapped", "Template": "accounts", "Rows": 1
    }.items()  # fmt: skip


def test_the_workbook_has_the_history_of_executions(seen):
    history = {row["Execution"]: row for row in seen.ask("executions.kql")}
    assert len(history) == len(seen.executions) == 2
    for execution in seen.executions:
        row = history[execution["execution_id"]]
        assert (row["Status"], row["Trigger"]) == (execution["status"], "timer")
        assert row["Started"] == datetime.fromisoformat(execution["started_at"]).replace(
            microsecond=0, tzinfo=None
        )
        ((counts,),) = (found["tasks"].values() for found in execution["templates"].values())
        assert {name: row[name.capitalize()] for name in counts if name != "read"} == {
            name: number for name, number in counts.items() if name != "read"
        }
    runs = {row["Template"]: row for row in seen.ask("runs.kql")}
    assert (runs["accounts"]["Warning"], runs["accounts"]["Completed"]) == (1, 1)


def test_the_workbook_says_what_waits(seen):
    totals = {(row["Template"], row["Rows"]): row["Number"] for row in seen.ask("totals.kql")}
    assert totals["contacts", "waiting"] == 1
    assert totals["accounts", "waiting"] == 0
    queues = {(row["Template"], row["Queue"]): row for row in seen.ask("queues.kql")}
    assert queues[IDLE, "work"]["Messages"] == seen.lying > 0
    assert 120 <= queues[IDLE, "work"]["OldestMinutes"] < 125
    fresh = {row["Template"]: row["MinutesBehind"] for row in seen.ask("freshness.kql")}
    assert fresh.keys() == {"accounts", "contacts"}
    assert all(0 <= behind < 5 for behind in fresh.values())


def test_the_workbook_counts_requests_and_refusals(seen):
    services = {row["Service"]: row for row in seen.ask("requests.kql")}
    fno, dataverse = services["fno"], services["dataverse"]
    assert (fno["Requests429"], fno["Operations429"]) == (1, 1)
    assert (dataverse["Requests429"], dataverse["SecondsThrottled"]) == (0, 0)
    assert fno["SecondsThrottled"] >= 1
    assert fno["Operations"] >= fno["Requests"] > 0
    assert {fno["Requests5xx"], fno["WithoutAnswer"], fno["SecondsOutage"]} == {0}
    problems = {row["Code"]: row for row in seen.ask("problems.kql")}
    assert problems["message-invalid"]["Times"] == 5


def test_the_alerts_are_raised_that_should_be_and_no_others(seen):
    assert seen.raised("poison") == {("accounts",)}
    assert seen.raised("rejected") == {("accounts",)}
    assert seen.raised("old-messages") == {(IDLE, "work")}
    assert seen.raised("throttled") == set()
    assert seen.raised("late") == {(IDLE,)}
    later = seen.now + timedelta(minutes=31)
    assert seen.raised("late", later) == {(name,) for name in shipped_names()}


def test_it_is_sent_with_a_token_of_the_managed_identity_for_azure_monitor(seen):
    tokens = {header.removeprefix("Bearer ") for header in seen.ingestion.authorizations}
    assert {(said["aud"], said["appid"]) for said in map(claims, tokens)} == {
        (AZURE_MONITOR, CLIENT_ID)
    }
    assert set(seen.identity.issued) == {AZURE_MONITOR}
    assert seen.identity.refused == []


def test_nothing_is_sent_but_what_p2c_tells(seen):
    assert set(seen.ingestion.paths) == {"POST /v2.1/track"}
    assert seen.elsewhere.paths == []
    assert _told(seen.ingestion) == ALL | {RESOURCE}
    kinds = {envelope["data"]["baseType"] for envelope in seen.ingestion.envelopes}
    assert kinds == {"MetricData", "MessageData", "RemoteDependencyData", "RequestData"}
    called = [data for data, _ in seen.ingestion.of("RemoteDependencyData")]
    assert {data["target"] for data in called if data["type"] == "HTTP"} == seen.hosts
    assert {data["type"] for data in called} == {"HTTP", "InProc"}


def test_with_the_deployed_settings_the_exporter_tells_nothing_of_itself(tmp_path):
    hosts, threads = _told_at_its_end(app_settings(deployed()), tmp_path)
    assert hosts == {INGESTION_HOST}
    assert threads["ConfigurationWorker"] == 0
    assert threads["OtelPeriodicExportingMetricReader"] == 1


def test_without_them_it_would_tell_how_it_does_and_ask_what_to_do(tmp_path):
    """Metrics about itself to p2c's own ingestion and to Microsoft's, which it would ask, too."""
    found = app_settings(deployed())
    talking = {name: value for name, value in found.items() if "_DISABLED" not in name}
    hosts, threads = _told_at_its_end(talking, tmp_path)
    assert hosts > {INGESTION_HOST}
    assert threads["ConfigurationWorker"] == 1
    assert threads["OtelPeriodicExportingMetricReader"] == 3


@pytest.mark.parametrize("told", [True, False])
def test_with_the_deployed_settings_the_worker_says_that_records_leave_from_it(told):
    """Otherwise the host would send them, too (docs/decisions/host-json.md)."""
    found = app_settings(deployed())
    program = (
        "import asyncio, json\n"
        "from tools.functions_worker import library\n"
        "print(json.dumps(asyncio.run(library.announced('.'))))\n"
    )
    given = {name: value for name, value in found.items() if name.startswith("PYTHON_ENABLE_")}
    done = _run(program, given if told else {})
    assert ("WorkerOpenTelemetryEnabled" in json.loads(done)) is told


def _told_at_its_end(settings: dict[str, str], folder: Path) -> tuple[set[str], Counter[str]]:
    """Send from a process, by a proxy that connects to nobody: hosts asked for, and threads."""
    program = (
        "import json, threading\n"
        "from p2c.bootstrap import start_telemetry\n"
        "from p2c.settings import load_telemetry_settings\n"
        "telemetry = start_telemetry(load_telemetry_settings())\n"
        "with telemetry.span('work', {}): pass\n"
        "print(json.dumps([thread.name for thread in threading.enumerate()]))\n"
        "telemetry.close()\n"
    )
    with Ingestion() as proxy:
        given = {name: value for name, value in settings.items() if OF_TELEMETRY.fullmatch(name)}
        given |= {
            # Only where the endpoint names a region does the exporter know where to tell of itself.
            "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={KEY};"
            f"IngestionEndpoint=https://{INGESTION_HOST}/",
            "HTTPS_PROXY": proxy.url,
            "TMPDIR": str(folder),
            **IN_AZURE,
        }
        del given["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]
        threads = _run(program, given)
        asked = {path.removeprefix("CONNECT ").removesuffix(":443") for path in proxy.paths}
    return asked, Counter(json.loads(threads))


def _run(program: str, settings: dict[str, str]) -> str:
    """Run a program with these settings; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_no_value_of_a_row_is_sent(seen):
    assert not [envelope for envelope in seen.ingestion.envelopes if MARK in str(envelope)]

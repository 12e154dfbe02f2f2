"""Several runs at once, rubbish on the queues, and what a large company costs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from azure.storage.queue import QueueServiceClient, TextBase64EncodePolicy

from p2c.sandbox import DemoSize, Start
from p2c.storage.account import QUEUE_API_VERSION
from tests.acceptance.oracle import assert_in_step

ROOT = Path(__file__).resolve().parents[2]
ROW = "11111111-1111-4111-8111-111111111111"
RUBBISH = ["", "{}", "[]", "null", '{"kind": "rows"}', "{" * 5_000, "hello <secret>", "\u0000"]


@pytest.mark.slow  # A row that one run holds is tried again by the other after up to 30 s.
def test_two_runs_at_once_bring_each_record_once(company) -> None:
    accounts = [company.account(f"A{n}") for n in range(12)]
    for number, account in enumerate(accounts):
        company.contact(f"C{number}", account)
    company.sandbox.set_latency(fno={"request_ms": 100})
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "p2c", "run", *words, "--json"],
            cwd=ROOT,
            env=os.environ | company.settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for words in ([], ["--all-data"])
    ]
    company.change("accounts", accounts[0], description="newest")
    for run in runs:
        stdout, stderr = run.communicate(timeout=100)
        assert run.returncode == 0, stderr
        assert json.loads(stdout)["status"] == "Completed"
    company.run()
    assert_in_step(company)


def test_rubbish_on_a_queue_is_counted_and_stops_nothing(company) -> None:
    company.run()
    message = {"kind": "rows", "template": "accounts", "execution": "x", "rows": [ROW]}
    with QueueServiceClient.from_connection_string(
        company.storage, api_version=QUEUE_API_VERSION
    ) as service:
        queue = service.get_queue_client("p2c-accounts")
        queue.send_message("%%%")
        queue = service.get_queue_client(
            "p2c-accounts", message_encode_policy=TextBase64EncodePolicy()
        )
        for text in [*RUBBISH, json.dumps(message | {"task": "No such task"})]:
            queue.send_message(text)
    company.account("A1")
    done = company.p2c("run", "accounts", "--json")
    assert done.exit_code == 1, done.output
    assert json.loads(done.stdout)["status"] == "Warning"
    assert "secret" not in done.output
    assert "Traceback" not in done.output
    state = json.loads(company.p2c("status", "--json").stdout)
    assert state["unreadable_messages"] == len(RUBBISH) + 2
    assert_in_step(company)


def test_a_large_company_costs_few_requests_and_none_for_what_is_equal(company) -> None:
    company.sandbox.reset(Start(data="demo", demo=DemoSize(accounts=60, contacts=120)))
    first = company.run(status=1)["requests"]
    # A record costs at most one operation to write; finding and asking go for many at a time.
    written = company.fno_writes()
    assert first["fno_operations"] < written * 1.8
    assert first["fno"] < written * 0.9
    assert first["dataverse"] < 180 * 0.5
    records = company.customers(), company.persons()
    company.run("--all-data", status=1)
    assert (company.customers(), company.persons()) == records

"""`run`: what it prints, how it exits, and what it leaves alone."""

import json
import os
import pty

import pytest
import requests

from p2c.cli import common
from p2c.sandbox import DemoSize, Fault, Start
from p2c.telemetry.metrics import EXECUTIONS
from tests.support.recording import RecordingTelemetry

COUNTS = {"read", "created", "updated", "unchanged", "skipped", "waiting", "rejected", "deleted"}
TASKS = {
    "accounts": "Accounts - Customers",
    "contacts": "Contacts",
    "contacts-to-customer": "ContactToCustomer",
}


def small_company(world) -> None:
    world.sandbox.reset(Start(data="demo", demo=DemoSize(accounts=20, contacts=60)))


def test_json_has_exactly_the_documented_shape(world) -> None:
    small_company(world)
    done = world.document("run", status=1)
    assert list(done) == ["execution_id", "status", "seconds", "templates", "requests"]
    assert done["status"] == "Warning"
    assert done["seconds"] > 0
    assert list(done["templates"]) == list(TASKS)
    for template, task in TASKS.items():
        assert set(done["templates"][template]) == {"tasks"}
        (counts,) = done["templates"][template]["tasks"].values()
        assert set(done["templates"][template]["tasks"]) == {task}
        assert set(counts) == COUNTS
        assert all(type(count) is int for count in counts.values())
        assert counts["read"] == sum(counts.values()) - counts["read"]
    assert done["templates"]["accounts"]["tasks"]["Accounts - Customers"]["read"] == 20
    assert done["templates"]["contacts"]["tasks"]["Contacts"]["read"] == 60
    sent = world.sandbox.requests()
    assert done["requests"] == {
        "dataverse": sent["dataverse"]["requests"],
        "fno": sent["fno"]["requests"],
        "fno_operations": sent["fno"]["operations"],
    }


def test_what_json_says_was_created_is_in_fno(world) -> None:
    small_company(world)
    done = world.document("run", status=1)
    counts = {name: done["templates"][name]["tasks"][task] for name, task in TASKS.items()}
    made = counts["accounts"]["created"] + counts["contacts-to-customer"]["created"]
    assert made > 10
    assert len(world.sandbox.fno_records("CustomersV2")) == made
    assert len(world.sandbox.fno_records("CDSContactPersons")) == counts["contacts"]["created"]


def test_an_idle_run_costs_one_request_a_task_and_completes(world) -> None:
    world.account(accountnumber="A1")
    assert world.document("run")["status"] == "Completed"
    again = world.document("run")
    assert again["status"] == "Completed"
    assert again["requests"] == {"dataverse": 3, "fno": 0, "fno_operations": 0}


def test_only_the_named_template_runs(world) -> None:
    world.account(accountnumber="A1")
    done = world.document("run", "contacts")
    assert list(done["templates"]) == ["contacts"]
    assert world.sandbox.fno_records("CustomersV2") == []


def test_templates_run_prerequisites_first_whatever_their_order(world) -> None:
    done = world.document("run", "contacts", "accounts")
    assert list(done["templates"]) == ["accounts", "contacts"]


def test_all_data_reads_every_row_again_and_writes_none_that_is_equal(world) -> None:
    world.account(accountnumber="A1")
    world.document("run", "accounts")
    done = world.document("run", "accounts", "--all-data")
    counts = done["templates"]["accounts"]["tasks"]["Accounts - Customers"]
    assert (counts["read"], counts["unchanged"]) == (1, 1)
    assert done["requests"]["fno"] == 0


def test_a_run_whose_every_row_is_rejected_is_an_error(world) -> None:
    world.account(accountnumber="A1", address1_country="Atlantis")
    done = world.document("run", "accounts", status=2)
    assert done["status"] == "Error"
    assert done["templates"]["accounts"]["tasks"]["Accounts - Customers"]["rejected"] == 1


def test_waiting_rows_are_taken_up_by_the_next_run(world) -> None:
    account = world.account(accountnumber="A1", address1_country="Atlantis")
    bind = {"parentcustomerid_account@odata.bind": f"/accounts({account})"}
    person = {"firstname": "Ann", "lastname": "Moe", "msdynce_contactnumber": "C1"}
    world._send("POST", "contacts", person | bind)
    first = world.document("run", "accounts", "contacts", status=1)
    assert first["templates"]["contacts"]["tasks"]["Contacts"]["waiting"] == 1
    world.change(f"accounts({account})", address1_country="Norge")
    second = world.document("run", "accounts", "contacts")
    assert second["templates"]["accounts"]["tasks"]["Accounts - Customers"]["created"] == 1
    assert second["templates"]["contacts"]["tasks"]["Contacts"]["created"] == 1


def test_a_row_goes_on_when_somebody_else_brings_what_it_waits_for(world) -> None:
    account = world.account(accountnumber="A1", address1_country="Atlantis")
    bind = {"parentcustomerid_account@odata.bind": f"/accounts({account})"}
    person = {"firstname": "Ann", "lastname": "Moe", "msdynce_contactnumber": "C1"}
    world._send("POST", "contacts", person | bind)
    world.document("run", "accounts", "contacts", status=1)
    customer = {
        "dataAreaId": "usmf",
        "CustomerAccount": "A1",
        "PartyNumber": "A1",
        "PartyType": "Organization",
        "OrganizationName": "Made by hand",
        "CustomerGroupId": "10",
        "SalesCurrencyCode": "USD",
        "LanguageId": "en-us",
    }
    url = f"{world.sandbox.fno_url}/data/CustomersV2"
    headers = {"Authorization": "Bearer test"}
    answer = requests.post(url, json=customer, headers=headers, timeout=20)
    assert answer.ok, answer.text
    done = world.document("run", "contacts")
    assert done["templates"]["contacts"]["tasks"]["Contacts"]["created"] == 1


def test_off_a_terminal_progress_is_plain_lines_on_standard_error(world) -> None:
    world.account(accountnumber="A1")
    done = world.p2c("run")
    assert done.exit_code == 0
    assert "accounts: Accounts - Customers: 1 rows to look at" in done.stderr.splitlines()
    assert "\x1b" not in done.output
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["Template", "Task", "read", "created"]
    assert lines[1].split() == ["accounts", "Accounts", "-", "Customers", "1", "1"]
    assert lines[-1].startswith("Completed in ")


def test_on_a_terminal_progress_is_bars(world) -> None:
    world.account(accountnumber="A1")
    terminal, stderr = pty.openpty()
    process = world.process("run", "--json", stderr=stderr)
    os.close(stderr)
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:  # The other end is closed: that is how Linux says so.
        pass
    os.close(terminal)
    stdout, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(stdout)["status"] == "Completed"
    assert "accounts" in shown.decode()
    assert "1/1" in shown.decode()
    assert "━" in shown.decode()


def test_an_unknown_template_is_wrong_use_and_lists_those_there_are(world) -> None:
    done = world.p2c("run", "acounts")
    assert done.exit_code == 2
    assert done.stderr == (
        "TEMPLATE: found 'acounts'; expected one of accounts, contacts, contacts-to-customer. "
        "[template-unknown]\n"
    )
    assert done.stdout == ""


def test_an_unknown_option_is_wrong_use(world) -> None:
    done = world.p2c("run", "--everything")
    assert done.exit_code == 2
    assert "--everything" in done.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"P2C_FNO_URL": ""}, "P2C_FNO_URL: found nothing; expected a root URL"),
        ({"P2C_FNO_URL": "http://fno.example"}, "P2C_FNO_URL: found 'http://fno.example'"),
        ({"P2C_SETTLE_SECONDS": "soon"}, "P2C_SETTLE_SECONDS: found 'soon'"),
        ({"P2C_PROJECTS": "/nowhere"}, "P2C_PROJECTS: found '/nowhere'"),
        ({"AzureWebJobsStorage": "nothing"}, "AzureWebJobsStorage: found 7 characters"),
    ],
)
def test_a_broken_setting_is_an_error_that_names_it(world, settings, message) -> None:
    done = world.p2c("run", "--json", **settings)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output
    document = json.loads(done.stdout)
    assert document["status"] == "Error"
    assert document["error"]["code"] == "setting-invalid"


def test_storage_that_cannot_be_reached_is_an_error(world) -> None:
    storage = (
        "DefaultEndpointsProtocol=http;AccountName=none;AccountKey=bm9uZQ==;"
        "QueueEndpoint=http://127.0.0.1:9/none;TableEndpoint=http://127.0.0.1:9/none;"
    )
    done = world.p2c("run", "--json", AzureWebJobsStorage=storage, P2C_HASH_KEY="k" * 32)
    assert done.exit_code == 2
    assert "Azure Storage" in done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "service-unavailable"


def test_a_service_that_refuses_us_ends_the_run_at_once_and_loses_nothing(world) -> None:
    world.account(accountnumber="A1")
    world.sandbox.add_faults(Fault(effect="status", status=403, service="fno", count=None))
    done = world.p2c("run", "accounts", "--json")
    assert done.exit_code == 2, done.output
    assert json.loads(done.stdout)["status"] == "Error"
    assert "403" in done.stderr
    world.sandbox.clear_faults()
    assert world.document("run", "accounts")["status"] == "Completed"
    assert len(world.sandbox.fno_records("CustomersV2")) == 1


def test_change_tracking_that_is_off_ends_the_run_with_its_message(world) -> None:
    world.sandbox.set_switches(dataverse_change_tracking="off")
    done = world.p2c("run", "accounts", "--json")
    assert done.exit_code == 2
    assert "change tracking" in done.stderr.lower()
    assert json.loads(done.stdout)["status"] == "Error"


def test_a_message_that_nobody_can_read_is_set_aside_with_a_warning(world) -> None:
    app = world.app()
    app.ensure_storage()
    app.queue("accounts").send("hello")
    app.close()
    done = world.p2c("run", "accounts", "--json")
    assert done.exit_code == 1, done.output
    assert json.loads(done.stdout)["status"] == "Warning"
    assert "Set aside: A queue message of 5 characters cannot be read" in done.stderr
    status = world.document("status")
    assert status["unreadable_messages"] == 1
    assert status["queues"]["accounts"] == {"messages": 0, "poison": 0}


def test_a_run_tells_of_its_own_end_and_leaves_the_others_to_the_timers(world, monkeypatch) -> None:
    told = RecordingTelemetry()
    monkeypatch.setattr(common, "start_telemetry", lambda _settings: told)
    app = world.app()
    app.ensure_storage()
    timers_own = app.executions.new_id()
    app.executions.start(timers_own, "timer", ["accounts"])
    app.executions.update(timers_own, error="away", error_code="service-unavailable")
    assert world.document("run", "accounts")["status"] == "Completed"
    assert told.of(EXECUTIONS) == [(1, {"template": "accounts", "status": "Completed"})]
    (left,) = app.executions.take_ended("accounts")
    assert left.execution.execution_id == timers_own
    app.close()

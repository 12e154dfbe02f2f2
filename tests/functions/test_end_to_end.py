"""The deployed parts together: timers, queues and HTTP, from Sales to F&O."""

import json
import uuid

from p2c.sandbox import Fault
from p2c.sync.ledger import Change, bucket_of
from p2c.sync.messages import RowsMessage
from p2c.sync.rejected import rejected_rows
from p2c.templates import shipped_names
from tests.functions.world import World
from tests.host.needs import needs_worker

pytestmark = needs_worker
ACCOUNTS = "Accounts - Customers"


def test_an_account_goes_from_the_timer_through_the_queue_to_fno(world):
    world.account("ACC-1")
    assert world.host.run_timer("enumerate_accounts").ok
    world.host.wait_until(lambda: world.customer("ACC-1"))
    (execution_id,) = world.execution_ids()
    execution = world.host.wait_until(lambda: world.ended(execution_id))
    assert (execution["status"], execution["trigger"]) == ("Completed", "timer")
    counts = execution["templates"]["accounts"]["tasks"][ACCOUNTS]
    assert (counts["read"], counts["created"]) == (1, 1)
    assert world.host.wait_until(lambda: world.count("accounts") == 0)

    world.sandbox.reset_requests()
    assert world.host.run_timer("enumerate_accounts").ok
    assert world.execution_ids() == [execution_id], "nothing changed, nothing is recorded"
    requests = world.sandbox.requests()
    assert (requests["dataverse"]["requests"], requests["fno"]["requests"]) == (1, 0)


def test_a_contact_that_waits_goes_on_when_its_account_arrives(world):
    account = world.account("ACC-2")
    world.contact("CON-2", account)
    assert world.host.run_timer("enumerate_contacts").ok
    world.host.wait_until(lambda: world.count("contacts") == 0)
    assert world.sandbox.fno_records("CDSContactPersons") == []
    assert world.host.run_timer("enumerate_accounts").ok
    (person,) = world.host.wait_until(lambda: world.sandbox.fno_records("CDSContactPersons"))
    assert person["AssociatedPartyNumber"] == "ACC-2"


def test_a_contact_that_is_an_active_customer_becomes_a_customer(world):
    world.contact("CON-9", world.account("ACC-9"), msdynce_isactivecustomer=True, **world.euro())
    assert world.host.run_timer("enumerate_contacts_to_customer").ok
    customer = world.host.wait_until(lambda: world.customer("CON-9"))
    assert customer["PartyType"] == "Person"


def test_a_plan_says_what_the_queue_function_then_writes(world):
    world.account("ACC-3")
    planned = world.request("GET", "/api/plan/accounts?limit=10").json()
    (row,) = planned["templates"]["accounts"]["tasks"][ACCOUNTS]["rows"]
    (operation,) = row["operations"]
    assert (planned["status"], world.customer("ACC-3")) == ("Changes", None)
    assert world.host.run_timer("enumerate_accounts").ok
    written = world.host.wait_until(lambda: world.customer("ACC-3"))
    for name, value in operation["fields"].items():
        assert written[name] == value["new"]


def test_every_template_has_its_poison_queue_looked_after(world):
    for template in shipped_names():
        world.put(template, "{}", poison=True)
    for template in shipped_names():
        world.host.wait_until(lambda template=template: world.count(template, poison=True) == 0)
    settled = world.logged("A poisoned message is settled")
    assert {log["extra"]["template"] for log in settled} == set(shipped_names())


def test_the_timer_sweeps_rows_whose_account_came_to_fno_by_another_way(world):
    account = world.account("ACC-3")
    world.contact("CON-3", account)
    assert world.host.run_timer("enumerate_contacts").ok
    world.host.wait_until(lambda: world.count("contacts") == 0)
    # Without p2c: nobody is woken.
    fno_customer = {
        "dataAreaId": "usmf",
        "CustomerAccount": "ACC-3",
        "PartyNumber": "ACC-3",
        "PartyType": "Organization",
        "OrganizationName": "By hand",
        "CustomerGroupId": "10",
        "SalesCurrencyCode": "EUR",
    }
    session = world.dataverse.session
    session.post(f"{world.sandbox.fno_url}/data/CustomersV2", json=fno_customer, timeout=20)
    assert world.host.run_timer("enumerate_contacts").ok
    world.host.wait_until(lambda: world.sandbox.fno_records("CDSContactPersons"))
    assert world.logged("Waiting rows can go on")


def test_a_resync_is_answered_at_once_and_its_execution_tells_what_became_of_it(world):
    row = world.account("ACC-4")
    answer = world.request("POST", "/api/resync/accounts", json.dumps({"rows": [row]}).encode())
    assert answer.status == 202
    execution_id = answer.json()["execution_id"]
    assert answer.headers["Location"] == f"/api/executions/{execution_id}"
    execution = world.host.wait_until(lambda: world.ended(execution_id))
    assert (execution["trigger"], execution["status"]) == ("resync", "Completed")
    assert execution["templates"]["accounts"]["tasks"][ACCOUNTS]["created"] == 1
    assert world.customer("ACC-4")


def test_a_resync_of_everything_reads_every_row(world):
    for number in range(3):
        world.account(f"ACC-5{number}")
    answer = world.request("POST", "/api/resync/accounts", b'{"all": true, "force": true}')
    execution_id = answer.json()["execution_id"]
    execution = world.host.wait_until(lambda: world.ended(execution_id))
    counts = execution["templates"]["accounts"]["tasks"][ACCOUNTS]
    assert (counts["read"], counts["created"]) == (3, 3)


def test_an_outage_of_fno_uses_up_no_attempts(world):
    world.account("ACC-6")
    world.sandbox.add_faults(Fault(effect="status", status=503, service="fno", count=None))
    assert world.host.run_timer("enumerate_accounts").ok
    world.host.wait_until(lambda: world.logged("A service is to be left alone"))
    world.sandbox.clear_faults()
    world.host.wait_until(lambda: world.customer("ACC-6"))
    world.host.wait_until(lambda: world.count("accounts") == 0)
    assert world.count("accounts", poison=True) == 0
    assert world.logged("A poisoned message is settled") == []


def test_a_message_that_fails_for_an_unknown_reason_is_poisoned_and_sent_round_again(world):
    row = world.account("ACC-7")
    task = world.app.runtime.task("accounts", ACCOUNTS)
    entry_place = _spoil_ledger_entry(world, task, row)
    world.put("accounts", _message(row))
    settled = world.host.wait_until(lambda: world.logged("A poisoned message is settled"))
    assert settled[0]["extra"]["sent_again"] == 1
    world.host.wait_until(lambda: world.count("accounts", poison=True) == 0)
    assert world.count("accounts") == 1, "the row comes again, later"
    # Three rounds on, with the entry mended, the row is rejected where people see it.
    world.clear("accounts")
    world.app.tables["p2cledger"].delete(*entry_place)
    world.put("accounts", _message(row, rounds=3), poison=True)
    (rejected,) = world.host.wait_until(
        lambda: list(rejected_rows(world.app.runtime, ["accounts"]))
    )
    assert (rejected.row, rejected.code) == (row, "worker-failed")


def test_an_invalid_message_is_tried_five_times_and_only_its_hash_is_kept(world):
    foreign = '{"kind": "rows", "person": "Kari Moen"}'
    world.put("accounts", foreign)
    (settled,) = world.host.wait_until(lambda: world.logged("A poisoned message is settled"))
    assert "cannot be read: at rows.template: Field required" in settled["extra"]["unreadable"]
    world.host.wait_until(lambda: world.count("accounts", poison=True) == 0)
    assert world.count("accounts") == 0
    assert len(world.logged("A message cannot be processed")) == 5
    (kept,) = world.app.tables["p2cstate"].scan("unreadable-message")
    assert kept.body["length"] == len(foreign)
    assert "Kari" not in json.dumps([dict(kept.body), world.host.logs])


def test_a_message_of_a_template_or_task_that_is_not_there_ends_as_unreadable(world):
    given = json.loads(_message(str(uuid.uuid4())))
    world.put("accounts", json.dumps({**given, "template": "acounts"}))
    world.put("contacts", json.dumps({**given, "task": "Accounts"}))
    settled = world.host.wait_until(
        lambda: len(found := world.logged("A poisoned message is settled")) == 2 and found
    )
    said = {log["extra"]["template"]: log["extra"]["unreadable"] for log in settled}
    assert said["accounts"].startswith("There is no template 'acounts'; there are: accounts, con")
    assert said["contacts"].startswith("Template 'accounts' has no task 'Accounts'; it has 'Acc")
    for template in ("accounts", "contacts"):
        world.host.wait_until(lambda template=template: not world.count(template, poison=True))
        assert world.count(template) == 0


def test_a_service_that_refuses_fails_the_timer_and_is_recorded(world):
    world.sandbox.set_switches(dataverse_change_tracking="off")
    done = world.host.run_timer("enumerate_accounts")
    assert not done.ok
    assert "ServiceRefusedError" in done.failure
    (failed,) = world.logged("A step of the timer failed")
    assert failed["extra"]["template"] == "accounts"
    (execution_id,) = world.execution_ids()
    assert world.ended(execution_id)["status"] == "Error"


def test_broken_settings_use_up_no_attempts_and_say_what_is_broken(connection, sandbox):
    with World(connection, sandbox, P2C_LEGAL_ENTITY=None) as world:
        world.put("accounts", _message(str(uuid.uuid4())))
        world.put("accounts", _message(str(uuid.uuid4())), poison=True)
        for action in ("sync", "settle"):
            (log,) = world.host.wait_until(
                lambda action=action: world.logged("A message is put back for later", action)
            )
            assert log["extra"]["code"] == "setting-invalid"
            assert log["extra"]["reason"].startswith("P2C_LEGAL_ENTITY: found nothing; expected")
        assert world.host.wait_until(lambda: world.count("accounts") == 1)
        assert world.host.wait_until(lambda: world.count("accounts", poison=True) == 1)

        done = world.host.run_timer("enumerate_accounts")
        assert "SettingError: P2C_LEGAL_ENTITY: found nothing" in done.failure

        health = world.request("GET", "/api/health", key=None)
        assert health.status == 503
        assert health.json()["checks"] == {
            "settings": "setting-invalid",
            "templates": "not checked",
            "storage": "not checked",
        }
        answer = world.request("GET", "/api/executions")
        assert answer.status == 503
        assert answer.json()["code"] == "setting-invalid"
        assert "P2C_" not in answer.body.decode()


def test_without_a_key_nothing_but_health_is_served(world):
    for method, path in (
        ("POST", "/api/resync/accounts"),
        ("GET", "/api/plan/accounts"),
        ("GET", "/api/executions"),
        ("GET", "/api/executions/20260302T080000-1a2b3c4d"),
    ):
        assert world.request(method, path, key=None).status == 401
        assert world.request(method, path, key="wrong").status == 401
        assert world.request("PUT", path).status == 404
    health = world.request("GET", "/api/health", key=None)
    assert (health.status, health.json()["status"]) == (200, "healthy")
    assert set(health.json()["checks"].values()) == {"ok"}


def _message(row, rounds=0):
    message = RowsMessage(
        template="accounts", task=ACCOUNTS, execution="20260302T080000-1a2b3c4d", rows=(row,)
    )
    return message.model_copy(update={"rounds": rounds}).model_dump_json()


def _spoil_ledger_entry(world, task, row):
    """Make the row's ledger entry unreadable, which nothing foresees; returns its place."""
    ledger = world.app.runtime.ledger(task)
    versions = ledger.write([Change(entry) for entry in ledger.read([row]).values()])
    place = (f"{task.template}|{task.task}|{bucket_of(row)}", row)
    world.app.tables["p2cledger"].put(*place, {"hashes": "spoilt"}, versions[row])
    return place


def test_explaining_a_row_answers_and_logs_no_value(world):
    account = world.account("ACC-1", name="Hemmelig AS")
    assert world.host.run_timer("enumerate_accounts").ok
    world.host.wait_until(lambda: world.customer("ACC-1"))
    world.host.wait_until(lambda: world.count("accounts") == 0)
    response = world.request("GET", f"/api/rows/accounts/{account}")
    (row,) = response.json()["rows"]
    assert row["tasks"][0]["last"]["outcome"] == "created"
    assert "Hemmelig AS" in json.dumps(row)
    assert "Hemmelig" not in json.dumps(world.host.logs, default=str)
    assert world.request("GET", f"/api/rows/accounts/{account}", key=None).status == 401

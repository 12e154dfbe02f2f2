"""`status` shows where everything stands, without asking either service."""

from datetime import UTC, datetime, timedelta


def test_before_the_first_run_nothing_is_known(world) -> None:
    state = world.document("status")
    assert list(state) == ["tasks", "queues", "backoff", "unreadable_messages", "executions"]
    task = state["tasks"][0]
    assert task["template"] == "accounts"
    assert task["task"] == "Accounts - Customers"
    assert (task["polled_at"], task["full_read"], task["needs_all_data"]) == (None, None, False)
    assert set(task["rows"].values()) == {0}
    assert state["executions"] == []
    assert world.sandbox.requests()["dataverse"]["requests"] == 0
    assert world.sandbox.requests()["fno"]["requests"] == 0


def test_after_a_run_it_tells_what_rows_came_to_and_why(world) -> None:
    world.account(accountnumber="A1")
    row = world.account(accountnumber="A2", address1_country="Atlantis")
    run = world.document("run", status=1)
    state = world.document("status")
    task = state["tasks"][0]
    assert datetime.fromisoformat(task["polled_at"]) > datetime.now(UTC) - timedelta(minutes=1)
    assert (task["rows"]["created"], task["rows"]["rejected"]) == (1, 1)
    (reason,) = task["reasons"]
    assert reason["outcome"] == "rejected"
    assert reason["code"] == "value-not-mapped"
    assert reason["rows"] == 1
    assert reason["example"]["row"] == row
    assert "'Atlantis'" in reason["example"]["reason"]
    assert state["executions"][0]["execution_id"] == run["execution_id"]
    assert state["executions"][0]["status"] == "Warning"
    assert state["executions"][0]["templates"] == run["templates"]


def test_the_plain_form_names_reasons_queues_and_executions(world) -> None:
    world.account(accountnumber="A2", address1_country="Atlantis")
    run = world.document("run", "accounts", status=2)
    shown = world.p2c("status").stdout
    assert "1 rejected [value-not-mapped]" in shown
    assert "'Atlantis' is no country" in shown
    assert "Queue of accounts: 0 messages, 0 on its poison queue" in shown
    assert f"Execution {run['execution_id']} (run, accounts): Error" in shown


def test_a_changed_project_names_the_task_that_needs_all_data(world, tmp_path) -> None:
    world.account(accountnumber="A1")
    project = tmp_path / "accounts.toml"
    before = {"P2C_PROJECTS": str(tmp_path)}
    assert world.p2c("run", **before).exit_code == 0
    project.write_text(PROJECT)
    shown = world.p2c("status", **before).stdout
    assert "'run accounts --all-data' brings all rows up to date" in shown
    assert "'run contacts --all-data'" not in shown
    assert world.p2c("run", "accounts", "--all-data", **before).exit_code == 0
    assert "--all-data" not in world.p2c("status", **before).stdout
    (customer,) = world.sandbox.fno_records("CustomersV2")
    assert customer["CustomerGroupId"] == "20"


def test_queued_messages_and_a_service_left_alone_are_shown(world) -> None:
    app = world.app()
    app.ensure_storage()
    app.queue("contacts").send("waiting")
    app.poison_queue("contacts").send("poisoned")
    app.backoff["fno"].unavailable(60)
    app.close()
    state = world.document("status")
    assert state["queues"]["contacts"] == {"messages": 1, "poison": 1}
    assert state["backoff"]["dataverse"] == {"until": None, "outage_since": None}
    assert state["backoff"]["fno"]["until"] > state["backoff"]["fno"]["outage_since"]
    shown = world.p2c("status").stdout
    assert "Queue of contacts: 1 messages, 1 on its poison queue" in shown
    assert "fno: left alone until 20" in shown


PROJECT = """
template = "accounts"

[tasks."Accounts - Customers".fields]
CustomerGroupId = { default = "20" }
"""

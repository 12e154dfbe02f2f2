"""Rows deleted and restored in Sales, through timers, queues and HTTP."""

import json
import uuid

import pytest

from p2c.sync.messages import RowsMessage
from tests.functions.world import World
from tests.host.needs import needs_worker

pytestmark = needs_worker
ACCOUNTS = "Accounts - Customers"
DEACTIVATE = f"""
template = "accounts"
[tasks."{ACCOUNTS}"]
when_deleted = "deactivate"
"""


@pytest.fixture
def deactivating(connection, sandbox, tmp_path):
    """A world whose project puts the customers of deleted accounts on hold."""
    (tmp_path / "accounts.toml").write_text(DEACTIVATE, "utf-8")
    with World(connection, sandbox, P2C_PROJECTS=str(tmp_path)) as world:
        yield world


def poll(world):
    """Fire the timer of accounts and let the queue be worked off; None, or why it failed."""
    done = world.host.run_timer("enumerate_accounts")
    world.host.wait_until(lambda: world.count("accounts") == 0)
    return done.failure if not done.ok else None


def delete(world, row):
    world.dataverse.delete(f"accounts({row})")


def entry(world, row):
    """What the ledger knows of a row; the host stores it before the message is gone."""
    task = world.app.runtime.task("accounts", ACCOUNTS)
    return world.app.runtime.ledger(task).read([row])[row]


def said(world, row):
    found = entry(world, row)
    return (found.outcome.value, found.reason.code if found.reason else "")


def known_accounts(world, count):
    """Accounts that p2c has brought to F&O."""
    rows = [world.account(f"ACC-{number}") for number in range(count)]
    assert poll(world) is None
    assert len(world.sandbox.fno_records("CustomersV2")) == count
    return rows


def vanish(world, *rows):
    """Delete accounts so that the delta link cannot tell of it."""
    for row in rows:
        delete(world, row)
    world.sandbox.expire_tokens()


def test_a_deleted_account_is_reported_and_its_customer_stays_as_it_is(world):
    row = world.account("ACC-1")
    poll(world)
    before = world.customer("ACC-1")
    delete(world, row)
    world.sandbox.reset_requests()
    poll(world)
    assert said(world, row) == ("deleted", "deleted-in-sales")
    assert "CustomerAccount=ACC-1) stays in F&O" in entry(world, row).reason.text
    assert world.customer("ACC-1") == before
    assert world.sandbox.requests()["fno"]["requests"] == 0


def test_with_a_project_the_customer_is_put_on_hold_and_taken_off_when_restored(deactivating):
    world = deactivating
    row = world.account("ACC-1")
    poll(world)
    delete(world, row)
    poll(world)
    assert said(world, row) == ("deleted", "deactivated")
    assert world.customer("ACC-1")["OnHoldStatus"] == "All"

    world.account("ACC-1", accountid=row, name="Restored")
    poll(world)
    assert said(world, row) == ("updated", "")
    customer = world.customer("ACC-1")
    assert "OnHoldStatus" not in customer  # The empty member of the enum.
    assert customer["OrganizationName"] == "Restored"


def test_a_customer_that_people_put_on_hold_stays_so_when_its_account_is_restored(deactivating):
    world = deactivating
    row = world.account("ACC-1")
    poll(world)
    place = "CustomersV2(dataAreaId='usmf',CustomerAccount='ACC-1')"
    url = f"{world.sandbox.fno_url}/data/{place}?cross-company=true"
    world.dataverse.session.patch(url, json={"OnHoldStatus": "All"}, timeout=20)
    delete(world, row)
    poll(world)
    assert said(world, row) == ("deleted", "deactivated")
    world.account("ACC-1", accountid=row)
    poll(world)
    assert world.customer("ACC-1")["OnHoldStatus"] == "All"


def test_an_account_created_and_deleted_between_two_polls_is_noted_and_no_more(deactivating):
    world = deactivating
    world.account("ACC-1")
    poll(world)
    row = world.account("ACC-2")
    delete(world, row)
    world.sandbox.reset_requests()
    poll(world)
    assert said(world, row) == ("deleted", "came-and-went")
    assert world.sandbox.requests()["fno"]["requests"] == 0


def test_accounts_deleted_while_the_delta_link_expired_are_found_by_a_later_timer(deactivating):
    world = deactivating
    rows = known_accounts(world, 20)
    vanish(world, rows[7])
    assert poll(world) is None  # The full read.
    assert said(world, rows[7])[0] == "created"
    assert poll(world) is None  # The comparison.
    assert said(world, rows[7]) == ("deleted", "deactivated")
    on_hold = {
        customer["CustomerAccount"]
        for customer in world.sandbox.fno_records("CustomersV2")
        if customer.get("OnHoldStatus") == "All"
    }
    assert on_hold == {"ACC-7"}


def test_when_too_many_vanish_the_task_stops_and_asks_until_it_is_told_by_http(deactivating):
    world = deactivating
    rows = known_accounts(world, 20)
    vanish(world, *rows[:2])
    poll(world)
    failure = poll(world)
    assert "ConsentError: Template 'accounts', task 'Accounts - Customers'" in failure
    assert "2 of 20 known rows were not found in Sales" in failure
    executions = world.request("GET", "/api/executions").json()["executions"]
    (asking,) = [execution for execution in executions if execution["status"] == "Error"]
    assert asking["error"]["code"] == "deletes-need-consent"

    # While it asks, it reads nothing; another template goes on.
    world.account("ACC-new")
    assert poll(world) is not None
    assert world.customer("ACC-new") is None
    assert world.host.run_timer("enumerate_contacts").ok
    assert said(world, rows[0])[0] == "created"

    answer = world.request("POST", "/api/resync/accounts", b'{"accept_deletes": true}')
    assert answer.status == 202
    execution_id = answer.json()["execution_id"]
    execution = world.host.wait_until(lambda: world.ended(execution_id))
    counts = execution["templates"]["accounts"]["tasks"][ACCOUNTS]
    assert (execution["status"], counts["deleted"], counts["created"]) == ("Completed", 2, 1)
    assert {said(world, row) for row in rows[:2]} == {("deleted", "deactivated")}
    assert poll(world) is None

    again = world.request("POST", "/api/resync/accounts", b'{"accept_deletes": true}')
    assert (again.status, again.json()["code"]) == (409, "nothing-to-accept")


def test_rows_that_were_only_hidden_go_on_after_another_full_read(world):
    rows = known_accounts(world, 3)
    vanish(world, rows[0])
    poll(world)
    assert poll(world) is not None
    (failed,) = world.logged("A step of the timer failed")
    assert failed["extra"]["code"] == "deletes-need-consent"
    world.account("ACC-0", accountid=rows[0])  # Its privilege is back, as it were.
    answer = world.request("POST", "/api/resync/accounts", b'{"all": true}')
    execution_id = answer.json()["execution_id"]
    execution = world.host.wait_until(lambda: world.ended(execution_id))
    assert execution["status"] == "Completed"
    assert poll(world) is None
    assert {said(world, row)[0] for row in rows} == {"unchanged"}


def test_a_message_that_names_a_row_nobody_has_ends_quietly(world):
    row = str(uuid.uuid4())
    message = RowsMessage(
        template="accounts", task=ACCOUNTS, execution="20260302T080000-1a2b3c4d", rows=(row,)
    )
    world.put("accounts", json.dumps(message.model_dump(mode="json")))
    world.host.wait_until(lambda: entry(world, row).outcome)
    assert said(world, row) == ("deleted", "came-and-went")

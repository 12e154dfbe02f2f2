"""A plan says beforehand, field by field, what the run then writes, and leaves no trace."""

import base64
import json
from typing import Any

from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from p2c.sandbox import Fault
from p2c.storage.account import QUEUE_API_VERSION, TABLE_API_VERSION
from tests.acceptance.conftest import Company
from tests.acceptance.oracle import assert_in_step

ENTITIES = ("CustomersV2", "CDSContactPersons")


def plan(company: Company, *words: str, status: int) -> Any:
    done = company.p2c("plan", *words, "--json")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


def places(company: Company) -> list[str]:
    """The names of all tables and queues."""
    with (
        QueueServiceClient.from_connection_string(
            company.storage, api_version=QUEUE_API_VERSION
        ) as queues,
        TableServiceClient.from_connection_string(
            company.storage, api_version=TABLE_API_VERSION
        ) as tables,
    ):
        return [*(q.name for q in queues.list_queues()), *(t.name for t in tables.list_tables())]


def everything(company: Company) -> Any:
    """Whatever a plan must leave as it is."""
    tables = sorted(
        (table, sorted((name, repr(value)) for name, value in row.items()))
        for table, row in company.tables()
    )
    records = [company.sandbox.fno_records(name) for name in ENTITIES]
    return places(company), tables, sorted(company.queues()), records, company.fno_writes()


def operations(document: Any) -> list[Any]:
    return [
        operation
        for template in document["templates"].values()
        for task in template["tasks"].values()
        for row in task["rows"]
        for operation in row["operations"]
    ]


def records_by_key(company: Company) -> dict[str, dict[str, Any]]:
    """What F&O answers of each record: every field, without its version."""
    return {
        f"CustomersV2(dataAreaId=usmf,CustomerAccount={record['CustomerAccount']})": record
        for record in read(company, "CustomersV2")
    } | {
        "CDSContactPersons(dataAreaId=usmf,"
        f"ContactPersonPartyNumber={record['ContactPersonPartyNumber']},"
        f"AssociatedPartyNumber={record['AssociatedPartyNumber']})": record
        for record in read(company, "CDSContactPersons")
    }


def read(company: Company, entity_set: str) -> list[dict[str, Any]]:
    url = f"{company.sandbox.fno_url}/data/{entity_set}?cross-company=true"
    answer = company.session.get(url, headers={"Authorization": "Bearer test"}, timeout=20)
    return [
        {name: value for name, value in record.items() if name not in ("@odata.etag", "RecVersion")}
        for record in answer.json()["value"]
    ]


def run_as_planned(company: Company, *words: str) -> Any:
    """Plan, run, and see that F&O changed exactly as was planned; return the plan."""
    before, found_before = everything(company), records_by_key(company)
    planned = plan(company, *words, status=1)
    assert everything(company) == before
    ran = company.run(*words, status=None)
    for template, tasks in ran["templates"].items():
        for task, counts in tasks["tasks"].items():
            assert planned["templates"][template]["tasks"][task]["counts"] == counts
    expected = found_before
    for operation in operations(planned):
        record = expected.setdefault(operation["key"], {})
        for name, value in operation["fields"].items():
            assert record.get(name) == value["old"], (operation["key"], name)
            record[name] = value["new"]
    for key, record in records_by_key(company).items():
        for name in expected[key]:
            assert record[name] == expected[key][name], (key, name)
    assert records_by_key(company).keys() == expected.keys()
    return planned


def test_a_first_plan_needs_no_storage_and_makes_none(company) -> None:
    company.contact("C1", company.account("A1"))
    planned = plan(company, status=1)
    assert places(company) == []
    assert company.fno_writes() == 0
    assert planned["status"] == "Changes"
    assert planned["operations"] == {"create": 2, "update": 0, "retire": 0}
    run_as_planned(company)
    assert_in_step(company)
    nothing = plan(company, status=0)
    assert (nothing["status"], operations(nothing)) == ("NoChanges", [])
    assert nothing["requests"] == {"dataverse": 3, "fno": 0, "fno_operations": 0}


def test_the_run_writes_what_was_planned_of_every_kind_of_row(company) -> None:
    company.customer_in_fno("A1", OrganizationName="Name A1")
    company.customer_in_fno("A2", OrganizationName="Other", PrimaryContactPhone="7")
    accounts = [company.account(f"A{number}") for number in range(5)]
    contacts = [company.contact(f"C{number}", accounts[number]) for number in range(5)]
    company.contact("C9", accounts[0], address1_country="Atlantis")
    company.contact("C10", msdynce_isactivecustomer=True)
    company.contact("C11")
    first = run_as_planned(company)
    assert first["operations"]["update"] == 2
    reasons = first["templates"]["contacts"]["tasks"]["Contacts"]["reasons"]
    assert reasons == {"company-not-account": 1, "active-customer": 1, "value-not-mapped": 1}

    company.change("accounts", accounts[0], name="New", telephone1="1")
    company.change("accounts", accounts[3], accountnumber="B3")
    moved = {"parentcustomerid_account@odata.bind": f"/accounts({accounts[0]})"}
    company.change("contacts", contacts[2], **moved)
    company.delete("contacts", contacts[1])
    company.gone_in_fno("A4")
    company.change("accounts", accounts[4], telephone1="4")
    company.contact("C12", company.account("A7"))
    second = run_as_planned(company)
    actions = [(found["action"], found["key"].rpartition("(")[2]) for found in operations(second)]
    assert ("create", "dataAreaId=usmf,CustomerAccount=A4)") in actions
    assert ("retire", "dataAreaId=usmf,ContactPersonPartyNumber=C2,AssociatedPartyNumber=A2)") in (
        actions
    )
    # The number changed on the account; its contact was never edited.
    assert ("create", "dataAreaId=usmf,ContactPersonPartyNumber=C3,AssociatedPartyNumber=B3)") in (
        actions
    )
    assert plan(company, status=0)["status"] == "NoChanges"


def test_old_values_are_those_that_fno_holds_now(company) -> None:
    account = company.account("A1", telephone1="1")
    company.run()
    company.change_in_fno("A1", PrimaryContactPhone="by hand")
    assert plan(company, status=0)["status"] == "NoChanges"
    forced = plan(company, "accounts", "--force", status=1)
    phone = {"PrimaryContactPhone": {"old": "by hand", "new": "1"}}
    assert [found["fields"] for found in operations(forced)] == [phone]
    company.change("accounts", account, telephone1="2")
    phone["PrimaryContactPhone"]["new"] = "2"
    assert [found["fields"] for found in operations(run_as_planned(company))] == [phone]


def test_rows_are_read_in_batches(company) -> None:
    accounts = [company.account(f"A{number}") for number in range(60)]
    planned = plan(company, "accounts", status=1)
    # The full read asks for ids twice, then once for the rows; F&O is looked at once.
    assert planned["requests"] == {"dataverse": 3, "fno": 1, "fno_operations": 1}
    company.run()
    for account in accounts:
        company.change("accounts", account, telephone1="1")
    planned = plan(company, "accounts", status=1)
    assert planned["operations"]["update"] == 60
    # F&O is asked for the old values of each batch of the run, 50 records and 10.
    assert planned["requests"] == {"dataverse": 2, "fno": 2, "fno_operations": 2}


def test_rows_that_follow_from_a_template_that_is_not_planned_are_counted(company) -> None:
    account = company.account("A1")
    company.contact("C1", account)
    company.run()
    company.change("accounts", account, accountnumber="B1")
    assert plan(company, "accounts", status=1)["rows_of_other_templates"] == {"contacts": 1}
    assert len(operations(run_as_planned(company))) == 3


def test_the_second_of_two_rows_with_one_number_is_planned_to_be_rejected(company) -> None:
    first = company.account("A1")
    company.run()
    second = company.account("A1", name="Another")
    planned = plan(company, status=0)
    (row,) = planned["templates"]["accounts"]["tasks"]["Accounts - Customers"]["rows"]
    assert (row["row"], row["outcome"], row["code"]) == (second, "rejected", "number-taken")
    assert first in row["reason"]
    company.change("accounts", first, accountnumber="A2")
    company.change("accounts", second, name="A third")
    actions = [found["action"] for found in operations(run_as_planned(company))]
    assert sorted(actions) == ["create", "update"]


def test_chosen_rows_are_planned_whatever_happened_to_the_others(company) -> None:
    company.account("A1")
    chosen = company.account("A2")
    found = plan(company, "accounts", "--row", chosen, status=1)
    assert [operation["action"] for operation in operations(found)] == ["create"]
    assert operations(found)[0]["key"].endswith("CustomerAccount=A2)")


def test_a_limit_cuts_the_plan_short_and_says_so(company) -> None:
    for number in range(3):
        company.account(f"A{number}")
    found = plan(company, "accounts", "--limit", "2", status=1)
    assert (found["cut_short"], len(operations(found))) == ("limit", 2)
    company.run()
    found = plan(company, "accounts", "--all-data", "--limit", "2", status=1)
    assert (found["status"], found["cut_short"]) == ("Incomplete", "limit")


def test_what_is_on_the_queue_is_planned_too_and_what_is_hidden_is_counted(company) -> None:
    account = company.account("A1", telephone1="1")
    company.run()
    company.change_in_fno("A1", PrimaryContactPhone="by hand")
    queue_resync(company, account)
    found = plan(company, "accounts", status=1)
    assert len(operations(found)) == 1
    hide_messages(company, "p2c-accounts")
    found = plan(company, "accounts", status=1)
    assert (found["status"], found["messages_not_seen"]) == ("Incomplete", {"accounts": 1})


def queue_resync(company: Company, row: str) -> None:
    """Queue a request to compare a row with F&O, as the HTTP function does."""
    message = {
        "kind": "rows",
        "template": "accounts",
        "task": "Accounts - Customers",
        "execution": "20260302T080000-1a2b3c4d",
        "rows": [row],
        "force": True,
    }
    with QueueServiceClient.from_connection_string(
        company.storage, api_version=QUEUE_API_VERSION
    ) as queues:
        text = base64.b64encode(json.dumps(message).encode()).decode()
        queues.get_queue_client("p2c-accounts").send_message(text)


def hide_messages(company: Company, queue: str) -> None:
    with QueueServiceClient.from_connection_string(
        company.storage, api_version=QUEUE_API_VERSION
    ) as queues:
        list(queues.get_queue_client(queue).receive_messages(visibility_timeout=60))


def test_people_read_old_and_new_beside_each_other(company) -> None:
    account = company.account("A1", telephone1="1")
    company.contact("C1")
    company.run()
    company.change("accounts", account, telephone1=None, name="Acme")
    done = company.p2c("plan")
    assert isinstance(done.exception, SystemExit)
    assert done.exit_code == 1
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    update = "update CustomersV2(dataAreaId=usmf,CustomerAccount=A1)"
    assert lines[0] == f"accounts: Accounts - Customers: {account}: {update}"
    assert lines[1] == "Field now new"
    assert "PrimaryContactPhone 1 (empty)" in lines
    assert "OrganizationName Name A1 Acme" in lines
    assert "A run now would write 1 record: 1 to update." in lines
    assert lines[-1] == "Nothing was written. Requests: Dataverse 4, F&O 1."
    company.run()
    done = company.p2c("plan", "--all-data")
    assert done.exit_code == 0
    assert "contacts: Contacts: not written: 1 [company-not-account]" in done.stdout
    assert "Nothing to write: a run now would send nothing to F&O." in done.stdout


def test_a_service_that_is_away_ends_the_plan_with_an_error(company) -> None:
    company.account("A1")
    company.sandbox.add_faults(Fault(effect="status", service="fno", status=503, count=None))
    done = company.p2c("plan", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["code"] == "service-unavailable"
    assert places(company) == []


def test_a_row_that_is_no_id_is_wrong_use(company) -> None:
    done = company.p2c("plan", "accounts", "--row", "A1", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["code"] == "row-invalid"

"""`check` looks at everything, goes on when something is broken, and leaves nothing behind."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from p2c.bootstrap import STATE_TABLE
from p2c.cli.check import setting_findings
from p2c.sandbox import DemoSize, Fault, Start
from p2c.settings import find_settings, load_settings
from p2c.storage import StorageAccount, SystemClock
from p2c.storage.account import QUEUE_API_VERSION, TABLE_API_VERSION
from p2c.sync.backoff import Backoff

NOWHERE = "http://127.0.0.1:1"
DEAD_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=dead;AccountKey=a2V5;"
    f"QueueEndpoint={NOWHERE}/dead;TableEndpoint={NOWHERE}/dead;BlobEndpoint={NOWHERE}/dead"
)
OWN = (
    "Principal user (Id=0f8fad5b-d9cb-469f-a165-70867728950e, type=8, roleCount=1, "
    "privilegeCount=9, accessMode=0), is missing prvReadAccount privilege on OTC=1 for entity "
    "'account'."
)


def checked(world, *, status, **settings):
    """Call the command; return its findings that are not well by what they are about."""
    done = world.p2c("check", "--json", **settings)
    document = json.loads(done.stdout)
    assert (document["status"], done.exit_code) == {
        0: ("Completed", 0),
        1: ("Warning", 1),
        2: ("Error", 2),
    }[status]
    return {
        f"{found['area']}: {found['subject']}": found
        for found in document["checks"]
        if found["result"] != "ok"
    }


def test_a_set_up_that_is_right_is_all_well(world):
    world.sandbox.reset(Start(data="demo", demo=DemoSize(accounts=3, contacts=3)))
    done = world.p2c("check")
    assert done.exit_code == 0
    *lines, last = done.stdout.splitlines()
    assert last == f"Completed: {len(lines)} ok"
    assert all(line.startswith("✓ ") for line in lines)
    for said in (
        "settings: app settings: Dataverse http://127.0.0.1:",
        "templates: accounts: Accounts - Customers: ",
        "storage: tables: can be made, written, read and removed; p2cledger, p2cwaiting, p2cstate,",
        "storage: queues: can be made, written, read and removed; p2c-accounts, p2c-accounts-pois",
        "dataverse: connection: it takes us for system user ",
        "dataverse: table 'account': change tracking is on, columns that are read: 19, all there",
        "dataverse: rows for contacts: Contacts: can be read with all columns and lookups",
        "fno: connection: it has 4 legal entities",
        "fno: legal entity 'usmf': it is there",
        "fno: data entity 'CDSContactPersons' of contacts: Contacts: key and ",
        "fno: values of 'CustomerGroupId': 10 in CustomerGroups",
        "fno: values of 'SiteId': 1 in OperationalSitesV2",
        "fno: values of 'WarehouseId': 13 in Warehouses",
    ):
        assert [line for line in lines if line.startswith(f"✓ {said}")], said


def test_metadata_is_read_once_and_nothing_is_left_behind(world):
    checked(world, status=0)
    requests = world.sandbox.requests()
    # Who we are, three tables, two of them followed, a row for each of three tasks.
    assert requests["dataverse"]["requests"] == 1 + 3 + 2 + 3
    # Legal entities, metadata, and three kinds of set-up data.
    assert requests["fno"]["requests"] == 1 + 1 + 3
    assert {"GET"} == set(requests["dataverse"]["methods"]) == set(requests["fno"]["methods"])
    storage = world.settings["AzureWebJobsStorage"]
    with QueueServiceClient.from_connection_string(storage, api_version=QUEUE_API_VERSION) as found:
        assert list(found.list_queues()) == []
    with TableServiceClient.from_connection_string(storage, api_version=TABLE_API_VERSION) as found:
        assert list(found.list_tables()) == []


def test_tables_and_queues_that_are_there_are_known(world):
    with_storage = world.app()
    with_storage.ensure_storage()
    with_storage.close()
    shown = world.p2c("check").stdout
    assert "✓ storage: tables: can be made, written, read and removed; all are there\n" in shown
    assert "✓ storage: queues: can be made, written, read and removed; all are there\n" in shown


def test_without_right_settings_the_rest_is_checked(world):
    found = checked(world, status=2, P2C_FNO_URL="ftp://x", P2C_LEGAL_ENTITY="", P2C_BOGUS="1")
    assert set(found) == {
        "settings: P2C_FNO_URL",
        "settings: P2C_LEGAL_ENTITY",
        "settings: P2C_BOGUS",
        "fno: all of it",
    }
    assert found["settings: P2C_FNO_URL"]["found"].startswith("found 'ftp://x', and it does not")
    assert found["settings: P2C_FNO_URL"]["code"] == "setting-invalid"
    assert found["fno: all of it"]["result"] == "not-checked"
    assert found["fno: all of it"]["found"] == "P2C_FNO_URL is missing or wrong"


@pytest.mark.parametrize(
    ("setting", "left_out"),
    [
        ("AzureWebJobsStorage", "storage: tables and queues"),
        ("P2C_DATAVERSE_URL", "dataverse: all of it"),
        ("P2C_LEGAL_ENTITY", "fno: legal entity"),
    ],
)
def test_what_a_missing_setting_hinders_is_said(world, setting, left_out):
    found = checked(world, status=2, **{setting: ""})
    assert found[left_out]["found"] == f"{setting} is missing or wrong"


def test_the_sandbox_token_is_sent_to_no_real_service(world):
    found = checked(world, status=2, P2C_FNO_URL="https://contoso.operations.dynamics.com")
    assert found["settings: P2C_CREDENTIAL"]["result"] == "broken"
    for service in ("dataverse", "fno"):
        assert found[f"{service}: all of it"]["found"] == "P2C_CREDENTIAL is missing or wrong"
    assert world.sandbox.requests()["dataverse"]["requests"] == 0


def test_templates_that_do_not_load_leave_the_services_to_be_checked(world, tmp_path):
    (tmp_path / "mine.toml").write_text('template = "acounts"\n')
    found = checked(world, status=2, P2C_PROJECTS=str(tmp_path))
    assert found["templates: mine.toml"]["code"] == "template-unknown"
    assert found["templates: mine.toml"]["found"].startswith("no template 'acounts' (did you mean")
    for left_out in ("dataverse: tables", "fno: data entities"):
        assert found[left_out]["found"] == "the templates do not load"
    assert len(found) == 3


def test_schedules_are_all_there_or_none(world):
    found = checked(
        world,
        status=1,
        P2C_SCHEDULE_ACCOUNTS="0 */5 * * * *",
        P2C_SCHEDULE_CONTACT="0 */5 * * * *",
    )
    codes = {about: one["code"] for about, one in found.items()}
    assert codes == {
        "settings: P2C_SCHEDULE_CONTACT": "schedule-unknown",
        "settings: P2C_SCHEDULE_CONTACTS": "schedule-missing",
        "settings: P2C_SCHEDULE_CONTACTS_TO_CUSTOMER": "schedule-missing",
    }


@pytest.mark.parametrize(
    ("url", "seconds", "codes"),
    [
        ("https://contoso.operations.dynamics.com", "899", ["", "settle-time-short"]),
        ("https://contoso.operations.dynamics.com", "900", [""]),
        ("http://127.0.0.1:8802", "2", [""]),
    ],
)
def test_a_settle_time_is_short_only_against_a_real_service(url, seconds, codes):
    found = find_settings(
        {
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            "P2C_DATAVERSE_URL": "https://contoso.crm4.dynamics.com",
            "P2C_FNO_URL": url,
            "P2C_LEGAL_ENTITY": "usmf",
            "P2C_SETTLE_SECONDS": seconds,
        }
    )
    assert [finding.code for finding in setting_findings(found)] == codes


def test_storage_that_is_down_is_broken_and_the_rest_is_checked(world):
    found = checked(world, status=2, AzureWebJobsStorage=DEAD_STORAGE)
    assert {about: one["code"] for about, one in found.items()} == {
        "storage: tables": "service-unavailable",
        "storage: queues": "service-unavailable",
    }


@pytest.mark.parametrize("service", ["dataverse", "fno"])
def test_a_service_that_is_down_is_broken_and_the_other_is_checked(world, service):
    found = checked(world, status=2, **{f"P2C_{service.upper()}_URL": NOWHERE})
    assert found[f"{service}: connection"]["code"] == "service-unavailable"
    assert found[f"{service}: the rest"]["result"] == "not-checked"
    assert len(found) == 2


def test_a_token_that_is_refused_is_broken(world):
    world.sandbox.add_faults(Fault(effect="status", status=401, service="fno", count=None))
    found = checked(world, status=2)
    assert found["fno: connection"]["code"] == "token-refused"


def test_change_tracking_that_is_off_is_broken_and_rows_are_read_all_the_same(world):
    world.sandbox.set_switches(dataverse_change_tracking="off")
    found = checked(world, status=2)
    assert set(found) == {"dataverse: table 'account'", "dataverse: table 'contact'"}
    for one in found.values():
        assert one["code"] == "change-tracking-off"
        assert one["what_to_do"].startswith("Switch on 'Track changes'")


@pytest.mark.parametrize(
    ("path", "about"),
    [
        ("accounts?$select=accountid,", "dataverse: rows for accounts: Accounts - Customers"),
        ("LogicalName='account'", "dataverse: table 'account'"),
    ],
    ids=["rows", "definition"],
)
def test_a_privilege_that_is_missing_is_broken_for_its_table_alone(world, path, about):
    world.sandbox.add_faults(
        Fault(
            effect="status",
            status=403,
            code="0x80040220",
            text=OWN,
            service="dataverse",
            path=path,
            count=None,
        )
    )
    found = checked(world, status=2)
    assert found[about]["code"] == "privilege-missing"
    assert "organization-wide Read" in found[about]["found"]
    assert all("account" in name for name in found)


def test_changes_that_may_not_be_read_are_broken_though_rows_may_be(world):
    world.sandbox.add_faults(
        Fault(
            effect="status",
            status=403,
            code="0x80040220",
            text=OWN,
            path="accounts?$select=accountid",
            count=1,
        )
    )
    found = checked(world, status=2)
    assert found["dataverse: table 'account'"]["code"] == "privilege-missing"


def test_columns_and_fields_that_are_not_there_are_broken(world, tmp_path):
    (tmp_path / "contacts.toml").write_text(
        'template = "contacts"\n'
        "[columns.contact]\n"
        'new_floor = { type = "String", length = 20 }\n'
        'jobtitle = { type = "Picklist" }\n'
        "[fields.CDSContactPersons]\n"
        'OfficeFloor2 = "Edm.String"\n'
        'Notes = "Edm.Int32"\n'
        "[tasks.Contacts.fields]\n"
        'OfficeFloor2 = { source = "new_floor" }\n'
        'Notes = { source = "numberofchildren" }\n'
    )
    found = checked(world, status=2, P2C_PROJECTS=str(tmp_path))
    entity = "fno: data entity 'CDSContactPersons' of contacts: Contacts, field "
    codes = {about: one["code"] for about, one in found.items()}
    assert codes == {
        "dataverse: table 'contact', column 'new_floor'": "column-unknown",
        "dataverse: table 'contact', column 'jobtitle'": "type-mismatch",
        "dataverse: rows for contacts: Contacts": "request-refused",
        f"{entity}'OfficeFloor2'": "field-unknown",
        f"{entity}'Notes'": "type-mismatch",
    }


def test_metadata_that_cannot_be_read_is_broken(world):
    without = Fault(effect="status", status=404, service="fno", path="$metadata", count=None)
    world.sandbox.add_faults(without)
    found = checked(world, status=2)
    assert found["fno: connection"]["code"] == "not-found"


def test_a_legal_entity_that_is_not_there_is_broken(world):
    found = checked(world, status=2, P2C_LEGAL_ENTITY="zz")
    one = found["fno: legal entity 'zz'"]
    assert one["code"] == "legal-entity-unknown"
    assert one["expected"] == "one of demf, gbsi, nomf, usmf"
    assert found["fno: values of 'CustomerGroupId'"]["result"] == "not-checked"


def test_reference_values_that_are_not_there_are_broken(world, tmp_path):
    world.sandbox.set_switches(fno_sites=["9"], fno_warehouses=["13"])
    (tmp_path / "accounts.toml").write_text(
        'template = "accounts"\n'
        '[tasks."Accounts - Customers".fields]\n'
        'CustomerGroupId = { default = "99" }\n'
    )
    found = checked(world, status=2, P2C_PROJECTS=str(tmp_path))
    group, site = found["fno: values of 'CustomerGroupId'"], found["fno: values of 'SiteId'"]
    assert len(found) == 2
    assert (group["code"], site["code"]) == ("reference-missing", "reference-missing")
    assert group["found"] == (
        "99 is not in CustomerGroups (given by accounts: Accounts - Customers)"
    )
    assert site["found"].startswith("1 is not in OperationalSitesV2")


def test_set_up_data_that_may_not_be_read_is_not_checked(world):
    world.sandbox.add_faults(
        Fault(effect="status", status=403, service="fno", path="Warehouses?", count=None)
    )
    found = checked(world, status=0)
    assert list(found) == ["fno: values of 'WarehouseId'"]


def backoff(world, service):
    storage = load_settings(world.settings).storage
    account = StorageAccount(connection_string=storage.connection_string.get_secret_value())
    return Backoff(account.documents(STATE_TABLE), SystemClock(), service)


def test_a_service_that_throttles_is_left_alone(world):
    backoff(world, "fno").throttled(600)
    found = checked(world, status=1)
    assert found["fno: shared back-off"]["code"] == "throttled"
    assert found["fno: all of it"]["found"] == "the service asks to be left alone"
    assert world.sandbox.requests()["fno"]["requests"] == 0


def test_a_service_that_did_not_answer_is_asked_again(world):
    backoff(world, "fno").unavailable()
    found = checked(world, status=1)
    assert found["fno: shared back-off"]["code"] == "service-unavailable"
    assert world.sandbox.requests()["fno"]["requests"] == 5


def test_throttling_that_the_check_meets_is_made_known_to_all(world):
    known = backoff(world, "dataverse")
    known.answered()
    with_storage = world.app()
    with_storage.ensure_storage()
    with_storage.close()
    world.sandbox.add_faults(
        Fault(effect="status", status=429, service="dataverse", retry_after=600, path="WhoAmI")
    )
    found = checked(world, status=2)
    assert found["dataverse: connection"]["code"] == "throttled"
    until = known.until()
    assert until is not None
    assert until > datetime.now(UTC) + timedelta(seconds=300)

"""Reading from the simulated F&O."""

import base64

import pytest
import requests

from tests.sandbox.talk import CONTACT, CUSTOMER, infolog

ALL = "cross-company=true"


def make(fno, number: str = "ACC-1", **values) -> None:
    body = {**CUSTOMER, "CustomerAccount": number, "PartyNumber": number, **values}
    answer = fno.post(f"CustomersV2?{ALL}", body)
    assert answer.status_code == 201, answer.text


def accounts(answer: requests.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [record["CustomerAccount"] for record in answer.json()["value"]]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic eA=="}])
def test_a_call_without_a_bearer_token_gets_401(sandbox, headers):
    answer = requests.get(f"{sandbox.fno_url}/data/CustomersV2", headers=headers, timeout=20)
    assert answer.status_code == 401
    assert "html" in answer.headers["Content-Type"]


def test_every_field_is_shown_and_unset_ones_at_their_empty_value(fno):
    make(fno)
    record = fno.get("CustomersV2").json()["value"][0]
    assert len([name for name in record if "@" not in name]) == 257
    assert record["SalesMemo"] == ""
    assert record["CreditLimit"] == 0
    assert record["AddressValidFrom"] == "1900-01-01T12:00:00Z"
    assert record["IsExternallyMaintained"] == "No"


def test_select_shows_only_what_it_names(fno):
    make(fno)
    record = fno.get("CustomersV2?$select=CustomerAccount,CreditLimit").json()["value"][0]
    assert set(record) == {"@odata.etag", "CustomerAccount", "CreditLimit"}


def test_the_etag_is_base64_of_version_and_record_id(fno, sandbox):
    make(fno)
    etag = fno.get("CustomersV2?$select=CustomerAccount").json()["value"][0]["@odata.etag"]
    stored = sandbox.fno_records("CustomersV2")[0]
    inner = base64.b64decode(etag.removeprefix('W/"').removesuffix('"')).decode()
    assert inner == f"'1,{stored['RecId']}'"


def test_only_the_default_company_is_seen_without_cross_company(fno, sandbox):
    make(fno)
    make(fno, "ACC-2", dataAreaId="demf")
    assert accounts(fno.get("CustomersV2")) == ["ACC-1"]
    assert accounts(fno.get(f"CustomersV2?{ALL}")) == ["ACC-1", "ACC-2"]
    assert accounts(fno.get("CustomersV2?cross-company=True")) == ["ACC-1"]
    assert accounts(fno.get(f"CustomersV2?{ALL}&$filter=dataAreaId eq 'DEMF'")) == ["ACC-2"]
    other = "CustomersV2(dataAreaId='demf',CustomerAccount='ACC-2')"
    assert fno.get(other).status_code == 404
    assert fno.get(f"{other}?{ALL}").status_code == 200
    sandbox.set_switches(fno_default_company="demf")
    assert accounts(fno.get("CustomersV2")) == ["ACC-2"]


YES = "Microsoft.Dynamics.DataEntities.NoYes'Yes'"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("CustomerAccount eq 'acc-1'", ["ACC-1"]),
        ("CustomerAccount eq 'ACC-1' or CustomerAccount eq 'ACC-3'", ["ACC-1", "ACC-3"]),
        ("OrganizationName eq '*FOOD*'", ["ACC-1"]),
        ("OrganizationName ne '*food*'", ["ACC-2", "ACC-3"]),
        ("OrganizationName eq 'O''Hara'", ["ACC-3"]),
        ("CreditLimit ge 10 and CreditLimit lt 20", ["ACC-2"]),
        ("not (CreditLimit gt 5)", ["ACC-1"]),
        (f"IsExternallyMaintained eq {YES}", ["ACC-3"]),
        (f"IsExternallyMaintained ne {YES} and CreditLimit le 5", ["ACC-1"]),
        ("AddressValidFrom lt 1950-01-01T00:00:00Z", ["ACC-1", "ACC-2", "ACC-3"]),
        ("SalesMemo eq ''", ["ACC-1", "ACC-2", "ACC-3"]),
    ],
)
def test_a_filter_lets_the_right_records_through(fno, expression, expected):
    make(fno)
    make(fno, "ACC-2", OrganizationName="Contoso", CreditLimit=10.5)
    make(fno, "ACC-3", OrganizationName="O'Hara", CreditLimit=20, IsExternallyMaintained="Yes")
    found = fno.get("CustomersV2", params={"$filter": expression, "cross-company": "true"})
    assert accounts(found) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "CustomerAccount in ('a','b')",
        "contains(CustomerAccount,'a')",
        "startswith(CustomerAccount,'a')",
        "IsExternallyMaintained has Microsoft.Dynamics.DataEntities.NoYes'Yes'",
        "IsExternallyMaintained eq 'Yes'",
        "IsExternallyMaintained gt Microsoft.Dynamics.DataEntities.NoYes'Yes'",
        "IsExternallyMaintained eq Microsoft.Dynamics.DataEntities.Gender'Male'",
        "Foo eq 'a'",
        "CreditLimit eq 'a'",
        "Microsoft.Dynamics.CRM.In(PropertyName='CustomerAccount',PropertyValues=['a'])",
    ],
)
def test_a_filter_that_the_service_does_not_know_is_refused(fno, expression):
    answer = fno.get("CustomersV2", params={"$filter": expression})
    assert answer.status_code == 400
    assert infolog(answer)


@pytest.mark.parametrize(("form", "mark"), [("skiptoken", "$skiptoken="), ("skip", "$skip=")])
def test_long_answers_come_in_pages(fno, sandbox, form, mark):
    sandbox.set_switches(fno_page_size=2, fno_next_link=form)
    for n in range(5):
        make(fno, f"ACC-{n}")
    url = f"CustomersV2?{ALL}&$select=CustomerAccount&$orderby=CustomerAccount desc"
    pages = [fno.get(url)]
    while "@odata.nextLink" in pages[-1].json():
        link = pages[-1].json()["@odata.nextLink"]
        assert link.startswith(sandbox.fno_url)
        assert mark in link
        pages.append(fno.get(link))
    found = [accounts(page) for page in pages]
    assert found == [["ACC-4", "ACC-3"], ["ACC-2", "ACC-1"], ["ACC-0"]]


@pytest.mark.parametrize("form", ["skiptoken", "skip"])
def test_top_and_skip_hold_across_pages(fno, sandbox, form):
    sandbox.set_switches(fno_page_size=2, fno_next_link=form)
    for n in range(6):
        make(fno, f"ACC-{n}")
    first = fno.get("CustomersV2?$skip=1&$top=3&$count=true")
    assert first.json()["@odata.count"] == 6
    second = fno.get(first.json()["@odata.nextLink"])
    assert accounts(first) + accounts(second) == ["ACC-1", "ACC-2", "ACC-3"]
    assert "@odata.nextLink" not in second.json()


def test_a_record_is_read_by_its_whole_key(fno):
    make(fno, "A'1/ø")
    found = fno.get("CustomersV2(dataAreaId='USMF',CustomerAccount='a''1%2F%C3%B8')")
    assert found.json()["CustomerAccount"] == "A'1/ø"
    assert found.headers["ETag"] == found.json()["@odata.etag"]
    assert fno.get("CustomersV2(dataAreaId='usmf',CustomerAccount='none')").status_code == 404
    partial = fno.get("CustomersV2('usmf')")
    assert "number of keys specified in the URI does not match" in infolog(partial)


def test_an_enum_in_a_key_is_a_typed_literal(fno):
    make(fno)
    fno.post("CDSContactPersons", CONTACT)
    kind = "Microsoft.Dynamics.DataEntities.smmContactPersonCDSAssociatedContactType'Customer'"
    path = (
        "CDSContactPersonsV2(dataAreaId='usmf',ContactPersonPartyNumber='CON-1',"
        f"AssociatedContactType={kind},AssociatedContactNumber='ACC-1')"
    )
    assert fno.get(path).json()["LastName"] == "Moen"
    wrong = path.replace(kind, "'Customer'")
    assert fno.get(wrong).status_code == 400


@pytest.mark.parametrize("option", ["$expand=Parties", "$search=x", "$select=Foo", "$top=x"])
def test_options_that_the_service_does_not_know_are_refused(fno, option):
    answer = fno.get(f"CustomersV2?{option}")
    assert answer.status_code == 400
    assert infolog(answer)


def test_set_up_data_is_there(fno):
    companies = {item["DataArea"] for item in fno.get("Companies").json()["value"]}
    assert {"usmf", "demf"} <= companies
    groups = fno.get("CustomerGroups?$filter=CustomerGroupId eq '10'").json()["value"]
    assert [group["dataAreaId"] for group in groups] == ["usmf"]


def test_records_can_be_counted(fno):
    make(fno)
    assert fno.get("CustomersV2/$count").text == "1"


def test_an_unknown_set_is_not_found(fno):
    assert fno.get("Customers").status_code == 404

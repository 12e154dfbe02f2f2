"""Reading from the simulated Dataverse."""

import uuid
from urllib.parse import quote

import pytest
import requests

from tests.sandbox.talk import currency, error, make_account, make_contact, names, part


def test_a_call_without_a_token_gets_401(dataverse, sandbox):
    answer = requests.get(f"{sandbox.dataverse_url}/api/data/v9.2/accounts", timeout=20)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_row_shows_what_is_selected_and_its_key_and_version(dataverse):
    row_id = make_account(dataverse, name="Fjord", fax="1")
    answer = dataverse.get(f"accounts({row_id})?$select=name,telephone1")
    row = answer.json()
    assert row["name"] == "Fjord"
    assert row["telephone1"] is None
    assert row["accountid"] == row_id
    assert row["@odata.etag"] == answer.headers["ETag"]
    assert "fax" not in row
    assert row["@odata.context"].endswith("$metadata#accounts(name,telephone1)/$entity")


def test_without_select_every_column_is_shown(dataverse):
    row_id = make_account(dataverse, name="Fjord")
    row = dataverse.get(f"accounts({row_id})").json()
    assert {"modifiedon", "versionnumber", "statecode", "address2_city"} <= row.keys()


def test_an_unknown_column_is_refused(dataverse):
    assert error(dataverse.get("accounts?$select=nam")) == (
        400,
        "0x80060888",
        "Could not find a property named 'nam' on type 'Microsoft.Dynamics.CRM.account'.",
    )


def test_selecting_money_brings_the_currency_along(dataverse):
    make_account(dataverse, name="a", creditlimit=5)
    row = dataverse.get("accounts?$select=creditlimit").json()["value"][0]
    assert row["_transactioncurrencyid_value"] == currency(dataverse, "USD")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("name eq 'o''hara & sons'", ["O'Hara & Sons"]),
        ("name ne 'Alpha'", ["Beta", "O'Hara & Sons"]),
        ("numberofemployees gt 5 and numberofemployees le 10", ["Beta"]),
        ("not (numberofemployees ge 10) and name ne null", ["Alpha", "O'Hara & Sons"]),
        ("contains(name,'ET') or startswith(name,'al')", ["Alpha", "Beta"]),
        ("endswith(name,'ha')", ["Alpha"]),
        ("numberofemployees eq null", ["O'Hara & Sons"]),
        ("donotemail eq false and statecode eq 0 and name eq 'Alpha'", ["Alpha"]),
        ("name eq 'Alpha' or name eq 'Beta'", ["Alpha", "Beta"]),
        ("transactioncurrencyid/isocurrencycode eq 'NOK'", ["Beta"]),
        ("Microsoft.Dynamics.CRM.In(PropertyName='name',PropertyValues=['Alpha','x'])", ["Alpha"]),
        (
            "statecode eq 0 and "
            "Microsoft.Dynamics.CRM.In(PropertyName='name',PropertyValues=[\"Beta\"])",
            ["Beta"],
        ),
        ("createdon gt 2020-01-01T00:00:00Z and name eq 'Beta'", ["Beta"]),
        ("modifiedon lt 2020-01-01", []),
    ],
)
def test_a_filter_lets_the_right_rows_through(dataverse, expression, expected):
    make_account(dataverse, name="Alpha", numberofemployees=5)
    bind = f"/transactioncurrencies({currency(dataverse, 'NOK')})"
    make_account(
        dataverse,
        **{"name": "Beta", "numberofemployees": 10, "transactioncurrencyid@odata.bind": bind},
    )
    make_account(dataverse, name="O'Hara & Sons")
    answer = dataverse.get("accounts", params={"$select": "name", "$filter": expression})
    assert answer.status_code == 200, answer.text
    assert sorted(names(answer)) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "name in ('a','b')",
        "nam eq 'a'",
        "name eq 5",
        "numberofemployees eq '5'",
        "name eq",
        "accountid eq 'no-guid'",
        "length(name) eq 3",
        "name eq 'a' and",
    ],
)
def test_a_filter_that_the_service_does_not_know_is_refused(dataverse, expression):
    make_account(dataverse, name="a")
    answer = dataverse.get("accounts", params={"$filter": expression})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "0x80060888"


def test_many_rows_are_read_by_id_with_their_lookups(dataverse):
    account = make_account(dataverse, name="Parent", accountnumber="ACC-1")
    made = [
        dataverse.post(
            "contacts?$select=contactid",
            {"lastname": f"L{n}", "parentcustomerid_account@odata.bind": f"/accounts({account})"},
            "return=representation",
        ).json()["contactid"]
        for n in range(3)
    ]
    wanted = " or ".join(f"contactid eq {row_id}" for row_id in made[:2])
    answer = dataverse.get(
        f"contacts?$select=lastname&$filter={wanted}"
        "&$expand=parentcustomerid_account($select=accountnumber),"
        "parentcustomerid_contact($select=msdynce_contactnumber),"
        "transactioncurrencyid($select=isocurrencycode)"
    )
    rows = {row["contactid"]: row for row in answer.json()["value"]}
    assert set(rows) == set(made[:2])
    assert rows[made[0]]["parentcustomerid_account"]["accountnumber"] == "ACC-1"
    assert rows[made[0]]["parentcustomerid_contact"] is None
    assert rows[made[0]]["transactioncurrencyid"] is None


def test_a_navigation_property_in_the_wrong_case_is_refused(dataverse):
    answer = dataverse.get("contacts?$expand=ParentCustomerId_Account($select=name)")
    assert "Could not find a property named 'ParentCustomerId_Account'" in error(answer)[2]


def test_more_than_fifteen_expands_are_refused(dataverse):
    many = ",".join(["transactioncurrencyid($select=isocurrencycode)"] * 16)
    answer = dataverse.get(f"contacts?$expand={many}")
    assert answer.status_code == 400
    assert "exceeded limit 15" in error(answer)[2]


def test_expand_reaches_through_a_second_lookup(dataverse):
    bind = f"/transactioncurrencies({currency(dataverse, 'NOK')})"
    person = make_contact(
        dataverse, **{"lastname": "Moen", "transactioncurrencyid@odata.bind": bind}
    )
    make_account(dataverse, **{"name": "a", "primarycontactid@odata.bind": f"contacts({person})"})
    row = dataverse.get(
        "accounts?$select=name&$expand=primarycontactid($select=lastname;"
        "$expand=transactioncurrencyid($select=isocurrencycode))"
    ).json()["value"][0]
    assert row["primarycontactid"]["transactioncurrencyid"]["isocurrencycode"] == "NOK"


def test_pages_follow_the_size_that_each_request_asks_for(dataverse):
    for n in range(5):
        make_account(dataverse, name=f"a{n}")
    first = dataverse.get("accounts?$select=name&$orderby=name", "odata.maxpagesize=2")
    assert first.headers["Preference-Applied"] == "odata.maxpagesize=2"
    assert names(first) == ["a0", "a1"]
    second = dataverse.get(first.json()["@odata.nextLink"], "odata.maxpagesize=2")
    assert names(second) == ["a2", "a3"]
    rest = dataverse.get(second.json()["@odata.nextLink"])
    assert names(rest) == ["a4"]
    assert "@odata.nextLink" not in rest.json()


def test_a_page_holds_no_more_rows_than_the_service_allows(dataverse, sandbox):
    sandbox.set_switches(dataverse_page_size=2)
    for n in range(3):
        make_account(dataverse, name=f"a{n}")
    assert len(dataverse.get("accounts", "odata.maxpagesize=5000").json()["value"]) == 2


def test_top_is_ignored_when_a_page_size_is_asked_for(dataverse):
    for n in range(3):
        make_account(dataverse, name=f"a{n}")
    assert len(dataverse.get("accounts?$top=1").json()["value"]) == 1
    both = dataverse.get("accounts?$top=1", "odata.maxpagesize=2").json()
    assert len(both["value"]) == 2
    assert "@odata.nextLink" in both


def test_orderby_sorts_and_count_counts_all(dataverse):
    for name in ("b", "c", "a"):
        make_account(dataverse, name=name)
    answer = dataverse.get("accounts?$orderby=name desc&$top=2&$count=true")
    assert names(answer) == ["c", "b"]
    assert answer.json()["@odata.count"] == 3
    assert dataverse.get("accounts/$count").text == "3"


def test_skip_is_not_supported(dataverse):
    answer = dataverse.get("accounts?$skip=5")
    assert answer.status_code == 400
    assert error(answer)[2] == "Skip Clause is not supported in CRM"


def test_an_unknown_query_option_is_refused(dataverse):
    assert dataverse.get("accounts?$search=x").status_code == 400


def test_annotations_come_only_when_asked_for(dataverse):
    account = make_account(dataverse, name="Parent")
    dataverse.post(
        "contacts",
        {
            "lastname": "L",
            "gendercode": 1,
            "parentcustomerid_account@odata.bind": f"/accounts({account})",
        },
    )
    select = "contacts?$select=gendercode,_parentcustomerid_value"
    assert not [name for name in dataverse.get(select).json()["value"][0] if "Formatted" in name]
    row = dataverse.get(select, 'odata.include-annotations="*"').json()["value"][0]
    assert row["gendercode@OData.Community.Display.V1.FormattedValue"] == "Male"
    name = "_parentcustomerid_value"
    assert row[f"{name}@Microsoft.Dynamics.CRM.lookuplogicalname"] == "account"
    assert row[f"{name}@Microsoft.Dynamics.CRM.associatednavigationproperty"] == (
        "parentcustomerid_account"
    )
    assert row[f"{name}@OData.Community.Display.V1.FormattedValue"] == "Parent"
    only = "Microsoft.Dynamics.CRM.lookuplogicalname"
    row = dataverse.get(select, f'odata.include-annotations="{only}"').json()["value"][0]
    assert [key for key in row if "@" in key and not key.startswith("@")] == [f"{name}@{only}"]


def test_a_url_longer_than_32_kb_is_refused_unless_in_a_batch(dataverse):
    def url(values: int) -> str:
        joined = ",".join([f"'{'a' * 30}'"] * values)
        wanted = f"Microsoft.Dynamics.CRM.In(PropertyName='name',PropertyValues=[{joined}])"
        return f"accounts?$select=name&$filter={wanted}"

    assert dataverse.get(url(900)).status_code == 200
    assert dataverse.get(url(1000)).status_code == 414
    assert "HTTP/1.1 200 OK" in dataverse.batch(part(f"GET /api/data/v9.2/{url(1000)}")).text


@pytest.mark.parametrize(
    "column", ["name eq 'a'", f"_primarycontactid_value eq {uuid.UUID(int=1)}"]
)
@pytest.mark.parametrize("joined_by", [" or ", " and statecode eq 0 or "])
def test_more_than_500_conditions_are_refused(dataverse, column, joined_by):
    def batch(conditions: int) -> str:
        wanted = quote(joined_by.join([column] * conditions))
        return dataverse.batch(part(f"GET /api/data/v9.2/accounts?$filter={wanted}")).text

    most = 500 if joined_by == " or " else 250
    assert "HTTP/1.1 200 OK" in batch(most)
    refused = batch(most + 1)
    assert "0x8004430c" in refused
    assert "Number of conditions in query exceeded maximum limit." in refused


def test_an_unchanged_row_is_not_sent_again(dataverse):
    row_id = make_account(dataverse, name="a")
    etag = dataverse.get(f"accounts({row_id})").headers["ETag"]
    answer = dataverse.get(f"accounts({row_id})", headers={"If-None-Match": etag})
    assert answer.status_code == 304


def test_a_missing_row_is_named_by_its_id(dataverse):
    row_id = "00000000-0000-0000-0000-000000000001"
    assert error(dataverse.get(f"accounts({row_id})")) == (
        404,
        "0x80040217",
        f"account With Id = {row_id} Does Not Exist",
    )


def test_an_unknown_set_is_not_found(dataverse):
    answer = dataverse.get("leads")
    assert error(answer)[::2] == (404, "Resource not found for the segment 'leads'.")


def test_a_contact_is_found_by_its_number(dataverse):
    dataverse.post("contacts", {"lastname": "L", "msdynce_contactnumber": "CON-1"})
    assert dataverse.get("contacts(msdynce_contactnumber='CON-1')").json()["lastname"] == "L"
    missing = dataverse.get("contacts(msdynce_contactnumber='CON-2')")
    assert error(missing)[:2] == (404, "0x80060891")


@pytest.mark.parametrize(("state", "status"), [("absent", 400), ("Pending", 400), ("Active", 200)])
def test_the_key_on_account_number_works_only_when_active(dataverse, sandbox, state, status):
    sandbox.set_switches(dataverse_account_key=state)
    make_account(dataverse, name="a", accountnumber="ACC-1")
    answer = dataverse.get("accounts(accountnumber='ACC-1')")
    assert answer.status_code == status
    if status == 400:
        assert "The key in the request URI is not valid for resource" in error(answer)[2]


@pytest.mark.parametrize("value", ["a%2Fb", "a%26b", "50%25", "a%3Ab"])
def test_a_key_with_a_forbidden_character_breaks_the_path(dataverse, value):
    answer = dataverse.get(f"contacts(msdynce_contactnumber='{value}')")
    assert answer.status_code == 400
    assert "potentially dangerous" in answer.text


def test_who_am_i_tells_callers_apart(dataverse):
    mine = dataverse.get("WhoAmI()").json()["UserId"]
    other = dataverse.get("WhoAmI", headers={"Authorization": "Bearer other"}).json()["UserId"]
    assert mine != other

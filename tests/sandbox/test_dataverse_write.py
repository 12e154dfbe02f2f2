"""Writing to the simulated Dataverse."""

import re

import pytest

from tests.sandbox.talk import currency, error, make_account, make_contact

ID = "11111111-2222-4333-8444-555555555555"


def test_a_created_row_is_answered_with_its_address_only(dataverse):
    answer = dataverse.post("accounts", {"name": "a"})
    assert answer.status_code == 204
    address = answer.headers["OData-EntityId"]
    assert answer.headers["Location"] == address
    assert dataverse.get(address).json()["name"] == "a"


def test_a_representation_is_returned_when_preferred(dataverse):
    answer = dataverse.post("accounts?$select=name", {"name": "a"}, "return=representation")
    assert answer.status_code == 201
    assert answer.json()["name"] == "a"
    assert answer.headers["ETag"] == answer.json()["@odata.etag"]


def test_numbers_are_given_to_rows_that_have_none(dataverse):
    make_account(dataverse, name="a")
    make_account(dataverse, name="b")
    make_account(dataverse, name="c", accountnumber="OWN-1")
    make_contact(dataverse, lastname="L")
    numbers = [row["accountnumber"] for row in dataverse.get("accounts").json()["value"]]
    generated = sorted(number for number in numbers if number != "OWN-1")
    assert [number[:10] for number in generated] == ["ACC-01000-", "ACC-01001-"]
    contact = dataverse.get("contacts").json()["value"][0]["msdynce_contactnumber"]
    assert re.fullmatch(r"CON-01000-[A-Z0-9]{6}", contact)


def test_a_number_can_be_cleared_later(dataverse):
    row_id = make_account(dataverse, name="a")
    dataverse.patch(f"accounts({row_id})", {"accountnumber": None})
    assert dataverse.get(f"accounts({row_id})").json()["accountnumber"] is None


def test_is_company_an_account_follows_the_parent(dataverse):
    account = make_account(dataverse, name="a")
    other = make_contact(dataverse, lastname="other")
    row_id = make_contact(
        dataverse,
        **{"lastname": "L", "parentcustomerid_account@odata.bind": f"accounts({account})"},
    )

    def flag() -> bool:
        return dataverse.get(f"contacts({row_id})").json()["msdynce_iscompanyanaccount"]

    assert flag() is True
    dataverse.patch(
        f"contacts({row_id})", {"parentcustomerid_contact@odata.bind": f"/contacts({other})"}
    )
    assert flag() is False
    dataverse.patch(
        f"contacts({row_id})", {"parentcustomerid_account@odata.bind": f"/accounts({account})"}
    )
    dataverse.delete(f"contacts({row_id})/parentcustomerid_account/$ref")
    assert flag() is False


@pytest.mark.parametrize(
    ("headers", "exists", "status"),
    [
        ({}, False, 201),
        ({}, True, 200),
        ({"If-Match": "*"}, False, 404),
        ({"If-Match": "*"}, True, 200),
        ({"If-None-Match": "*"}, False, 201),
        ({"If-None-Match": "*"}, True, 412),
        ({"If-Match": 'W/"1"'}, True, 412),
    ],
)
def test_patch_is_an_upsert_unless_a_condition_says_otherwise(dataverse, headers, exists, status):
    if exists:
        dataverse.patch(f"accounts({ID})", {"name": "before"})
    answer = dataverse.patch(
        f"accounts({ID})?$select=accountid",
        {"name": "after"},
        "return=representation",
        headers=headers,
    )
    assert answer.status_code == status, answer.text
    if status < 300:
        assert answer.json()["accountid"] == ID
        assert dataverse.get(f"accounts({ID})").json()["name"] == "after"


def test_the_right_version_lets_a_conditional_write_through(dataverse):
    row_id = make_account(dataverse, name="a")
    etag = dataverse.get(f"accounts({row_id})").headers["ETag"]
    first = dataverse.patch(f"accounts({row_id})", {"name": "b"}, headers={"If-Match": etag})
    second = dataverse.patch(f"accounts({row_id})", {"name": "c"}, headers={"If-Match": etag})
    assert first.status_code == 204
    assert error(second) == (
        412,
        "0x80060882",
        "The version of the existing record doesn't match the RowVersion property provided.",
    )


def test_an_upsert_by_alternate_key_echoes_the_key_and_takes_its_value(dataverse):
    answer = dataverse.patch("contacts(msdynce_contactnumber='CON-7')", {"lastname": "L"})
    assert answer.status_code == 204
    assert answer.headers["OData-EntityId"].endswith("contacts(msdynce_contactnumber='CON-7')")
    row = dataverse.get("contacts(msdynce_contactnumber='CON-7')").json()
    assert row["msdynce_contactnumber"] == "CON-7"
    dataverse.patch("contacts(msdynce_contactnumber='con-7')", {"lastname": "M"})
    assert [row["lastname"] for row in dataverse.get("contacts").json()["value"]] == ["M"]


def test_key_columns_in_the_body_win_on_create_and_are_ignored_on_update(dataverse):
    path = "contacts(msdynce_contactnumber='{}')"
    dataverse.patch(path.format("CON-1"), {"lastname": "L", "msdynce_contactnumber": "CON-2"})
    dataverse.patch(path.format("CON-2"), {"lastname": "M", "msdynce_contactnumber": "CON-3"})
    rows = dataverse.get("contacts").json()["value"]
    assert [(row["lastname"], row["msdynce_contactnumber"]) for row in rows] == [("M", "CON-2")]


def test_a_key_value_can_be_used_once_only(dataverse):
    make_contact(dataverse, lastname="L", msdynce_contactnumber="CON-1")
    answer = dataverse.post("contacts", {"lastname": "M", "msdynce_contactnumber": "con-1"})
    status, code, message = error(answer)
    assert (status, code) == (412, "0x80060892")
    assert message.startswith("Entity Key Contact Number violated.")


def test_an_account_number_may_be_used_twice_unless_its_key_is_active(dataverse, sandbox):
    make_account(dataverse, name="a", accountnumber="ACC-1")
    make_account(dataverse, name="b", accountnumber="ACC-1")
    sandbox.set_switches(dataverse_account_key="Active")
    assert error(dataverse.post("accounts", {"name": "c", "accountnumber": "ACC-1"}))[0] == 412


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"nam": "a"}, "0x80048d19", "The property 'nam' does not exist on type"),
        ({"name": 5}, "0x80048d19", "Cannot convert the literal '5'"),
        ({"numberofemployees": "5"}, "0x80048d19", "Cannot convert"),
        ({"numberofemployees": True}, "0x80048d19", "Cannot convert"),
        ({"donotemail": 1}, "0x80048d19", "Cannot convert"),
        (
            {"accountnumber": "x" * 21},
            "0x80044331",
            "The length of the 'accountnumber' attribute of the 'account' entity exceeded the "
            "maximum allowed length of '20'.",
        ),
        ({"industrycode": 99}, "0x8004431a", "The value 99 of 'industrycode'"),
        ({"_primarycontactid_value": ID}, "0x80048d19", "do not support direct update"),
        ({"primarycontactid@odata.bind": f"/contacts({ID})"}, "0x80040217", "Does Not Exist"),
        (
            {"primarycontactid@odata.bind": "/contacts(msdynce_contactnumber='x')"},
            "0x80060891",
            "A record with the specified key values does not exist in contact entity",
        ),
        ({"PrimaryContactId@odata.bind": f"/contacts({ID})"}, "0x80048d19", "undeclared property"),
        ({"primarycontactid@odata.bind": f"/accounts({ID})"}, "0x80060888", "Resource not found"),
    ],
)
def test_what_a_column_cannot_hold_is_refused(dataverse, body, code, words):
    answer = dataverse.post("accounts", body)
    assert answer.status_code in {400, 404}
    assert error(answer)[1] == code
    assert words in error(answer)[2]
    assert dataverse.get("accounts").json()["value"] == []


def test_a_lookup_is_bound_by_key_and_cleared_by_null(dataverse):
    make_contact(dataverse, lastname="L", msdynce_contactnumber="CON-1")
    row_id = make_account(
        dataverse,
        **{"name": "a", "primarycontactid@odata.bind": "contacts(msdynce_contactnumber='CON-1')"},
    )
    assert dataverse.get(f"accounts({row_id})").json()["_primarycontactid_value"] is not None
    dataverse.patch(f"accounts({row_id})", {"primarycontactid@odata.bind": None})
    assert dataverse.get(f"accounts({row_id})").json()["_primarycontactid_value"] is None


def test_an_update_changes_version_time_and_user(dataverse):
    row_id = make_account(dataverse, name="a")
    before = dataverse.get(f"accounts({row_id})").json()
    dataverse.patch(f"accounts({row_id})", {"name": "a"}, headers={"Authorization": "Bearer me"})
    after = dataverse.get(f"accounts({row_id})").json()
    assert after["versionnumber"] > before["versionnumber"]
    assert after["_modifiedby_value"] != before["_modifiedby_value"]
    assert after["_createdby_value"] == before["_createdby_value"]


def test_derived_columns_follow(dataverse):
    row_id = make_contact(
        dataverse,
        firstname="Kari",
        lastname="Moen",
        address1_city="Oslo",
        address1_line1="Storgata 1",
    )
    row = dataverse.get(f"contacts({row_id})").json()
    assert row["fullname"] == "Kari Moen"
    assert row["address1_composite"] == "Storgata 1\r\nOslo"


def test_money_without_a_currency_gets_the_base_currency(dataverse):
    with_money = make_account(dataverse, name="a", creditlimit=1)
    without = make_account(dataverse, name="b")

    def found(row_id: str) -> str | None:
        return dataverse.get(f"accounts({row_id})").json()["_transactioncurrencyid_value"]

    assert found(with_money) == currency(dataverse, "USD")
    assert found(without) is None


@pytest.mark.parametrize(("policy", "left"), [("cascade", 0), ("remove-link", 1)])
def test_deleting_an_account_deletes_or_unlinks_its_contacts(dataverse, sandbox, policy, left):
    sandbox.set_switches(dataverse_delete_account=policy)
    account = make_account(dataverse, name="a")
    make_contact(
        dataverse,
        **{"lastname": "L", "parentcustomerid_account@odata.bind": f"accounts({account})"},
    )
    assert dataverse.delete(f"accounts({account})").status_code == 204
    contacts = dataverse.get("contacts").json()["value"]
    assert [row["_parentcustomerid_value"] for row in contacts] == [None] * left
    assert dataverse.delete(f"accounts({account})").status_code == 404


def test_a_column_can_be_cleared_by_itself(dataverse):
    row_id = make_account(dataverse, name="a", fax="1")
    assert dataverse.delete(f"accounts({row_id})/fax").status_code == 204
    assert dataverse.get(f"accounts({row_id})").json()["fax"] is None


def test_a_body_that_is_no_object_is_refused(dataverse):
    assert dataverse.post("accounts", ["a"]).status_code == 400


def test_an_empty_text_is_stored_as_null(dataverse):
    row_id = make_account(dataverse, name="a", fax="")
    assert dataverse.get(f"accounts({row_id})").json()["fax"] is None

"""The demo company."""

from collections import Counter

import pytest

from p2c.sandbox import DemoSize, Sandbox
from p2c.sandbox.fno.values import iso_codes


@pytest.fixture(scope="module")
def company() -> Sandbox:
    """A sandbox that is filled and not started: its state can be read all the same."""
    return Sandbox(demo=DemoSize(filled_customers=50))


@pytest.fixture(scope="module")
def accounts(company) -> list[dict]:
    return company.dataverse_rows("accounts")


@pytest.fixture(scope="module")
def contacts(company) -> list[dict]:
    return company.dataverse_rows("contacts")


def test_it_is_as_large_as_asked(accounts, contacts):
    assert (len(accounts), len(contacts)) == (320, 1_600)


def test_the_same_seed_gives_the_same_company(accounts):
    again = Sandbox(demo=DemoSize(contacts=0)).dataverse_rows("accounts")
    other = Sandbox(demo=DemoSize(contacts=0, seed=8)).dataverse_rows("accounts")
    first = [(row["accountid"], row["name"], row.get("accountnumber")) for row in accounts]
    assert [(row["accountid"], row["name"], row.get("accountnumber")) for row in again] == first
    assert [row["name"] for row in other] != [row["name"] for row in accounts]


def test_countries_are_spelt_in_many_ways(accounts, contacts):
    found = {row.get("address1_country") for row in [*accounts, *contacts]}
    assert {None, "Norge", "NO", "NORWAY", "U.S.A.", "Deutschland", " uk ", "JA"} <= found
    assert "Atlantis" in found


def test_names_are_as_odd_as_real_ones(accounts, contacts):
    names = [row["name"] for row in accounts]
    people = [row.get("fullname") or "" for row in contacts]
    assert all(any(mark in name for name in names) for mark in "'&/øß")
    assert any(len(name) > 100 for name in names)
    assert any(60 < len(name) <= 100 for name in names)
    assert any(name != name.strip() for name in names)
    assert any(len(row.get("firstname") or "") > 25 for row in contacts)
    assert any(not name.isascii() for name in people)
    assert Counter(people).most_common(1)[0][1] > 1


def test_some_rows_lack_what_a_template_needs(accounts, contacts):
    assert any(row.get("accountnumber") is None for row in accounts)
    assert any(row.get("msdynce_contactnumber") is None for row in contacts)
    assert any(row.get("_transactioncurrencyid_value") is None for row in accounts)
    assert any(row["statecode"] == 1 for row in accounts)


def test_contacts_belong_to_accounts_contacts_or_nobody(contacts):
    parents = Counter(row.get("_parentcustomerid_value!") for row in contacts)
    assert parents["account"] > 1_200
    assert parents["contact"] > 10
    assert parents[None] > 10
    for row in contacts:
        assert row["msdynce_iscompanyanaccount"] == (
            row.get("_parentcustomerid_value!") == "account"
        )


def test_about_a_tenth_of_the_contacts_are_active_customers(contacts):
    active = sum(row["msdynce_isactivecustomer"] for row in contacts)
    assert 100 < active < 230


def test_numbers_are_unique_and_well_formed(accounts, contacts):
    numbers = [row.get("accountnumber") for row in accounts]
    numbers += [row.get("msdynce_contactnumber") for row in contacts]
    given = [number for number in numbers if number]
    assert len(set(given)) == len(given)
    assert all(len(number) == 16 for number in given)


def test_fno_may_already_have_some_of_the_customers(company):
    customers = company.fno_records("CustomersV2")
    assert 40 < len(customers) <= 50
    assert any(record.get("PrimaryContactPhone") == "+1 555 0100" for record in customers)


def test_every_value_fits_its_column(company):
    with company:
        import requests  # noqa: PLC0415 - only this test talks to the filled company

        headers = {"Authorization": "Bearer test"}
        root = f"{company.dataverse_url}/api/data/v9.2"
        for entity_set, key in (("accounts", "accountid"), ("contacts", "contactid")):
            for row in company.dataverse_rows(entity_set)[:60]:
                body = {
                    name: value
                    for name, value in row.items()
                    if not name.startswith("_") and name != key
                }
                answer = requests.patch(
                    f"{root}/{entity_set}({row[key]})", json=body, headers=headers, timeout=20
                )
                assert answer.status_code == 204, answer.text


def test_three_letter_country_ids_are_known():
    assert iso_codes()["NO"] == "NOR"

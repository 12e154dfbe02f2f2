"""What F&O has to hold, worked out anew from what Sales holds; shares no code with p2c.

It knows a handful of fields and the routing rules, as the published templates state them.
"""

from collections.abc import Collection
from typing import Any

Row = dict[str, Any]

CUSTOMER = {
    "OrganizationName": "name",
    "SalesMemo": "description",
    "PrimaryContactPhone": "telephone1",
    "PrimaryContactEmail": "emailaddress1",
    "AddressCity": "address1_city",
    "CreditLimit": "creditlimit",
}
PERSON = {
    "FirstName": "firstname",
    "LastName": "lastname",
    "MiddleName": "middlename",
    "Notes": "description",
    "EmploymentProfession": "jobtitle",
    "PrimaryEmailAddress": "emailaddress1",
}
BUYER = {
    "PersonFirstName": "firstname",
    "PersonLastName": "lastname",
    "SalesMemo": "description",
    "PrimaryContactEmail": "emailaddress1",
    "AddressDescription": "fullname",
}


def assert_in_step(company: Any, *, without: Collection[str] = ()) -> None:
    """Fail unless F&O holds exactly one right record for each row that Sales means for it.

    Args:
        without: Rows that are rejected because another row has their number: no two of the others
            may have one.
    """
    accounts = {row["accountid"]: row for row in company.sandbox.dataverse_rows("accounts")}
    contacts = company.sandbox.dataverse_rows("contacts")
    customers, persons = company.customers(), company.persons()
    wanted_customers: dict[str, tuple[Row, dict[str, str]]] = {}
    wanted_persons: dict[tuple[str, str], Row] = {}
    for row in accounts.values():
        if row.get("accountnumber") and row["accountid"] not in without:
            assert row["accountnumber"].rstrip() not in wanted_customers
            wanted_customers[row["accountnumber"].rstrip()] = row, CUSTOMER
    for row in contacts:
        number = (row.get("msdynce_contactnumber") or "").rstrip()
        parent = accounts.get(row.get("_parentcustomerid_value") or "")
        if row["contactid"] in without:
            continue
        if number and row.get("msdynce_isactivecustomer"):
            assert number not in wanted_customers
            wanted_customers[number] = row, BUYER
        elif number and parent and parent.get("accountnumber"):
            wanted_persons[number, parent["accountnumber"].rstrip()] = row
    assert set(customers) == set(wanted_customers)
    assert set(persons) == set(wanted_persons)
    for key, (row, fields) in wanted_customers.items():
        _assert_same(key, row, customers[key], fields)
    for person, row in wanted_persons.items():
        _assert_same(person, row, persons[person], PERSON)


def _assert_same(key: object, row: Row, record: Row, fields: dict[str, str]) -> None:
    found = {field: _plain(record.get(field)) for field in fields}
    wanted = {field: _plain(row.get(column)) for field, column in fields.items()}
    assert found == wanted, key


def _plain(value: object) -> object:
    """F&O knows no null: blank text, and 0 in a number, stand for it."""
    if value is None or value == 0:
        return ""
    return float(value) if isinstance(value, int | float) else str(value).rstrip()

"""What people do in Sales between the demo's two runs, and what F&O must hold afterwards.

Edits go through the Web API of the sandbox, as another client of Dataverse would send them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import requests

Row = dict[str, Any]
TIMEOUT_SECONDS = 30


class Company:
    """Both simulated services, as somebody else sees them."""

    def __init__(self, dataverse_url: str, fno_url: str) -> None:
        self.dataverse_url = dataverse_url
        self.fno_url = fno_url
        self._session = requests.Session()
        self._session.headers.update({"Authorization": "Bearer demo", "OData-Version": "4.0"})

    def rows(self, entity_set: str) -> list[Row]:
        """What Sales holds."""
        return self._stored(self.dataverse_url, entity_set)

    def records(self, entity_set: str) -> list[Row]:
        """What F&O holds."""
        return self._stored(self.fno_url, entity_set)

    def change(self, entity_set: str, row_id: str, **values: object) -> None:
        """Edit a row in Sales; a name with ``__bind`` sets a lookup."""
        body = {name.replace("__bind", "@odata.bind"): value for name, value in values.items()}
        self._send("PATCH", f"{entity_set}({row_id})", body)

    def delete(self, entity_set: str, row_id: str) -> None:
        """Delete a row in Sales."""
        self._send("DELETE", f"{entity_set}({row_id})", None)

    def customer(self, number: str | None) -> Row:
        """The customer with a number; empty when there is none."""
        return _one(self.records("CustomersV2"), CustomerAccount=number)

    def person(self, number: str, account: str) -> Row:
        """A contact person of an account; empty when there is none."""
        return _one(
            self.records("CDSContactPersons"),
            ContactPersonPartyNumber=number,
            AssociatedPartyNumber=account,
        )

    def _stored(self, root: str, entity_set: str) -> list[Row]:
        answer = self._session.get(f"{root}/sandbox/records/{entity_set}", timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        found: list[Row] = answer.json()["value"]
        return found

    def _send(self, method: str, path: str, body: Row | None) -> None:
        url = f"{self.dataverse_url}/api/data/v9.2/{path}"
        answer = self._session.request(method, url, json=body, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()


@dataclass(frozen=True)
class Edit:
    """One edit.

    Attributes:
        done: What was done.
        expected: What p2c makes of it.
        look: Tells whether that is so, from what F&O holds and the list of rejected rows.
    """

    done: str
    expected: str
    look: Callable[[Company, Sequence[Row]], bool]


def make_edits(company: Company, rejected: Sequence[Row]) -> list[Edit]:
    """Carry out every edit, each on rows of its own."""
    customers = {record["CustomerAccount"] for record in company.records("CustomersV2")}
    refused = {row["row"] for row in rejected}
    accounts = [
        row
        for row in company.rows("accounts")
        if row["accountnumber"] in customers and row["accountid"] not in refused
    ]
    persons = {
        record["ContactPersonPartyNumber"] for record in company.records("CDSContactPersons")
    }
    contacts = [row for row in company.rows("contacts") if row["msdynce_contactnumber"] in persons]
    active = [row for row in contacts if row["statecode"] == 0 and row["firstname"]]
    return [
        _rename(company, accounts[20]),
        _give_number(company),
        _break_country(company, accounts[21]),
        _lengthen(company, active[30]),
        _mend(company, rejected),
        _deactivate(company, active[31]),
        _move(company, active[32], accounts[22:24]),
        _delete(company, active[33]),
    ]


def _rename(company: Company, account: Row) -> Edit:
    number = account["accountnumber"]
    company.change("accounts", account["accountid"], name="Northwind & Daughters")
    return Edit(
        f"rename account {number} to Northwind & Daughters",
        f"customer {number} has the new name",
        lambda company, _: company.customer(number)["OrganizationName"] == "Northwind & Daughters",
    )


def _give_number(company: Company) -> Edit:
    account = next(row for row in company.rows("accounts") if not row["accountnumber"])
    row_id = account["accountid"]
    waiting = [
        row
        for row in company.rows("contacts")
        if row.get("_parentcustomerid_value") == row_id
        and row["msdynce_contactnumber"]
        and not row["msdynce_isactivecustomer"]
    ]
    company.change("accounts", row_id, accountnumber="ACC-DEMO")
    return Edit(
        f"give account '{account['name'].strip()}' its number, for which {len(waiting)} contacts "
        "wait",
        f"customer ACC-DEMO is there, and so are its {len(waiting)} contacts",
        lambda company, _: (
            bool(company.customer("ACC-DEMO"))
            and all(company.person(row["msdynce_contactnumber"], "ACC-DEMO") for row in waiting)
        ),
    )


def _break_country(company: Company, account: Row) -> Edit:
    number, before = account["accountnumber"], company.customer(account["accountnumber"])
    company.change("accounts", account["accountid"], address1_country="Absurdistan")
    return Edit(
        f"move account {number} to Absurdistan",
        "it is rejected with the reason value-not-mapped, and its customer is as before",
        lambda company, rejected: (
            _is_rejected(rejected, account["accountid"], "value-not-mapped")
            and company.customer(number) == before
        ),
    )


def _lengthen(company: Company, contact: Row) -> Edit:
    company.change(
        "contacts", contact["contactid"], firstname="Wolfeschlegelsteinhausenbergerdorff"
    )
    return Edit(
        f"give contact {contact['msdynce_contactnumber']} a first name of 35 characters",
        "it is rejected with the reason value-too-long: F&O takes 25",
        lambda _, rejected: _is_rejected(rejected, contact["contactid"], "value-too-long"),
    )


def _mend(company: Company, rejected: Sequence[Row]) -> Edit:
    """Mend a rejected account by what its reason asks for."""
    row_id = next(
        row["row"]
        for row in rejected
        if row["template"] == "accounts" and row["code"] == "value-not-mapped"
    )
    account = _one(company.rows("accounts"), accountid=row_id)
    company.change("accounts", row_id, address1_country="Germany", address2_country="Germany")
    return Edit(
        f"mend the country of rejected account {account['accountnumber']}",
        "it is rejected no longer, and its customer is in Germany",
        lambda company, rejected: (
            not any(row["row"] == row_id for row in rejected)
            and company.customer(account["accountnumber"])["AddressCountryRegionISOCode"] == "DE"
        ),
    )


def _deactivate(company: Company, contact: Row) -> Edit:
    number = contact["msdynce_contactnumber"]
    company.change("contacts", contact["contactid"], statecode=1, statuscode=2)
    return Edit(
        f"deactivate contact {number}",
        "its contact person is marked inactive",
        lambda company, _: (
            [
                record["IsInactive"]
                for record in company.records("CDSContactPersons")
                if record["ContactPersonPartyNumber"] == number
            ]
            == ["Yes"]
        ),
    )


def _move(company: Company, contact: Row, accounts: Sequence[Row]) -> Edit:
    old = _one(company.rows("accounts"), accountid=contact["_parentcustomerid_value"])
    new = next(row for row in accounts if row["accountid"] != old["accountid"])
    number = contact["msdynce_contactnumber"]
    company.change(
        "contacts",
        contact["contactid"],
        parentcustomerid_account__bind=f"/accounts({new['accountid']})",
    )
    return Edit(
        f"move contact {number} from {old['accountnumber']} to {new['accountnumber']}",
        "it is a contact person of the new account, and marked inactive at the old one",
        lambda company, _: (
            company.person(number, new["accountnumber"]).get("IsInactive") != "Yes"
            and bool(company.person(number, new["accountnumber"]))
            and company.person(number, old["accountnumber"])["IsInactive"] == "Yes"
        ),
    )


def _delete(company: Company, contact: Row) -> Edit:
    number = contact["msdynce_contactnumber"]
    company.delete("contacts", contact["contactid"])
    return Edit(
        f"delete contact {number}",
        "it is noted as deleted, and its contact person stays: the template deletes nothing",
        lambda company, _: any(
            record["ContactPersonPartyNumber"] == number
            for record in company.records("CDSContactPersons")
        ),
    )


def _is_rejected(rejected: Sequence[Row], row_id: str, code: str) -> bool:
    return any((row["row"], row["code"]) == (row_id, code) for row in rejected)


def _one(rows: Sequence[Row], **values: object) -> Row:
    """The first row with these values; empty when there is none."""
    return next(
        (row for row in rows if all(row.get(name) == found for name, found in values.items())), {}
    )

"""The demo company: accounts and contacts as real ones are, deterministic from a seed.

The mess is on purpose: blanks, odd spellings of countries, over-long names, missing parents,
duplicates, rows without numbers. No person in it exists.
"""

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from p2c.sandbox.dataverse.schema import BY_NAME
from p2c.sandbox.dataverse.service import Dataverse
from p2c.sandbox.demo_words import (
    BRANCHES,
    COUNTRIES,
    CURRENCIES,
    DEPARTMENTS,
    ODD_ACCOUNTS,
    ODD_COUNTRIES,
    ODD_PEOPLE,
    STEMS,
    TITLES,
    Country,
)
from p2c.sandbox.fno.errors import InfologError
from p2c.sandbox.fno.schema import entities
from p2c.sandbox.fno.service import Fno
from p2c.sandbox.switches import DemoSize, Start

Row = dict[str, Any]
USER = "00000000-0000-4000-8000-00000000d365"
_NEWEST = datetime(2026, 1, 31, 16, 0, tzinfo=UTC)


def fill(dataverse: Dataverse, fno: Fno, start: Start) -> None:
    """Put the start data into both simulators."""
    currencies = _currencies()
    dataverse.store.load("transactioncurrency", currencies.values(), USER)
    if start.data == "empty":
        return
    company = _Company(
        start.demo,
        dataverse,
        {code: row["transactioncurrencyid"] for code, row in currencies.items()},
    )
    accounts = list(company.accounts())
    dataverse.store.load("account", accounts, USER)
    dataverse.store.load("contact", company.contacts(accounts), USER)
    _fill_customers(fno, accounts[: start.demo.filled_customers], currencies)


def _currencies() -> dict[str, Row]:
    namespace = uuid.UUID("c0ffee00-0000-4000-8000-000000000000")
    return {
        code: {
            "transactioncurrencyid": str(uuid.uuid5(namespace, code)),
            "isocurrencycode": code,
            "currencyname": name,
            "currencysymbol": symbol,
            "exchangerate": rate,
            "currencyprecision": 2,
            "statecode": 0,
            "statuscode": 1,
        }
        for code, name, symbol, rate in CURRENCIES
    }


class _Company:
    def __init__(self, size: DemoSize, dataverse: Dataverse, currencies: dict[str, str]) -> None:
        self._size = size
        self._random = random.Random(size.seed)  # noqa: S311 - repeatable data, no secrets
        self._numbers = dataverse.writer.numbers
        self._currencies = currencies
        self._defaults = {
            name: {
                column.name: column.default
                for column in table.columns.values()
                if column.default is not None
            }
            for name, table in BY_NAME.items()
        }

    def accounts(self) -> Iterator[Row]:
        for index in range(self._size.accounts):
            country = self._random.choice(COUNTRIES)
            row = self._account(index, country)
            if index < len(ODD_ACCOUNTS):
                row |= ODD_ACCOUNTS[index]
            yield row

    def contacts(self, accounts: list[Row]) -> Iterator[Row]:
        earlier: list[Row] = []
        for index in range(self._size.contacts):
            country = self._random.choice(COUNTRIES)
            row = self._contact(country, accounts, earlier)
            if index < len(ODD_PEOPLE):
                row |= ODD_PEOPLE[index]
            names = (row.get("firstname"), row.get("lastname"))
            row["fullname"] = " ".join(name for name in names if name) or None
            if len(earlier) < 500:
                earlier.append(row)
            yield row

    def _account(self, index: int, country: Country) -> Row:
        choose = self._random.choice
        stem, branch = choose(STEMS), choose(BRANCHES)
        name = f"{stem} {branch} {choose(country.forms)}"
        if self._size.accounts > 1_000:
            name = f"{stem} {branch} {index} {choose(country.forms)}"
        host = f"{stem}{branch}".lower().replace(" ", "").replace("&", "").replace("'", "")
        row: Row = {
            **self._base("account"),
            "name": name,
            "accountnumber": None if self._chance(0.01) else self._numbers.take("ACC"),
            "telephone1": self._phone(country),
            "emailaddress1": self._maybe(f"post@{host}.example", 0.85),
            "websiteurl": self._maybe(f"https://www.{host}.example", 0.7),
            "numberofemployees": self._maybe(self._random.randint(1, 4_000), 0.75),
            "creditlimit": self._maybe(self._random.randint(1, 500) * 1_000.0, 0.6),
            "description": self._maybe("Met at the trade fair.\r\nWants a quote & samples.", 0.15),
            "_transactioncurrencyid_value": self._currency(country),
            **self._address(country, 1, 0.93),
            **self._address(country, 2, 0.35),
        }
        if self._chance(0.03):
            row["name"] = f"  {name} "
        return row

    def _contact(self, country: Country, accounts: list[Row], earlier: list[Row]) -> Row:
        choose = self._random.choice
        first, last = choose(country.first_names), choose(country.last_names)
        row: Row = {
            **self._base("contact"),
            "firstname": self._maybe(first, 0.97),
            "middlename": self._maybe(choose(country.first_names), 0.12),
            "lastname": last,
            "msdynce_contactnumber": None if self._chance(0.01) else self._numbers.take("CON"),
            "msdynce_isactivecustomer": self._chance(0.1),
            "jobtitle": self._maybe(choose(TITLES), 0.8),
            "department": self._maybe(choose(DEPARTMENTS), 0.5),
            "emailaddress1": self._maybe(
                f"{first}.{last}@mail.example".lower().replace(" ", ""), 0.9
            ),
            "telephone1": self._phone(country),
            "gendercode": self._maybe(self._random.randint(1, 2), 0.6),
            "familystatuscode": self._maybe(self._random.randint(1, 4), 0.3),
            "donotemail": self._chance(0.2),
            "creditlimit": self._maybe(self._random.randint(1, 40) * 500.0, 0.1),
            "_transactioncurrencyid_value": self._currency(country),
            **self._address(country, 1, 0.8),
        }
        self._set_parent(row, accounts, earlier)
        return row

    def _set_parent(self, row: Row, accounts: list[Row], earlier: list[Row]) -> None:
        dice = self._random.random()
        if accounts and dice < 0.92:
            parent, table = self._random.choice(accounts)["accountid"], "account"
        elif earlier and dice < 0.95:
            parent, table = self._random.choice(earlier)["contactid"], "contact"
        else:
            return
        row |= {
            "_parentcustomerid_value": parent,
            "_parentcustomerid_value!": table,
            "msdynce_iscompanyanaccount": table == "account",
        }

    def _base(self, table: str) -> Row:
        stamp = _NEWEST - timedelta(minutes=self._random.randint(1, 1_000_000))
        row: Row = {
            **self._defaults[table],
            f"{table}id": str(uuid.UUID(int=self._random.getrandbits(128), version=4)),
            "createdon": stamp.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "modifiedon": stamp.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if self._chance(0.04):
            row |= {"statecode": 1, "statuscode": 2}
        return row

    def _address(self, country: Country, n: int, likelihood: float) -> Row:
        if not self._chance(likelihood):
            return {}
        choose = self._random.choice
        city, postal_code, state = choose(country.places)
        spelling = choose(country.spellings)
        if self._chance(0.012):
            spelling = choose(ODD_COUNTRIES)
        return {
            f"address{n}_line1": f"{choose(country.streets)} {self._random.randint(1, 240)}",
            f"address{n}_city": city,
            f"address{n}_postalcode": self._maybe(postal_code, 0.95),
            f"address{n}_stateorprovince": state or None,
            f"address{n}_country": self._maybe(spelling, 0.93),
        }

    def _currency(self, country: Country) -> str | None:
        dice = self._random.random()
        if dice < 0.005:
            return None
        code: str = country.currency if dice < 0.9 else self._random.choice(("USD", "EUR"))
        return self._currencies[code]

    def _phone(self, country: Country) -> str | None:
        number = (
            f"{country.dial} {self._random.randint(20, 99)} {self._random.randint(10**5, 10**6)}"
        )
        return number if self._chance(0.88) else None

    def _chance(self, likelihood: float) -> bool:
        return self._random.random() < likelihood

    def _maybe(self, value: Any, likelihood: float) -> Any:
        return value if self._random.random() < likelihood else None


# Customer fields by the account column that an integration copies into them.
_COPIED = {
    "OrganizationName": "name",
    "AddressStreet": "address1_line1",
    "AddressCity": "address1_city",
    "AddressZipCode": "address1_postalcode",
    "AddressState": "address1_stateorprovince",
    "DeliveryAddressStreet": "address2_line1",
    "DeliveryAddressCity": "address2_city",
    "DeliveryAddressZipCode": "address2_postalcode",
    "DeliveryAddressState": "address2_stateorprovince",
    "PrimaryContactPhone": "telephone1",
    "PrimaryContactEmail": "emailaddress1",
    "PrimaryContactURL": "websiteurl",
    "PrimaryContactFax": "fax",
    "SalesMemo": "description",
    "CreditLimit": "creditlimit",
    "OrganizationNumberOfEmployees": "numberofemployees",
}


def _fill_customers(fno: Fno, accounts: list[Row], currencies: dict[str, Row]) -> None:
    """Make customers of accounts as an earlier integration left them, every fifth out of date."""
    codes = {row["transactioncurrencyid"]: code for code, row in currencies.items()}
    entity = entities()["CustomersV2"]
    for index, account in enumerate(accounts):
        if not account.get("accountnumber"):
            continue
        values = _customer(account, codes)
        if index % 5 == 0:
            values |= {"PrimaryContactPhone": "+1 555 0100", "CreditLimit": 1}
        try:
            fno.writer.create(entity, values, fno.switches)
        except InfologError:
            # What F&O refuses, an earlier integration could not bring over either.
            continue


def _customer(account: Row, currency_codes: dict[str, str]) -> dict[str, Any]:
    countries = {spelling: country.code for country in COUNTRIES for spelling in country.spellings}
    copied = {field: account.get(column) for field, column in _COPIED.items()}
    values = {
        field: value.rstrip(" ") if isinstance(value, str) else value
        for field, value in copied.items()
        if value is not None
    }
    for field, column in (
        ("AddressCountryRegionISOCode", "address1_country"),
        ("DeliveryAddressCountryRegionISOCode", "address2_country"),
    ):
        if account.get(column) in countries:
            values[field] = countries[account[column]]
    return values | {
        "dataAreaId": "usmf",
        "CustomerAccount": account["accountnumber"],
        "PartyNumber": account["accountnumber"],
        "PartyType": "Organization",
        "AddressDescription": account["name"][:60],
        "DeliveryAddressDescription": account["name"][:60],
        "AddressLocationRoles": "Business",
        "CustomerGroupId": "10",
        "SalesCurrencyCode": currency_codes.get(account["_transactioncurrencyid_value"], "USD"),
        "LanguageId": "en-us",
        "SiteId": "1",
        "WarehouseId": "13",
        "IsExternallyMaintained": "Yes",
    }

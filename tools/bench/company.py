"""The company of the benchmark: every contact qualifies, every account is in F&O already.

It is filled through the services' own interfaces, the same rows with the same ids each time, so
that requests that were once recorded can be sent again.
"""

import random
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import requests

from p2c.odata.batch import BatchRequest, content_type, write_batch
from p2c.odata.exact_json import dumps
from p2c.sandbox.demo_words import COUNTRIES, DEPARTMENTS, TITLES
from tools.processes import Addresses

ACCOUNTS = 200
AUTHORIZATION = {"Authorization": "Bearer bench", "OData-Version": "4.0"}
TIMEOUT_SECONDS = 120
_ROWS_PER_REQUEST = 500

Row = dict[str, Any]


class Company:
    """Both simulated services, filled and watched from outside."""

    def __init__(self, addresses: Addresses) -> None:
        self.dataverse = f"{addresses.dataverse_url}/api/data/v9.2/"
        self.fno = f"{addresses.fno_url}/data/"
        self._roots = {"dataverse": addresses.dataverse_url, "fno": addresses.fno_url}
        self._session = requests.Session()
        self._session.headers.update(AUTHORIZATION)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def fill(self, contacts: int) -> None:
        """Begin anew with so many contacts in Sales; their accounts are in F&O too."""
        self._control("POST", "reset", {"data": "empty"})
        currency = self._get(f"{self.dataverse}transactioncurrencies?$top=1")["value"][0]
        bind = f"/transactioncurrencies({currency['transactioncurrencyid']})"
        accounts = list(_accounts(bind))
        self._post_all(self.dataverse, "accounts", accounts)
        customers = [_customer(row, currency["isocurrencycode"]) for row in accounts]
        self._post_all(self.fno, "CustomersV2", customers)
        for rows in _parts(_contacts(contacts, accounts), _ROWS_PER_REQUEST):
            self._post_all(self.dataverse, "contacts", rows)
        self.count_from_zero()

    def fill_unqualified(self, contacts: int) -> None:
        """Begin anew with contacts without company, none of which a template takes."""
        demo = {"accounts": 0, "contacts": contacts}
        self._control("POST", "reset", {"data": "demo", "demo": demo})

    def set_latency(self, request_ms: float, operation_ms: float) -> None:
        """Have both services take their time for each request, F&O for each operation too."""
        latency = {
            "dataverse": {"request_ms": request_ms},
            "fno": {"request_ms": request_ms, "operation_ms": operation_ms},
        }
        self._control("PUT", "latency", latency)

    def count_from_zero(self) -> None:
        """Forget what was asked so far."""
        self._control("DELETE", "requests")

    def asked(self) -> dict[str, Any]:
        """Return what each service was asked since the last `count_from_zero`."""
        return dict(self._control("GET", "requests"))

    def records(self, entity_set: str) -> int:
        """Return how many records F&O holds."""
        return len(self._control("GET", f"records/{entity_set}", service="fno")["value"])

    def _post_all(self, root: str, entity_set: str, rows: Sequence[Row]) -> None:
        headers = {"Content-Type": "application/json"}
        writes = [
            BatchRequest("POST", root + entity_set, headers, dumps(row).encode()) for row in rows
        ]
        boundary = f"batch_{uuid.uuid4()}"
        answer = self._session.post(
            f"{root}$batch",
            data=write_batch(writes, boundary),
            headers={"Content-Type": content_type(boundary)},
            timeout=TIMEOUT_SECONDS,
        )
        answer.raise_for_status()
        made = answer.content.count(b"HTTP/1.1 20")
        if made != len(rows):
            raise RuntimeError(f"{entity_set}: {made} of {len(rows)} rows made:\n{answer.text}")

    def _get(self, url: str) -> Any:
        answer = self._session.get(url, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer.json()

    def _control(
        self, method: str, what: str, body: Row | None = None, service: str = "dataverse"
    ) -> Any:
        url = f"{self._roots[service]}/sandbox/{what}"
        answer = self._session.request(method, url, json=body, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer.json()


def _accounts(currency: str) -> Iterator[Row]:
    for index in range(ACCOUNTS):
        yield {
            "accountid": str(uuid.UUID(int=0xACC << 96 | index)),
            "accountnumber": f"BENCH-{index:04}",
            "name": f"Bench {index}",
            "transactioncurrencyid@odata.bind": currency,
        }


def _customer(account: Row, currency_code: str) -> Row:
    return {
        "dataAreaId": "usmf",
        "CustomerAccount": account["accountnumber"],
        "PartyNumber": account["accountnumber"],
        "PartyType": "Organization",
        "OrganizationName": account["name"],
        "CustomerGroupId": "10",
        "SalesCurrencyCode": currency_code,
        "LanguageId": "en-us",
    }


def _contacts(count: int, accounts: Sequence[Row]) -> Iterator[Row]:
    chosen = random.Random(7)  # noqa: S311 - repeatable data, no secrets
    for index in range(count):
        country = chosen.choice(COUNTRIES)
        first, last = chosen.choice(country.first_names), chosen.choice(country.last_names)
        city, postal_code, state = chosen.choice(country.places)
        account = chosen.choice(accounts)["accountid"]
        yield {
            "contactid": str(uuid.UUID(int=chosen.getrandbits(128), version=4)),
            "firstname": first,
            "lastname": last,
            "msdynce_contactnumber": f"P-{index:06}",
            "msdynce_isactivecustomer": False,
            "jobtitle": chosen.choice(TITLES),
            "department": chosen.choice(DEPARTMENTS),
            "emailaddress1": f"contact{index}@mail.example",
            "telephone1": f"{country.dial} 20 {chosen.randint(10**5, 10**6)}",
            "gendercode": chosen.randint(1, 2),
            "address1_line1": f"{chosen.choice(country.streets)} {chosen.randint(1, 240)}",
            "address1_city": city,
            "address1_postalcode": postal_code,
            "address1_stateorprovince": state[:10] or None,
            "address1_country": country.code,
            "parentcustomerid_account@odata.bind": f"/accounts({account})",
        }


def _parts(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    part: list[Row] = []
    for row in rows:
        part.append(row)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part

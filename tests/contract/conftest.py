"""The environment that the contract suite runs against.

Without settings it is the sandbox. With `P2C_CONTRACT_DATAVERSE_URL` and `P2C_CONTRACT_FNO_URL` it
is a real one, reached with the identity that azure-identity's DefaultAzureCredential finds (or, on
loopback, with the sandbox's token); a test that comes to write there is skipped unless
`P2C_CONTRACT_WRITE=yes`, and removes what it made. Use a test
environment: a Dataverse with the Prospect to cash columns, an F&O with legal entity
`P2C_CONTRACT_LEGAL_ENTITY` (``usmf`` unless set) and customer group 10.

Rows and records are made and removed with plain requests, not with the clients under test.
"""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from p2c.dataverse import DataverseClient
from p2c.fno import FnoClient
from p2c.model import Create, Lookup, LookupTarget, RecordKey, SourceQuery
from p2c.odata.answer import Answer
from p2c.odata.meter import Meter
from p2c.odata.transport import Limits, Transport
from p2c.odata.urls import is_loopback
from p2c.sandbox import Sandbox
from p2c.storage import SystemClock

REAL_DATAVERSE = os.environ.get("P2C_CONTRACT_DATAVERSE_URL", "")
REAL_FNO = os.environ.get("P2C_CONTRACT_FNO_URL", "")
LEGAL_ENTITY = os.environ.get("P2C_CONTRACT_LEGAL_ENTITY", "usmf")
if bool(REAL_DATAVERSE) != bool(REAL_FNO):
    raise pytest.UsageError(
        "Only one of P2C_CONTRACT_DATAVERSE_URL and P2C_CONTRACT_FNO_URL is set; expected both, to "
        "test a real environment, or none, to test the sandbox."
    )
IS_REAL = bool(REAL_DATAVERSE)
MAY_WRITE = not IS_REAL or os.environ.get("P2C_CONTRACT_WRITE") == "yes"

LATER = float("inf")

ACCOUNTS = SourceQuery("account", "accounts", "accountid", ("name", "accountnumber", "creditlimit"))
CONTACTS = SourceQuery(
    "contact",
    "contacts",
    "contactid",
    ("lastname",),
    (
        Lookup(
            "parentcustomerid",
            (
                LookupTarget("account", "parentcustomerid_account", "accountid", ("name",)),
                LookupTarget("contact", "parentcustomerid_contact", "contactid", ("lastname",)),
            ),
        ),
    ),
)


def ask_leave_to_write() -> None:
    """Skip the test unless the environment may be written to."""
    if not MAY_WRITE:
        pytest.skip(
            "it writes, and the real environment is only read unless P2C_CONTRACT_WRITE=yes"
        )


class ReadingTransport(Transport):
    """A transport for an environment that may only be read."""

    def write(self, *_args: Any, **_options: Any) -> Answer:
        ask_leave_to_write()
        raise AssertionError("a test that may write has no need of this transport")


class Tokens:
    """Bearer tokens of one service; one serves the whole test unless a fresh one is forced."""

    def __init__(self, root: str) -> None:
        self._scope = f"{root}/.default"
        self._real = IS_REAL and not is_loopback(urlsplit(root).hostname or "")
        self._token = "" if self._real else "sandbox"

    def __call__(self, *, force_refresh: bool = False) -> str:
        if not self._token or (force_refresh and self._real):
            from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - if it is real

            with DefaultAzureCredential() as credential:
                self._token = credential.get_token(self._scope).token
        return self._token


@dataclass
class Rows:
    """Makes and removes rows of Dataverse with plain requests."""

    root: str
    token: str
    made: list[str] = field(default_factory=list)

    def create(self, entity_set: str, **values: Any) -> str:
        bound = {name.replace("__bind", "@odata.bind"): value for name, value in values.items()}
        answer = self.request("POST", entity_set, json=bound)
        assert answer.status_code == 204, answer.text
        row_id = answer.headers["OData-EntityId"].partition("(")[2].rstrip(")").lower()
        self.made.insert(0, f"{entity_set}({row_id})")
        return row_id

    def update(self, entity_set: str, row_id: str, **values: Any) -> None:
        answer = self.request("PATCH", f"{entity_set}({row_id})", json=values)
        assert answer.status_code == 204, answer.text

    def delete(self, entity_set: str, row_id: str) -> None:
        answer = self.request("DELETE", f"{entity_set}({row_id})")
        assert answer.status_code in (204, 404), answer.text

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", "OData-Version": "4.0"}
        headers |= options.pop("headers", {})
        url = f"{self.root}/api/data/v9.2/{path}"
        if method != "GET":
            ask_leave_to_write()
        return requests.request(method, url, headers=headers, timeout=120, **options)


@dataclass
class Records:
    """Remembers F&O records that a test makes, and removes them with plain requests."""

    root: str
    token: str
    made: list[RecordKey] = field(default_factory=list)

    def customer(self, *, account: str = "", **values: Any) -> Create:
        """An operation that creates a customer; its record is removed after the test."""
        number = account or f"P2C-{uuid.uuid4().hex[:12]}"
        key = RecordKey("CustomersV2", (("dataAreaId", LEGAL_ENTITY), ("CustomerAccount", number)))
        self.made.append(key)
        usual = {
            "PartyNumber": number,
            "PartyType": "Organization",
            "OrganizationName": "p2c contract",
            "CustomerGroupId": "10",
            "SalesCurrencyCode": "USD",
            "LanguageId": "en-us",
        }
        kept = {name: value for name, value in (usual | values).items() if value is not None}
        return Create(key, kept)

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", "OData-Version": "4.0"}
        if method != "GET":
            ask_leave_to_write()
        return requests.request(
            method, f"{self.root}/data/{path}", headers=headers, timeout=120, **options
        )

    def remove(self) -> None:
        for key in self.made:
            quoted = [(name, value.replace("'", "''")) for name, value in key.parts]
            parts = ",".join(
                f"{name}='{requests.utils.quote(value, safe='')}'" for name, value in quoted
            )
            self.request("DELETE", f"{key.entity_set}({parts})?cross-company=true")


@dataclass
class Environment:
    """Both clients, and what is needed to set things up."""

    dataverse: DataverseClient
    fno: FnoClient
    rows: Rows
    records: Records
    meter: Meter
    dataverse_transport: Transport
    fno_transport: Transport
    optional_sandbox: Sandbox | None

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox, for what no real environment does on demand."""
        if self.optional_sandbox is None:
            pytest.skip(
                "a real environment does not fail, throttle or forget on demand; without "
                "P2C_CONTRACT_DATAVERSE_URL this runs against the sandbox"
            )
        return self.optional_sandbox

    def small_pages(self, size: int) -> DataverseClient:
        return DataverseClient(self.dataverse_transport, page_size=size)


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox | None]:
    if IS_REAL:
        yield None
        return
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def environment(running_sandbox: Sandbox | None) -> Iterator[Environment]:
    if running_sandbox is not None:
        running_sandbox.reset()
    dataverse_root = running_sandbox.dataverse_url if running_sandbox else REAL_DATAVERSE
    fno_root = running_sandbox.fno_url if running_sandbox else REAL_FNO
    meter, clock = Meter(), SystemClock()
    limits = Limits(read_seconds=120 if IS_REAL else 5)
    dataverse_tokens, fno_tokens = Tokens(dataverse_root), Tokens(fno_root)
    rows = Rows(dataverse_root, dataverse_tokens())
    records = Records(fno_root, fno_tokens())
    open_transport = Transport if MAY_WRITE else ReadingTransport
    with (
        open_transport(
            "dataverse", dataverse_root, dataverse_tokens, meter, clock, limits=limits
        ) as d,
        # Repeats of reads need not take their time in tests.
        open_transport(
            "fno", fno_root, fno_tokens, meter, clock, limits=limits, jitter=lambda: 0
        ) as f,
    ):
        yield Environment(
            DataverseClient(d), FnoClient(f, LEGAL_ENTITY), rows, records, meter, d, f,
            running_sandbox,
        )  # fmt: skip
    if running_sandbox is None and MAY_WRITE:
        for path in rows.made:
            rows.request("DELETE", path)
        records.remove()

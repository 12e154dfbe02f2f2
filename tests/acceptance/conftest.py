"""A company of the test's own in the sandbox, and runs of p2c against it as a user starts them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient
from typer.testing import CliRunner, Result

from p2c.cli.main import commands
from p2c.sandbox import Sandbox
from p2c.storage.account import QUEUE_API_VERSION, TABLE_API_VERSION

Row = dict[str, Any]


@dataclass
class Company:
    """Both services, storage, and what a user would do to them."""

    sandbox: Sandbox
    storage: str
    settings: dict[str, str]
    session: requests.Session = field(default_factory=requests.Session)

    def p2c(self, *words: str, **settings: str) -> Result:
        """Call a command."""
        return CliRunner().invoke(commands, list(words), env=self.settings | settings)

    def run(self, *words: str, status: int | None = 0, **settings: str) -> Any:
        """Run the templates and return the document that is printed; None accepts any status."""
        done = self.p2c("run", *words, "--json", **settings)
        assert status is None or done.exit_code == status, done.output
        return json.loads(done.stdout)

    @staticmethod
    def counts(document: Any, template: str) -> dict[str, int]:
        """Return the counts of a template's only task that are not 0."""
        (task,) = document["templates"][template]["tasks"].values()
        return {name: count for name, count in task.items() if count}

    def account(self, number: str | None, **columns: Any) -> str:
        """Make an account and return its id."""
        usual = {"name": f"Name {number}", "accountnumber": number, **self.currency("USD")}
        return self._make("accounts", usual | columns)

    def contact(self, number: str | None, account: str | None = None, **columns: Any) -> str:
        """Make a contact, of an account or of nobody, and return its id."""
        usual: Row = {
            "firstname": "Ann",
            "lastname": f"Last {number}",
            "msdynce_contactnumber": number,
            **self.currency("USD"),
        }
        if account:
            usual["parentcustomerid_account@odata.bind"] = f"/accounts({account})"
        return self._make("contacts", usual | columns)

    def change(self, table: str, row: str, **columns: Any) -> None:
        """Change columns of a row."""
        self._send("PATCH", f"{table}({row})", columns)

    def delete(self, table: str, row: str) -> None:
        """Delete a row."""
        self._send("DELETE", f"{table}({row})")

    def customers(self) -> dict[str, Row]:
        """Return F&O's customers by account number; fails on two of one number."""
        return _by(self.sandbox.fno_records("CustomersV2"), "CustomerAccount")

    def persons(self) -> dict[tuple[str, str], Row]:
        """Return F&O's contact persons by their own and their company's number."""
        found: dict[tuple[str, str], Row] = {}
        for record in self.sandbox.fno_records("CDSContactPersons"):
            key = (record["ContactPersonPartyNumber"], record["AssociatedPartyNumber"])
            assert key not in found
            found[key] = record
        return found

    def customer_in_fno(self, number: str, **fields: Any) -> None:
        """Make a customer as a person or an earlier integration would."""
        usual = {
            "dataAreaId": "usmf",
            "CustomerAccount": number,
            "PartyNumber": number,
            "OrganizationName": f"Name {number}",
            "CustomerGroupId": "10",
            "SalesCurrencyCode": "USD",
            "PartyType": "Organization",
        }
        self._fno("POST", "CustomersV2", usual | fields)

    def change_in_fno(self, number: str, **fields: Any) -> None:
        """Change a customer as a person would."""
        self._fno("PATCH", f"CustomersV2(dataAreaId='usmf',CustomerAccount='{number}')", fields)

    def gone_in_fno(self, number: str) -> None:
        """Delete a customer as a person would."""
        self._fno("DELETE", f"CustomersV2(dataAreaId='usmf',CustomerAccount='{number}')", None)

    def fno_writes(self) -> int:
        """Return how many records F&O was asked to write so far, in batches or alone."""
        methods = self.sandbox.requests()["fno"]["methods"]
        return sum(methods.get(name, 0) for name in ("POST", "PATCH", "DELETE"))

    def currency(self, code: str) -> dict[str, str]:
        """Return the binding of a currency."""
        rows = self.sandbox.dataverse_rows("transactioncurrencies")
        row = next(row for row in rows if row["isocurrencycode"] == code)
        path = f"/transactioncurrencies({row['transactioncurrencyid']})"
        return {"transactioncurrencyid@odata.bind": path}

    def queues(self) -> Iterator[tuple[str, str]]:
        """Yield every queue message's queue and text, visible or not is up to the service."""
        with QueueServiceClient.from_connection_string(
            self.storage, api_version=QUEUE_API_VERSION
        ) as service:
            for queue in service.list_queues():
                client = service.get_queue_client(queue.name)
                for message in client.peek_messages(max_messages=32):
                    yield queue.name, message.content

    def tables(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every stored entity with the name of its table."""
        with TableServiceClient.from_connection_string(
            self.storage, api_version=TABLE_API_VERSION
        ) as service:
            for table in service.list_tables():
                for entity in service.get_table_client(table.name).list_entities():
                    yield table.name, dict(entity)

    def _make(self, table: str, columns: Row) -> str:
        answer = self._send("POST", table, columns)
        return answer.headers["OData-EntityId"].partition("(")[2].rstrip(")")

    def _send(self, method: str, path: str, body: Row | None = None) -> requests.Response:
        url = f"{self.sandbox.dataverse_url}/api/data/v9.2/{path}"
        return self._request(method, url, body)

    def _fno(self, method: str, path: str, body: Row | None) -> None:
        self._request(method, f"{self.sandbox.fno_url}/data/{path}?cross-company=true", body)

    def _request(self, method: str, url: str, body: Row | None) -> requests.Response:
        headers = {"Authorization": "Bearer test"}
        answer = self.session.request(method, url, json=body, headers=headers, timeout=20)
        assert answer.ok, answer.text
        return answer


def _by(records: list[Row], field_name: str) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for record in records:
        assert record[field_name] not in found
        found[record[field_name]] = record
    return found


@pytest.fixture
def company(azurite_connection_string: str) -> Iterator[Company]:
    """Empty services, empty storage."""
    _empty(azurite_connection_string)
    with Sandbox() as sandbox, requests.Session() as session:
        settings = {
            "AzureWebJobsStorage": azurite_connection_string,
            "P2C_DATAVERSE_URL": sandbox.dataverse_url,
            "P2C_FNO_URL": sandbox.fno_url,
            "P2C_CREDENTIAL": "sandbox",
            "P2C_LEGAL_ENTITY": "usmf",
            "P2C_SETTLE_SECONDS": "2",
        }
        yield Company(sandbox, azurite_connection_string, settings, session)


def _empty(storage: str) -> None:
    with QueueServiceClient.from_connection_string(
        storage, api_version=QUEUE_API_VERSION
    ) as queues:
        for queue in list(queues.list_queues()):
            queues.delete_queue(queue.name)
    with TableServiceClient.from_connection_string(storage, api_version=TABLE_API_VERSION) as all_:
        for table in list(all_.list_tables()):
            all_.delete_table(table.name)

"""A sandbox and storage for the commands, and ways to call them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient
from typer.testing import CliRunner, Result

from p2c.bootstrap import App, build_app
from p2c.cli.main import commands
from p2c.sandbox import Sandbox
from p2c.settings import load_settings
from p2c.storage.account import QUEUE_API_VERSION, TABLE_API_VERSION

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class World:
    """Both services, storage, and the settings that lead to them."""

    sandbox: Sandbox
    settings: dict[str, str]

    def p2c(self, *words: str, **settings: str) -> Result:
        """Call a command in this process."""
        return CliRunner().invoke(commands, list(words), env=self.settings | settings)

    def document(self, *words: str, status: int = 0) -> Any:
        """Call a command with ``--json`` and return its document."""
        done = self.p2c(*words, "--json")
        assert done.exit_code == status, done.output
        return json.loads(done.stdout)

    def process(self, *words: str | bytes, **options: Any) -> subprocess.Popen[str]:
        """Start a command in a process of its own."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        return subprocess.Popen(
            [sys.executable, "-m", "p2c", *words],
            cwd=ROOT,
            env=os.environ | self.settings,
            **options,
        )

    def app(self, execution: str = "20260101T000000-00000000", *templates: str) -> App:
        settings = load_settings(self.settings)
        return build_app(settings, templates=templates or None, execution=execution)

    def account(self, **values: Any) -> str:
        """Make an account in Sales that F&O would take; return its id."""
        usual = {"name": "Fjord", "transactioncurrencyid@odata.bind": f"/{self._dollar()}"}
        answer = self._send("POST", "accounts", usual | values)
        return answer.headers["OData-EntityId"].partition("(")[2].rstrip(")")

    def contact(self, number: str, account: str) -> str:
        """Make a contact of an account in Sales; return its id."""
        values = {
            "msdynce_contactnumber": number,
            "firstname": "Kari",
            "lastname": "Moen",
            "msdynce_isactivecustomer": False,
            "parentcustomerid_account@odata.bind": f"/accounts({account})",
        }
        answer = self._send("POST", "contacts", values)
        return answer.headers["OData-EntityId"].partition("(")[2].rstrip(")")

    def change(self, path: str, **values: Any) -> None:
        self._send("PATCH", path, values)

    def _dollar(self) -> str:
        rows = self.sandbox.dataverse_rows("transactioncurrencies")
        row = next(row for row in rows if row["isocurrencycode"] == "USD")
        return f"transactioncurrencies({row['transactioncurrencyid']})"

    def _send(self, method: str, path: str, body: dict[str, Any]) -> requests.Response:
        url = f"{self.sandbox.dataverse_url}/api/data/v9.2/{path}"
        headers = {"Authorization": "Bearer test"}
        answer = requests.request(method, url, json=body, headers=headers, timeout=20)
        assert answer.ok, answer.text
        return answer


@pytest.fixture
def world(azurite_connection_string: str) -> Iterator[World]:
    """Empty services and empty storage."""
    _empty(azurite_connection_string)
    with Sandbox() as sandbox:
        yield World(
            sandbox,
            {
                "AzureWebJobsStorage": azurite_connection_string,
                "P2C_DATAVERSE_URL": sandbox.dataverse_url,
                "P2C_FNO_URL": sandbox.fno_url,
                "P2C_CREDENTIAL": "sandbox",
                "P2C_LEGAL_ENTITY": "usmf",
                "P2C_SETTLE_SECONDS": "2",
            },
        )


@pytest.fixture
def empty_storage(azurite_connection_string: str) -> Callable[[], None]:
    """Forgets everything that p2c has stored."""
    return lambda: _empty(azurite_connection_string)


def _empty(connection_string: str) -> None:
    """Remove every queue and table; the app's names are fixed, and tests come one by one."""
    with QueueServiceClient.from_connection_string(
        connection_string, api_version=QUEUE_API_VERSION
    ) as queues:
        for queue in list(queues.list_queues()):
            queues.delete_queue(queue.name)
    with TableServiceClient.from_connection_string(
        connection_string, api_version=TABLE_API_VERSION
    ) as tables:
        for table in list(tables.list_tables()):
            tables.delete_table(table.name)

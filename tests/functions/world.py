"""Everything the functions need, running: storage, both services and the app in a host."""

import base64
import contextlib
from pathlib import Path

from azure.storage.queue import QueueClient

from p2c.bootstrap import build_app, poison_queue_name, queue_name
from p2c.sandbox import Sandbox
from p2c.settings import load_settings
from tests.host.connection import API_VERSION
from tests.host.host import FUNCTION_KEY, Host, Options
from tests.sandbox.talk import Service, currency, make_account, make_contact

ROOT = Path(__file__).resolve().parents[2]
SCHEDULES = {
    "P2C_SCHEDULE_ACCOUNTS": "0 */5 * * * *",
    "P2C_SCHEDULE_CONTACTS": "20 */5 * * * *",
    "P2C_SCHEDULE_CONTACTS_TO_CUSTOMER": "40 */5 * * * *",
}
JSON = {"Content-Type": "application/json"}


def settings_for(connection, sandbox):
    """The app settings of a world."""
    return {
        "AzureWebJobsStorage": connection,
        "P2C_DATAVERSE_URL": sandbox.dataverse_url,
        "P2C_FNO_URL": sandbox.fno_url,
        "P2C_CREDENTIAL": "sandbox",
        "P2C_LEGAL_ENTITY": "usmf",
        "P2C_SETTLE_SECONDS": "1",
        "P2C_HASH_KEY": "a-key-of-the-tests-that-is-long-enough",
        **SCHEDULES,
    }


class World:
    """The app in a host, with sandbox and storage; times that the host waits are cut to nothing.

    Attributes:
        app: The same app built in the test's own process, to look at what is stored.
    """

    def __init__(self, connection, sandbox, **changed):
        self.sandbox = sandbox
        self.settings = {
            name: value
            for name, value in {**settings_for(connection, sandbox), **changed}.items()
            if value is not None
        }
        options = Options.read(ROOT / "host.json", visibility_seconds=0, longest_poll_seconds=0.2)
        self.host = Host(ROOT, self.settings, options)
        self.app = build_app(load_settings(settings_for(connection, sandbox)))
        self.app.ensure_storage()
        self.dataverse = Service(f"{sandbox.dataverse_url}/api/data/v9.2/")
        self._connection = connection
        self._clients = contextlib.ExitStack()

    def __enter__(self):
        self.host.__enter__()
        return self

    def __exit__(self, *exc):
        self.host.__exit__(*exc)
        self.app.close()
        self.dataverse.session.close()
        self._clients.close()

    def euro(self):
        """The column that makes a row's currency the euro."""
        place = f"transactioncurrencies({currency(self.dataverse, 'EUR')})"
        return {"transactioncurrencyid@odata.bind": place}

    def account(self, number, **values):
        given = {"name": f"Name of {number}", "accountnumber": number, **self.euro(), **values}
        return make_account(self.dataverse, **given)

    def contact(self, number, account, **values):
        given = {
            "msdynce_contactnumber": number,
            "firstname": "Kari",
            "lastname": "Moen",
            "msdynce_isactivecustomer": False,
            "parentcustomerid_account@odata.bind": f"accounts({account})",
        }
        return make_contact(self.dataverse, **{**given, **values})

    def customer(self, number):
        """The customer with a number, None when F&O has none."""
        found = self.sandbox.fno_records("CustomersV2")
        return next((record for record in found if record["CustomerAccount"] == number), None)

    def request(self, method, path, body=None, **more):
        more = {"key": FUNCTION_KEY, **more}
        if body is not None:
            more = {"headers": JSON, "body": body, **more}
        return self.host.request(method, path, **more)

    def execution_ids(self):
        found = self.request("GET", "/api/executions?limit=50").json()["executions"]
        return [execution["execution_id"] for execution in found]

    def ended(self, execution_id):
        """The execution once it no longer runs, else None."""
        found = self.request("GET", f"/api/executions/{execution_id}").json()
        return found if found["status"] != "Running" else None

    def put_raw(self, template, content, *, poison=False):
        """Put a message on a queue as it is on the wire."""
        self._client(template, poison=poison).send_message(content)

    def put(self, template, text, *, poison=False):
        self.put_raw(template, base64.b64encode(text.encode()).decode(), poison=poison)

    def count(self, template, *, poison=False):
        """Messages on a queue, hidden ones included."""
        found = self._client(template, poison=poison).get_queue_properties()
        return found.approximate_message_count

    def clear(self, template):
        for poison in (False, True):
            self._client(template, poison=poison).clear_messages()

    def logged(self, message, action=None):
        return [
            log
            for log in self.host.logs
            if log["message"] == message and action in (None, log["extra"]["action"])
        ]

    def _client(self, template, *, poison):
        name = poison_queue_name(template) if poison else queue_name(template)
        client = QueueClient.from_connection_string(self._connection, name, api_version=API_VERSION)
        return self._clients.enter_context(client)


__all__ = ["JSON", "ROOT", "SCHEDULES", "Sandbox", "World", "settings_for"]

"""Which implementations are chosen, and what is made in storage."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from p2c.bootstrap import app as bootstrap
from p2c.bootstrap import build_app, open_queue, poison_queue_name, queue_name
from p2c.bootstrap.credentials import IdentityToken, StorageIdentity, token_provider
from p2c.errors import RequestError, ServiceRefusedError, SettingError, UnavailableError
from p2c.settings import load_settings
from p2c.storage.queues import AzureQueue
from tests.support.memory import MemoryDocuments
from tools.azurite import azurite

SETTINGS = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "P2C_DATAVERSE_URL": "http://127.0.0.1:8801",
    "P2C_FNO_URL": "http://127.0.0.1:8802",
    "P2C_CREDENTIAL": "sandbox",
    "P2C_LEGAL_ENTITY": "usmf",
    "P2C_HASH_KEY": "k" * 32,
}


STORAGE_SCOPE = "https://storage.azure.com/.default"


class Credential:
    """Answers with what it is given: a token, or an error."""

    def __init__(self, answer: str | Exception) -> None:
        self.answer = answer
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_options: object) -> AccessToken:
        self.scopes += scopes
        if isinstance(self.answer, Exception):
            raise self.answer
        return AccessToken(self.answer, 4_000_000_000)

    def get_token_info(self, *scopes: str, options: object = None) -> AccessTokenInfo:
        found = self.get_token(*scopes)
        return AccessTokenInfo(found.token, found.expires_on, refresh_on=3_000_000_000)


def making(*credentials: Credential) -> Callable[[], Credential]:
    left = iter(credentials)
    return lambda: next(left)


@pytest.fixture(scope="module")
def connection() -> Iterator[str]:
    with azurite() as connection_string:
        yield connection_string


@pytest.fixture
def empty_account() -> Iterator[str]:
    with azurite() as connection_string:
        yield connection_string


def test_any_settle_time_gives_a_date_that_can_be_written():
    app = build_app(load_settings({**SETTINGS, "P2C_SETTLE_SECONDS": "9" * 15}))
    until = app.runtime.clock.now() + timedelta(seconds=app.runtime.settle_seconds)
    assert until.year > 2030
    app.close()


def test_every_table_queue_and_poison_queue_is_made(empty_account):
    connection = empty_account
    app = build_app(load_settings({**SETTINGS, "AzureWebJobsStorage": connection}))
    app.ensure_storage()
    app.ensure_storage()
    app.check_storage()
    app.close()
    with TableServiceClient.from_connection_string(connection) as tables:
        found = {table.name for table in tables.list_tables()}
    assert found == {"p2cledger", "p2cwaiting", "p2cstate", "p2cexecutions"}
    with QueueServiceClient.from_connection_string(connection, api_version="2025-11-05") as queues:
        names = {queue.name for queue in queues.list_queues()}
    assert names == {
        "p2c-accounts",
        "p2c-accounts-poison",
        "p2c-contacts",
        "p2c-contacts-poison",
        "p2c-contacts-to-customer",
        "p2c-contacts-to-customer-poison",
    }


def test_the_runtime_knows_every_template_and_the_app_those_asked_for():
    app = build_app(load_settings(SETTINGS), templates=["contacts"], execution="e")
    app.close()
    assert [template.name for template in app.templates] == ["contacts"]
    assert list(app.runtime.templates) == ["accounts", "contacts", "contacts-to-customer"]
    assert app.runtime.execution == "e"
    assert app.runtime.hash_key == b"k" * 32


def test_an_unknown_template_is_refused():
    with pytest.raises(RequestError, match="no template 'acounts'"):
        build_app(load_settings(SETTINGS), templates=["acounts"])


def test_each_process_has_an_owner_of_its_own():
    first, second = (build_app(load_settings(SETTINGS)) for _ in range(2))
    first.close()
    second.close()
    assert first.runtime.owner != second.runtime.owner


def test_the_hash_key_is_made_once_and_kept():
    settings = load_settings({k: v for k, v in SETTINGS.items() if k != "P2C_HASH_KEY"})
    state = MemoryDocuments()
    made = bootstrap._hash_key(settings, state)
    assert len(made) == 32
    assert bootstrap._hash_key(settings, state) == made
    assert bootstrap._hash_key(settings, MemoryDocuments()) != made


def test_a_hash_key_that_may_not_be_stored_is_not():
    settings = load_settings({k: v for k, v in SETTINGS.items() if k != "P2C_HASH_KEY"})
    state = MemoryDocuments()
    made = bootstrap._hash_key(settings, state, may_store=False)
    assert len(made) == 32
    assert bootstrap._hash_key(settings, state) != made


class Raced(MemoryDocuments):
    """Another process makes the document just before ours is written."""

    def put(self, partition, name, body, version):
        super().put(partition, name, {"key": "ab" * 32}, None)
        return super().put(partition, name, body, version)


def test_of_two_processes_that_make_a_hash_key_both_use_the_first():
    settings = load_settings({k: v for k, v in SETTINGS.items() if k != "P2C_HASH_KEY"})
    assert bootstrap._hash_key(settings, Raced()) == bytes.fromhex("ab" * 32)


def test_the_sandbox_gets_its_own_token():
    settings = load_settings(SETTINGS)
    token = token_provider(settings.credential, "fno", settings.fno_url)
    assert token(force_refresh=False) == "sandbox"


def test_a_real_service_gets_tokens_for_its_own_root():
    settings = load_settings(
        {
            **SETTINGS,
            "P2C_CREDENTIAL": "default",
            "P2C_FNO_URL": "https://contoso.operations.dynamics.com/",
        }
    )
    token = token_provider(settings.credential, "fno", settings.fno_url)
    assert isinstance(token, IdentityToken)
    assert token._scope == "https://contoso.operations.dynamics.com/.default"


def test_a_token_is_renewed_by_a_new_credential():
    first, second = Credential("one"), Credential("two")
    token = IdentityToken("fno", "https://x/.default", making(first, second))
    assert [token(force_refresh=renew) for renew in (False, False, True, False)] == [
        "one",
        "one",
        "two",
        "two",
    ]
    assert set(first.scopes) == {"https://x/.default"}


def test_a_missing_identity_is_a_refusal_that_says_what_to_do():
    broken = Credential(ClientAuthenticationError(message="No managed identity " + "x" * 999))
    token = IdentityToken("dataverse", "https://x/.default", making(broken))
    with pytest.raises(ServiceRefusedError) as raised:
        token(force_refresh=False)
    assert raised.value.code == "token-missing"
    assert raised.value.service == "dataverse"
    assert raised.value.message.startswith(
        "dataverse: no token for https://x/.default: No managed identity xxx"
    )
    assert raised.value.message.endswith("Sign in, or give the app its identity.")
    assert len(raised.value.message) < 600


@pytest.mark.parametrize(
    "failure",
    [ServiceRequestError("no route to host"), json.JSONDecodeError("no JSON", "<html>", 0)],
)
def test_an_identity_provider_that_is_away_is_tried_again_later(failure):
    token = IdentityToken("fno", "https://x/.default", making(Credential(failure)))
    with pytest.raises(UnavailableError) as raised:
        token(force_refresh=False)
    assert (raised.value.code, raised.value.service) == ("identity-unavailable", "fno")
    assert type(failure).__name__ in raised.value.message


def test_storage_gets_a_token_and_is_told_when_to_ask_for_the_next():
    identity = StorageIdentity(Credential("one"))
    assert identity.get_token(STORAGE_SCOPE).token == "one"
    assert identity.get_token_info(STORAGE_SCOPE).refresh_on == 3_000_000_000


@pytest.mark.parametrize("ask", [StorageIdentity.get_token, StorageIdentity.get_token_info])
@pytest.mark.parametrize(
    ("failure", "kind", "code"),
    [
        (ClientAuthenticationError("No identity."), ServiceRefusedError, "token-missing"),
        (ServiceRequestError("no route"), UnavailableError, "identity-unavailable"),
    ],
)
def test_without_a_token_storage_is_not_blamed(ask, failure, kind, code):
    with pytest.raises(kind) as raised:
        ask(StorageIdentity(Credential(failure)), STORAGE_SCOPE)
    assert (raised.value.code, raised.value.service) == (code, "storage")
    assert STORAGE_SCOPE in raised.value.message


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, "DefaultAzureCredential"),
        ({"AzureWebJobsStorage__credential": "managedidentity"}, "ManagedIdentityCredential"),
    ],
)
def test_storage_by_identity_has_urls_and_a_credential(more, kind):
    given = {k: v for k, v in SETTINGS.items() if k != "AzureWebJobsStorage"}
    settings = load_settings({**given, "AzureWebJobsStorage__accountName": "contoso", **more})
    account = bootstrap._storage_account(settings.storage)
    assert account.connection_string is None
    assert account.queue_url == "https://contoso.queue.core.windows.net"
    assert type(account.credential._credential).__name__ == kind


def test_a_queue_opens_when_other_settings_are_broken(connection, monkeypatch):
    monkeypatch.setenv("AzureWebJobsStorage", connection)
    monkeypatch.delenv("P2C_LEGAL_ENTITY", raising=False)
    queue = open_queue("p2c-opened")
    assert isinstance(queue, AzureQueue)
    queue.send("x")
    assert queue.length() == 1


def test_a_queue_does_not_open_without_storage(monkeypatch):
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    with pytest.raises(SettingError, match=r"^AzureWebJobsStorage: found nothing; expected"):
        open_queue("p2c-opened")


def test_the_host_names_poison_queues_this_way():
    assert poison_queue_name("accounts") == f"{queue_name('accounts')}-poison"

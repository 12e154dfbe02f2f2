"""p2c as it is deployed: by a managed identity alone, with the app settings that infra sets.

Storage is Azurite over https, whose account has a key that nobody knows. The identity is an
endpoint on loopback, so azure-identity and the storage SDK are on the way as they are in Azure.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from p2c.bootstrap import build_app
from p2c.sandbox import Sandbox
from p2c.sandbox.front import Front
from p2c.settings import load_settings
from tests.acceptance.conftest import Company
from tests.host.host import Host, Options
from tests.host.needs import needs_worker
from tests.infra.deployment import CLIENT_ID, KNOWN_TO_AZURE, app_settings, deployed
from tests.support.certificate import self_signed
from tests.support.identity import STORAGE, ManagedIdentity, claims
from tools.azurite import Certificate, azurite_by_token

pytestmark = [*needs_worker, pytest.mark.xdist_group("token storage")]
ROOT = Path(__file__).resolve().parents[2]
ENUMERATE_SECONDS = 30
BY_IDENTITY = {
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__queueServiceUri",
    "AzureWebJobsStorage__tableServiceUri",
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def storage(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Mapping[str, str]]:
    """The root URLs of an empty account that only tokens open."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.certificate))
    with azurite_by_token(certificate) as urls:
        yield urls


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagedIdentity]:
    """The app's identity, of which this process knows, too."""
    with ManagedIdentity(CLIENT_ID) as identity:
        known = {**identity.environment, "AZURE_CLIENT_ID": CLIENT_ID}
        for name, value in known.items():
            monkeypatch.setenv(name, value)
        yield identity


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The audiences of the tokens that reach each of the two services."""
    seen: dict[str, set[str]] = {"dataverse": set(), "fno": set()}
    serve = Front.__call__

    async def noting(self: Front, scope: Any, receive: Any, send: Any) -> None:
        header = dict(scope["headers"]).get(b"authorization", b"").decode()
        if header != "Bearer test":  # That is how the tests themselves fill the services.
            seen[self.service].add(claims(header)["aud"])
        await serve(self, scope, receive, send)

    monkeypatch.setattr(Front, "__call__", noting)
    return seen


@pytest.fixture
def company(
    storage: Mapping[str, str], identity: ManagedIdentity, tokens: object
) -> Iterator[Company]:
    """Empty services, with the settings of a deployment that has them and this storage."""
    with Sandbox() as sandbox, requests.Session() as session:
        settings = app_settings(
            deployed(dataverseUrl=sandbox.dataverse_url, fnoUrl=sandbox.fno_url)
        )
        for service, url in storage.items():
            deployed_url = KNOWN_TO_AZURE[f"storage.account.properties.primaryEndpoints.{service}"]
            assert settings[f"AzureWebJobsStorage__{service}ServiceUri"] == deployed_url
            settings[f"AzureWebJobsStorage__{service}ServiceUri"] = f"{url}/"
        assert {name for name in settings if name.startswith("AzureWebJobsStorage")} == BY_IDENTITY
        # test_application_insights.py has it sent, by the same identity.
        settings["P2C_TELEMETRY"] = "off"
        yield Company(sandbox, "", settings, session)


def environment(company: Company, identity: ManagedIdentity) -> dict[str, str]:
    """The whole environment of a process of the app: nothing else of this process's leaks in."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    bundle = os.environ["REQUESTS_CA_BUNDLE"]
    return {**kept, "REQUESTS_CA_BUNDLE": bundle, **identity.environment, **company.settings}


def process(words: list[str], company: Company, identity: ManagedIdentity) -> Any:
    """Run a command in a process of its own; return the document that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "p2c", *words, "--json"],
        cwd=ROOT,
        env=environment(company, identity),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_commands_bring_rows_with_tokens_alone(
    company: Company, identity: ManagedIdentity, tokens: Mapping[str, set[str]]
) -> None:
    company.account("A-1")
    checked = process(["check"], company, identity)
    assert checked["status"] == "Completed"
    done = process(["run", "accounts"], company, identity)
    assert company.counts(done, "accounts") == {"read": 1, "created": 1}
    assert company.customers().keys() == {"A-1"}
    # Each got tokens of its own, and storage's went to storage only.
    root = company.sandbox.dataverse_url, company.sandbox.fno_url
    assert tokens == {"dataverse": {root[0]}, "fno": {root[1]}}
    assert set(identity.issued) == {STORAGE, *root}
    assert identity.refused == []


def test_functions_bring_rows_with_tokens_alone(
    company: Company, identity: ManagedIdentity, tokens: Mapping[str, set[str]]
) -> None:
    company.account("A-2")
    with contextlib.closing(build_app(load_settings(company.settings))) as app:
        app.ensure_storage()
    options = Options.read(ROOT / "host.json", longest_poll_seconds=0.2)
    # The host opens the queues by the same identity, as the real one does.
    with Host(ROOT, environment(company, identity), options) as host:
        assert host.run_timer("enumerate_accounts").ok
        host.wait_until(company.customers)
        assert json.loads(host.request("GET", "/api/health").body)["status"] == "healthy"
    assert company.customers().keys() == {"A-2"}
    assert tokens["fno"] == {company.sandbox.fno_url}
    assert identity.refused == []


def wrong_audience(identity: ManagedIdentity) -> None:
    identity.audience = "https://vault.azure.net"


def expired(identity: ManagedIdentity) -> None:
    identity.age_seconds = 2 * 3600


def of_another_client(identity: ManagedIdentity) -> None:
    identity.client_id = "11111111-0000-4000-8000-000000000001"


def away(identity: ManagedIdentity) -> None:
    identity.stop()


REFUSED = (
    "Azure Storage refused the credential when reading from table p2cstate: 403 "
    "AuthenticationFailed. Expected a valid key in AzureWebJobsStorage, or an identity with the "
    "roles Storage Queue Data Contributor and Storage Table Data Contributor. Mend the setting or "
    "the roles."
)


@pytest.mark.parametrize(
    ("spoil", "code", "message"),
    [
        (wrong_audience, "service-refused", REFUSED),
        (expired, "service-refused", REFUSED),
        (
            of_another_client,
            "token-missing",
            "storage: no token for https://storage.azure.com/.default: App Service managed "
            "identity configuration not found in environment. Token request error: "
            "(invalid_scope) 400, wrong client_id. Expected a managed identity in Azure, or a "
            "developer's sign-in elsewhere. Sign in, or give the app its identity.",
        ),
        (
            away,
            "identity-unavailable",
            "storage: the identity provider gave no token for https://storage.azure.com/.default "
            "(ServiceRequestError). p2c tries again later. If it lasts, see whether the app's "
            "managed identity, or elsewhere login.microsoftonline.com, can be reached.",
        ),
    ],
)
def test_without_a_good_token_a_run_says_so_and_leaves_its_messages(
    company: Company, identity: ManagedIdentity, spoil: Any, code: str, message: str
) -> None:
    number = f"A-{spoil.__name__}"
    company.account(number)
    app = build_app(load_settings(company.settings))
    enumerated = app.enumerate_changes.enumerate_template(
        "accounts",
        "20261120T080000-00000000",
        trigger="test",
        until=app.runtime.clock.monotonic() + ENUMERATE_SECONDS,
    )
    assert not enumerated.stopped
    left = app.queue("accounts").length()
    spoil(identity)
    error = company.run("accounts", status=2)["error"]
    assert (error["code"], error["message"]) == (code, message)
    assert company.customers() == {}
    # This app still has its good token, as another instance would.
    assert app.queue("accounts").length() == left > 0
    app.close()
    with ManagedIdentity(CLIENT_ID) as mended:
        done = company.run("accounts", **mended.environment)
    assert company.counts(done, "accounts") == {"read": 1, "created": 1}
    assert company.customers().keys() == {number}

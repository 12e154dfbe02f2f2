"""Azurite starts where it is asked to and leaves no process behind, however its user ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.core.credentials import AccessToken

from p2c.errors import ServiceRefusedError, UnavailableError
from p2c.storage import StorageAccount
from tests.support.certificate import self_signed
from tests.support.identity import STORAGE, ManagedIdentity
from tools import azurite as tool
from tools.azurite import AzuriteError, Certificate, azurite, azurite_by_token

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Token:
    """A credential with the tokens that an identity would get."""

    identity: ManagedIdentity

    def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        return AccessToken(self.identity.token(STORAGE), int(time.time()) + 3600)


@contextmanager
def running_command() -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.azurite"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def reachable(connection_string: str) -> bool:
    try:
        StorageAccount(connection_string=connection_string, retries=0).queue("probe").length()
    except Exception:  # noqa: BLE001 - whatever keeps it from answering
        return False
    return True


def await_end(connection_string: str) -> None:
    deadline = time.monotonic() + 10
    while reachable(connection_string):
        assert time.monotonic() < deadline, "Azurite still answers."


def test_two_run_beside_each_other_and_are_gone_afterwards() -> None:
    with azurite() as one, azurite() as other:
        assert one != other
        assert reachable(one)
        assert reachable(other)
    assert not reachable(one)
    assert not reachable(other)


def test_it_is_gone_after_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), azurite() as connection_string:  # noqa: PT012
        assert reachable(connection_string)
        1 / 0  # noqa: B018
    assert not reachable(connection_string)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_the_command_runs_until_it_is_told_to_end(name: str) -> None:
    with running_command() as (process, connection_string):
        assert reachable(connection_string)
        process.send_signal(getattr(signal, name))
        assert process.wait(10) == 0
        assert not reachable(connection_string)


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere than on Linux Azurite outlives a killed parent"
)
def test_it_dies_with_a_parent_that_is_killed() -> None:
    with running_command() as (process, connection_string):
        assert reachable(connection_string)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        await_end(connection_string)


def test_a_start_that_fails_tells_what_azurite_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "azurite.js"
    script.write_text('console.log("port is taken"); process.exit(1);')
    node, _ = tool.install()
    monkeypatch.setattr(tool, "install", lambda: (node, script))
    with pytest.raises(AzuriteError, match=re.compile("It said:\nport is taken\n")), azurite():
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("certificate"))


def test_by_token_only_a_client_that_trusts_the_certificate_connects(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = ManagedIdentity()
    with azurite_by_token(certificate) as urls:
        account = StorageAccount(
            queue_url=urls["queue"], table_url=urls["table"], credential=Token(identity), retries=0
        )
        with pytest.raises(UnavailableError, match="ServiceRequestError"):
            account.queue("probe").length()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.certificate))
        account.queue("probe").send("text")
        account.documents("probe").put("partition", "name", {}, None)
        assert account.queue("probe").length() == 1
        assert account.documents("probe").get("partition", "name")


def test_by_token_the_key_of_the_emulator_opens_nothing(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.certificate))
    with azurite_by_token(certificate) as urls:
        with_key = (
            f"AccountName={tool.KEYLESS_ACCOUNT};AccountKey={tool.KEY};"
            f"QueueEndpoint={urls['queue']};TableEndpoint={urls['table']}"
        )
        account = StorageAccount(connection_string=with_key, retries=0)
        for look in (
            account.queue("probe").length,
            lambda: account.documents("probe").get("partition", "name"),
        ):
            with pytest.raises(ServiceRefusedError, match="refused the credential"):
                look()


def free_ports() -> tuple[int, int, int]:
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        for each in (one, two, three):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1], three.getsockname()[1]


def test_it_takes_the_ports_that_it_is_given() -> None:
    ports = free_ports()
    with azurite(ports) as connection_string:
        found = re.findall(r"(\w+)Endpoint=http://127\.0\.0\.1:(\d+)/", connection_string)
        assert dict(found) == dict(zip(("Blob", "Queue", "Table"), map(str, ports), strict=True))
        assert reachable(connection_string)


def test_a_port_in_use_is_told() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with (
            pytest.raises(AzuriteError, match="If a port is in use") as caught,
            azurite((taken, 0, 0)),
        ):
            pass
    assert f"address already in use 127.0.0.1:{taken}" in str(caught.value)

"""Azurite, Microsoft's storage emulator: installed on first use, started, stopped for sure.

Installed from ``tools/node`` as `tools.node_packages` says. Needs nothing but the standard library,
so that any Python can run it.

``python -m tools.azurite`` prints a connection string and runs until it is stopped; with
``--install`` it only installs. Tests and the demo use `azurite`; `azurite_by_token` is for tests of
what an identity does.
"""

import argparse
import base64
import contextlib
import ctypes
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from tools.node_packages import CACHE, ROOT, NodePackagesError, install_packages

LOCK_FOLDER = ROOT / "tools" / "node"

START_SECONDS = 30
STOP_SECONDS = 5

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's account and key, the same everywhere and published by Microsoft."""

KEYLESS_ACCOUNT = "p2ckeyless"
"""The account of `azurite_by_token`, whose key nobody has."""

SERVICES = ("blob", "queue", "table")
FREE_PORTS = (0, 0, 0)

_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (\S+)")
_PR_SET_PDEATHSIG = 1


class AzuriteError(Exception):
    """Azurite cannot be installed or does not start; the message says what to do."""


@dataclass(frozen=True)
class Certificate:
    """What Azurite needs to speak https: PEM files of a certificate and of its private key."""

    certificate: Path
    key: Path


@contextlib.contextmanager
def azurite(ports: Sequence[int] = FREE_PORTS, *, any_api_version: bool = False) -> Iterator[str]:
    """Run an empty Azurite in memory; yields its connection string.

    Args:
        ports: Of blobs, queues and tables; 0 takes a free one.
        any_api_version: Answer clients that are newer than Azurite instead of refusing them.

    Raises:
        AzuriteError: It cannot be installed, or was not ready within `START_SECONDS`.
    """
    more = ("--skipApiVersionCheck",) if any_api_version else ()
    with _running(more, {}, ports) as addresses:
        yield _connection_string(addresses)


@contextlib.contextmanager
def azurite_by_token(certificate: Certificate) -> Iterator[Mapping[str, str]]:
    """Run an empty Azurite that is reached over https and by tokens of an identity.

    Azurite checks a token's issuer, audience and times, but neither its signature nor any role.
    Its account's key is made up here and told nobody, so that a client which falls back on the
    emulator's key is refused.

    Args:
        certificate: For 127.0.0.1. Clients have to trust it.

    Yields:
        Root URLs: ``blob``, ``queue`` and ``table``.

    Raises:
        AzuriteError: As `azurite`.
    """
    arguments = ("--oauth", "basic", "--cert", str(certificate.certificate))
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    with _running(
        (*arguments, "--key", str(certificate.key)),
        {"AZURITE_ACCOUNTS": f"{KEYLESS_ACCOUNT}:{key}"},
    ) as addresses:
        yield {
            service.lower(): f"{address}/{KEYLESS_ACCOUNT}"
            for service, address in addresses.items()
        }


@contextlib.contextmanager
def _running(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    ports: Sequence[int] = FREE_PORTS,
) -> Iterator[dict[str, str]]:
    """Run Azurite with further arguments; yields where its services listen."""
    node, script = install()
    process = subprocess.Popen(
        [
            str(node),
            str(script),
            "--inMemoryPersistence",
            "--silent",
            "--disableTelemetry",
            *(f"--{service}Port={port}" for service, port in zip(SERVICES, ports, strict=True)),
            *arguments,
        ],
        cwd=CACHE,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=dying_with_parent(),  # noqa: PLW1509 - it makes one system call
    )
    try:
        yield _await_ports(process)
    finally:
        _stop(process)


def install() -> tuple[Path, Path]:
    """Install Azurite unless it is there; return node and Azurite's script.

    Raises:
        AzuriteError: npm or pip failed; the message carries what it said.
    """
    try:
        node, folder = install_packages("Azurite", LOCK_FOLDER)
    except NodePackagesError as error:
        raise AzuriteError(str(error)) from None
    return node, folder / "azurite" / "dist" / "src" / "azurite.js"


def _await_ports(process: subprocess.Popen[str]) -> dict[str, str]:
    """Read the addresses that Azurite prints, whichever order they come in."""
    lines: SimpleQueue[str | None] = SimpleQueue()
    # The thread goes on reading afterwards, so that a full pipe cannot block Azurite.
    threading.Thread(target=_read_lines, args=(process, lines), daemon=True).start()
    deadline = time.monotonic() + START_SECONDS
    said: list[str] = []
    found: dict[str, str] = {}
    while len(found) < 3:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            line = None
        if line is None:
            raise AzuriteError(
                f"Azurite ended, or was not ready within {START_SECONDS} seconds. "
                f"It said:\n{''.join(said)}"
                "If a port is in use, end what uses it. Otherwise remove "
                f"{CACHE / 'azurite'} to have it installed again."
            )
        said.append(line)
        if match := _LISTENING.search(line):
            found[match[1]] = match[2]
    return found


def _read_lines(process: subprocess.Popen[str], lines: "SimpleQueue[str | None]") -> None:
    assert process.stdout is not None
    with contextlib.suppress(ValueError):
        for line in process.stdout:
            lines.put(line)
    lines.put(None)


def _connection_string(addresses: dict[str, str]) -> str:
    endpoints = ";".join(
        f"{service}Endpoint={address}/{ACCOUNT}" for service, address in sorted(addresses.items())
    )
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoints};"


def _stop(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def dying_with_parent() -> Callable[[], None] | None:
    """Have Linux kill Azurite when we are killed; elsewhere `_stop` has to do.

    Linux means the thread that starts it, so start it from one that stays.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # Looked up here, as little as possible happens in the child.

    def die_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return die_with_parent


def main() -> int:
    """Run Azurite until interrupted, or only install it."""
    parser = argparse.ArgumentParser(prog="python -m tools.azurite", description=__doc__)
    parser.add_argument("--install", action="store_true", help="install it and do nothing else")
    options = parser.parse_args()
    try:
        if options.install:
            install()
            return 0
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with azurite() as connection_string:
            print(connection_string, flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    except AzuriteError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

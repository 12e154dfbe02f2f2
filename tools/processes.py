"""The processes that the demo and the benchmark work with: the sandbox, and p2c's environment."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tools.azurite import dying_with_parent
from tools.node_packages import ROOT

STOP_SECONDS = 10


class SandboxError(Exception):
    """The sandbox did not start."""


@dataclass(frozen=True)
class Addresses:
    """Where the two simulated services are."""

    dataverse_url: str
    fno_url: str


@contextlib.contextmanager
def sandbox(*arguments: str) -> Iterator[Addresses]:
    """Run the sandbox in a process of its own, with arguments of its command line.

    Raises:
        SandboxError: It ended instead of starting; what it said is on standard error.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "p2c.sandbox", *arguments, "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=dying_with_parent(),  # noqa: PLW1509 - it makes one system call
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise SandboxError("The sandbox did not start; see what it said above.")
        yield Addresses(**json.loads(line))
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def p2c_settings(storage: str, addresses: Addresses, settle_seconds: int) -> dict[str, str]:
    """Return the app settings with which p2c works on the sandbox and a storage account."""
    return {
        "AzureWebJobsStorage": storage,
        "P2C_DATAVERSE_URL": addresses.dataverse_url,
        "P2C_FNO_URL": addresses.fno_url,
        "P2C_CREDENTIAL": "sandbox",
        "P2C_LEGAL_ENTITY": "usmf",
        "P2C_SETTLE_SECONDS": str(settle_seconds),
    }

"""``make local``: what the functions need on a developer's machine, until it is stopped.

Azurite and the sandbox, both new and empty of what was before, on the ports that
``local.settings.sample.json`` names. `func start` and ``python -m tools.p2c`` work with them. No
process is left behind.
"""

import argparse
import contextlib
import json
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from typing import NoReturn

from tools.azurite import AzuriteError, azurite, install
from tools.processes import Addresses, SandboxError, sandbox

PORTS: Mapping[str, tuple[int, str]] = {
    "blob": (10000, "Azurite's blobs"),
    "queue": (10001, "Azurite's queues"),
    "table": (10002, "Azurite's tables"),
    "dataverse": (8801, "the sandbox's Dataverse"),
    "fno": (8802, "the sandbox's F&O"),
}
"""Service to its usual port and what it is. Azurite's are those that
``UseDevelopmentStorage=true`` stands for."""

STARTED = (
    "Azurite and the sandbox run until Ctrl-C, with nothing of before. In local.settings.json, "
    '"Values":'
)

STORAGE_SERVICES = ("blob", "queue", "table")
_stopping = threading.Event()


class PortError(Exception):
    """Ports are taken; the message says which and what to do."""


def main() -> int:
    """Run both until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tools.local", description=__doc__)
    for service, (port, what) in PORTS.items():
        parser.add_argument(
            _option(service), type=int, default=port, help=f"of {what}; {port} by default, 0: free"
        )
    parser.add_argument(
        "sandbox", nargs="*", help="options of the sandbox, after --, such as -- --accounts 50"
    )
    given = parser.parse_args()
    ports = {service: int(getattr(given, f"{service}_port")) for service in PORTS}
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if number := getattr(signal, name, None):
            signal.signal(number, _stop)
    try:
        install()  # First, for it may take so long that a port is taken meanwhile.
        check_ports(ports)
        _run(ports, given.sandbox)
    except KeyboardInterrupt:
        return 0
    except (PortError, AzuriteError, SandboxError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def check_ports(ports: Mapping[str, int]) -> None:
    """Look whether ports can be opened.

    Args:
        ports: Service to its port; 0 always can.

    Raises:
        PortError: Some cannot; all of them are named.
    """
    taken = [service for service, port in ports.items() if port and not _is_free(port)]
    if not taken:
        return
    lines = [
        f"Port {ports[service]}, wanted for {PORTS[service][1]} ({_option(service)}), is taken."
        for service in taken
    ]
    first = ports[taken[0]]
    others = " ".join(f"{_option(service)} 0" for service in taken)
    raise PortError(
        "\n".join(lines) + "\nMaybe 'make local' or an Azurite runs already. 'lsof -nP "
        f"-iTCP:{first} -sTCP:LISTEN' (Windows: 'netstat -ano') names the process: stop it, or "
        f"choose others: 'python -m tools.local {others}', and put what "
        "is printed then into local.settings.json."
    )


def settings(storage: str, addresses: Addresses, ports: Mapping[str, int]) -> dict[str, str]:
    """Return the settings that lead to what runs, as short as they can be said."""
    usual = all(ports[service] == PORTS[service][0] for service in STORAGE_SERVICES)
    return {
        "AzureWebJobsStorage": "UseDevelopmentStorage=true" if usual else storage,
        "P2C_DATAVERSE_URL": addresses.dataverse_url,
        "P2C_FNO_URL": addresses.fno_url,
    }


def _run(ports: Mapping[str, int], sandbox_options: list[str]) -> None:
    sandbox_ports = (f"--{name}-port={ports[name]}" for name in ("dataverse", "fno"))
    with (
        # The Functions host's storage clients may be newer than Azurite.
        azurite([ports[service] for service in STORAGE_SERVICES], any_api_version=True) as storage,
        sandbox(*sandbox_ports, *sandbox_options) as addresses,
    ):
        values = json.dumps(settings(storage, addresses, ports), indent=4)
        print(f"{STARTED}\n{values}", flush=True)
        while not _stopping.wait(3600):
            pass


def _option(service: str) -> str:
    return f"--{service}-port"


def _is_free(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        if sys.platform != "win32":  # There it would allow to take a port from another.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _stop(_number: int, _frame: object) -> NoReturn:
    # What is raised here is lost when it interrupts a finalizer.
    _stopping.set()
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

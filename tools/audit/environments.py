"""Virtual environments in ``.p2c/audit``, made from requirement lines with hashes."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from tools.audit.result import AuditError
from tools.node_packages import CACHE

PYTHON = (3, 13)
"""What Azure runs p2c on, so that markers hold here as they do there."""


def environment(name: str, requirements: str) -> Path:
    """Install requirement lines into an environment of that name; return its folder of programs.

    It holds nothing else, not even pip, and is kept until the lines change.

    Raises:
        AuditError: This is another Python, or pip failed; the message carries what it said.
    """
    if sys.version_info[:2] != PYTHON:
        raise AuditError(
            f"This is Python {sys.version_info[0]}.{sys.version_info[1]}, expected "
            f"{PYTHON[0]}.{PYTHON[1]}, which Azure runs p2c on; run `make audit`."
        )
    folder = CACHE / "audit" / name
    done = folder / "installed"
    wanted = hashlib.sha256(requirements.encode()).hexdigest()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Several tests may want it at once: one makes it, the others wait for it.
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (done.exists() and done.read_text("utf-8") == wanted):
            print(f"Installing for the audit (once): {name} ...", file=sys.stderr, flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=False, symlinks=True)
            _install(folder, requirements)
            done.write_text(wanted, "utf-8")
    return folder / "bin"


def _install(folder: Path, requirements: str) -> None:
    file = folder / "requirements.txt"
    file.write_text(requirements, "utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"),
            *("--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"),
            # A package for older versions of Python is installed to read what it says of itself.
            *("--ignore-requires-python", "-r", str(file)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AuditError(
            f"pip could not install what {file} lists:\n{done.stderr[-2000:]}\n"
            "Expected to download packages with these hashes; see that this machine reaches the "
            "package index, and that the files there are those that were locked."
        )

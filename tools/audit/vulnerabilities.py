"""Known vulnerabilities of what is pinned, by pip-audit and npm. Needs the services they ask.

Neither tool's exit status tells "nothing is known" from "nobody could be asked": pip-audit ends
with 0 when its service knows none of the packages. So what counts is which were answered for.
"""

import datetime as dt
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from tools.audit.npm_locks import lock_folders
from tools.audit.pins import Pin
from tools.audit.policy import Accepted, Policy
from tools.audit.result import Result
from tools.node_packages import find_node

SERVICES = ("pypi", "osv")
"""Of pip-audit, asked in this order until one knows every package of a file."""

_TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Said:
    """What a tool said when it ended."""

    status: int
    output: str
    errors: str


@dataclass(frozen=True, order=True)
class Vulnerability:
    """A known vulnerability. `package` is as in the policy, `fixed_in` for people."""

    package: str
    version: str
    id: str
    aliases: tuple[str, ...]
    fixed_in: str


@dataclass(frozen=True)
class Answer:
    """What is known of the packages of lock files.

    Attributes:
        about: The files.
        not_asked: Why nothing, or not everything, is known; empty if all is.
    """

    about: str
    found: tuple[Vulnerability, ...] = ()
    not_asked: tuple[str, ...] = ()


def audit_all(root: Path, pins: Mapping[str, Sequence[Pin]], tools: Path) -> list[Answer]:
    """Ask for every lock file of the project.

    Args:
        pins: Of each requirement file.
        tools: Where pip-audit is installed.
    """
    python = merged(
        first_whole_answer("", part, partial(_ask_for, part, tools))
        for part in rounds(pin for found in pins.values() for pin in found)
    )
    by_file = [only_for(file, found, python) for file, found in pins.items()]
    return by_file + [audit_npm(folder, root) for folder in lock_folders(root)]


def only_for(file: str, pins: Iterable[Pin], answer: Answer) -> Answer:
    """What an answer about several files says of one of them."""
    packages = {f"pypi/{pin.name}" for pin in pins}
    found = tuple(each for each in answer.found if each.package in packages)
    return Answer(file, found, answer.not_asked)


def rounds(pins: Iterable[Pin]) -> list[list[Pin]]:
    """Part pins so that no part has a package twice: pip-audit takes one version at a time."""
    parts: list[dict[str, Pin]] = []
    for pin in {(pin.name, pin.version): pin for pin in pins}.values():
        free = next((part for part in parts if pin.name not in part), None)
        if free is None:
            parts.append(free := {})
        free[pin.name] = pin
    return [list(part.values()) for part in parts]


def first_whole_answer(about: str, pins: Iterable[Pin], ask: Callable[[str], Said]) -> Answer:
    """Ask the services one after another; without a whole answer, keep all that was found.

    Args:
        pins: What has to be answered for.
        ask: Asks the service of a name.
    """
    names = {pin.name for pin in pins}
    answers = []
    for service in SERVICES:
        answers.append(read_pip_audit(about, names, service, ask(service)))
        if not answers[-1].not_asked:
            return answers[-1]
    return merged(answers)


def merged(answers: Iterable[Answer]) -> Answer:
    """Several answers about the same as one."""
    answers = list(answers)
    found = {each for answer in answers for each in answer.found}
    causes = dict.fromkeys(cause for answer in answers for cause in answer.not_asked)
    return Answer(answers[0].about, tuple(sorted(found)), tuple(causes))


def read_pip_audit(about: str, names: set[str], service: str, said: Said) -> Answer:
    """Read what pip-audit printed of packages that it was asked for by these normalized names."""
    try:
        entries = json.loads(said.output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Answer(about, (), (f"pip-audit got no answer from '{service}': {_cause(said)}",))
    answered = [entry for entry in entries if "vulns" in entry]
    found = tuple(
        Vulnerability(
            f"pypi/{canonicalize_name(entry['name'])}",
            entry["version"],
            each["id"],
            tuple(each.get("aliases", ())),
            ", ".join(each.get("fix_versions", ())) or "no version yet",
        )
        for entry in answered
        for each in entry["vulns"]
    )
    missing = sorted(names - {canonicalize_name(entry["name"]) for entry in answered})
    if not missing:
        return Answer(about, found)
    which = "any package" if len(missing) == len(names) else _some(missing)
    return Answer(about, found, (f"'{service}' did not answer for {which}",))


def audit_npm(folder: Path, root: Path) -> Answer:
    """Ask for each package of npm's lock file."""
    node, npm = find_node()
    command = [*npm, "audit", "--json", "--package-lock-only"]
    file = str((folder / "package-lock.json").relative_to(root))
    return read_npm_audit(file, _run(command, folder, node.parent))


def read_npm_audit(file: str, said: Said) -> Answer:
    """Read what ``npm audit`` printed: the advisories, each by the package that has it."""
    try:
        entries = json.loads(said.output)["vulnerabilities"].values()
    except (ValueError, KeyError, TypeError, AttributeError):
        return Answer(file, (), (f"npm got no answer: {_cause(said)}",))
    found = {
        Vulnerability(
            f"npm/{advisory['name']}",
            advisory.get("range", ""),
            str(advisory["url"]).rpartition("/")[2],
            (),
            _npm_fix(entry.get("fixAvailable")),
        )
        for entry in entries
        for advisory in entry["via"]
        # A name stands for the vulnerability of a package that this one needs.
        if isinstance(advisory, dict)
    }
    return Answer(file, tuple(sorted(found)))


def check_vulnerabilities(answers: Iterable[Answer], policy: Policy, today: dt.date) -> Result:
    """Say what was found and is not accepted, and what could not be asked."""
    answers = list(answers)
    whole = not any(answer.not_asked for answer in answers)
    files: dict[Vulnerability, list[str]] = {}
    silent: dict[tuple[str, ...], list[str]] = {}
    for answer in answers:
        for each in answer.found:
            files.setdefault(each, []).append(answer.about)
        if answer.not_asked:
            silent.setdefault(answer.not_asked, []).append(answer.about)
    problems = [
        f"{', '.join(where)}: {each.package.partition('/')[2]} {each.version} has the known "
        f"vulnerability {' = '.join((each.id, *each.aliases))}, mended in {each.fixed_in}; run "
        "`make lock` for newer versions, or accept it until a day, with the reason, under "
        "[[accepted]] in tools/audit/policy.toml"
        for each, where in sorted(files.items())
        if not any(_accepts(entry, each) and entry.until >= today for entry in policy.accepted)
    ]
    problems += [
        f"tools/audit/policy.toml: [[accepted]] {entry.id}: found no {entry.package} that has this "
        "vulnerability; remove the entry"
        for entry in policy.accepted
        if whole and not any(_accepts(entry, each) for each in files)
    ]
    not_done = [
        f"{', '.join(where)}: whether the packages have known vulnerabilities is not known: "
        f"{'; '.join(causes)}. See that this machine reaches the services, and try again"
        for causes, where in silent.items()
    ]
    looked_at = "everything was answered for" if whole else "not everything was answered for"
    return Result("Vulnerabilities", looked_at, tuple(problems), tuple(not_done))


def _ask_for(pins: Iterable[Pin], tools: Path, service: str) -> Said:
    with tempfile.TemporaryDirectory() as folder:
        # Without markers: pip-audit would leave out what is not installed on this machine.
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("".join(f"{pin.requirement}\n" for pin in pins), "utf-8")
        return _run(
            [
                *(str(tools / "pip-audit"), "--requirement", str(requirements)),
                *("--require-hashes", "--disable-pip", "--format", "json"),
                *("--progress-spinner", "off", "--vulnerability-service", service),
            ],
            Path(folder),
        )


def _accepts(entry: Accepted, found: Vulnerability) -> bool:
    return entry.package == found.package and entry.id in {found.id, *found.aliases}


def _npm_fix(available: Any) -> str:
    if isinstance(available, dict):
        return f"{available['name']} {available['version']}"
    return "a newer version" if available else "no version yet"


def _run(command: list[str], folder: Path, first_in_path: Path | None = None) -> Said:
    environment = dict(os.environ)
    if first_in_path is not None:
        environment["PATH"] = f"{first_in_path}{os.pathsep}{environment.get('PATH', '')}"
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Said(1, "", f"{Path(command[0]).name} had not ended after {_TIMEOUT_SECONDS} s")
    return Said(done.returncode, done.stdout, done.stderr)


def _cause(said: Said) -> str:
    """Why a tool ended, by its own word: npm's message, or the last line that it printed."""
    try:
        text = str(json.loads(said.output)["message"])
    except (ValueError, KeyError, TypeError):
        lines = (said.errors.strip() or said.output.strip() or "it said nothing").splitlines()
        text = lines[-1]
    return f"{text[:300]} (exit status {said.status})"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more

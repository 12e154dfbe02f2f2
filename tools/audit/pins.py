"""Requirement files: each line one version with hashes, and in step with what it is made from.

Offline, but for `compile_problems`.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tools.audit.result import Result

LOCK = "run `make lock` and look at what it changes"

_HASH = re.compile(r"--hash=(\S+)")
_STRONG_HASH = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")


@dataclass(frozen=True)
class Pin:
    """A line of a requirement file.

    Attributes:
        file: Relative to the root.
        line: From 1.
        name: Normalized.
        marker: Where it is installed; empty for everywhere.
        hashes: As pip writes them, such as ``sha256:…``.
    """

    file: str
    line: int
    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    @property
    def requirement(self) -> str:
        """The line as pip takes it, but for its marker."""
        return " ".join(
            [f"{self.name}=={self.version}", *(f"--hash={digest}" for digest in self.hashes)]
        )


def requirement_files(root: Path) -> list[Path]:
    """Every compiled requirement file of the project."""
    found = [*root.glob("*requirements*.txt"), *(root / "tools").rglob("*requirements*.txt")]
    return sorted(path for path in found if "node_modules" not in path.parts)


def check_requirement_files(root: Path) -> Result:
    """Look for lines without version or hash, and for files out of step."""
    files = requirement_files(root)
    pins: dict[Path, list[Pin]] = {}
    problems: list[str] = []
    for path in files:
        pins[path], found = read_pins(root, path)
        problems += found
    for path in files:
        problems += _step_problems(root, path, pins)
    count = sum(len(found) for found in pins.values())
    return Result("Pins", f"{count} pins in {len(files)} requirement files", tuple(problems))


def read_pins(root: Path, path: Path) -> tuple[list[Pin], list[str]]:
    """Return the pins of a file, and what is wrong with its lines."""
    file = str(path.relative_to(root))
    pins, problems = [], []
    for line, text in _logical_lines(path):
        where = f"{file}:{line}"
        hashes = tuple(_HASH.findall(text))
        plain = _HASH.sub("", text).strip()
        try:
            requirement = Requirement(plain)
        except InvalidRequirement:
            problems.append(f"{where}: found '{plain}', expected NAME==VERSION with hashes; {LOCK}")
            continue
        version = _exact_version(requirement)
        if version is None:
            problems.append(
                f"{where}: found '{plain}', expected one version, {requirement.name}==VERSION; "
                f"{LOCK}"
            )
            continue
        if not hashes:
            problems.append(
                f"{where}: {requirement.name} {version} has no hash, so that any file of that name "
                f"would be installed; expected --hash=sha256:…; {LOCK}"
            )
        problems += [
            f"{where}: {requirement.name} {version} has the hash '{digest}', expected SHA-256 or "
            f"longer in full; {LOCK}"
            for digest in hashes
            if not _STRONG_HASH.fullmatch(digest)
        ]
        name, marker = canonicalize_name(requirement.name), str(requirement.marker or "")
        pins.append(Pin(file, line, name, version, marker, hashes))
    return pins, problems


def asked_for(source: Path) -> set[str]:
    """Normalized names of the packages that a ``.in`` file asks for itself."""
    texts = [text for _, text in _logical_lines(source) if not text.startswith("-r")]
    return {canonicalize_name(Requirement(text).name) for text in texts}


def compile_problems(root: Path) -> Result:
    """Have uv compile each file again, keeping its versions: it changes none that is in step.

    Needs the package index, where uv reads what packages require.
    """
    files = requirement_files(root)
    problems, not_done = [], []
    for path in files:
        file = path.relative_to(root)
        command = _compile_command(path)
        if command is None:
            problems.append(
                f"{file}: found no command in its second line, expected the 'uv pip compile …' "
                f"that made it; {LOCK}"
            )
            continue
        with tempfile.TemporaryDirectory() as folder:
            # uv keeps the versions that it finds in the file that it writes.
            copy = Path(folder) / path.name
            copy.write_text(path.read_text("utf-8"), "utf-8")
            done = subprocess.run(
                [sys.executable, "-m", *command, "--quiet", "-o", str(copy)],
                cwd=root,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                not_done.append(
                    f"{file}: uv could not compile it again: {_shortened(done.stderr)} Whether it "
                    "is in step with what its packages require is not known; see that this "
                    "machine reaches the package index, and that the .in file can be fulfilled."
                )
                continue
            problems += _differences(read_pins(root, path)[0], read_pins(Path(folder), copy)[0])
    return Result(
        "Locks", f"{len(files)} requirement files, compiled again", tuple(problems), tuple(not_done)
    )


def _logical_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Requirement lines with their numbers: continued ones joined, comments left out."""
    start, parts = 0, list[str]()
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        start = start if parts else number
        parts.append(text.removesuffix("\\").strip())
        if not text.endswith("\\"):
            joined = " ".join(parts).strip()
            parts = []
            if joined:
                yield start, joined


def _exact_version(requirement: Requirement) -> str | None:
    specifiers = list(requirement.specifier)
    if len(specifiers) != 1 or specifiers[0].operator != "==":
        return None
    version = specifiers[0].version
    return None if version.endswith("*") else version


def _step_problems(root: Path, path: Path, pins: dict[Path, list[Pin]]) -> list[str]:
    """What a file lacks of its ``.in`` file, and where it differs from a file included there."""
    source = path.with_suffix(".in")
    file = path.relative_to(root)
    if not source.exists():
        return [
            (
                f"{file}: found no {source.name} beside it, expected what it is compiled from; "
                f"write {source.name}, add both to the target `lock` of the Makefile, and {LOCK}"
            )
        ]
    problems = []
    for line, text in _logical_lines(source):
        where = f"{source.relative_to(root)}:{line}"
        if text.startswith("-r"):
            included = (source.parent / text[2:].strip()).with_suffix(".txt")
            problems += _inclusion_problems(pins[path], pins.get(included, []))
            continue
        wanted = Requirement(text)
        found = [pin for pin in pins[path] if pin.name == canonicalize_name(wanted.name)]
        if not any(wanted.specifier.contains(pin.version, prereleases=True) for pin in found):
            has = " and ".join(f"{pin.name}=={pin.version}" for pin in found) or "no such package"
            problems.append(f"{where}: asks for '{text}', but {file} has {has}; {LOCK}")
    return problems


def _inclusion_problems(pins: Sequence[Pin], included: Iterable[Pin]) -> list[str]:
    """Where a file has another version of a package than the file that it includes."""
    problems = []
    for other in included:
        versions = {pin.version: pin for pin in pins if pin.name == other.name}
        if versions and other.version not in versions:
            pin = next(iter(versions.values()))
            problems.append(
                f"{pin.file}:{pin.line}: has {pin.name}=={pin.version}, but {other.file}:"
                f"{other.line} has {other.version}; expected the same, since what is tested is to "
                f"be what is deployed; {LOCK}"
            )
    return problems


def _compile_command(path: Path) -> list[str] | None:
    """The command that made a file, from its second line, but for where it read and wrote."""
    lines = path.read_text("utf-8").splitlines()[1:2]
    words = lines[0].lstrip("# ").split() if lines else []
    if words[:3] != ["uv", "pip", "compile"] or words[-2:-1] != ["-o"]:
        return None
    return [*words[:-3], str(path.with_suffix(".in"))]


def _differences(old: Iterable[Pin], new: Iterable[Pin]) -> list[str]:
    """Where uv would change a file."""
    before = {(pin.name, pin.version, pin.marker): pin for pin in old}
    after = {(pin.name, pin.version, pin.marker) for pin in new}
    file = next(iter(before.values())).file if before else "the file"
    gone = [
        f"{pin.file}:{pin.line}: has {_pin_text(key)}, which nothing asks for like that; {LOCK}"
        for key, pin in before.items()
        if key not in after
    ]
    lacking = [
        f"{file}: lacks {_pin_text(key)}, which its packages require; {LOCK}"
        for key in sorted(after - before.keys())
    ]
    return gone + lacking


def _pin_text(key: tuple[str, str, str]) -> str:
    name, version, marker = key
    return f"{name}=={version}" + (f" ; {marker}" if marker else "")


def _shortened(text: str) -> str:
    """What a tool said, on one line that can be read."""
    return " ".join(text.split())[-400:]

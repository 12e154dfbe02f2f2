"""npm's lock files: each package with its integrity, and in step with package.json. Offline."""

import json
import re
from pathlib import Path
from typing import Any

from tools.audit.result import Result

RELOCK = "run `make lock` and look at what it changes"
_EXACT = re.compile(r"\d+\.\d+\.\d+([-+][\w.+-]+)?")


def lock_folders(root: Path) -> list[Path]:
    """Every folder with a package.json of the project's own."""
    found = (path.parent for path in (root / "tools").rglob("package.json"))
    return sorted(folder for folder in found if "node_modules" not in folder.parts)


def locked_packages(folder: Path) -> dict[str, dict[str, Any]]:
    """What a lock file installs: path below the folder to its entry."""
    lock = json.loads((folder / "package-lock.json").read_text("utf-8"))
    return {path: entry for path, entry in lock["packages"].items() if path}


def package_name(path: str) -> str:
    """The name of a package by its path, such as ``node_modules/@azure/core-auth``."""
    return path.rpartition("node_modules/")[2]


def check_npm_locks(root: Path) -> Result:
    """Look for packages without integrity, and for lock files out of step."""
    folders = lock_folders(root)
    problems: list[str] = []
    count = 0
    for folder in folders:
        file = (folder / "package-lock.json").relative_to(root)
        if not (root / file).exists():
            problems.append(f"{file}: is not there, expected it beside package.json; {RELOCK}")
            continue
        packages = locked_packages(folder)
        count += len(packages)
        problems += [
            f"{file}: {package_name(path)} {entry.get('version', '?')} has the integrity "
            f"{entry.get('integrity', 'none')!r}, expected 'sha512-…'; {RELOCK}"
            for path, entry in packages.items()
            if not _is_held(entry)
        ]
        problems += _step_problems(file, folder)
    return Result("npm locks", f"{count} packages in {len(folders)} lock files", tuple(problems))


def _is_held(entry: dict[str, Any]) -> bool:
    """Whether npm would refuse another content. A bundled package is part of its bundle's."""
    return bool(entry.get("inBundle")) or str(entry.get("integrity", "")).startswith("sha512-")


def _step_problems(file: Path, folder: Path) -> list[str]:
    """Where a lock file differs from package.json."""
    manifest = json.loads((folder / "package.json").read_text("utf-8"))
    lock = json.loads((folder / "package-lock.json").read_text("utf-8"))
    source = file.with_name("package.json")
    problems = []
    for kind in ("dependencies", "devDependencies", "optionalDependencies"):
        wanted = manifest.get(kind, {})
        locked = lock["packages"].get("", {}).get(kind, {})
        for name in sorted(wanted.keys() | locked.keys()):
            asked, has = wanted.get(name, "nothing"), locked.get(name, "nothing")
            entry = lock["packages"].get(f"node_modules/{name}", {})
            if asked != has:
                problems.append(
                    f"{source}: {kind}: {name}: asks for {asked}, but {file.name} was made for "
                    f"{has}; {RELOCK}"
                )
            elif not _EXACT.fullmatch(asked):
                problems.append(
                    f"{source}: {kind}: {name}: found '{asked}', expected one version such as "
                    "'1.2.3'; write the version that was tested"
                )
            elif entry.get("version") != asked:
                problems.append(
                    f"{source}: {kind}: {name}: asks for {asked}, but {file.name} has "
                    f"{entry.get('version', 'nothing')}; {RELOCK}"
                )
    return problems

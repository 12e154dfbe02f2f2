"""``python -m tools.audit``: the whole audit, a summary, and files in ``dist``.

Exit status: 0 nothing is wrong; 1 something is; 2 it could not be carried out; 3 nothing wrong was
found, but not everything could be looked at.
"""

import argparse
import datetime as dt
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from p2c import __version__
from tools.audit import pins as locks
from tools.audit.environments import environment
from tools.audit.licences import Licensed, Package, check_licences, licence_list
from tools.audit.npm_locks import check_npm_locks, lock_folders, locked_packages, package_name
from tools.audit.pins import Pin
from tools.audit.policy import Policy, read_policy
from tools.audit.result import AuditError, Result, exit_status, summary
from tools.audit.sbom import complete, describe, is_deployed, stated_licences, validation_problem
from tools.audit.vulnerabilities import audit_all, check_vulnerabilities
from tools.node_packages import ROOT, NodePackagesError

DEPLOYED = "requirements.txt"


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the audit; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder of the files")
    output = parser.parse_args(arguments).output
    try:
        results = audit(output)
    except (AuditError, NodePackagesError) as error:
        print(f"The audit could not be carried out. {error}", file=sys.stderr)
        return 2
    print(summary(results))
    return exit_status(results)


def audit(output: Path) -> list[Result]:
    """Look at every part; write the list of licences and the SBOM into a folder.

    Raises:
        AuditError: A tool of the audit cannot be installed or fails, or the policy is wrong.
        NodePackagesError: Node.js cannot be installed.
    """
    policy = read_policy()
    results = [locks.check_requirement_files(ROOT), check_npm_locks(ROOT)]
    if any(result.problems for result in results):
        # What is not pinned is not installed, not even to look at it.
        return results
    pins = {
        str(path.relative_to(ROOT)): locks.read_pins(ROOT, path)[0]
        for path in locks.requirement_files(ROOT)
    }
    tools = environment("tools", (ROOT / "tools/audit/requirements.txt").read_text("utf-8"))
    results.append(locks.compile_problems(ROOT))
    output.mkdir(parents=True, exist_ok=True)
    result, document, licensed = look_at_packages(pins[DEPLOYED], tools, policy)
    results.append(result)
    (output / "licences.md").write_text(licence_list(licensed, policy), "utf-8")
    results.append(write_sbom(document, output / "sbom.cdx.json", tools))
    answers = audit_all(ROOT, pins, tools)
    today = dt.datetime.now(dt.UTC).date()
    return [*results, check_vulnerabilities(answers, policy, today)]


def look_at_packages(
    pins: Sequence[Pin], tools: Path, policy: Policy
) -> tuple[Result, dict[str, object], list[Licensed]]:
    """Judge the licences of all that requirements.txt and npm's lock files list.

    Returns:
        The result, the SBOM, and each package with its licence.
    """
    deployed = [pin for pin in pins if is_deployed(pin)]
    elsewhere = [pin for pin in pins if not is_deployed(pin)]
    here = describe(deployed, "deployed", tools, ROOT / "pyproject.toml")
    there = describe(elsewhere, "elsewhere", tools, ROOT / "pyproject.toml")
    stated = stated_licences(there) | stated_licences(here)
    packages = [
        Package(
            "pypi", pin.name, pin.version, stated[pin.name, pin.version], pin.file, pin in deployed
        )
        for pin in pins
    ]
    result, licensed = check_licences([*packages, *npm_packages()], policy)
    direct = locks.asked_for(ROOT / "requirements.in")
    return result, complete(here, deployed, sorted(direct), __version__), licensed


def npm_packages() -> list[Package]:
    """What npm's lock files install, with the licences that they give."""
    return [
        Package(
            "npm",
            package_name(path),
            entry["version"],
            (entry["license"],) if entry.get("license") else (),
            str((folder / "package-lock.json").relative_to(ROOT)),
        )
        for folder in lock_folders(ROOT)
        for path, entry in locked_packages(folder).items()
    ]


def write_sbom(document: dict[str, object], path: Path, tools: Path) -> Result:
    """Write the SBOM, and have it validated."""
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    path.write_text(text, "utf-8")
    problem = validation_problem(text, tools)
    components = document["components"]
    assert isinstance(components, list)
    return Result(
        "SBOM",
        f"{len(components)} packages that Azure installs",
        (f"{path}: CycloneDX's schema refuses it: {problem}",) if problem else (),
    )


if __name__ == "__main__":
    sys.exit(main())

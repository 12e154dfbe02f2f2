"""The SBOM of what is deployed, CycloneDX 1.6: the installed packages with the hashes locked.

cyclonedx-bom reads the packages' own metadata; it knows no hashes, so they are added from the lock.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from tools.audit.environments import environment
from tools.audit.pins import Pin
from tools.audit.result import AuditError

AZURE = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.13.0",
    "python_version": "3.13",
    "sys_platform": "linux",
}
"""What decides there which lines of requirements.txt are installed."""

_VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read()) or "", end="")
"""


def is_deployed(pin: Pin) -> bool:
    """Whether Azure installs a line."""
    return not pin.marker or Marker(pin.marker).evaluate(AZURE)


def describe(pins: Iterable[Pin], name: str, tools: Path, pyproject: Path) -> dict[str, Any]:
    """Install pins, whatever their markers, and return what cyclonedx-bom says of them.

    Args:
        name: Of the environment that they are installed into.
        tools: Where cyclonedx-bom is installed.

    Raises:
        AuditError: They cannot be installed or described.
    """
    installed = environment(name, "".join(f"{pin.requirement}\n" for pin in pins))
    done = subprocess.run(
        [
            *(str(tools / "cyclonedx-py"), "environment", "--spec-version", "1.6"),
            *("--output-reproducible", "--pyproject", str(pyproject), str(installed / "python")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AuditError(f"cyclonedx-bom failed:\n{done.stderr[-2000:]}\nRemove .p2c/audit, retry.")
    return dict(json.loads(done.stdout))


def stated_licences(document: Mapping[str, Any]) -> dict[tuple[str, str], tuple[str, ...]]:
    """What each package states, by name and version: SPDX expressions, or what else it has."""
    return {
        _key(component): tuple(
            sorted(_licence_text(entry) for entry in component.get("licenses", []))
        )
        for component in document["components"]
    }


def complete(
    document: Mapping[str, Any], pins: Sequence[Pin], direct: Iterable[str], version: str
) -> dict[str, Any]:
    """Add what cyclonedx-bom cannot know: hashes, p2c's version, what p2c itself asks for.

    Args:
        direct: Normalized names of the packages in requirements.in.

    Raises:
        AuditError: The packages are others than those pinned.
    """
    wanted = {(pin.name, pin.version): pin for pin in pins}
    found = {_key(component): component for component in document["components"]}
    if wanted.keys() != found.keys():
        raise AuditError(
            "The SBOM would not list what is deployed: it lacks "
            f"{_names(wanted.keys() - found.keys())} and has {_names(found.keys() - wanted.keys())}"
            " besides, expected the lines of requirements.txt that Azure installs. Remove "
            ".p2c/audit and try again."
        )
    root = document["metadata"]["component"]
    references = {name: component["bom-ref"] for (name, _), component in found.items()}
    own = {
        "ref": root["bom-ref"],
        "dependsOn": sorted(references[name] for name in direct if name in references),
    }
    others = [entry for entry in document["dependencies"] if entry["ref"] != own["ref"]]
    return {
        **document,
        "metadata": {**document["metadata"], "component": {**root, "version": version}},
        "components": [_with_hashes(each, wanted[_key(each)]) for each in document["components"]],
        "dependencies": [own, *others],
    }


def validation_problem(text: str, tools: Path) -> str:
    """What CycloneDX's own schema has against a document; empty if nothing."""
    done = subprocess.run(
        [str(tools / "python"), "-c", _VALIDATE],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AuditError(f"The SBOM could not be validated:\n{done.stderr[-2000:]}")
    return done.stdout


def _key(component: Mapping[str, Any]) -> tuple[str, str]:
    return canonicalize_name(component["name"]), component["version"]


def _licence_text(entry: Mapping[str, Any]) -> str:
    licence = entry.get("license", {})
    return str(entry.get("expression") or licence.get("id") or licence.get("name"))


def _with_hashes(component: dict[str, Any], pin: Pin) -> dict[str, Any]:
    """Add the hashes of the files that may be installed; which one depends on the machine."""
    algorithms = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
    hashes = [digest.partition(":") for digest in pin.hashes]
    distribution = {
        "type": "distribution",
        "url": component["purl"],
        "comment": "Hashes of the files of this version, one of which is installed.",
        "hashes": [{"alg": algorithms[name], "content": value} for name, _, value in hashes],
    }
    return {
        **component,
        "externalReferences": [*component.get("externalReferences", []), distribution],
    }


def _names(keys: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(keys)) or "nothing"

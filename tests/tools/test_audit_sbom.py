"""The SBOM lists what is deployed: no package more, none less, each with its hashes."""

import json

import pytest

from tools.audit.__main__ import look_at_packages, write_sbom
from tools.audit.environments import environment
from tools.audit.pins import Pin, read_pins
from tools.audit.policy import read_policy
from tools.audit.result import AuditError
from tools.audit.sbom import complete, is_deployed, stated_licences
from tools.node_packages import ROOT

REQUESTS = Pin("requirements.txt", 1, "requests", "2.34.2", "", (f"sha256:{'a' * 64}",))
SLY = Pin("requirements.txt", 2, "sly", "0.4", "", (f"sha512:{'b' * 128}", f"sha256:{'c' * 64}"))


def document(*components):
    """What cyclonedx-bom says, cut down."""
    return {
        "metadata": {"component": {"name": "p2c", "bom-ref": "root-component"}},
        "components": list(components),
        "dependencies": [{"ref": "root-component"}, {"ref": "requests==2.34.2"}],
    }


def component(name, version, *licences):
    return {
        "name": name,
        "version": version,
        "bom-ref": f"{name}=={version}",
        "purl": f"pkg:pypi/{name.lower()}@{version}",
        "licenses": list(licences),
    }


def test_hashes_version_and_what_p2c_asks_for_are_added():
    made = complete(
        document(component("requests", "2.34.2"), component("SLY", "0.4")),
        [REQUESTS, SLY],
        ["requests"],
        "1.2.3",
    )
    assert made["metadata"]["component"]["version"] == "1.2.3"
    assert made["dependencies"] == [
        {"ref": "root-component", "dependsOn": ["requests==2.34.2"]},
        {"ref": "requests==2.34.2"},
    ]
    assert [each["externalReferences"][0]["hashes"] for each in made["components"]] == [
        [{"alg": "SHA-256", "content": "a" * 64}],
        [{"alg": "SHA-512", "content": "b" * 128}, {"alg": "SHA-256", "content": "c" * 64}],
    ]


@pytest.mark.parametrize(
    ("components", "message"),
    [
        ([component("requests", "2.34.2")], "lacks sly 0.4 and has nothing besides"),
        (
            [component("requests", "2.34.2"), component("sly", "0.5")],
            "lacks sly 0.4 and has sly 0.5 besides",
        ),
        (
            [component("requests", "2.34.2"), component("sly", "0.4"), component("pip", "26.0")],
            "lacks nothing and has pip 26.0 besides",
        ),
    ],
)
def test_other_packages_than_those_pinned_make_no_sbom(components, message):
    with pytest.raises(AuditError, match=message):
        complete(document(*components), [REQUESTS, SLY], [], "1.2.3")


def test_licences_are_read_in_each_form_that_cyclonedx_has():
    stated = stated_licences(
        document(
            component("A", "1", {"license": {"id": "MIT"}}),
            component("b", "1", {"expression": "MIT OR ISC"}),
            component("c", "1", {"license": {"name": "BSD"}}, {"license": {"id": "0BSD"}}),
            component("d", "1"),
        )
    )
    assert stated == {
        ("a", "1"): ("MIT",),
        ("b", "1"): ("MIT OR ISC",),
        ("c", "1"): ("0BSD", "BSD"),
        ("d", "1"): (),
    }


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("", True),
        ("python_full_version >= '3.13'", True),
        ("python_full_version < '3.13'", False),
        ("sys_platform == 'win32'", False),
        ("platform_python_implementation != 'PyPy'", True),
    ],
)
def test_what_is_deployed_is_what_azure_installs(marker, expected):
    assert is_deployed(Pin("requirements.txt", 1, "any", "1", marker, ())) is expected


@pytest.mark.slow
def test_the_sbom_of_requirements_txt_lists_its_packages_and_is_valid(tmp_path):
    tools = environment("tools", (ROOT / "tools/audit/requirements.txt").read_text("utf-8"))
    pins, _ = read_pins(ROOT, ROOT / "requirements.txt")
    result, made, licensed = look_at_packages(pins, tools, read_policy())
    assert result.problems == ()
    assert {(each.package.name, each.package.version) for each in licensed} >= {
        (pin.name, pin.version) for pin in pins
    }

    path = tmp_path / "sbom.cdx.json"
    assert write_sbom(made, path, tools).problems == ()
    written = json.loads(path.read_text("utf-8"))
    listed = {
        each["purl"]: {
            digest["content"]
            for reference in each["externalReferences"]
            for digest in reference.get("hashes", [])
        }
        for each in written["components"]
    }
    assert listed == {
        f"pkg:pypi/{pin.name}@{pin.version}": {digest.partition(":")[2] for digest in pin.hashes}
        for pin in pins
        if is_deployed(pin)
    }
    assert "pkg:pypi/azure-functions-runtime@1.3.0" in listed

    broken = {**made, "components": [{**made["components"][0], "type": "librarian"}]}
    (problem,) = write_sbom(broken, path, tools).problems
    assert "CycloneDX's schema refuses it" in problem

"""The page on the supply chain says what the tools, the workflows and the infrastructure say."""

import json
import re
import tomllib

from tests.docs.pages import ROOT, first_cells, read, section
from tools.audit.pins import requirement_files
from tools.audit.result import FOUND, INCOMPLETE, OK

PAGE = "docs/supply-chain.md"


def test_every_requirement_file_and_lock_file_is_listed():
    text = section(PAGE, "What is pinned")
    for path in requirement_files(ROOT):
        assert f"`{path.relative_to(ROOT)}`" in text
    for path in (ROOT / "tools").rglob("package-lock.json"):
        assert f"`{path.parent.relative_to(ROOT)}`" in text


def test_the_version_of_the_runner_is_that_of_the_workflows():
    runners = {
        name
        for path in (ROOT / ".github/workflows").iterdir()
        for name in re.findall(r"runs-on: (\S+)", path.read_text("utf-8"))
    }
    assert {f"`{name}`" for name in runners} == {"`ubuntu-24.04`"}
    assert "`ubuntu-24.04`" in section(PAGE, "What is pinned")


def test_every_exit_status_is_explained():
    rows = re.findall(r"^\| (\d) \| ", section(PAGE, "make audit"), re.MULTILINE)
    assert [int(row) for row in rows] == sorted({OK, FOUND, 2, INCOMPLETE})


def test_every_part_of_the_policy_is_explained():
    policy = tomllib.loads(read("tools/audit/policy.toml"))
    text = section(PAGE, "Licences")
    for name in (*policy, "accepted"):
        assert f"`[{name}]`" in text or f"`[[{name}]]`" in text


def test_every_workflow_is_listed():
    files = {path.name for path in (ROOT / ".github/workflows").iterdir()}
    assert first_cells(section(PAGE, "Workflows")) == files


def test_every_variable_of_the_deployment_is_listed():
    deploy = read(".github/workflows/deploy.yml")
    variables = set(re.findall(r"vars\.(\w+)", deploy))
    listed = first_cells(section(PAGE, "Deploy from GitHub"))
    assert listed <= variables
    assert variables - listed <= first_cells(read("docs/deploy.md"))


def test_the_identity_may_assign_the_roles_that_the_infrastructure_assigns_and_no_others():
    guid = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    assigned = {
        found
        for path in (ROOT / "infra").glob("*.bicep")
        for found in re.findall(rf"= '({guid})'", path.read_text("utf-8"))
    }
    assert len(assigned) == 5
    assert set(re.findall(guid, section(PAGE, "Deploy from GitHub"))) == assigned


def test_the_subject_is_of_an_environment_that_can_be_chosen():
    text = section(PAGE, "Deploy from GitHub")
    deploy = read(".github/workflows/deploy.yml")
    options = re.findall(r"^ {10}- (\w+)$", deploy, re.MULTILINE)
    assert options == ["development", "test", "production"]
    assert "--subject repo:contoso/p2c:environment:test\n" in text
    for name in options:
        assert f"`{name}`" in text


def test_the_tags_that_are_released_are_those_that_production_takes():
    assert 'tags: ["v*"]' in read(".github/workflows/release.yml")
    assert "tags `v*` only" in section(PAGE, "Deploy from GitHub")


def test_the_locks_name_no_server():
    for path in requirement_files(ROOT):
        assert "://" not in path.read_text("utf-8")
    for path in (ROOT / "tools").rglob("package-lock.json"):
        packages = json.loads(path.read_text("utf-8"))["packages"].values()
        assert not any("resolved" in entry for entry in packages)

"""GitHub's workflows: valid, pinned, allowed no more than they need, in step with the project."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*"))
WORKFLOWS = {path.name: YAML(typ="safe").load(path.read_text("utf-8")) for path in FILES}
JOBS = {
    (file, name): job
    for file, workflow in WORKFLOWS.items()
    for name, job in workflow["jobs"].items()
}
STEPS = [(*place, step) for place, job in JOBS.items() for step in job.get("steps", [])]
SCRIPTS = [(file, job, step["run"]) for file, job, step in STEPS if "run" in step]
DEPLOY = JOBS["deploy.yml", "deploy"]

# Names that azd reads itself. The principal is whoever signed in.
OF_AZD = {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID"}
SECRETS = {"APP_REGISTRATION_SECRET", "P2C_HASH_KEY"}
SET_BY_AZD = {"AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"}


def parameters():
    """The variables that main.parameters.json reads; True for one that has no default."""
    text = (ROOT / "infra/main.parameters.json").read_text("utf-8")
    return {name: not default for name, default in re.findall(r"\$\{(\w+)(=[^}]*)?\}", text)}


def check_schema(*paths):
    return subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema", "--builtin-schema"),
            *("vendor.github-workflows", *map(str, paths)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def script(name):
    """What a step of that name runs."""
    (found,) = [step["run"] for _, _, step in STEPS if step.get("name") == name and "run" in step]
    return found


def run(text, **environment):
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", text],
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_there_are_these_workflows():
    assert [path.name for path in FILES] == ["audit.yml", "ci.yml", "deploy.yml", "release.yml"]


def test_they_are_valid_by_the_schema_of_workflows(tmp_path):
    done = check_schema(*FILES)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = tmp_path / "broken.yml"
    broken.write_text(FILES[0].read_text("utf-8").replace("runs-on", "run-on"), "utf-8")
    assert check_schema(broken).returncode == 1


def test_every_make_target_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z0-9.-]+):", makefile, re.MULTILINE))
    named = {name for _, _, text in SCRIPTS for name in re.findall(r"\bmake ([a-z0-9.-]+)", text)}
    assert {"check", "test", "audit", "release-notes"} <= named
    assert named <= targets


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_action_is_pinned_by_commit_with_its_version_beside(path):
    lines = [line for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        used = line.partition("uses:")[2].strip()
        if used.startswith("./"):
            assert (ROOT / used).is_file(), line
        else:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), line


def test_an_action_has_one_version_in_all_workflows():
    used = {step["uses"] for _, _, step in STEPS if "uses" in step}
    assert len({name.partition("@")[0] for name in used}) == len(used)


def test_jobs_may_read_and_only_those_that_deploy_and_release_may_more():
    assert {file: workflow["permissions"] for file, workflow in WORKFLOWS.items()} == {
        file: {"contents": "read"} for file in WORKFLOWS
    }
    assert {place: job["permissions"] for place, job in JOBS.items() if "permissions" in job} == {
        ("deploy.yml", "deploy"): {"contents": "read", "id-token": "write"},
        ("release.yml", "release"): {"contents": "write"},
    }


def test_what_a_stranger_sends_runs_without_rights_and_secrets():
    triggers = {trigger for workflow in WORKFLOWS.values() for trigger in workflow["on"]}
    assert triggers == {
        "push", "pull_request", "schedule", "workflow_call", "workflow_dispatch",
    }  # fmt: skip
    secrets = {
        (path.name, found)
        for path in FILES
        for found in re.findall(r"secrets\.(\w+)|secrets: inherit", path.read_text("utf-8"))
    }
    assert secrets == {("deploy.yml", name) for name in SECRETS}


def test_no_value_from_outside_is_pasted_into_a_script():
    assert [place for *place, text in SCRIPTS if "${{" in text] == []


def test_no_checkout_leaves_a_token_behind():
    checkouts = [
        step for _, _, step in STEPS if step.get("uses", "").startswith("actions/checkout@")
    ]
    assert len(checkouts) == 5
    assert [step for step in checkouts if step["with"]["persist-credentials"] is not False] == []


def test_every_job_ends_and_every_workflow_has_its_place_in_the_queue():
    assert [
        place for place, job in JOBS.items() if "uses" not in job and "timeout-minutes" not in job
    ] == []
    groups = [workflow["concurrency"]["group"] for workflow in WORKFLOWS.values()]
    assert len(set(groups)) == len(WORKFLOWS)
    assert {
        file: workflow["concurrency"]["cancel-in-progress"] for file, workflow in WORKFLOWS.items()
    } == {"audit.yml": True, "ci.yml": True, "deploy.yml": False, "release.yml": False}


def test_nothing_is_deployed_or_released_unchecked():
    for place in (("deploy.yml", "deploy"), ("release.yml", "release")):
        assert {"ci", "audit"} <= set(JOBS[place]["needs"])


def test_the_deployment_gives_what_the_infrastructure_asks_for_and_nothing_else():
    assert set(DEPLOY["env"]) == OF_AZD | (parameters().keys() - SET_BY_AZD)
    text = (ROOT / "infra/main.parameters.json").read_text("utf-8")
    defaults = dict(re.findall(r"\$\{(\w+)=([^}]+)\}", text))
    for name, value in DEPLOY["env"].items():
        place = "secrets" if name in SECRETS else "vars"
        # A variable that GitHub does not have is an empty text, which azd may take for a value.
        default = f" || '{defaults[name]}'" if name in defaults else ""
        assert value == f"${{{{ {place}.{name}{default} }}}}"


def test_a_variable_without_a_value_is_told_before_anything_is_deployed():
    required = OF_AZD | {name for name, needed in parameters().items() if needed} - SET_BY_AZD
    text = script("See that every variable is set")
    assert run(text, ENVIRONMENT="test", **dict.fromkeys(required, "x")).returncode == 0
    for name in sorted(required):
        values = dict.fromkeys(required, "x") | {name: ""}
        done = run(text, ENVIRONMENT="test", **values)
        assert done.returncode == 1
        assert (
            f"Found no value of {name}, expected variables of the environment 'test'" in done.stdout
        )


def test_production_gets_tags_only():
    inputs = WORKFLOWS["deploy.yml"]["on"]["workflow_dispatch"]["inputs"]
    assert inputs["environment"]["options"] == ["development", "test", "production"]
    assert DEPLOY["environment"] == "${{ inputs.environment }}"
    assert JOBS["deploy.yml", "ci"]["needs"] == "ref"
    (step,) = JOBS["deploy.yml", "ref"]["steps"]
    condition = "inputs.environment == 'production' && !startsWith(github.ref, 'refs/tags/v')"
    assert step["if"] == f"${{{{ {condition} }}}}"
    done = run(step["run"], GITHUB_REF="refs/heads/main")
    assert done.returncode == 1
    assert done.stdout.startswith("::error::Found refs/heads/main, expected a tag such as v1.2.0")


def test_azd_signs_in_with_a_token_of_github():
    assert script("Sign in with GitHub's token").split() == [
        *("azd", "auth", "login", "--client-id", '"$AZURE_CLIENT_ID"'),
        *("--tenant-id", '"$AZURE_TENANT_ID"', "--federated-credential-provider", "github"),
    ]


@pytest.mark.parametrize("text", [text for _, _, text in SCRIPTS])
def test_every_script_is_bash(text):
    done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_release_attaches_what_the_audit_writes():
    names = set(re.findall(r"audit/([\w.]+)", script("Create the release")))
    source = (ROOT / "tools/audit/__main__.py").read_text("utf-8")
    assert names == {"sbom.cdx.json", "licences.md"}
    assert [name for name in names if f'"{name}"' not in source] == []


def test_what_the_audit_writes_is_neither_kept_nor_deployed():
    for name in (".gitignore", ".funcignore"):
        assert "dist/" in (ROOT / name).read_text("utf-8").splitlines()

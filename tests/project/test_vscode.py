"""What VS Code is told is so: modules, targets, ports, tasks and files that are named exist."""

import importlib.util
import json
import re
import socket
from pathlib import Path

import pytest

from p2c.settings import setting_names
from tools.local import PORTS, STARTED, STORAGE_SERVICES, PortError, check_ports

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".vscode"


def read(name):
    """Plain JSON: other tools than VS Code read it too, and they take no comments."""
    return json.loads((FOLDER / name).read_text("utf-8"))


LAUNCH = {each["name"]: each for each in read("launch.json")["configurations"]}
TASKS = {each["label"]: each for each in read("tasks.json")["tasks"]}
SAMPLE = json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))["Values"]
ON_SANDBOX = [each for each in LAUNCH.values() if "env" in each]


def targets():
    return set(re.findall(r"^([a-z0-9.-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def test_there_are_these_files_and_each_is_plain_json():
    names = sorted(path.name for path in FOLDER.iterdir())
    assert names == ["extensions.json", "launch.json", "settings.json", "tasks.json"]
    assert all(isinstance(read(name), dict) for name in names)


def test_names_are_unique():
    assert len(LAUNCH) == len(read("launch.json")["configurations"])
    assert len(TASKS) == len(read("tasks.json")["tasks"])


def test_every_task_that_is_named_exists():
    before = [each["preLaunchTask"] for each in LAUNCH.values() if "preLaunchTask" in each]
    needed = [name for task in TASKS.values() for name in task.get("dependsOn", [])]
    assert before
    assert needed
    assert {*before, *needed} <= set(TASKS)


def test_every_module_that_is_started_exists():
    modules = [each["module"] for each in LAUNCH.values() if "module" in each]
    assert {"p2c", "pytest"} == set(modules)
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []


def test_every_make_target_that_is_run_exists():
    run = [
        words[1]
        for task in TASKS.values()
        if (words := task.get("command", "").split())[:1] == ["make"]
    ]
    assert {"setup", "local", "check", "test"} <= set(run)
    assert set(run) <= targets()


def test_the_host_is_attached_to_where_the_extension_has_it_listen():
    # Azure Functions' extension starts debugpy at 9091 for a task of the type func.
    attach = LAUNCH["Attach to the Functions host"]
    assert attach["connect"] == {"host": "localhost", "port": 9091}
    host = TASKS[attach["preLaunchTask"]]
    assert (host["type"], host["command"]) == ("func", "host start")
    assert host["isBackground"] is True
    assert host["problemMatcher"] == "$func-python-watch"


def test_the_sandbox_has_the_ports_of_the_sample():
    arguments = LAUNCH["The sandbox itself"]["args"]
    ports = {
        name: f"http://127.0.0.1:{arguments[arguments.index(option) + 1]}"
        for name, option in (
            ("P2C_DATAVERSE_URL", "--dataverse-port"),
            ("P2C_FNO_URL", "--fno-port"),
        )
    }
    assert ports == {name: SAMPLE[name] for name in ports}


def test_the_commands_are_debugged_with_the_settings_of_the_sample():
    assert [each["args"] for each in ON_SANDBOX] == [["run"], ["plan"]]
    for each in ON_SANDBOX:
        given = dict(each["env"])
        assert given.pop("P2C_SETTLE_SECONDS") == "2"
        assert given == {name: SAMPLE[name] for name in given}
        assert {"AzureWebJobsStorage", "P2C_CREDENTIAL", "P2C_LEGAL_ENTITY"} <= given.keys()
        assert given.keys() <= set(setting_names())
        assert each["preLaunchTask"] == "sandbox and storage"


def test_the_sandbox_and_storage_are_where_the_sample_looks_for_them():
    assert TASKS["sandbox and storage"]["command"] == "make local"
    ports = {service: port for service, (port, _) in PORTS.items()}
    assert [ports[service] for service in STORAGE_SERVICES] == [10000, 10001, 10002]
    assert SAMPLE["AzureWebJobsStorage"] == "UseDevelopmentStorage=true"
    for name, service in (("P2C_DATAVERSE_URL", "dataverse"), ("P2C_FNO_URL", "fno")):
        assert SAMPLE[name] == f"http://127.0.0.1:{ports[service]}"


def test_the_sandbox_and_storage_are_ready_when_they_say_so_and_a_taken_port_is_a_problem():
    matcher = TASKS["sandbox and storage"]["problemMatcher"]
    background = matcher["background"]
    lines = [
        ".venv/bin/python -m tools.local",
        "Installing Azurite (once, up to a minute) ...",
        STARTED,
    ]
    found = [bool(re.search(background["endsPattern"], line)) for line in lines]
    assert found == [False, False, True]
    assert re.search(background["beginsPattern"], lines[0])
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(PortError) as raised:
            check_ports({"blob": other.getsockname()[1]})
    assert re.search(matcher["pattern"]["regexp"], str(raised.value).splitlines()[0])


def test_tasks_that_rest_on_others_wait_for_them():
    for name, task in TASKS.items():
        if "dependsOn" in task:
            assert task["dependsOrder"] == "sequence", name


def test_settings_are_those_of_this_project():
    settings = read("settings.json")
    assert settings["azureFunctions.projectLanguage"] == "Python"
    assert settings["azureFunctions.projectLanguageModel"] == 2
    assert settings["azureFunctions.projectRuntime"] == "~4"
    venv = settings["azureFunctions.pythonVenv"]
    assert f"DEV := {venv}\n" in (ROOT / "Makefile").read_text("utf-8")
    assert settings["python.defaultInterpreterPath"] == f"${{workspaceFolder}}/{venv}/bin/python"
    assert settings["python.testing.pytestEnabled"] is True
    for folder in settings["python.testing.pytestArgs"]:
        assert (ROOT / folder).is_dir()


def test_the_dev_container_has_no_extension_that_is_not_recommended():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text("utf-8"))
    extensions = container["customizations"]["vscode"]["extensions"]
    assert set(extensions) <= set(read("extensions.json")["recommendations"])


def test_none_of_it_is_deployed():
    assert ".vscode/" in (ROOT / ".funcignore").read_text("utf-8").splitlines()

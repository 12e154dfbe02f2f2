"""docs/local.md names what there is, and shows what is really printed."""

import json
import re
import shlex

import pytest

from p2c.settings import setting_names
from tests.docs.pages import ROOT, blocks, read, section
from tests.docs.test_names import COMMANDS, GROUP, parse
from tests.support.triggers import triggers_by_function
from tools import local
from tools.processes import Addresses

PAGE = read("docs/local.md")
SAMPLE = json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))["Values"]


def rows(title):
    lines = [line for line in section("docs/local.md", title).splitlines() if line[:3] == "| `"]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_ports_are_those_that_are_opened():
    listed = {names(option)[0]: int(port) for option, port in rows("Start")}
    assert listed == {f"--{name}-port": port for name, (port, _) in local.PORTS.items()}
    for name, (port, _) in local.PORTS.items():
        assert re.search(rf"\b{port}\b", PAGE.replace("\n", " ")), name


def test_what_is_printed_at_the_start_is_what_is_shown():
    addresses = Addresses("http://127.0.0.1:8801", "http://127.0.0.1:8802")
    shown = local.settings("made up", addresses, {k: p for k, (p, _) in local.PORTS.items()})
    (block,) = [one for one in blocks("text") if '"AzureWebJobsStorage"' in one.text]
    head, _, values = block.text.partition("\n")
    assert json.loads(values) == shown
    assert head == local.STARTED


def test_the_message_on_a_port_is_the_one_that_is_shown(monkeypatch):
    monkeypatch.setattr(local, "_is_free", lambda port: port != 10001)
    with pytest.raises(local.PortError) as raised:
        local.check_ports({name: port for name, (port, _) in local.PORTS.items()})
    (block,) = [one for one in blocks("text") if one.text.startswith("Port 10001")]
    assert block.text.split() == str(raised.value).split()


def test_values_of_the_host_s_own_are_those_of_the_sample():
    listed = {names(cell)[0] for cell, _ in rows("Once")}
    known = set(setting_names())
    assert listed == {name for name in SAMPLE if name not in known and "P2C_SCHEDULE" not in name}


def test_each_function_beside_its_command_is_there():
    functions = triggers_by_function()
    listed = rows("The functions")
    named = {name for functions_cell, _ in listed for name in names(functions_cell)}
    assert named <= set(functions)
    http = {name for name, trigger in functions.items() if trigger["type"] == "httpTrigger"}
    assert http == named & http
    for _, command in listed:
        for words in names(command):
            if words not in COMMANDS:
                parse(GROUP, words.split())
    started = set(re.findall(r"/admin/functions/(\w+)", PAGE))
    disabled = set(re.findall(r"AzureWebJobs\.(\w+)\.Disabled", PAGE))
    assert started
    assert disabled
    assert started | disabled <= {n for n, trigger in functions.items() if "schedule" in trigger}


def test_routes_that_are_called_are_there():
    routes = [
        re.sub(r"\{\w+\}", "[A-Za-z0-9-]+", str(trigger["route"]))
        for trigger in triggers_by_function().values()
        if trigger["type"] == "httpTrigger"
    ]
    called = re.findall(r"localhost:7071/api/([\w/-]+)", PAGE)
    assert len(called) == 4
    assert [path for path in called if not any(re.fullmatch(one, path) for one in routes)] == []


def test_commands_on_windows_can_be_read():
    lines = [
        shlex.split(found)
        for block in blocks("bat")
        for found in re.findall(r"-m (?:tools\.)?p2c (.+)", block.text)
    ]
    assert len(lines) == 2
    for words in lines:
        parse(GROUP, words)


def test_files_and_modules_that_are_named_are_there():
    for module in set(re.findall(r"-m (tools\.\w+)", PAGE)):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file()
    for name in ("local.settings.sample.json", ".devcontainer", "requirements.txt"):
        assert name in PAGE
        assert (ROOT / name).exists()

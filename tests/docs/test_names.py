"""What the code offers is in the documentation, and the other way round."""

import re
import shlex
from typing import get_args

import pytest
import typer

from p2c.bootstrap import TABLES, poison_queue_name, queue_name
from p2c.cli.main import commands
from p2c.model import Outcome
from p2c.sandbox.control import Control
from p2c.sandbox.faults import Effect, Fault
from p2c.sandbox.state import State
from p2c.sandbox.switches import Start, Switches
from p2c.settings import setting_names
from p2c.telemetry.metrics import METRICS
from p2c.templates import load_templates, shipped_names
from p2c.templates.metadata import ColumnDefinition
from p2c.templates.model import (
    TRANSFORMS,
    FieldSpec,
    RequirementSpec,
    SkipReasonSpec,
    TaskSpec,
    TemplateSpec,
)
from p2c.templates.projects import ProjectSpec, ProjectTask
from tests.docs.pages import PAGES, blocks, first_cells, read, section
from tests.support.triggers import triggers

# tools.p2c runs the same commands.
COMMAND_LINE = r"-m (?:tools\.)?p2c ([^#\n|>]*)"
GROUP = typer.main.get_command(commands)
# Read by tests, not by the app.
FOR_TESTS = {
    "P2C_CONTRACT_DATAVERSE_URL",
    "P2C_CONTRACT_FNO_URL",
    "P2C_CONTRACT_WRITE",
}


def leaves(group, *words):
    """Each command with the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, *words, name)
        else:
            yield " ".join((*words, name)), command


COMMANDS = dict(leaves(GROUP))


def parse(group, words):
    """Have the command line read, and nothing done; wrong words raise."""
    name, command, rest = group.resolve_command(group.make_context("p2c", list(words)), words)
    if hasattr(command, "commands"):
        parse(command, rest)
    else:
        command.make_context(name, rest)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_in_the_readme(name):
    readme = read("README.md")
    command = COMMANDS[name]
    assert re.search(rf"^\| `{name}[ `]", readme, re.MULTILINE)
    options = [
        option for param in command.params for option in param.opts if option.startswith("--")
    ]
    assert [option for option in options if f"`{option}`" not in readme] == []


def test_every_option_of_the_sandbox_is_on_its_page():
    options = [option for param in COMMANDS["sandbox"].params for option in param.opts]
    assert set(options) <= first_cells(read("docs/sandbox.md"))


def test_every_command_line_that_is_shown_can_be_read():
    lines = [
        shlex.split(found[1])
        for block in blocks("sh")
        for found in re.finditer(COMMAND_LINE, block.text, re.MULTILINE)
    ]
    assert len(lines) > 8
    for words in lines:
        parse(GROUP, words)


def test_every_setting_is_in_the_readme_and_no_other():
    listed = first_cells(read("README.md"))
    assert {name for name in setting_names() if name not in listed} == set()
    schedules = {f"P2C_SCHEDULE_{name.upper().replace('-', '_')}" for name in shipped_names()}
    known = {*setting_names(), *schedules, *FOR_TESTS, "P2C_SCHEDULE_"}
    named = {name for page in PAGES for name in re.findall(r"P2C_[A-Z_]+", page.read_text("utf-8"))}
    assert schedules <= named
    assert named <= known


def test_every_template_and_task_is_in_the_readme_and_on_the_page_of_templates():
    for template in load_templates(legal_entity="usmf"):
        for page in (read("README.md"), read("docs/templates.md")):
            assert f"| `{template.name}` | {template.title} |" in page
            for task in template.tasks:
                assert task.task in page
                assert f"`{task.entity_set}`" in page


@pytest.mark.parametrize(
    ("title", "models"),
    [
        ("A template file", (TemplateSpec, TaskSpec)),
        ("A field's line", (FieldSpec,)),
        ("A project file", (ProjectSpec,)),
    ],
)
def test_the_keys_of_a_template_or_project_are_listed_and_no_others(title, models):
    keys = {name for model in models for name in model.model_fields}
    assert first_cells(section("docs/templates.md", title)) == keys


@pytest.mark.parametrize(
    ("title", "model"),
    [
        ("A template file", SkipReasonSpec),
        ("A template file", RequirementSpec),
        ("A project file", ProjectTask),
        ("A project file", ColumnDefinition),
        *(("A field's line", model) for model in TRANSFORMS.values()),
    ],
)
def test_every_key_within_these_is_named_where_they_are_explained(title, model):
    text = section("docs/templates.md", title)
    if model is ProjectTask:
        text = text[text.index("Of a task, all optional") :]
    keys = set(model.model_fields)
    assert {key for key in keys if f"`{key}`" not in text and f'"{key}"' not in text} == set()


def test_every_http_route_is_in_the_readme_with_its_method_and_no_other():
    routes = {
        f"{method.value} /api/{trigger['route']}"
        for trigger in triggers()
        if trigger["type"] == "httpTrigger"
        for method in trigger["methods"]
    }
    documented = {name for name in first_cells(read("README.md")) if " /api/" in name}
    assert documented == routes
    assert len(routes) == 8


def test_every_table_and_queue_is_on_the_page_of_the_architecture():
    listed = first_cells(
        read("docs/architecture.md").replace("| Queue ", "| ").replace("| Table ", "| ")
    )
    assert listed == {*TABLES, queue_name("<template>"), poison_queue_name("<template>")}


def test_every_outcome_is_explained():
    assert all(f" {outcome.value}" in read("docs/glossary.md") for outcome in Outcome)


def test_every_switch_effect_and_control_of_the_sandbox_is_on_its_page():
    page = read("docs/sandbox.md")
    cells = first_cells(page)
    assert set(get_args(Effect)) <= cells
    assert {name for name in Switches.model_fields if name not in cells} == set()
    assert {
        name for name in Fault.model_fields if f"`{name}`" not in page and name != "effect"
    } == set()
    controls = {f"{method} /sandbox/{path}" for method, path in Control(State(Start()))._routes}
    assert controls
    assert controls <= cells


def test_every_metric_is_on_its_page_with_unit_and_attributes():
    rows = [line.split(" | ") for line in read("docs/telemetry.md").splitlines()]
    told = {cells[0].strip("| `"): cells for cells in rows if cells[0].startswith("| `p2c.")}
    assert set(told) == {metric.name for metric in METRICS}
    for metric in METRICS:
        _, unit, attributes, _ = told[metric.name]
        assert unit == f"`{metric.unit}`"
        assert attributes == ", ".join(f"`{name}`" for name in metric.attributes)

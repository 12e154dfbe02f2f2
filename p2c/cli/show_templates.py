"""`templates`: which there are, one as a table, and the JSON Schema of their files."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from p2c.cli.common import HELP, AsJson, errors
from p2c.cli.report import console
from p2c.cli.show import print_json
from p2c.errors import RequestError, SettingError
from p2c.settings import find_settings, schedule_setting
from p2c.templates import bound_templates
from p2c.templates.describe import TaskDescription, TemplateDescription, describe
from p2c.templates.json_schema import schema_text
from p2c.templates.model import TemplateSpec
from p2c.templates.projects import ProjectSpec

commands = typer.Typer(
    help="List templates, show one as a table, or print the JSON Schema of their files.",
    invoke_without_command=True,
    context_settings=HELP,
)

_PROJECT_MARK = "*"


class File(StrEnum):
    """Kinds of files that have a JSON Schema."""

    TEMPLATE = "template"
    PROJECT = "project"


_MODELS: dict[File, type[BaseModel]] = {File.TEMPLATE: TemplateSpec, File.PROJECT: ProjectSpec}


@commands.callback()
def default(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List templates, show one as a table, or print the JSON Schema of their files."""
    if context.invoked_subcommand is None:
        list_templates(as_json=as_json)


@commands.command("list")
def list_templates(*, as_json: AsJson = False) -> None:
    """List templates with their tasks, prerequisites, schedule settings and projects."""
    with errors(as_json=as_json):
        found = _described()
        if as_json:
            print_json([_summary(template) for template in found])
        else:
            _print_list(console(), found)


@commands.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="TEMPLATE", help="A name such as accounts.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a template with its project's overrides, line by line."""
    with errors(as_json=as_json):
        found = {template.name: template for template in _described()}
        if name not in found:
            raise RequestError(
                f"TEMPLATE: found '{name}'; expected one of {', '.join(found)}.",
                code="template-unknown",
            )
        if as_json:
            print_json({**_summary(found[name]), **asdict(found[name])})
        else:
            _print_template(console(), found[name])


@commands.command("schema")
def schema(
    file: Annotated[
        File, typer.Argument(metavar="[FILE]", help="template or project.")
    ] = File.TEMPLATE,
    *,
    as_json: AsJson = False,  # noqa: ARG001  it is JSON in any case
) -> None:
    """Print the JSON Schema of template files, or of project files."""
    sys.stdout.write(schema_text(_MODELS[file]))


def _described() -> list[TemplateDescription]:
    """Read templates and projects; of the settings only the projects' folder matters."""
    found = find_settings()
    if "P2C_PROJECTS" in found.unusable:
        said = [problem for problem in found.problems if problem.startswith("P2C_PROJECTS:")]
        raise SettingError("\n".join(said))
    return [describe(template) for template in bound_templates(found.settings.projects)]


def _summary(template: TemplateDescription) -> dict[str, object]:
    return {
        "name": template.name,
        "title": template.title,
        "tasks": [
            {"name": task.name, "source": task.source, "destination": task.destination}
            for task in template.tasks
        ],
        "prerequisites": list(template.prerequisites),
        "schedule_setting": schedule_setting(template.name),
        "project": template.project or None,
    }


def _print_list(out: Console, templates: Sequence[TemplateDescription]) -> None:
    for template in templates:
        out.print(f"{template.name}: {template.title}")
        for task in template.tasks:
            out.print(f"  {task.name}: {task.source} → {task.destination}")
        out.print(f"  runs after {', '.join(template.prerequisites) or 'none'}")
        out.print(f"  schedule in {schedule_setting(template.name)}")
        out.print(f"  project {template.project or 'none: as shipped'}")


def _print_template(out: Console, template: TemplateDescription) -> None:
    out.print(f"{template.name}: {template.title}")
    out.print(f"Runs after {', '.join(template.prerequisites) or 'none'}.")
    if template.project:
        out.print(f"Project {template.project}: what it changes is marked {_PROJECT_MARK}.")
    for task in template.tasks:
        _print_task(out, task)
    for name, entries in template.value_maps.items():
        out.print(f"\nValue map '{name}'{_mark(name in template.overridden_value_maps)}")
        for left, right in entries.items():
            out.print(f"  {left or 'blank'} → {right}")


def _print_task(out: Console, task: TaskDescription) -> None:
    def marked(key: str) -> str:
        return _mark(key in task.overridden)

    out.print(f"\nTask '{task.name}': {task.source} → {task.destination}{marked('destination')}")
    out.print(f"Filter{marked('filter')}: {task.filter or 'none, every row is taken'}")
    for need in task.prerequisites:
        out.print(f"Needs{marked('requires')}: {need}")
    for policy, value in task.policies.items():
        out.print(f"{policy}{marked(policy)}: {value or 'nothing'}")
    if task.removed:
        out.print(f"Not mapped{_PROJECT_MARK}: {', '.join(task.removed)}")
    out.print()
    table = Table(box=None, pad_edge=False)
    for title in ("", "Source", "Map", "Destination", "Transform", "Notes"):
        table.add_column(title, overflow="fold")
    for line in task.lines:
        notes = [
            "key" if line.is_key else "",
            "mandatory" if line.is_mandatory else "",
            f"at most {line.length}" if line.length else "",
        ]
        table.add_row(
            _mark(line.is_overridden),
            line.source,
            line.map_type,
            line.destination,
            line.transform,
            ", ".join(note for note in notes if note),
        )
    out.print(table)


def _mark(is_overridden: bool) -> str:  # noqa: FBT001  it is what is marked
    return _PROJECT_MARK if is_overridden else ""

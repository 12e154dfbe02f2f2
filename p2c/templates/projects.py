"""Projects: TOML files that bind a template to a connection set and override its lines.

A project never edits a template. Each file in the projects folder binds one template; templates
without a project run as shipped. An override of a field with a `source` or `transforms` replaces
the template's line; one without (a default, a value map, truncate, …) changes only what it names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from p2c.errors import Problem
from p2c.mapping.task import WhenDeleted, WhenMoved
from p2c.templates.files import read_spec, suggestion
from p2c.templates.metadata import ColumnDefinition
from p2c.templates.model import (
    Constant,
    FieldEntry,
    FieldSpec,
    Model,
    RequirementSpec,
    TaskSpec,
    TemplateSpec,
    Text,
    ValueMapSpec,
)

FieldTypeName = Literal[
    "Edm.Boolean", "Edm.DateTimeOffset", "Edm.Decimal", "Edm.Int32", "Edm.Int64", "Edm.String"
]


class ProjectTask(Model):
    """What a project changes in one task; what it leaves out stays as in the template."""

    destination: Text | None = Field(None, description="Another data entity, by its set's name.")
    filter: Text | None = Field(None, description="Another source filter.")
    remove: tuple[Text, ...] = Field((), strict=False, description="Fields not to map.")
    requires: tuple[RequirementSpec, ...] | None = Field(None, strict=False)
    retired: Mapping[str, Constant] | None = None
    when_deleted: WhenDeleted | None = None
    when_moved: WhenMoved | None = None
    fields: Mapping[str, FieldEntry] = Field(default_factory=dict)
    lengths: Mapping[str, Annotated[int, Field(gt=0)]] = Field(default_factory=dict)


class ProjectSpec(Model):
    """A project file.

    Attributes:
        connection_set: The app settings hold one connection set, so ``default`` is all there is.
        value_maps: Entries are added to the template's map of that name, or replace equal ones.
        columns: Custom columns by table, for sources that the shipped metadata lacks.
        fields: Custom fields by data entity, for destinations that it lacks.
    """

    template: Text = Field(description="File name of the template, such as accounts.")
    connection_set: Literal["default"] = "default"
    value_maps: Mapping[str, ValueMapSpec] = Field(default_factory=dict)
    tasks: Mapping[str, ProjectTask] = Field(default_factory=dict)
    columns: Mapping[str, Mapping[str, ColumnDefinition]] = Field(default_factory=dict)
    fields: Mapping[str, Mapping[str, FieldTypeName | Annotated[str, Field(pattern="^enum:")]]] = (
        Field(default_factory=dict)
    )


@dataclass(frozen=True)
class BoundTask:
    """A task with its overrides.

    Attributes:
        files: Which file a field's line comes from, or a key of the task such as ``filter``;
            `file` is the template's and holds for the rest.
    """

    spec: TaskSpec
    file: str
    files: Mapping[str, str] = field(default_factory=dict)

    def file_of(self, name: str) -> str:
        """Return the file to name in a problem with a field or a key of the task."""
        return self.files.get(name, self.file)


@dataclass(frozen=True)
class BoundTemplate:
    """A template with its project's overrides, not yet checked."""

    name: str
    file: str
    spec: TemplateSpec
    tasks: tuple[BoundTask, ...]
    project: ProjectSpec | None
    project_file: str


def read_projects(
    folder: Path, templates: Mapping[str, TemplateSpec], problems: list[Problem]
) -> dict[str, tuple[str, ProjectSpec]]:
    """Read a folder's project files: template to file name and project.

    What is wrong is added to `problems`; a project that does not fit its template is left out.
    """
    projects: dict[str, tuple[str, ProjectSpec]] = {}
    if not folder.is_dir():
        problems.append(
            Problem(
                "projects-folder-missing",
                "P2C_PROJECTS names this folder, but it is not there; create it or remove the "
                "setting to run the templates as shipped",
                file=str(folder),
            )
        )
        return projects
    for path in sorted(folder.glob("*.toml")):
        project = read_spec(path, ProjectSpec)
        if isinstance(project, list):
            problems.extend(project)
        elif found := _misfits(path.name, project, templates, projects):
            problems.extend(found)
        else:
            projects[project.template] = (path.name, project)
    return projects


def bind(name: str, spec: TemplateSpec, file: str, project: ProjectSpec | None) -> BoundTemplate:
    """Apply a project's overrides to a template; `file` is the project's, "" without one."""
    template_file = f"{name}.toml"
    tasks = tuple(
        _bind_task(task, template_file, file, project.tasks.get(task.name) if project else None)
        for task in spec.tasks
    )
    if project is not None:
        maps = {
            key: {**spec.value_maps.get(key, {}), **_replacing(spec, key, project)}
            for key in {**spec.value_maps, **project.value_maps}
        }
        spec = spec.model_copy(update={"value_maps": maps})
    return BoundTemplate(name, template_file, spec, tasks, project, file)


def _misfits(
    file: str,
    project: ProjectSpec,
    templates: Mapping[str, TemplateSpec],
    projects: Mapping[str, tuple[str, ProjectSpec]],
) -> list[Problem]:
    spec = templates.get(project.template)
    if spec is None:
        hint = suggestion(project.template, list(templates))
        return [Problem("template-unknown", f"no template '{project.template}'{hint}", file=file)]
    if project.template in projects:
        return [
            Problem(
                "project-duplicate",
                f"template '{project.template}' is bound by {projects[project.template][0]} "
                "already; a template takes one project, so merge the two files",
                file=file,
            )
        ]
    tasks = {task.name: task for task in spec.tasks}
    problems = []
    for name, changes in project.tasks.items():
        if name not in tasks:
            hint = suggestion(name, list(tasks))
            problems.append(
                Problem(
                    "task-unknown",
                    f"template '{project.template}' has no such task{hint}",
                    file=file,
                    task=name,
                )
            )
            continue
        problems += [
            Problem(
                "field-unknown",
                "is to be removed, but the template does not map it",
                file=file,
                task=name,
                field=gone,
            )
            for gone in changes.remove
            if gone not in tasks[name].fields
        ]
    return problems


def _replacing(spec: TemplateSpec, key: str, project: ProjectSpec) -> ValueMapSpec:
    """Spell the project's left sides as the template does, so that equal ones are replaced."""
    spelled = {left.strip().casefold(): left for left in spec.value_maps.get(key, {})}
    return {
        spelled.get(left.strip().casefold(), left): right
        for left, right in project.value_maps.get(key, {}).items()
    }


def _bind_task(
    task: TaskSpec, file: str, project_file: str, changes: ProjectTask | None
) -> BoundTask:
    if changes is None:
        return BoundTask(task, file)
    removed = set(changes.remove)
    fields = {name: line for name, line in task.fields.items() if name not in removed}
    for name, override in changes.fields.items():
        fields[name] = _merged(fields.get(name), override)
    update: dict[str, object] = {
        "fields": fields,
        "lengths": {
            **{name: length for name, length in task.lengths.items() if name not in removed},
            **changes.lengths,
        },
        "mandatory": tuple(name for name in task.mandatory if name not in removed),
    }
    for key in ("destination", "filter", "requires", "retired", "when_deleted", "when_moved"):
        if (value := getattr(changes, key)) is not None:
            update[key] = value
    files = dict.fromkeys((*changes.fields, *changes.model_fields_set), project_file)
    return BoundTask(task.model_copy(update=update), file, files)


def _merged(line: FieldSpec | None, override: FieldSpec) -> FieldSpec:
    if line is None or override.source is not None or override.transforms is not None:
        return override
    changed = {name: getattr(override, name) for name in override.model_fields_set}
    return line.model_copy(update={**changed, "transforms": None})

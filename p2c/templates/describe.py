"""Describes a template with its project's overrides, as people know it from Data Integrator. Pure.

A line has a source, a map type (``=`` copies, ``Fn`` has a transform) and a destination.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from p2c.templates.metadata import shipped_metadata
from p2c.templates.model import Constant, FieldSpec, TaskSpec
from p2c.templates.projects import BoundTask, BoundTemplate

COPY = "="
FUNCTION = "Fn"


@dataclass(frozen=True)
class LineDescription:
    """One field's line.

    Attributes:
        source: Column or lookup; "" for a constant.
        map_type: ``=`` or ``Fn``.
        transform: What happens to the value on its way; "" for a copy.
        is_key: Part of the integration key.
        is_mandatory: F&O wants it on a new record.
        length: Longest text, None when it is not known.
        is_overridden: The project changed or added it.
    """

    source: str
    map_type: str
    destination: str
    transform: str
    is_key: bool
    is_mandatory: bool
    length: int | None
    is_overridden: bool


@dataclass(frozen=True)
class TaskDescription:
    """One task.

    Attributes:
        filter: "" when every row is taken.
        prerequisites: Sentences: which record has to be in F&O first, and what brings it.
        policies: What becomes of records whose row was deleted or moved, and how one is marked.
        removed: Fields of the template that the project does not map.
        overridden: What besides fields the project changed, such as ``filter``.
    """

    name: str
    source: str
    destination: str
    filter: str
    prerequisites: tuple[str, ...]
    policies: Mapping[str, str]
    removed: tuple[str, ...]
    overridden: tuple[str, ...]
    lines: tuple[LineDescription, ...]


@dataclass(frozen=True)
class TemplateDescription:
    """One template.

    Attributes:
        name: File name without suffix, such as ``accounts``.
        title: Microsoft's name.
        direction: ``sales-to-fno``.
        project: File of the project that binds it; "" when it runs as shipped.
        value_maps: Name to left side to right side; the left side "" is for blanks.
        overridden_value_maps: Names of those that the project changed or added.
    """

    name: str
    title: str
    direction: str
    prerequisites: tuple[str, ...]
    project: str
    value_maps: Mapping[str, Mapping[str, Constant]]
    overridden_value_maps: tuple[str, ...]
    tasks: tuple[TaskDescription, ...]


def describe(template: BoundTemplate) -> TemplateDescription:
    """Return a template's description; nothing in it is checked."""
    project = template.project
    return TemplateDescription(
        name=template.name,
        title=template.spec.title,
        direction=template.spec.direction,
        prerequisites=template.spec.prerequisites,
        project=template.project_file,
        value_maps=template.spec.value_maps,
        overridden_value_maps=tuple(project.value_maps) if project else (),
        tasks=tuple(_task(template, task) for task in template.tasks),
    )


def _task(template: BoundTemplate, bound: BoundTask) -> TaskDescription:
    spec, project = bound.spec, template.project
    changes = project.tasks.get(spec.name) if project else None
    known = changes.model_fields_set - {"fields", "remove"} if changes else set()
    return TaskDescription(
        name=spec.name,
        source=spec.source,
        destination=spec.destination,
        filter=spec.filter or "",
        prerequisites=tuple(_prerequisites(spec)),
        policies={
            "when_deleted": spec.when_deleted,
            "when_moved": spec.when_moved,
            "retired": _entries(spec.retired),
        },
        removed=changes.remove if changes else (),
        overridden=tuple(sorted(known)),
        lines=tuple(_line(bound, name, line) for name, line in spec.fields.items()),
    )


def _prerequisites(spec: TaskSpec) -> Iterator[str]:
    for need in spec.requires:
        for table, template in need.templates.items():
            yield (
                f"{need.field} is the {need.identified_by} of the record that template "
                f"'{template}' makes of the {table}"
            )


def _line(bound: BoundTask, name: str, line: FieldSpec) -> LineDescription:
    entity = shipped_metadata().entities.get(bound.spec.destination)
    transform = "; ".join(_steps(line))
    return LineDescription(
        source=line.source or "",
        map_type=FUNCTION if transform else COPY,
        destination=name,
        transform=transform,
        is_key=entity is not None and name in entity.key,
        is_mandatory=name in bound.spec.mandatory,
        length=bound.spec.lengths.get(name),
        is_overridden=bound.file_of(name) != bound.file,
    )


def _steps(line: FieldSpec) -> Iterator[str]:
    """Yield a line's transforms in the order they run."""
    for step in line.transforms or ():
        yield json.dumps(step.model_dump(mode="json"), ensure_ascii=False)
    if line.value_map is not None:
        named = isinstance(line.value_map, str)
        what = f"'{line.value_map}'" if named else _entries(line.value_map)
        yield f"value map {what}{', others pass through' if line.pass_through else ''}"
    if line.country:
        yield "country code"
    if line.default is not None:
        yield f"default {json.dumps(line.default, ensure_ascii=False)}"
    if line.truncate is not False:
        yield "truncate" if line.truncate is True else f"truncate to {line.truncate}"


def _entries(value_map: object) -> str:
    found = value_map.items() if isinstance(value_map, Mapping) else ()
    return ", ".join(f"{left or 'blank'} → {right}" for left, right in found)

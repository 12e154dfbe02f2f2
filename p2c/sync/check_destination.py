"""Compares what the tasks write with what F&O's metadata says. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from p2c.mapping.task import TaskMapping
from p2c.model import DestinationMetadata, EntityDefinition
from p2c.sync.findings import Finding, Verdict, well

AREA = "fno"

REFERENCES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "CustomerGroupId": (("CustomerGroups", "CustomerGroupId"),),
    "SiteId": (("OperationalSitesV2", "SiteId"), ("OperationalSites", "SiteId")),
    "WarehouseId": (("Warehouses", "WarehouseId"),),
}
"""Field to where its values have to be: data entity of the legal entity, and its field. The first
counts that this F&O has."""


def compare_entity(metadata: DestinationMetadata, task: TaskMapping) -> list[Finding]:
    """Return what is wrong with a task's data entity, or that it is as the task expects."""
    entity = metadata.entities.get(task.entity_set)
    if entity is None:
        return [
            Finding(
                AREA,
                Verdict.BROKEN,
                _subject(task),
                "F&O has no such data entity",
                "its public collection name in the metadata",
                "Refresh the data entities in F&O (Data management, Framework parameters), or give "
                "the task another destination in a project.",
                "entity-unknown",
            )
        ]
    findings = [
        *_key(entity, task),
        *_fields(entity, task),
        *_members(metadata, entity, task),
        *_required(entity, task),
    ]
    if any(finding.verdict is Verdict.BROKEN for finding in findings):
        return findings
    found = f"key and {len(task.field_types)} fields are as the template says"
    return [well(AREA, _subject(task), found), *findings]


def references(tasks: Iterable[TaskMapping]) -> dict[str, dict[str, list[str]]]:
    """Return the values that defaults and value maps give to fields that refer to set-up tables.

    Returns:
        Field to value to the places that give it.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for task in tasks:
        for field, values in task.given.items():
            for value in values if field in REFERENCES else ():
                places = found.setdefault(field, {}).setdefault(str(value), [])
                places.append(f"{task.template}: {task.task}")
    return found


def _subject(task: TaskMapping, field: str = "") -> str:
    place = f"data entity '{task.entity_set}' of {task.template}: {task.task}"
    return f"{place}, field '{field}'" if field else place


def _key(entity: EntityDefinition, task: TaskMapping) -> Iterator[Finding]:
    if entity.key != task.key_fields:
        yield Finding(
            AREA,
            Verdict.BROKEN,
            _subject(task),
            f"the key {', '.join(entity.key)}",
            f"the key {', '.join(task.key_fields)}",
            "Use the version of the data entity that the template is for.",
            "entity-differs",
        )


def _fields(entity: EntityDefinition, task: TaskMapping) -> Iterator[Finding]:
    for field in dict.fromkeys((*task.field_types, *task.retired)):
        found, expected = entity.fields.get(field), task.field_types.get(field)
        if found is None:
            yield Finding(
                AREA,
                Verdict.BROKEN,
                _subject(task, field),
                "no such field",
                f"a field of type {expected}" if expected else "the field that marks old records",
                "Remove the field from the task in a project (remove = [...]), or install what "
                "brings it.",
                "field-unknown",
            )
        elif expected is not None and _comparable(found) != _comparable(expected):
            yield Finding(
                AREA,
                Verdict.BROKEN,
                _subject(task, field),
                f"type {found}",
                f"type {expected}",
                "Declare the field with its type under [fields] of a project, and map what fits.",
                "type-mismatch",
            )


def _members(
    metadata: DestinationMetadata, entity: EntityDefinition, task: TaskMapping
) -> Iterator[Finding]:
    """Look for the members that defaults, value maps and marks of old records give."""
    for field, values in (*task.given.items(), *((f, (v,)) for f, v in task.retired.items())):
        kind = entity.fields.get(field, "")
        members = metadata.enums.get(kind.removeprefix("enum:"))
        if not kind.startswith("enum:") or members is None:
            continue
        for value in sorted({str(value) for value in values} - members):
            yield Finding(
                AREA,
                Verdict.BROKEN,
                _subject(task, field),
                f"enum {kind.removeprefix('enum:')} has no member '{value}'",
                f"one of {', '.join(sorted(members))}",
                "Give the field another default or value map in a project.",
                "enum-member-unknown",
            )


def _required(entity: EntityDefinition, task: TaskMapping) -> Iterator[Finding]:
    """Point at mandatory fields that nothing is mapped to: F&O may fill them itself."""
    for field in sorted(entity.required - task.field_types.keys() - set(task.key_fields)):
        yield Finding(
            AREA,
            Verdict.WARNING,
            _subject(task, field),
            "mandatory in this F&O, and not mapped",
            "a source or a default",
            "Map it in a project, unless F&O fills it itself.",
            "mandatory-unmapped",
        )


def _comparable(kind: str) -> str:
    """Return a type for comparison: enums are spelled differently in different metadata."""
    return kind.replace("_", "").casefold()

"""Checks of a task that concern more than one line: fields, keys, filters, value maps, customs.

Each finding is a `Problem` with a stable code; `docs` and tests name the same codes.
"""

from datetime import datetime
from decimal import Decimal
from typing import Protocol

from p2c.errors import Problem
from p2c.mapping.engine import LEGAL_ENTITY_FIELD
from p2c.mapping.filters import Filter, comparisons_of
from p2c.templates.files import suggestion
from p2c.templates.lines import CHOICES, NUMBERS, map_entries
from p2c.templates.metadata import ColumnDefinition, DataEntity, Metadata
from p2c.templates.model import TaskSpec
from p2c.templates.projects import BoundTask, BoundTemplate
from p2c.templates.resolve import SourceTable


class ReportField(Protocol):
    """Adds a problem of a task, or of one of its fields."""

    def __call__(self, code: str, message: str, name: str = "") -> None:
        """Add it."""
        ...


DECLARE = "mend the name, or declare a custom field under [fields] of a project"


def check_fields(spec: TaskSpec, entity: DataEntity, report: ReportField) -> None:
    """Report duplicate destinations, an unmapped key, unmapped mandatory and unknown fields."""
    seen: dict[str, str] = {}
    for name in spec.fields:
        if (other := seen.setdefault(name.casefold(), name)) != name:
            report(
                "destination-duplicate",
                f"is mapped twice: '{other}' is the same field; remove one of them",
                name,
            )
        elif name not in entity.fields:
            report_unknown_field(spec, entity, report, name)
    _check_key(spec, entity, report)
    for name in spec.mandatory:
        if name not in spec.fields and name not in entity.key:
            report("mandatory-unmapped", "is mandatory on a new record; map it or default it", name)
    for name in dict.fromkeys((*spec.lengths, *spec.mandatory)):
        if name not in entity.fields and name not in spec.fields:
            report_unknown_field(spec, entity, report, name)


def _check_key(spec: TaskSpec, entity: DataEntity, report: ReportField) -> None:
    if LEGAL_ENTITY_FIELD in spec.fields:
        report(
            "legal-entity-mapped",
            "is set from P2C_LEGAL_ENTITY, so it cannot be mapped; remove it",
            LEGAL_ENTITY_FIELD,
        )
    for name in entity.key:
        if name not in spec.fields and name != LEGAL_ENTITY_FIELD:
            report(
                "key-unmapped",
                f"is part of the integration key of {spec.destination} and has to be mapped",
                name,
            )


def check_policies(spec: TaskSpec, report: ReportField) -> None:
    """Report a policy of deactivating where the task does not say by which fields."""
    for key, policy in (("when_deleted", spec.when_deleted), ("when_moved", spec.when_moved)):
        if policy == "deactivate" and key in spec.model_fields_set and not spec.retired:
            report(
                "retired-missing",
                f'{key} = "deactivate" needs fields that mark a record as no longer in use; '
                "name them in retired",
                key,
            )


def report_unknown_field(
    spec: TaskSpec, entity: DataEntity, report: ReportField, name: str
) -> None:
    """Report a field that the destination's metadata lacks."""
    hint = suggestion(name, list(entity.fields))
    report(
        "field-unknown", f"data entity {spec.destination} has no such field{hint}; {DECLARE}", name
    )


def check_literals(part: Filter, what: str, table: SourceTable, report: ReportField) -> None:
    """Report comparisons whose literal is of another kind than the column."""
    for comparison in comparisons_of(part):
        for definition in table.definitions(comparison.source)[:1]:
            if comparison.literal is not None and not _fits(definition, comparison.literal):
                report(
                    "filter-type-mismatch",
                    f"{what}: compares the {definition.type} column '{comparison.source}' with "
                    "a literal of another type",
                )


def known(task: BoundTask, metadata: Metadata, problems: list[Problem]) -> bool:
    """Report a source table or a destination entity that the metadata lacks."""
    spec = task.spec
    before = len(problems)
    for code, key, what, name, known in (
        ("table-unknown", "source", "source table", spec.source, list(metadata.tables)),
        (
            "entity-unknown",
            "destination",
            "destination data entity",
            spec.destination,
            list(metadata.entities),
        ),
    ):
        if name not in known:
            hint = suggestion(name, known) or f"; known are {', '.join(known)}"
            problems.append(
                Problem(code, f"no {what} '{name}'{hint}", file=task.file_of(key), task=spec.name)
            )
    return len(problems) == before


def check_maps(template: BoundTemplate, problems: list[Problem]) -> None:
    """Report faults of the named value maps, once each, in the project before the template."""
    shared = [(template.file, template.spec.value_maps)]
    if template.project is not None:
        shared.append((template.project_file, template.project.value_maps))
    reported: set[str] = set()
    for file, maps in reversed(shared):
        for name, spec in maps.items():

            def report(code: str, message: str, file: str = file) -> None:
                if message not in reported:
                    reported.add(message)
                    problems.append(Problem(code, message, file=file))

            map_entries(spec, f"value map '{name}'", report)


def with_customs(template: BoundTemplate, metadata: Metadata, problems: list[Problem]) -> Metadata:
    """Add a project's custom columns and fields to the metadata."""
    if template.project is None:
        return metadata
    for table, columns in template.project.columns.items():
        if table not in metadata.tables:
            hint = suggestion(table, list(metadata.tables))
            problems.append(
                Problem(
                    "table-unknown",
                    f"columns are declared for an unknown table '{table}'{hint}",
                    file=template.project_file,
                )
            )
            continue
        metadata = metadata.with_columns(table, columns)
    for entity, fields in template.project.fields.items():
        if entity not in metadata.entities:
            hint = suggestion(entity, list(metadata.entities))
            problems.append(
                Problem(
                    "entity-unknown",
                    f"fields are declared for an unknown data entity '{entity}'{hint}",
                    file=template.project_file,
                )
            )
            continue
        unknown = [
            kind
            for kind in fields.values()
            if kind.startswith("enum:") and kind.removeprefix("enum:") not in metadata.enums
        ]
        problems.extend(
            Problem(
                "enum-unknown",
                f"a field of {entity} is declared with an unknown enum '{kind}'",
                file=template.project_file,
            )
            for kind in unknown
        )
        metadata = metadata.with_fields(entity, fields)
    return metadata


def _fits(definition: ColumnDefinition, literal: object) -> bool:
    match literal:
        case bool():
            return definition.type == "Boolean"
        case Decimal():
            return definition.type in NUMBERS | CHOICES
        case datetime():
            return definition.type == "DateTime"
        case _:
            return definition.type in {"Memo", "String", "Uniqueidentifier"}

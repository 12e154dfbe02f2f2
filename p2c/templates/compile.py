"""Checks a bound template against the metadata and compiles it for the engine.

Every problem is reported, not only the first, each with file, task and field. Reading files and
choosing templates is left to `p2c.templates.load`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from p2c.errors import Problem
from p2c.mapping.conversion import FieldType, convert, empty_value
from p2c.mapping.engine import (
    FieldMapping,
    RecordMapping,
    Requirement,
    SkipReason,
    fingerprint,
)
from p2c.mapping.filters import Filter, FilterError, parse_filter
from p2c.mapping.sources import Column, LookupColumn
from p2c.mapping.task import CompiledTemplate, TaskMapping
from p2c.mapping.transforms import Country, ValueMap
from p2c.mapping.values import Rejection
from p2c.model import Reason, SourceQuery, Value
from p2c.templates.checks import (
    check_fields,
    check_literals,
    check_maps,
    check_policies,
    known,
    report_unknown_field,
    with_customs,
)
from p2c.templates.files import suggestion
from p2c.templates.lines import Line, build, constants
from p2c.templates.metadata import DataEntity, Metadata
from p2c.templates.model import RequirementSpec, TaskSpec
from p2c.templates.projects import BoundTask, BoundTemplate
from p2c.templates.resolve import SourceError, SourceTable


@dataclass
class TaskCompiler:
    """Compiles one task; `problems` collects what is wrong.

    Attributes:
        destinations: Template name to the data entity that its first task writes, for
            prerequisites.
    """

    template: BoundTemplate
    task: BoundTask
    metadata: Metadata
    entity: DataEntity
    legal_entity: str
    destinations: Mapping[str, str]
    problems: list[Problem]
    table: SourceTable = field(init=False)

    def __post_init__(self) -> None:
        self.table = SourceTable(self.metadata, self.task.spec.source)

    def compile(self) -> TaskMapping:
        """Return the task. Only of use when no problem was reported."""
        spec = self.task.spec
        mappings = tuple(self._mappings())
        check_fields(spec, self.entity, self.report)
        source_filter = self._filter(spec.filter, "filter") if spec.filter else None
        if source_filter:
            self.table.leave_out(source_filter)
        record = RecordMapping(
            spec.destination,
            self.entity.key,
            self.legal_entity,
            mappings,
            source_filter,
            tuple(self._skip_reasons()),
            tuple(self._requirements(mappings)),
        )
        retired = self._retired(spec)
        types = {line.field: line.field_type for line in mappings}
        types |= {name: kind for name in retired if (kind := self._field_type(name))}
        query = self.table.query()
        return TaskMapping(
            template=self.template.name,
            title=self.template.spec.title,
            task=spec.name,
            query=query,
            entity_set=spec.destination,
            key_fields=self.entity.key,
            field_types={name: kind.name for name, kind in types.items()},
            empty_values={name: empty_value(kind) for name, kind in types.items()},
            map_row=record,
            number_columns=self._number_columns(mappings),
            retired=retired,
            when_deleted=spec.when_deleted,
            when_moved=spec.when_moved,
            fingerprint=fingerprint(record, sorted(retired.items())),
            select_fingerprint=fingerprint(query),
            mandatory=spec.mandatory,
            given={line.field: tuple(_given(line)) for line in mappings},
            column_types=self._column_types(query),
            free_text_fields=self._free_text(mappings),
        )

    def report(self, code: str, message: str, name: str = "") -> None:
        """Add a problem of the task, or of one of its fields."""
        self._report_in(self.task.file_of(name), code, message, name)

    def _report_in(self, file: str, code: str, message: str, name: str = "") -> None:
        self.problems.append(
            Problem(code, message, file=file, task=self.task.spec.name, field=name)
        )

    def _field_type(self, name: str) -> FieldType | None:
        kind = self.entity.fields.get(name)
        if kind is None:
            return None
        members = self.metadata.enums.get(kind.removeprefix("enum:"), ())
        return FieldType(kind, members, self.task.spec.lengths.get(name))

    def _mappings(self) -> Iterable[FieldMapping]:
        for name, spec in self.task.spec.fields.items():
            field_type = self._field_type(name)
            if field_type is None:
                continue  # `check_fields` reports it.
            source = None
            if spec.source is not None:
                try:
                    source = self.table.source(spec.source)
                except SourceError as error:
                    self.report(error.code, str(error), name)
                    continue
            yield build(
                Line(
                    name,
                    spec,
                    source,
                    self.table.definitions(source) if source else (),
                    field_type,
                    self.template.spec.value_maps,
                    partial(self.report, name=name),
                )
            )

    def _filter(self, text: str, what: str) -> Filter | None:
        report = partial(self._report_in, self.task.file_of(what))
        try:
            parsed = parse_filter(text, self.table.filter_source)
        except FilterError as error:
            report(error.code, f"{what} '{text}': {error}")
            return None
        check_literals(parsed, f"{what} '{text}'", self.table, report)
        return parsed

    def _skip_reasons(self) -> Iterable[SkipReason]:
        for spec in self.task.spec.skip_reasons:
            when = self._filter(spec.when, f"skip reason '{spec.code}', when")
            yield SkipReason(when, Reason(spec.code, spec.reason))

    def _requirements(self, mappings: tuple[FieldMapping, ...]) -> Iterable[Requirement]:
        by_field = {line.field: line for line in mappings}
        for spec in self.task.spec.requires:
            line = by_field.get(spec.field)
            if line is None or not isinstance(line.source, LookupColumn):
                self.report(
                    "requirement-invalid",
                    "requires a record by this field, so it has to be mapped from a lookup; "
                    "map it, or give the task other requires",
                    spec.field,
                )
                continue
            yield Requirement(line, line.source.lookup, self._brings(spec, line.source))

    def _brings(
        self, spec: RequirementSpec, source: LookupColumn
    ) -> dict[str, tuple[str, str, str]]:
        brings: dict[str, tuple[str, str, str]] = {}
        for table, template in spec.templates.items():
            entity_set = self.destinations.get(template)
            if table not in dict(source.columns):
                self.report("table-unknown", f"its source does not follow '{table}'", spec.field)
            elif entity_set is None:
                hint = suggestion(template, list(self.destinations))
                self.report("template-unknown", f"no template '{template}'{hint}", spec.field)
            elif (entity := self.metadata.entities.get(entity_set)) is None:
                continue  # The other template's own check reports its unknown destination.
            elif spec.identified_by not in entity.fields:
                self.report(
                    "field-unknown",
                    f"data entity {entity_set} has no field '{spec.identified_by}'",
                    spec.field,
                )
            else:
                brings[table] = (template, entity_set, spec.identified_by)
        return brings

    def _retired(self, spec: TaskSpec) -> dict[str, Value]:
        check_policies(spec, self.report)
        retired: dict[str, Value] = {}
        for name, constant in spec.retired.items():
            field_type = self._field_type(name)
            if field_type is None:
                report_unknown_field(spec, self.entity, self.report, name)
                continue
            if name in self.entity.key:
                self.report(
                    "retired-key",
                    "is part of the integration key and cannot mark a record; retire it by "
                    "another field",
                    name,
                )
                continue
            value = convert(constant, field_type)
            if isinstance(value, Rejection):
                self.report("type-mismatch", f"the retired value: {value.text}", name)
            else:
                retired[name] = empty_value(field_type) if value is None else value
        return retired

    def _column_types(self, query: SourceQuery) -> dict[str, dict[str, str]]:
        """Types of the columns that are read, by table."""
        wanted: dict[str, set[str]] = {query.table: set(query.columns)}
        for lookup in query.lookups:
            for target in lookup.targets:
                wanted.setdefault(target.table, set()).update(target.columns)
        tables = self.metadata.tables
        return {
            table: {column: tables[table].columns[column].type for column in sorted(columns)}
            for table, columns in wanted.items()
        }

    def _number_columns(self, mappings: tuple[FieldMapping, ...]) -> dict[str, str]:
        columns = self.table.table.columns
        return {
            line.field: line.source.name
            for line in mappings
            if line.field in self.entity.key
            and isinstance(line.source, Column)
            and columns[line.source.name].type == "String"
        }

    def _free_text(self, mappings: tuple[FieldMapping, ...]) -> frozenset[str]:
        """Text fields copied from what people type, except from columns that hold a number."""
        numbers = {line.source for line in mappings if line.field in self.entity.key}
        return frozenset(
            line.field
            for line in mappings
            if isinstance(line.source, Column)
            and line.source not in numbers
            and line.field_type.name == "Edm.String"
            and self.table.table.columns[line.source.name].type in {"Memo", "String"}
            and not any(
                isinstance(step, Country) or (isinstance(step, ValueMap) and not step.pass_through)
                for step in line.transforms
            )
        )


def _given(line: FieldMapping) -> Iterator[Value]:
    for _, _, value in constants(line):
        if value is not None and not isinstance(value, Rejection):
            yield value


def compile_template(
    template: BoundTemplate,
    metadata: Metadata,
    legal_entity: str,
    destinations: Mapping[str, str],
    problems: list[Problem],
) -> CompiledTemplate:
    """Check and compile a template; only of use when nothing was added to `problems`."""
    metadata = with_customs(template, metadata, problems)
    check_maps(template, problems)
    names = [task.spec.name for task in template.tasks]
    tasks: list[TaskMapping] = []
    for task in template.tasks:
        if names.count(task.spec.name) > 1 and task.spec.name not in {t.task for t in tasks}:
            problems.append(
                Problem(
                    "task-duplicate",
                    "the template has two tasks of this name; rename one",
                    file=template.file,
                    task=task.spec.name,
                )
            )
        entity = metadata.entities.get(task.spec.destination)
        if known(task, metadata, problems) and entity is not None:
            tasks.append(
                TaskCompiler(
                    template, task, metadata, entity, legal_entity, destinations, problems
                ).compile()
            )
    return CompiledTemplate(
        template.name,
        template.spec.title,
        template.spec.prerequisites,
        tuple(tasks),
    )

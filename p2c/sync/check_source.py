"""Compares what the tasks read with what a Dataverse table's metadata says. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from p2c.mapping.task import TaskMapping
from p2c.model import Lookup, TableDefinition
from p2c.sync.findings import Finding, Verdict, well

AREA = "dataverse"

_KINDS = (
    frozenset({"Memo", "String"}),
    frozenset({"BigInt", "Decimal", "Double", "Integer", "Money"}),
    frozenset({"Picklist", "State", "Status"}),
)
"""Types of columns that a mapping treats alike."""

_LOOKUPS = frozenset({"Customer", "Lookup", "Owner"})


def tables_of(tasks: Iterable[TaskMapping]) -> dict[str, list[TaskMapping]]:
    """Return every table that the tasks read, also through lookups, with those tasks."""
    found: dict[str, list[TaskMapping]] = {}
    for task in tasks:
        for table in dict.fromkeys((task.query.table, *task.column_types)):
            found.setdefault(table, []).append(task)
    return found


def compare_table(definition: TableDefinition, tasks: Sequence[TaskMapping]) -> list[Finding]:
    """Return what is wrong with a table, or one finding that it is as the tasks expect."""
    findings = list(
        dict.fromkeys(
            finding
            for task in tasks
            for finding in (*_names(definition, task), *_columns(definition, task))
        )
    )
    if findings:
        return findings
    name = definition.logical_name
    columns = {column for task in tasks for column in task.column_types.get(name, ())}
    is_source = any(task.query.table == name for task in tasks)
    tracked = "change tracking is on, " if is_source else ""
    return [
        well(AREA, f"table '{name}'", f"{tracked}columns that are read: {len(columns)}, all there")
    ]


def _names(definition: TableDefinition, task: TaskMapping) -> Iterator[Finding]:
    """Compare how the table is called, how its rows are found, and how lookups are followed."""
    name, query = definition.logical_name, task.query
    if query.table == name:
        for what, found, expected in (
            ("entity set", definition.entity_set, query.entity_set),
            ("primary key", definition.primary_key, query.primary_key),
        ):
            if found != expected:
                yield _differs(f"table '{name}', {what}", f"'{found}'", f"'{expected}'")
        if not definition.is_change_tracking_enabled:
            yield Finding(
                AREA,
                Verdict.BROKEN,
                f"table '{name}'",
                "change tracking is off",
                "it is on",
                "Switch on 'Track changes' in the properties of this table, and publish.",
                "change-tracking-off",
            )
        for lookup in query.lookups:
            yield from _lookup(definition, lookup)
    for lookup in query.lookups:
        for target in lookup.targets:
            if target.table == name and target.primary_key != definition.primary_key:
                yield _differs(
                    f"table '{name}', primary key",
                    f"'{definition.primary_key}'",
                    f"'{target.primary_key}'",
                )


def _lookup(definition: TableDefinition, lookup: Lookup) -> Iterator[Finding]:
    subject = f"table '{definition.logical_name}', lookup '{lookup.column}'"
    kind = definition.columns.get(lookup.column)
    if kind not in _LOOKUPS:
        found = f"a column of type {kind}" if kind else "no such column"
        yield Finding(AREA, Verdict.BROKEN, subject, found, "a lookup", _ADVICE, "lookup-unknown")
        return
    for target in lookup.targets:
        found = definition.navigation.get((lookup.column, target.table), "")
        if found != target.navigation_property:
            yield Finding(
                AREA,
                Verdict.BROKEN,
                f"{subject} to '{target.table}'",
                f"navigation property '{found}'" if found else "it does not lead there",
                f"navigation property '{target.navigation_property}'",
                _ADVICE,
                "lookup-unknown",
            )


def _columns(definition: TableDefinition, task: TaskMapping) -> Iterator[Finding]:
    for column, expected in task.column_types.get(definition.logical_name, {}).items():
        subject = f"table '{definition.logical_name}', column '{column}'"
        found = definition.columns.get(column)
        if found is None:
            yield Finding(
                AREA,
                Verdict.BROKEN,
                subject,
                "no such column",
                f"a column of type {expected}",
                _ADVICE,
                "column-unknown",
            )
        elif not _fits(found, expected):
            yield Finding(
                AREA,
                Verdict.BROKEN,
                subject,
                f"type {found}",
                f"type {expected}",
                "Map another column, or declare the column with its type under [columns] of a "
                "project.",
                "type-mismatch",
            )


def _fits(found: str, expected: str) -> bool:
    return found == expected or any({found, expected} <= kind for kind in _KINDS)


def _differs(subject: str, found: str, expected: str) -> Finding:
    return Finding(AREA, Verdict.BROKEN, subject, found, expected, _ADVICE, "table-differs")


_ADVICE = (
    "Install the solution that brings it (Prospect to cash for columns that start with msdynce_), "
    "or map another in a project."
)

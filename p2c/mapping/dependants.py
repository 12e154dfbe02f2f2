"""Which tasks read which columns of other rows, behind their lookups: derived from the templates.

A row of Sales changes its record in F&O without changing itself when a value behind one of its
lookups changes. Finding such rows is left to `p2c.sync.dependants`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from p2c.mapping.task import CompiledTemplate, TaskMapping
from p2c.model import Lookup, LookupTarget


@dataclass(frozen=True, slots=True)
class Dependant:
    """A task that reads columns of a table behind one of its lookups.

    Attributes:
        columns: The columns, without the table's primary key, which never changes.
    """

    task: TaskMapping
    lookup: Lookup
    columns: tuple[str, ...]


Dependants = Mapping[str, tuple[Dependant, ...]]
"""Table to what depends on its rows."""


def dependants_of(templates: Iterable[CompiledTemplate]) -> Dependants:
    """Return, for each table that some task reads, the tasks that look its columns up.

    Only changes of tables that a task reads are ever reported, so others are left out.
    """
    tasks = [task for template in templates for task in template.tasks]
    read = {task.query.table for task in tasks}
    found: dict[str, list[Dependant]] = {}
    for task in tasks:
        for lookup in task.query.lookups:
            for target in lookup.targets:
                columns = changeable_columns(target)
                if columns and target.table in read:
                    found.setdefault(target.table, []).append(Dependant(task, lookup, columns))
    return {table: tuple(dependants) for table, dependants in found.items()}


def changeable_columns(target: LookupTarget) -> tuple[str, ...]:
    """Return the columns read behind a lookup, without the primary key."""
    return tuple(column for column in target.columns if column != target.primary_key)


def watched_columns(dependants: Iterable[Dependant]) -> tuple[str, ...]:
    """Return the columns that any of them reads, each once."""
    return tuple(dict.fromkeys(column for found in dependants for column in found.columns))


def with_watched_columns(templates: Iterable[CompiledTemplate]) -> tuple[CompiledTemplate, ...]:
    """Let each task read the columns of its own table that other tasks look up.

    A row then shows by itself that such a column changed. Fingerprints stay as they are: neither
    the mapping nor what change tracking is asked for changes.
    """
    known = tuple(templates)
    dependants = dependants_of(known)
    return tuple(
        replace(
            template,
            tasks=tuple(
                _watching(task, dependants.get(task.query.table, ())) for task in template.tasks
            ),
        )
        for template in known
    )


def _watching(task: TaskMapping, dependants: Iterable[Dependant]) -> TaskMapping:
    columns = tuple(dict.fromkeys((*task.query.columns, *watched_columns(dependants))))
    return replace(task, query=replace(task.query, columns=columns))

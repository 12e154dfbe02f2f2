"""A task, compiled: everything the pure engine needs to map a row of Sales to a record of F&O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from p2c.mapping.result import MappingResult
from p2c.model import SourceQuery, SourceRow, Value

WhenDeleted = Literal["report", "deactivate"]
WhenMoved = Literal["deactivate", "leave"]


class RowMapper(Protocol):
    """Maps one row, purely."""

    def __call__(self, row: SourceRow) -> MappingResult:
        """Return the record the row becomes, or why it becomes none."""
        ...


@dataclass(frozen=True)
class TaskMapping:
    """One task of a template with its project's overrides applied.

    Attributes:
        template: File name of the template without suffix, such as ``contacts``.
        title: Microsoft's name of the template.
        task: Microsoft's name of the task.
        query: What is read of the source table.
        entity_set: Destination entity's public collection name.
        key_fields: Key of the destination entity in the order of the metadata.
        field_types: Mapped or retired destination field to its type: ``Edm.String``,
            ``Edm.Decimal``, ``Edm.Int32``, ``Edm.DateTimeOffset``, ``enum:NoYes``, ….
        empty_values: Each of these fields to what clears it in F&O ("" for text, 0, …).
        map_row: The pure mapping.
        number_columns: Field of the integration key to the text column of the source table that it
            comes from: the row's number, by which people know it.
        retired: Fields set on a record to mark it as no longer in use. What the mapping does not
            map of them belongs to every record as a blank, so that a record that comes back into
            use is cleared of the mark where p2c set it.
        when_deleted: ``deactivate`` retires the records of a row that is gone; ``report`` leaves
            them.
        when_moved: ``deactivate`` retires a record under a key the row no longer has; ``leave``
            leaves it.
        fingerprint: Changes when the template or an override changes.
        select_fingerprint: Changes when the columns that are read change: an old delta link is
            of no use then.
        mandatory: Destination fields that F&O wants on a new record, as the template says.
        given: Destination field to the values that its default and its value maps may give it.
        column_types: Source table, and tables behind its lookups, to column to the type that the
            template was checked against.
        free_text_fields: Destination fields that carry people's data as typed, so their values
            are taken out of a service's words before these are kept.
    """

    template: str
    title: str
    task: str
    query: SourceQuery
    entity_set: str
    key_fields: tuple[str, ...]
    field_types: Mapping[str, str]
    empty_values: Mapping[str, Value]
    map_row: RowMapper
    number_columns: Mapping[str, str] = field(default_factory=dict)
    retired: Mapping[str, Value] = field(default_factory=dict)
    when_deleted: WhenDeleted = "report"
    when_moved: WhenMoved = "deactivate"
    fingerprint: str = ""
    select_fingerprint: str = ""
    mandatory: tuple[str, ...] = ()
    given: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    column_types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    free_text_fields: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CompiledTemplate:
    """A template ready to run.

    Attributes:
        name: File name without suffix, such as ``accounts``.
        title: Microsoft's name.
        prerequisites: Names of templates whose records this one refers to; they run before it.
        tasks: In the order they run.
    """

    name: str
    title: str
    prerequisites: tuple[str, ...]
    tasks: tuple[TaskMapping, ...]

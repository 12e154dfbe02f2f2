"""Values that every layer shares: rows of Sales, records of F&O, what is stored of them.

Nothing here does I/O or knows a service's wire format. Names of columns and fields are data and
spelled as the service's metadata spells them.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

RowId = str
"""Primary key of a Dataverse row: a GUID in lower case with hyphens."""

Value = str | int | Decimal | bool
"""A field's value as F&O takes it: enums as member names, dates as ISO 8601 text."""


class Outcome(enum.StrEnum):
    """What became of a row in a task; the words of `run --json`, the ledger and the docs."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    WAITING = "waiting"
    REJECTED = "rejected"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row has its outcome: a stable code for programs and a sentence for people."""

    code: str
    text: str


Identity = tuple[str, ...]
"""A key as F&O compares it; see `RecordKey.identity`."""


@dataclass(frozen=True, slots=True)
class RecordKey:
    """Integration key of one F&O record.

    Attributes:
        entity_set: Public collection name, such as ``CustomersV2``.
        parts: Key fields and values in the order of the metadata, ``dataAreaId`` first.
    """

    entity_set: str
    parts: tuple[tuple[str, str], ...]

    @property
    def identity(self) -> Identity:
        """The key as F&O compares it: without regard to case and trailing blanks."""
        return (self.entity_set, *(value.rstrip().casefold() for _, value in self.parts))

    def __str__(self) -> str:
        return f"{self.entity_set}({','.join(f'{name}={value}' for name, value in self.parts)})"


@dataclass(frozen=True, slots=True)
class LookupTarget:
    """One table a lookup column may point to, and the columns wanted from there.

    Attributes:
        table: Logical name, such as ``account``.
        navigation_property: As the metadata spells it, such as ``parentcustomerid_account``.
        primary_key: Primary key column of the target table, such as ``accountid``.
    """

    table: str
    navigation_property: str
    primary_key: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lookup:
    """A lookup column, such as ``parentcustomerid``, with one target or several."""

    column: str
    targets: tuple[LookupTarget, ...]


@dataclass(frozen=True, slots=True)
class SourceQuery:
    """What a task reads of its Dataverse table.

    Attributes:
        table: Logical name, such as ``contact``.
        entity_set: Collection name in the Web API, such as ``contacts``.
        primary_key: Primary key column, such as ``contactid``.
        columns: Plain columns the mapping and the filter use, without the primary key.
        lookups: Lookup columns that the mapping follows.
    """

    table: str
    entity_set: str
    primary_key: str
    columns: tuple[str, ...]
    lookups: tuple[Lookup, ...] = ()


@dataclass(frozen=True, slots=True)
class LookupRow:
    """The row a lookup points to. `table` is "" when it is none of the lookup's targets."""

    table: str
    row_id: RowId
    columns: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceRow:
    """The current state of one Dataverse row.

    Attributes:
        version: Row version, shown to people; never a reason to skip a row.
        columns: Column to JSON value (str, int, float, bool or None).
        lookups: Lookup column to the row it points to, None when it is empty.
    """

    row_id: RowId
    version: str
    columns: Mapping[str, object]
    lookups: Mapping[str, LookupRow | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One page of a read of ids. Exactly one of the two links is set, or none on an untracked
    read's last page.
    """

    changed: tuple[RowId, ...]
    deleted: tuple[RowId, ...]
    next_link: str | None
    delta_link: str | None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a service takes p2c for.

    Attributes:
        user_id: The system user's id in Dataverse.
        service_time: What the service's clock said, None when it did not say.
    """

    user_id: str
    service_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """What a Dataverse table's metadata says of it.

    Attributes:
        columns: Logical name to type, such as ``String``, ``Picklist`` or ``Lookup``.
        navigation: Lookup column and target table to the navigation property between them.
    """

    logical_name: str
    entity_set: str
    primary_key: str
    is_change_tracking_enabled: bool
    columns: Mapping[str, str]
    navigation: Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class EntityDefinition:
    """What F&O's metadata says of a data entity.

    Attributes:
        key: In the order of the metadata.
        fields: Name to type: ``Edm.String``, …, or ``enum:`` and the enum's name as the metadata
            spells it.
        required: Fields that the metadata marks as mandatory.
    """

    key: tuple[str, ...]
    fields: Mapping[str, str]
    required: frozenset[str]


@dataclass(frozen=True, slots=True)
class DestinationMetadata:
    """What F&O's metadata says of the data entities that were asked for.

    Attributes:
        entity_sets: The public collection name of every data entity.
        entities: Those that were asked for and are there.
        enums: Name of each enum that their fields have to its members.
    """

    entity_sets: frozenset[str]
    entities: Mapping[str, EntityDefinition]
    enums: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Create:
    """POST a record. `values` has every non-blank field; key fields are added from `key`."""

    key: RecordKey
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Update:
    """PATCH a record. `values` has only what differs, no key field, and never None."""

    key: RecordKey
    values: Mapping[str, Value]


Operation = Create | Update


class Written(enum.Enum):
    """What F&O said of one operation."""

    DONE = "done"
    EXISTS = "exists"
    """Create: a record with this key is there already."""
    ABSENT = "absent"
    """Update: no record has this key."""
    MISSING_REFERENCE = "missing-reference"
    """A referenced record (customer group, party, …) is not there."""
    REFUSED = "refused"
    """F&O will not take this record until someone changes something."""
    CONFLICT = "conflict"
    """A passing clash (update conflict, deadlock): this record alone may be tried again."""
    THROTTLED = "throttled"
    UNKNOWN = "unknown"
    """No readable answer for this operation: it may have been carried out."""


@dataclass(frozen=True, slots=True)
class PartResult:
    """F&O's answer to one operation of a batch; `reason` is set unless it is DONE."""

    written: Written
    reason: Reason | None = None
    retry_after_seconds: float | None = None


Scalar = str | int | float | bool
"""What a document's property may hold; an absent property stands for None."""


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document: its name within a partition, its properties, its version (etag)."""

    partition: str
    name: str
    body: Mapping[str, Scalar]
    version: str


@dataclass(frozen=True, slots=True)
class Put:
    """A conditional write: `version` None means that no such document may exist yet."""

    name: str
    body: Mapping[str, Scalar]
    version: str | None


@dataclass(frozen=True, slots=True)
class Received:
    """A message held by this process until its hold runs out."""

    text: str
    message_id: str
    receipt: str
    dequeue_count: int

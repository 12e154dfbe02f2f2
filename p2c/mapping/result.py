"""What mapping a row gives: a record to write, or the reason why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass

from p2c.model import Outcome, Reason, RecordKey, RowId, Value


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """What must be in F&O before a record can be written, and which row brings it there.

    Attributes:
        entity_set: Where the prerequisite lives in F&O, such as ``CustomersV2``.
        field: The field that identifies it there, such as ``PartyNumber``.
        value: Its value, such as ``ACC-01000-BVRCPS``; "" when the row has no number yet.
        template: The template that brings it, such as ``accounts``.
        table: Dataverse table of the row that becomes the prerequisite, such as ``account``.
        row_id: That row.
    """

    entity_set: str
    field: str
    value: str
    template: str
    table: str
    row_id: RowId


@dataclass(frozen=True, slots=True)
class Mapped:
    """A destination record.

    Attributes:
        key: The record's integration key.
        values: Every mapped field, key fields included, typed for the destination. None is a
            blank: left out on create, the type's empty value on an update where p2c had written
            something before.
        prerequisites: Records that must be in F&O first.
    """

    key: RecordKey
    values: Mapping[str, Value | None]
    prerequisites: tuple[Prerequisite, ...] = ()


@dataclass(frozen=True, slots=True)
class NotMapped:
    """Why a row gives no record: SKIPPED, WAITING (with what it waits for) or REJECTED.

    Attributes:
        key: The key the record would have, where the row gives one: for people to find it by, and
            because the record under it stays this row's.
    """

    outcome: Outcome
    reason: Reason
    prerequisite: Prerequisite | None = None
    key: RecordKey | None = None


MappingResult = Mapped | NotMapped

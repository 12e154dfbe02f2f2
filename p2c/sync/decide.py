"""Decides, purely, what to write for a mapped row: nothing, a new record, changed fields only.

A decision rests on what the ledger knows is in F&O or, where that is not certain, on what F&O was
seen to hold. It says what to store before sending, so that a crash leaves no forgotten write.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from p2c.mapping.result import Mapped
from p2c.mapping.task import TaskMapping
from p2c.model import Create, Operation, Outcome, RecordKey, Update, Value
from p2c.sync.hashing import BLANK, MAYBE, hash_values
from p2c.sync.ledger import Entry

FnoRecord = Mapping[str, object]
Found = Mapping[tuple[str, ...], FnoRecord]
"""Records seen in F&O by the identity of their key."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do for one row.

    Attributes:
        operations: To send, the row's own record first, then records under keys it no longer has.
        outcome: What the row comes to once all operations are done.
        keys: The ledger's keys from now on, the current one last.
        hashes_before: To store before sending.
        hashes_after: To store once all operations are done and nothing else can act any more.
        hashes_meanwhile: To store instead while an earlier request may still act: a field that
            was cleared is not known to be blank then.
        needs_intent: Whether keys and hashes have to be stored before sending.
    """

    operations: tuple[Operation, ...]
    outcome: Outcome
    keys: tuple[RecordKey, ...]
    hashes_before: Mapping[str, str]
    hashes_after: Mapping[str, str]
    hashes_meanwhile: Mapping[str, str]
    needs_intent: bool

    @property
    def creates(self) -> bool:
        """Whether a record is to be created."""
        return any(isinstance(operation, Create) for operation in self.operations)


def is_trusted(entry: Entry, key: RecordKey) -> bool:
    """Say whether the ledger knows for certain what F&O holds under a key."""
    return (
        entry.unsettled_until is None
        and entry.current_key is not None
        and entry.current_key.identity == key.identity
        and bool(entry.hashes)
        and MAYBE not in entry.hashes.values()
    )


def keys_to_look_up(entry: Entry, mapped: Mapped) -> tuple[RecordKey, ...]:
    """Return every key under which F&O may hold a record of this row."""
    return (*entry.keys, mapped.key)


def plan_from_ledger(task: TaskMapping, entry: Entry, mapped: Mapped, hash_key: bytes) -> Plan:
    """Plan from what the ledger knows; the entry must be trusted for the mapped key."""
    after = hash_values(hash_key, _patchable(task, mapped))
    changed: dict[str, Value] = {}
    for field, value in _patchable(task, mapped).items():
        before = entry.hashes.get(field)
        if value is None:
            if _written(entry.hashes, field):
                changed[field] = task.empty_values[field]
        elif after[field] != before:
            changed[field] = value
    operations = (Update(mapped.key, changed),) if changed else ()
    outcome = Outcome.UPDATED if changed else Outcome.UNCHANGED
    return _plan(entry, mapped, operations, outcome, after)


def plan_from_look(
    task: TaskMapping, entry: Entry, mapped: Mapped, found: Found, hash_key: bytes
) -> Plan:
    """Plan from what F&O was seen to hold under each of the row's keys."""
    after = hash_values(hash_key, _patchable(task, mapped))
    operations: list[Operation] = []
    moved = bool(entry.keys) and _current_identity(entry) != mapped.key.identity
    record = found.get(mapped.key.identity)
    retirements = _retirements(task, entry, mapped.key, found)
    if record is None:
        values = {field: value for field, value in mapped.values.items() if value is not None}
        operations.append(Create(mapped.key, values))
        outcome = Outcome.UPDATED if moved else Outcome.CREATED
    else:
        changed = _differences(task, entry, mapped, record)
        if changed:
            operations.append(Update(mapped.key, changed))
        writes = changed or moved or retirements
        outcome = Outcome.UPDATED if writes else entry.intended or Outcome.UNCHANGED
    operations += retirements
    return _plan(entry, mapped, tuple(operations), outcome, after)


def match_records(
    entity_set: str, key_fields: Sequence[str], records: Sequence[FnoRecord]
) -> dict[tuple[str, ...], FnoRecord]:
    """Index records by the identity of their key."""
    matched = {}
    for record in records:
        parts = tuple((field, str(record.get(field) or "")) for field in key_fields)
        matched[RecordKey(entity_set, parts).identity] = record
    return matched


def same_value(field_type: str, wanted: Value, actual: object) -> bool:
    """Say whether F&O holds the value that is wanted.

    Text compares without trailing blanks, which F&O does not keep; numbers compare by value;
    an absent or null property is F&O's empty value.
    """
    if actual is None:
        return wanted in ("", 0)
    if field_type in ("Edm.Decimal", "Edm.Double", "Edm.Int32", "Edm.Int64"):
        try:
            return Decimal(str(actual)) == Decimal(str(wanted))
        except InvalidOperation:
            return False
    if field_type == "Edm.DateTimeOffset":
        return _moment(str(wanted)) == _moment(str(actual))
    if isinstance(wanted, bool) or isinstance(actual, bool):
        return wanted == actual
    return str(wanted).rstrip() == str(actual).rstrip()


def _plan(
    entry: Entry,
    mapped: Mapped,
    operations: tuple[Operation, ...],
    outcome: Outcome,
    after: Mapping[str, str],
) -> Plan:
    same_key = _current_identity(entry) == mapped.key.identity
    known = _known_hashes(entry, mapped.key, after)
    sent = _sent_fields(operations, mapped.key)
    first_written = [field for field in sent if not _written(known, field)]
    others = tuple(key for key in entry.keys if key.identity != mapped.key.identity)
    return Plan(
        operations=operations,
        outcome=outcome,
        keys=(*others, mapped.key),
        hashes_before={**known, **dict.fromkeys(first_written, MAYBE)},
        hashes_after=after,
        hashes_meanwhile={
            field: MAYBE if found == BLANK and _written(known, field) else found
            for field, found in after.items()
        },
        needs_intent=bool(operations) and (not same_key or bool(first_written)),
    )


def _sent_fields(operations: tuple[Operation, ...], key: RecordKey) -> list[str]:
    key_fields = {name for name, _ in key.parts}
    return [
        field
        for operation in operations
        if operation.key is key
        for field in operation.values
        if field not in key_fields
    ]


def _differences(
    task: TaskMapping, entry: Entry, mapped: Mapped, record: FnoRecord
) -> dict[str, Value]:
    changed: dict[str, Value] = {}
    wanted = _patchable(task, mapped)
    known = _known_hashes(entry, mapped.key, wanted)
    for field, value in wanted.items():
        actual = record.get(field)
        if value is not None:
            if not same_value(task.field_types[field], value, actual):
                changed[field] = value
            continue
        empty = task.empty_values[field]
        if _written(known, field) and not same_value(task.field_types[field], empty, actual):
            changed[field] = empty
    return changed


def _known_hashes(entry: Entry, key: RecordKey, fields: Iterable[str]) -> Mapping[str, str]:
    """Return what is known of the record under a key; all is uncertain of one left behind."""
    if _current_identity(entry) == key.identity:
        return entry.hashes
    if any(known.identity == key.identity for known in entry.keys):
        return dict.fromkeys(fields, MAYBE)
    return {}


def _written(known: Mapping[str, str], field: str) -> bool:
    """Say whether p2c wrote a field, or may have, so that a blank has to clear it."""
    return known.get(field) not in (None, BLANK)


def _retirements(
    task: TaskMapping, entry: Entry, current: RecordKey, found: Found
) -> list[Operation]:
    operations: list[Operation] = []
    for key in entry.keys:
        record = found.get(key.identity)
        if key.identity == current.identity or record is None:
            continue
        fields = {
            field: value for field, value in task.retired.items() if record.get(field) != value
        }
        if fields:
            operations.append(Update(key, fields))
    return operations


def _patchable(task: TaskMapping, mapped: Mapped) -> dict[str, Value | None]:
    return {field: value for field, value in mapped.values.items() if field not in task.key_fields}


def _current_identity(entry: Entry) -> tuple[str, ...] | None:
    return entry.current_key.identity if entry.current_key else None


def _moment(text: str) -> datetime | str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

"""Decides, purely, what to write for a row: nothing, a new record, changed fields, a retirement.

A decision rests on what the ledger knows is in F&O or, where that is not certain, on what F&O was
seen to hold. It says what to store before sending, so that a crash leaves no forgotten write.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from p2c.mapping.result import Mapped
from p2c.mapping.task import TaskMapping
from p2c.model import Create, Identity, Operation, Outcome, Reason, RecordKey, Update, Value
from p2c.sync.hashing import BLANK, MAYBE, doubted, hash_values
from p2c.sync.ledger import Entry

LEFT_KEPT = 20
"""Keys that a row no longer has for which it is remembered which fields p2c wrote."""
KEYS_NAMED = 10
"""Records of a deleted row that its reason names, the latest."""
FnoRecord = Mapping[str, object]
Found = Mapping[tuple[str, ...], FnoRecord]
"""Records seen in F&O by the identity of their key."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do for one row.

    Attributes:
        operations: To send, the row's own record first, then records under keys it no longer has.
        outcome: What the row comes to once all operations are done.
        reason: Why, where the outcome alone does not say it.
        keys: The ledger's keys from now on, the current one last.
        left: What p2c wrote under the others, from now on.
        hashes_before: To store before sending.
        hashes_after: To store once all operations are done and nothing else can act any more.
        hashes_meanwhile: To store instead while an earlier request may still act: a field that
            was cleared is not known to be blank then.
        needs_intent: Whether keys and hashes have to be stored before sending.
    """

    operations: tuple[Operation, ...]
    outcome: Outcome
    keys: tuple[RecordKey, ...]
    left: Mapping[Identity, frozenset[str]]
    hashes_before: Mapping[str, str]
    hashes_after: Mapping[str, str]
    hashes_meanwhile: Mapping[str, str]
    needs_intent: bool
    reason: Reason | None = None

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


def keys_to_look_up(entry: Entry, mapped: Mapped | None) -> tuple[RecordKey, ...]:
    """Return every key under which F&O may hold a record of this row; a gone row is not mapped."""
    return (*entry.keys, mapped.key) if mapped else entry.keys


def with_inherited(task: TaskMapping, entry: Entry, mapped: Mapped) -> Entry:
    """Return the entry with the mapped key in it, as one whose record another row wrote before.

    Nothing is certain of any field then, so one that is blank is cleared.
    """
    keys = (mapped.key, *entry.keys)
    if entry.keys:
        # What this row once wrote there tells nothing of what the other wrote.
        left = {
            known: fields for known, fields in entry.left.items() if known != mapped.key.identity
        }
        return replace(entry, keys=keys, left=left)
    return replace(entry, keys=keys, hashes=_doubtful(task, mapped))


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
    return _plan(task, entry, mapped, operations, outcome, after)


def plan_from_look(
    task: TaskMapping, entry: Entry, mapped: Mapped, found: Found, hash_key: bytes
) -> Plan:
    """Plan from what F&O was seen to hold under each of the row's keys."""
    after = hash_values(hash_key, _patchable(task, mapped))
    operations: list[Operation] = []
    moved = bool(entry.keys) and _current_identity(entry) != mapped.key.identity
    record = found.get(mapped.key.identity)
    left = [key for key in entry.keys if key.identity != mapped.key.identity]
    retirements = _retirements(task, left, found) if task.when_moved == "deactivate" else []
    if record is None:
        values = {field: value for field, value in mapped.values.items() if value is not None}
        operations.append(Create(mapped.key, values))
        outcome = Outcome.UPDATED if moved else Outcome.CREATED
    else:
        changed = _differences(task, entry, mapped, record)
        if changed:
            operations.append(Update(mapped.key, changed))
        confirmed = entry.intended if entry.intended is not Outcome.DELETED else None
        writes = changed or moved or retirements
        outcome = Outcome.UPDATED if writes else confirmed or Outcome.UNCHANGED
    operations += retirements
    return _plan(task, entry, mapped, tuple(operations), outcome, after)


def plan_deleted(task: TaskMapping, entry: Entry, found: Found, hash_key: bytes) -> Plan:
    """Plan for a row that is gone, where the task retires the records of such rows.

    Every record the row ever had is retired. The ledger keeps keys and hashes, so that the row,
    should it be restored with its id, is given back what the mapping says of it.
    """
    seen = [key for key in entry.keys if key.identity in found]
    operations = tuple(_retirements(task, seen, found))
    known = entry.hashes if entry.unsettled_until is None else doubted(entry.hashes)
    current = entry.current_key
    # Once nothing can act any more, a record that was not seen is not there.
    certain = known if current in seen else {}
    sent = _sent_fields(operations, current) if current else []
    first_written = [field for field in sent if not _written(known, field)]
    # A mark that p2c did not set is not p2c's to take away again.
    own = [field for field in task.retired if field in sent or _written(certain, field)]
    after = {**certain, **hash_values(hash_key, {field: task.retired[field] for field in own})}
    return Plan(
        operations=operations,
        outcome=Outcome.DELETED,
        keys=entry.keys,
        left=entry.left,
        hashes_before={**known, **dict.fromkeys(first_written, MAYBE)},
        hashes_after=after,
        hashes_meanwhile={**known, **after},
        needs_intent=bool(first_written),
        reason=_retired_reason(task, seen),
    )


def deleted_reason(entry: Entry) -> Reason:
    """Say of a row that is gone what stays of it in F&O, where nothing is done about it."""
    gone = "The row is no longer in Sales"
    if entry.current_key:
        return Reason(
            "deleted-in-sales",
            f"{gone}. Its record {entry.current_key} stays in F&O as it is: the task reports "
            'deleted rows (when_deleted = "report").',
        )
    if entry.outcome is None or (entry.reason and entry.reason.code == "came-and-went"):
        return Reason(
            "came-and-went",
            "The row is not in Sales, and F&O never had it: it came and went between two polls, or "
            "its id is that of no row of this table.",
        )
    return Reason("deleted-in-sales", f"{gone}, and it has no record in F&O.")


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
    task: TaskMapping,
    entry: Entry,
    mapped: Mapped,
    operations: tuple[Operation, ...],
    outcome: Outcome,
    after: Mapping[str, str],
) -> Plan:
    same_key = _current_identity(entry) == mapped.key.identity
    known = _known_hashes(task, entry, mapped)
    sent = _sent_fields(operations, mapped.key)
    first_written = [field for field in sent if not _written(known, field)]
    others = tuple(key for key in entry.keys if key.identity != mapped.key.identity)
    return Plan(
        operations=operations,
        outcome=outcome,
        keys=(*others, mapped.key),
        left=_left(entry, mapped.key),
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
    known = _known_hashes(task, entry, mapped)
    for field, value in wanted.items():
        actual = record.get(field)
        if value is not None:
            if not same_value(task.field_types[field], value, actual):
                changed[field] = value
            continue
        if _written(known, field) and not _is_cleared(task, mapped, field, actual):
            changed[field] = task.empty_values[field]
    return changed


def _is_cleared(task: TaskMapping, mapped: Mapped, field: str, actual: object) -> bool:
    """Say whether a field that is to be blank holds nothing of p2c's."""
    field_type = task.field_types[field]
    if field in mapped.values:
        return same_value(field_type, task.empty_values[field], actual)
    return not same_value(field_type, task.retired[field], actual)


def _known_hashes(task: TaskMapping, entry: Entry, mapped: Mapped) -> Mapping[str, str]:
    """Return what is known of the record under a key; of one left behind, what p2c wrote there.

    Where the task retires nothing, p2c has set no mark that the mapping does not map.
    """
    identity = mapped.key.identity
    if _current_identity(entry) == identity:
        return entry.hashes
    left = entry.left.get(identity)
    if left is None and all(known.identity != identity for known in entry.keys):
        return {}
    doubtful = _doubtful(task, mapped)
    marks = task.retired if _retires(task) else {}
    return {field: MAYBE for field in doubtful if left is None or field in left or field in marks}


def _left(entry: Entry, key: RecordKey) -> dict[Identity, frozenset[str]]:
    """Return which fields p2c wrote under each key that the row no longer has.

    Of the longest left nothing is kept: there every field may be p2c's.
    """
    left = {identity: fields for identity, fields in entry.left.items() if identity != key.identity}
    current = _current_identity(entry)
    if current and current != key.identity:
        left[current] = written_fields(entry.hashes)
    return dict(list(left.items())[-LEFT_KEPT:])


def written_fields(hashes: Mapping[str, str]) -> frozenset[str]:
    """Return the fields of a record that p2c wrote, or may have."""
    return frozenset(field for field in hashes if _written(hashes, field))


def _doubtful(task: TaskMapping, mapped: Mapped) -> dict[str, str]:
    """Return hashes for a record that p2c wrote once, of which nothing is certain now."""
    fields = _patchable(task, mapped) if _retires(task) else mapped.values
    return dict.fromkeys((field for field in fields if field not in task.key_fields), MAYBE)


def _retires(task: TaskMapping) -> bool:
    """Say whether p2c may have marked a record of the task as no longer in use."""
    return "deactivate" in (task.when_deleted, task.when_moved)


def _written(known: Mapping[str, str], field: str) -> bool:
    """Say whether p2c wrote a field, or may have, so that a blank has to clear it."""
    return known.get(field) not in (None, BLANK)


def _retirements(task: TaskMapping, keys: Iterable[RecordKey], found: Found) -> list[Operation]:
    """Mark those of the records that are there and not marked yet."""
    operations: list[Operation] = []
    for key in keys:
        record = found.get(key.identity)
        fields = {
            field: value
            for field, value in task.retired.items()
            if record is not None
            and not same_value(task.field_types[field], value, record.get(field))
        }
        if fields:
            operations.append(Update(key, fields))
    return operations


def _retired_reason(task: TaskMapping, seen: Sequence[RecordKey]) -> Reason:
    if not seen:
        return Reason(
            "deleted-in-sales", "The row is no longer in Sales, and its record is not in F&O."
        )
    marks = ", ".join(f"{field}={value}" for field, value in task.retired.items())
    return Reason(
        "deactivated",
        f"The row is no longer in Sales. In F&O {_named(seen)} has {marks} now: the task "
        'deactivates the records of deleted rows (when_deleted = "deactivate").',
    )


def _named(keys: Sequence[RecordKey]) -> str:
    named = ", ".join(str(key) for key in keys[-KEYS_NAMED:])
    more = len(keys) - KEYS_NAMED
    return f"{named} and {more} more" if more > 0 else named


def _patchable(task: TaskMapping, mapped: Mapped) -> dict[str, Value | None]:
    """Return what an existing record has to hold; a mark of retirement not mapped is a blank."""
    unmarked: dict[str, Value | None] = dict.fromkeys(task.retired)
    values = {**unmarked, **mapped.values}
    return {field: value for field, value in values.items() if field not in task.key_fields}


def _current_identity(entry: Entry) -> tuple[str, ...] | None:
    return entry.current_key.identity if entry.current_key else None


def _moment(text: str) -> datetime | str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

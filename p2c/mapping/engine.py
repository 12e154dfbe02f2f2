"""Maps one row: filter, fields, integration key, prerequisites. Pure, and never raises.

The order of the answers is part of the promise: a row that the filter leaves out is skipped even
if its values are bad, a row without a number is skipped, a bad value is rejected before a missing
prerequisite makes the row wait, because a person has to act on it anyway.
"""

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from p2c.errors import cut
from p2c.mapping.conversion import FieldType, convert
from p2c.mapping.filters import Filter
from p2c.mapping.result import Mapped, MappingResult, NotMapped, Prerequisite
from p2c.mapping.sources import Source
from p2c.mapping.transforms import Transform, apply_all
from p2c.mapping.values import Rejection
from p2c.model import Outcome, Reason, RecordKey, SourceRow, Value

LEGAL_ENTITY_FIELD = "dataAreaId"
DESCRIBED = 3
"""So many rejected fields of a row are described; further ones are named."""


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """One line of a template: a destination field and how its value comes about."""

    field: str
    source: Source | None
    transforms: tuple[Transform, ...]
    field_type: FieldType

    def value_of(self, row: SourceRow) -> Value | Rejection | None:
        """Return the converted value, None for a blank, or why there is none."""
        return self.convert(None if self.source is None else self.source.read(row))

    def convert(self, raw: object) -> Value | Rejection | None:
        """Pass a raw value through the transforms and the conversion."""
        value = apply_all(raw, self.transforms)
        return value if isinstance(value, Rejection) else convert(value, self.field_type)


@dataclass(frozen=True, slots=True)
class SkipReason:
    """Explains to people why the filter left a row out; `when` None explains every row."""

    when: Filter | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class Requirement:
    """A record that must be in F&O first: the one that a field's lookup points to.

    Attributes:
        mapping: The field that refers to it; its source is a lookup.
        brings: Source table to the template, entity set and identifying field that bring it.
    """

    mapping: FieldMapping
    lookup: str
    brings: Mapping[str, tuple[str, str, str]]

    def prerequisite(self, row: SourceRow) -> Prerequisite | None:
        """Return what the row needs; None when its lookup is empty or leads elsewhere."""
        found = row.lookups.get(self.lookup)
        if found is None or found.table not in self.brings:
            return None
        template, entity_set, field = self.brings[found.table]
        value = self.mapping.value_of(row)
        number = "" if value is None or isinstance(value, Rejection) else str(value)
        return Prerequisite(entity_set, field, number, template, found.table, found.row_id)


@dataclass(frozen=True)
class RecordMapping:
    """A task's mapping, ready to be called with rows (`p2c.mapping.task.RowMapper`).

    Attributes:
        entity_set: Destination entity's public collection name.
        key_fields: In the order of the metadata, the legal entity's field among them.
        fields: In the order of the template, which is the order problems are named in.
        filter: Rows for which it does not hold are skipped.
        skip_reasons: Tried in order for a row that is left out; the last has no condition.
    """

    entity_set: str
    key_fields: tuple[str, ...]
    legal_entity: str
    fields: tuple[FieldMapping, ...]
    filter: Filter | None = None
    skip_reasons: tuple[SkipReason, ...] = ()
    requirements: tuple[Requirement, ...] = ()

    def __call__(self, row: SourceRow) -> MappingResult:
        """Return the record the row becomes, or why it becomes none."""
        if self.filter is not None and not self.filter.holds(row):
            return NotMapped(Outcome.SKIPPED, self._skip_reason(row), key=self._key_of(row))
        values: dict[str, Value | None] = {}
        rejections: list[tuple[FieldMapping, Rejection]] = []
        for mapping in self.fields:
            value = mapping.value_of(row)
            if isinstance(value, Rejection):
                rejections.append((mapping, value))
            else:
                values[mapping.field] = self._key_checked(mapping, value, rejections)
        prerequisites = [(need, need.prerequisite(row)) for need in self.requirements]
        waiting = {
            need.mapping.field: found
            for need, found in prerequisites
            if found is not None and not found.value
        }
        if missing := self._missing_number(values, waiting):
            return missing
        if rejections:
            reason = _rejection_reason(rejections)
            return NotMapped(Outcome.REJECTED, reason, key=self._known_key(values))
        if waiting:
            return _without_number(next(iter(waiting.values())))
        return Mapped(
            self._key(values),
            values,
            tuple(found for _, found in prerequisites if found is not None),
        )

    def _key_of(self, row: SourceRow) -> RecordKey | None:
        """Return the key alone, of a row whose other fields do not matter."""
        values: dict[str, Value | None] = {}
        for mapping in self.fields:
            if mapping.field in self.key_fields:
                value = mapping.value_of(row)
                values[mapping.field] = None if isinstance(value, Rejection) else value
        return self._known_key(values)

    def _key(self, values: Mapping[str, Value | None]) -> RecordKey:
        parts = tuple((field, self._key_part(field, values)) for field in self.key_fields)
        return RecordKey(self.entity_set, parts)

    def _known_key(self, values: Mapping[str, Value | None]) -> RecordKey | None:
        known = all(
            values.get(field) is not None or field == LEGAL_ENTITY_FIELD
            for field in self.key_fields
        )
        return self._key(values) if known else None

    def _key_part(self, field: str, values: Mapping[str, Value | None]) -> str:
        return self.legal_entity if field == LEGAL_ENTITY_FIELD else str(values[field])

    def _key_checked(
        self,
        mapping: FieldMapping,
        value: Value | None,
        rejections: list[tuple[FieldMapping, Rejection]],
    ) -> Value | None:
        if mapping.field in self.key_fields and (problem := key_problem(value)):
            rejections.append((mapping, problem))
        return value

    def _missing_number(
        self, values: Mapping[str, Value | None], waiting: Mapping[str, Prerequisite]
    ) -> NotMapped | None:
        for mapping in self.fields:
            blank = mapping.field in values and values[mapping.field] is None
            if blank and mapping.field in self.key_fields and mapping.field not in waiting:
                return NotMapped(
                    Outcome.SKIPPED,
                    Reason(
                        "number-missing",
                        f"{mapping.source or mapping.field} is blank, and {mapping.field} is part "
                        f"of the integration key of {self.entity_set}; fill it in Sales",
                    ),
                )
        return None

    def _skip_reason(self, row: SourceRow) -> Reason:
        for skip in self.skip_reasons:
            if skip.when is None or skip.when.holds(row):
                return skip.reason
        return Reason("filtered-out", "the source filter of the task leaves the row out")


def fingerprint(*parts: object) -> str:
    """Return a short digest of values whose `repr` is stable between processes."""
    return hashlib.sha256("\x1f".join(repr(part) for part in parts).encode()).hexdigest()[:16]


def key_problem(value: Value | None) -> Rejection | None:
    """Return why a value cannot be part of an integration key; None when it can, or is blank."""
    if not isinstance(value, str):
        return None
    if "*" not in value and not any(unicodedata.category(letter) == "Cc" for letter in value):
        return None
    return Rejection(
        "key-not-usable",
        "an integration key may hold neither '*', which F&O reads as a wildcard, "
        "nor control characters",
        "correct the number in Sales",
    )


def _rejection_reason(rejections: list[tuple[FieldMapping, Rejection]]) -> Reason:
    """The first field's code; the text describes the first fields and names the others."""
    texts = [cut(f"{_called(mapping)}: {problem}") for mapping, problem in rejections[:DESCRIBED]]
    if others := [mapping.field for mapping, _ in rejections[DESCRIBED:]]:
        texts.append(f"rejected as well: {', '.join(others)}")
    return Reason(rejections[0][1].code, "; ".join(texts))


def _called(mapping: FieldMapping) -> str:
    return f"{mapping.field} (from {mapping.source})" if mapping.source else mapping.field


def _without_number(prerequisite: Prerequisite) -> NotMapped:
    return NotMapped(
        Outcome.WAITING,
        Reason(
            "prerequisite-without-number",
            f"the {prerequisite.table} {prerequisite.row_id} that it refers to has no number yet; "
            f"it is needed as {prerequisite.field} in {prerequisite.entity_set}",
        ),
        prerequisite,
    )

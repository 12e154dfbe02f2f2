"""Which row owns which record of F&O: an index by integration key, kept beside the ledger.

A document for each integration key names the row that may write the record. It is an index only:
what counts is the owner's ledger entry, which lists the key as long as the row may write it. How a
row comes to own a key, and how it loses one, is in `p2c.sync.acquire_keys`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from p2c.model import Identity, RecordKey, RowId, Scalar
from p2c.sync.ports import Document, Documents, Put


@dataclass(frozen=True, slots=True)
class Owner:
    """A row of a task, as the owner of a record."""

    template: str
    task: str
    row_id: RowId


@dataclass(frozen=True, slots=True)
class Ownership:
    """What the index says of one key.

    Attributes:
        document: As it was read, for a conditional replacement.
        inherited: Another row owned the key before, and may have written any field.
    """

    owner: Owner
    document: Document
    inherited: bool


class Owners:
    """The index of owners, in partitions ``owner|<entity set>`` of the ledger's table.

    All keys of a data entity are in one partition, so that the new keys of a message are stored in
    one transaction.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def owners_of(self, keys: Iterable[RecordKey]) -> dict[Identity, Owner]:
        """Return who the index names for each key; a key that nobody ever wanted has no entry.

        A row that is named may have lost the key meanwhile, or not written it yet: whether it has
        the key, its ledger entry says.
        """
        return {found: ownership.owner for found, ownership in self.read(keys).items()}

    def read(self, keys: Iterable[RecordKey]) -> dict[Identity, Ownership]:
        """Read what the index says of keys."""
        found: dict[Identity, Ownership] = {}
        for entity_set, identities in _by_entity_set(keys).items():
            names = {name_of(identity): identity for identity in identities}
            documents = self._documents.get_many(_partition(entity_set), list(names))
            for name, document in documents.items():
                found[names[name]] = _decode(document)
        return found

    def store(
        self, entity_set: str, owners: Mapping[Identity, tuple[Owner, Ownership | None]]
    ) -> set[Identity]:
        """Name owners, in one transaction: each on condition that the index still says what it did.

        Args:
            owners: Identity of a key (at most 100 of one data entity) to its new owner and to what
                the index said before, None for nothing.

        Returns:
            The keys whose owner is now the one given. The others' documents have changed.
        """
        puts = {
            name_of(identity): Put(
                name_of(identity),
                _encode(owner, before),
                before.document.version if before else None,
            )
            for identity, (owner, before) in owners.items()
        }
        while puts:
            answer = self._documents.put_all(_partition(entity_set), list(puts.values()))
            if not isinstance(answer, str):
                break
            del puts[answer]
        return {identity for identity in owners if name_of(identity) in puts}

    def insert(self, entity_set: str, owners: Mapping[Identity, Owner]) -> bool:
        """Name owners of keys that nobody ever wanted; all or, if one is known, none of them."""
        puts = [
            Put(name_of(identity), _encode(owner, None), None) for identity, owner in owners.items()
        ]
        return not isinstance(self._documents.put_all(_partition(entity_set), puts), str)


def name_of(identity: Identity) -> str:
    """Return the name of a key's document: keys may hold what names may not."""
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def _partition(entity_set: str) -> str:
    return f"owner|{entity_set}"


def _by_entity_set(keys: Iterable[RecordKey]) -> dict[str, list[Identity]]:
    sets: dict[str, list[Identity]] = {}
    for key in keys:
        sets.setdefault(key.entity_set, []).append(key.identity)
    return sets


def _encode(owner: Owner, before: Ownership | None) -> dict[str, Scalar]:
    inherited = before is not None and (before.inherited or before.owner != owner)
    return {
        "template": owner.template,
        "task": owner.task,
        "row": owner.row_id,
        "inherited": inherited,
    }


def _decode(document: Document) -> Ownership:
    body = document.body
    owner = Owner(str(body["template"]), str(body["task"]), str(body["row"]))
    return Ownership(owner, document, inherited=bool(body["inherited"]))

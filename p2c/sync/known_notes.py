"""What a process remembers of notes in storage, and how it knows that they still say so.

Most rows of a message refer to rows that were looked at a moment ago: comparing them would be a
read of storage for each. Whoever changes a note changes the table's *epoch* too, a document in the
same partition, in the same transaction. As long as the epoch is as it was, so is every note that
was read under it; first sights add notes and change none, so they leave the epoch alone.
"""

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from p2c.model import Put, RowId
from p2c.sync.ports import Documents

EPOCH = "~epoch"
"""Sorts after every row's id and is none."""
NOTES_REMEMBERED = 20_000
"""Of each table; a few megabytes at most."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """The state of a table's notes.

    Attributes:
        version: Of the stored document; None before any note has changed.
        notes: Row to the hashes of its note, for notes without a mark that were read in this epoch.
    """

    partition: str
    version: str | None
    notes: Mapping[RowId, Mapping[str, str]]

    def put(self) -> Put:
        """Return what ends this epoch, for the transaction that changes a note."""
        return Put(EPOCH, {"id": uuid.uuid4().hex}, self.version)


class KnownNotes:
    """The notes that a process remembers, by partition; safe between threads."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str | None, dict[RowId, Mapping[str, str]]]] = {}

    def epoch(self, partition: str) -> Epoch:
        """Read a table's epoch; what was remembered from another is forgotten."""
        document = self._documents.get(partition, EPOCH)
        version = document.version if document else None
        with self._lock:
            known = self._known.get(partition)
            if known is None or known[0] != version:
                known = self._known[partition] = (version, {})
            return Epoch(partition, version, known[1])

    def remember(self, epoch: Epoch, notes: Mapping[RowId, Mapping[str, str]]) -> None:
        """Remember notes without a mark that were read or stored after the epoch was read."""
        with self._lock:
            version, known = self._known[epoch.partition]
            if version != epoch.version:
                return
            known.update(notes)
            for row in list(known)[: max(0, len(known) - NOTES_REMEMBERED)]:
                del known[row]

"""Documents for the length of a command: kept on this machine, gone when it ends.

For what must not be stored but may be too much for memory. SQLite keeps a small cache in memory and
the rest in a file without a name, which the operating system drops with the process.
"""

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

from p2c.model import Document, Put, Scalar
from p2c.storage.limits import check_body, check_equals, check_puts
from p2c.storage.names import encode_name, name_order

_PAGE = 200
_SCHEMA = """
    CREATE TABLE documents (
        place TEXT, partition TEXT, ordered BLOB, name TEXT, body TEXT, version TEXT,
        PRIMARY KEY (place, partition, ordered)
    ) WITHOUT ROWID
"""


@contextmanager
def scratch() -> Iterator[Callable[[str], "ScratchDocuments"]]:
    """Give documents by the name of their place, empty at first; for one thread."""
    # An empty name is SQLite's for a temporary database on disk.
    database = sqlite3.connect("", isolation_level=None)
    with closing(database):
        # Nothing outlives the process, so nothing need be made safe.
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute(_SCHEMA)
        versions = itertools.count(1)
        yield lambda place: ScratchDocuments(database, place, versions)


class ScratchDocuments:
    """Implements `p2c.sync.ports.Documents`."""

    def __init__(
        self, database: sqlite3.Connection, place: str, versions: "itertools.count[int]"
    ) -> None:
        self._database = database
        self._place = place
        self._versions = versions

    def get(self, partition: str, name: str) -> Document | None:
        found = self._database.execute(
            "SELECT body, version FROM documents WHERE place = ? AND partition = ? AND ordered = ?",
            (self._place, partition, name_order(name)),
        ).fetchone()
        return Document(partition, name, json.loads(found[0]), found[1]) if found else None

    def get_many(self, partition: str, names: Sequence[str]) -> dict[str, Document]:
        found = (self.get(partition, name) for name in names)
        return {document.name: document for document in found if document is not None}

    def put(
        self, partition: str, name: str, body: Mapping[str, Scalar], version: str | None
    ) -> str | None:
        check_body(name, body)
        encode_name(partition)
        encode_name(name)
        if not self._holds(partition, name, version):
            return None
        return self._write(partition, name, body)

    def put_all(self, partition: str, puts: Sequence[Put]) -> dict[str, str] | str:
        check_puts(puts)
        for put in puts:
            encode_name(put.name)
            if not self._holds(partition, put.name, put.version):
                return put.name
        return {put.name: self._write(partition, put.name, put.body) for put in puts}

    def delete(self, partition: str, name: str) -> None:
        self._database.execute(
            "DELETE FROM documents WHERE place = ? AND partition = ? AND ordered = ?",
            (self._place, partition, name_order(name)),
        )

    def scan(
        self,
        partition: str,
        *,
        first: str = "",
        last: str = "",
        equals: Mapping[str, Scalar] | None = None,
    ) -> Iterable[Document]:
        check_equals(equals or {})
        for document in self._range(partition, first, last):
            if all(_same(document.body.get(key), value) for key, value in (equals or {}).items()):
                yield document

    def _range(self, partition: str, first: str, last: str) -> Iterator[Document]:
        """Read page by page: whoever scans may write meanwhile."""
        start, comparison = name_order(first), ">="
        while True:
            page = self._database.execute(
                "SELECT name, body, version, ordered FROM documents "  # noqa: S608  no foreign text
                f"WHERE place = ? AND partition = ? AND ordered {comparison} ? "
                "AND (? OR ordered < ?) ORDER BY ordered LIMIT ?",
                (self._place, partition, start, not last, name_order(last), _PAGE),
            ).fetchall()
            for name, body, version, _ in page:
                yield Document(partition, name, json.loads(body), version)
            if len(page) < _PAGE:
                return
            start, comparison = page[-1][3], ">"

    def _holds(self, partition: str, name: str, version: str | None) -> bool:
        now = self.get(partition, name)
        return (now.version if now else None) == version

    def _write(self, partition: str, name: str, body: Mapping[str, Scalar]) -> str:
        version = str(next(self._versions))
        self._database.execute(
            "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?)",
            (self._place, partition, name_order(name), name, json.dumps(body), version),
        )
        return version


def _same(found: Scalar | None, wanted: Scalar) -> bool:
    """Compare as a table does: 1 and true are of different types and never equal."""
    return type(found) is type(wanted) and found == wanted

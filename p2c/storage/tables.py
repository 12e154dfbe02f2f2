"""Documents in an Azure table, with optimistic concurrency by etag."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.data.tables import (
    EdmType,
    EntityProperty,
    TableClient,
    TableTransactionError,
    TransactionOperation,
    UpdateMode,
)

from p2c.errors import UnavailableError
from p2c.model import Document, Put, Scalar
from p2c.storage.failures import service_code, storage_errors
from p2c.storage.limits import check_body, check_equals, check_puts
from p2c.storage.names import decode_name, encode_name

_T = TypeVar("_T")
_Entity = dict[str, Any]
_Operation = (
    tuple[TransactionOperation, _Entity] | tuple[TransactionOperation, _Entity, Mapping[str, Any]]
)

# A repeated conditional write meets its own first try and looks like a conflict. So once one was
# sent it is not repeated: the caller learns that its fate is unknown.
_SEND_ONCE = {"retry_read": 0, "retry_status": 0}

_CONFLICTS = frozenset(
    {
        "EntityAlreadyExists",
        "UpdateConditionNotSatisfied",
        "ConditionNotMet",
        "ResourceNotFound",
        "EntityNotFound",
    }
)
"""Codes that say that a write's condition does not hold; an update may find nothing at all."""

_FAILED_INDEX = re.compile(r"\s*(\d+):")


class AzureDocuments:
    """Implements `p2c.sync.ports.Documents` on one Azure table; safe to share between threads."""

    def __init__(self, client: TableClient, readers: ThreadPoolExecutor) -> None:
        self._client = client
        self._readers = readers

    def ensure(self) -> None:
        """Create the table if it is missing. Methods that write do so by themselves when needed."""
        with storage_errors(f"creating table {self._client.table_name}"):
            self._create_table()

    def get(self, partition: str, name: str) -> Document | None:
        with self._errors("reading from"):
            return self._get(partition, name)

    def get_many(self, partition: str, names: Sequence[str]) -> dict[str, Document]:
        if len(names) <= 1:
            found = [self.get(partition, name) for name in names]
        else:
            found = list(self._readers.map(lambda name: self.get(partition, name), names))
        return {document.name: document for document in found if document is not None}

    def put(
        self, partition: str, name: str, body: Mapping[str, Scalar], version: str | None
    ) -> str | None:
        check_body(name, body)
        entity = _to_entity(partition, name, body)
        return self._with_table("writing to", lambda: self._put(entity, version))

    def put_all(self, partition: str, puts: Sequence[Put]) -> dict[str, str] | str:
        if not puts:
            return {}
        check_puts(puts)
        operations = [_to_operation(partition, put) for put in puts]
        done = self._with_table("writing to", lambda: self._submit(operations))
        if isinstance(done, TableTransactionError):
            return self._failed_name(partition, puts, done)
        return {put.name: str(part["etag"]) for put, part in zip(puts, done, strict=True)}

    def delete(self, partition: str, name: str) -> None:
        key, row = encode_name(partition), encode_name(name)
        self._with_table("deleting from", lambda: self._client.delete_entity(key, row))

    def scan(
        self,
        partition: str,
        *,
        first: str = "",
        last: str = "",
        equals: Mapping[str, Scalar] | None = None,
    ) -> Iterable[Document]:
        wanted = scan_filter(partition, first=first, last=last, equals=equals or {})
        pages = self._client.query_entities(wanted).by_page()
        while True:
            # Only None ends the scan: Azure may send an empty page and more after it.
            with self._errors("reading from"):
                page = _next_page(pages)
            if page is None:
                return
            yield from (_to_document(entity) for entity in page)

    def _get(self, partition: str, name: str) -> Document | None:
        try:
            entity = self._client.get_entity(encode_name(partition), encode_name(name))
        except ResourceNotFoundError:
            return None  # No such document, or no such table; reading makes none.
        return _to_document(entity)

    def _put(self, entity: _Entity, version: str | None) -> str | None:
        try:
            if version is None:
                done = self._client.create_entity(entity, **_SEND_ONCE)
            else:
                done = self._client.update_entity(
                    entity,
                    mode=UpdateMode.REPLACE,
                    etag=version,
                    match_condition=MatchConditions.IfNotModified,
                    **_SEND_ONCE,
                )
        except HttpResponseError as error:
            if service_code(error) not in _CONFLICTS:
                raise
            return None
        return str(done["etag"])

    def _submit(
        self, operations: Sequence[_Operation]
    ) -> Sequence[Mapping[str, Any]] | TableTransactionError:
        try:
            return self._client.submit_transaction(operations, **_SEND_ONCE)
        except TableTransactionError as error:
            if service_code(error) not in _CONFLICTS:
                raise
            return error

    def _failed_name(
        self, partition: str, puts: Sequence[Put], error: TableTransactionError
    ) -> str:
        """Tell which document failed a transaction: the service's message starts with its index.

        The SDK answers 0 for an index that it cannot read, which would blame the wrong document.
        """
        index = _FAILED_INDEX.match(error.message or "")
        if index and int(index[1]) < len(puts):
            return puts[int(index[1])].name
        found = self.get_many(partition, [put.name for put in puts])
        for put in puts:
            now = found.get(put.name)
            if (now.version if now else None) != put.version:
                return put.name
        raise UnavailableError(
            f"Azure Storage failed a transaction on table {self._client.table_name} with "
            f"{error.status_code} {service_code(error)} and named no document, and none of them "
            "has changed. p2c tries again later.",
            service="storage",
            status=error.status_code,
            service_code=service_code(error),
        )

    def _with_table(self, action: str, request: Callable[[], _T]) -> _T:
        """Do a request; if the table is missing, create it and do the request again."""
        with self._errors(action):
            try:
                return request()
            except HttpResponseError as error:
                if service_code(error) != "TableNotFound":
                    raise
                self._create_table()
                return request()

    def _errors(self, action: str) -> AbstractContextManager[None]:
        return storage_errors(f"{action} table {self._client.table_name}")

    def _create_table(self) -> None:
        try:
            self._client.create_table()
        except ResourceExistsError:
            return


def scan_filter(partition: str, *, first: str, last: str, equals: Mapping[str, Scalar]) -> str:
    """Return the OData filter of a scan, every value quoted.

    Literals are written here because the SDK's own parameters turn the integers 0 and 1 into
    ``false`` and ``true``.
    """
    check_equals(equals)
    check_body("of a scan", equals)
    parts = [f"PartitionKey eq {_literal(encode_name(partition))}"]
    if first:
        parts.append(f"RowKey ge {_literal(encode_name(first))}")
    if last:
        parts.append(f"RowKey lt {_literal(encode_name(last))}")
    parts += [f"{name} eq {_literal(value)}" for name, value in equals.items()]
    return " and ".join(parts)


def _next_page(pages: Iterator[Iterable[Mapping[str, Any]]]) -> list[Mapping[str, Any]] | None:
    """Return the next page; None after the last one and of a table that is missing."""
    try:
        page = next(pages, None)
    except HttpResponseError as error:
        if service_code(error) != "TableNotFound":
            raise
        return None
    return None if page is None else list(page)


def _literal(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, int):
        return f"{value}L"
    return repr(value)


def _to_operation(partition: str, put: Put) -> _Operation:
    entity = _to_entity(partition, put.name, put.body)
    if put.version is None:
        return (TransactionOperation.CREATE, entity)
    condition = {
        "mode": UpdateMode.REPLACE,
        "etag": put.version,
        "match_condition": MatchConditions.IfNotModified,
    }
    return (TransactionOperation.UPDATE, entity, condition)


def _to_entity(partition: str, name: str, body: Mapping[str, Scalar]) -> _Entity:
    entity: _Entity = {"PartitionKey": encode_name(partition), "RowKey": encode_name(name)}
    for key, value in body.items():
        if isinstance(value, int) and not isinstance(value, bool):
            # Always 64 bits: a literal of one width does not match a property of the other.
            entity[key] = EntityProperty(value, EdmType.INT64)
        else:
            entity[key] = value
    return entity


def _to_document(entity: Mapping[str, object]) -> Document:
    body = {key: _from_property(value) for key, value in entity.items()}
    partition, name = body.pop("PartitionKey"), body.pop("RowKey")
    metadata: Mapping[str, object] = entity.metadata  # type: ignore[attr-defined]
    return Document(
        decode_name(str(partition)), decode_name(str(name)), body, str(metadata["etag"])
    )


def _from_property(value: object) -> Scalar:
    return value.value if isinstance(value, EntityProperty) else value  # type: ignore[return-value]

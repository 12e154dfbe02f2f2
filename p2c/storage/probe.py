"""Tries out what an account allows, on a table and a queue of its own that it removes again."""

import uuid

from p2c.errors import UnavailableError
from p2c.storage.account import StorageAccount
from p2c.storage.failures import storage_errors

_PREFIX = "p2c"
_HOLD_SECONDS = 30
_LOOKS = 5


class AzureProbe:
    """Implements `p2c.sync.ports.StorageProbe` on an Azure storage account."""

    def __init__(self, account: StorageAccount) -> None:
        self._account = account

    def tables(self) -> frozenset[str]:
        with storage_errors("listing tables"), self._account.table_service() as service:
            found = service.query_tables(f"TableName ge '{_PREFIX}' and TableName lt '{_PREFIX}~'")
            return frozenset(str(table.name) for table in found)

    def queues(self) -> frozenset[str]:
        with storage_errors("listing queues"), self._account.queue_service() as service:
            found = service.list_queues(name_starts_with=_PREFIX)
            return frozenset(str(queue.name) for queue in found)

    def try_table(self) -> None:
        name = f"{_PREFIX}check{uuid.uuid4().hex}"
        documents = self._account.documents(name)
        documents.ensure()
        try:
            version = documents.put("check", name, {"text": name}, None)
            found = documents.get("check", name)
            if version is None or found is None or found.body != {"text": name}:
                raise _not_kept(f"table {name}")
            documents.delete("check", name)
        finally:
            with storage_errors(f"removing table {name}"), self._account.table_service() as service:
                service.delete_table(name)

    def try_queue(self) -> None:
        name = f"{_PREFIX}-check-{uuid.uuid4().hex}"
        queue = self._account.queue(name)
        queue.ensure()
        try:
            queue.send(name)
            # Azure may answer a receive with nothing although there is something.
            looks = (queue.receive(1, _HOLD_SECONDS) for _ in range(_LOOKS))
            received = next((found for found in looks if found), [])
            if [message.text for message in received] != [name]:
                raise _not_kept(f"queue {name}")
            queue.complete(received[0])
        finally:
            with storage_errors(f"removing queue {name}"), self._account.queue_service() as service:
                service.delete_queue(name)


def _not_kept(what: str) -> UnavailableError:
    return UnavailableError(
        f"Azure Storage did not give back what was written to {what}.", service="storage"
    )

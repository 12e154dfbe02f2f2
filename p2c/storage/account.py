"""The storage account: how to reach it, and the tables and queues in it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from azure.core.credentials import TokenCredential
from azure.data.tables import TableClient, TableServiceClient
from azure.storage.queue import QueueClient, QueueServiceClient

from p2c.storage.queues import AzureQueue
from p2c.storage.tables import AzureDocuments

QUEUE_API_VERSION = "2025-11-05"
"""The newest version that Azurite 3.35 knows; the SDK's own default is newer than any Azurite."""

TABLE_API_VERSION = "2019-02-02"

_CONNECT_TIMEOUT_SECONDS = 5
_READ_TIMEOUT_SECONDS = 30
_READERS = 8


@dataclass(frozen=True)
class StorageAccount:
    """Where queues and tables are; connects to nothing before the first request.

    Either `connection_string`, or `queue_url` and `table_url` with a `credential`.

    Attributes:
        connection_string: As in the app setting AzureWebJobsStorage.
        queue_url: ``https://<account>.queue.core.windows.net``.
        table_url: ``https://<account>.table.core.windows.net``.
        credential: Answers for tokens; `p2c.bootstrap` chooses it.
        retries: How often a request is repeated that failed for a passing reason. Conditional
            writes are never repeated once they were sent.
    """

    connection_string: str | None = field(default=None, repr=False)
    queue_url: str = ""
    table_url: str = ""
    credential: TokenCredential | None = field(default=None, repr=False)
    retries: int = 3

    def documents(self, table: str) -> AzureDocuments:
        """Return a table, which is made when something is first written if it is missing."""
        options = self._table_options
        if self.connection_string is not None:
            client = TableClient.from_connection_string(self.connection_string, table, **options)
        else:
            client = TableClient(self.table_url, table, credential=self.credential, **options)
        return AzureDocuments(client, self._readers)

    def table_service(self) -> TableServiceClient:
        """Return the client of the account's tables as a whole, for what concerns several."""
        options = self._table_options
        if self.connection_string is not None:
            return TableServiceClient.from_connection_string(self.connection_string, **options)
        return TableServiceClient(self.table_url, credential=self.credential, **options)

    def queue(self, name: str) -> AzureQueue:
        """Return a queue, which is made when it is first sent to or received from if missing."""
        options = self._queue_options
        if self.connection_string is not None:
            client = QueueClient.from_connection_string(self.connection_string, name, **options)
        else:
            client = QueueClient(self.queue_url, name, credential=self.credential, **options)
        return AzureQueue(client)

    def queue_service(self) -> QueueServiceClient:
        """Return the client of the account's queues as a whole, for what concerns several."""
        options = self._queue_options
        if self.connection_string is not None:
            return QueueServiceClient.from_connection_string(self.connection_string, **options)
        return QueueServiceClient(self.queue_url, credential=self.credential, **options)

    @property
    def _table_options(self) -> dict[str, Any]:
        return {
            "api_version": TABLE_API_VERSION,
            "retry_total": self.retries,
            "retry_backoff_factor": 0.5,
            "connection_timeout": _CONNECT_TIMEOUT_SECONDS,
            "read_timeout": _READ_TIMEOUT_SECONDS,
        }

    @property
    def _queue_options(self) -> dict[str, Any]:
        return {
            "api_version": QUEUE_API_VERSION,
            "retry_total": self.retries,
            "initial_backoff": 1,
            "increment_base": 2,
            "random_jitter_range": 1,
            "connection_timeout": _CONNECT_TIMEOUT_SECONDS,
            "read_timeout": _READ_TIMEOUT_SECONDS,
        }

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_READERS, thread_name_prefix="p2c-read")

"""Azure Storage: documents in tables, messages in queues; and the machine's clock.

`StorageAccount` is the way in. What the documents and messages mean is left to `p2c.sync`.
"""

from p2c.storage.account import StorageAccount
from p2c.storage.clock import SystemClock
from p2c.storage.probe import AzureProbe
from p2c.storage.queues import AzureQueue
from p2c.storage.tables import AzureDocuments

__all__ = ["AzureDocuments", "AzureProbe", "AzureQueue", "StorageAccount", "SystemClock"]

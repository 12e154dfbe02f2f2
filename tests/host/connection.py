"""How the Functions host reads a trigger's ``connection``: a name that app settings begin with.

``<name>`` is a connection string. Without it ``<name>__queueServiceUri`` says where the queues are,
and ``__credential`` and ``__clientId`` whose tokens open them.
"""

from azure.identity import ManagedIdentityCredential
from azure.storage.queue import QueueClient

API_VERSION = "2025-11-05"


class ConnectionMissingError(Exception):
    """There are no settings of that name."""


def queue_client(settings, connection, queue_name):
    """Return the client of a queue; it repeats nothing.

    Raises:
        ConnectionMissingError: The settings do not say where the queue is.
    """
    options = {"api_version": API_VERSION, "retry_total": 0}
    connection_string = settings.get(connection)
    if connection_string:
        return QueueClient.from_connection_string(connection_string, queue_name, **options)
    url = settings.get(f"{connection}__queueServiceUri")
    if not url:
        raise ConnectionMissingError(f"there is no setting {connection}")
    if settings.get(f"{connection}__credential") != "managedidentity":
        raise ConnectionMissingError(f"only managedidentity is known as {connection}__credential")
    credential = ManagedIdentityCredential(client_id=settings.get(f"{connection}__clientId"))
    return QueueClient(url, queue_name, credential=credential, **options)

"""What the Azure SDK alone takes, in processor time, for the transactions p2c cannot do without."""

import json
import time
import uuid
from typing import Any

from azure.core import MatchConditions
from azure.data.tables import TableClient, TransactionOperation, UpdateMode

from p2c.storage.account import TABLE_API_VERSION
from p2c.sync.ledger import ROWS_PER_TRANSACTION

UPDATES_PER_ROW = 2
"""A new row's key is noted before it is sent, and its outcome recorded; claim and owner are new."""
_ROUNDS = 10


def cpu_seconds_per_row(storage: str) -> float:
    """Return the processor seconds of one row's share of its transactions, by the bare SDK."""
    client = TableClient.from_connection_string(storage, "bare", api_version=TABLE_API_VERSION)
    with client:
        client.create_table()
        _bring_new_rows(client)  # The first requests open connections and load modules.
        started = time.process_time()
        for _ in range(_ROUNDS):
            _bring_new_rows(client)
        return (time.process_time() - started) / _ROUNDS / ROWS_PER_TRANSACTION


def _bring_new_rows(client: TableClient) -> None:
    """Do what a message of new rows does: claim, owners of keys, keys noted, outcomes recorded."""
    owners = [_owner() for _ in range(ROWS_PER_TRANSACTION)]
    client.submit_transaction([(TransactionOperation.CREATE, owner) for owner in owners])
    entities = [_entity() for _ in range(ROWS_PER_TRANSACTION)]
    answers = client.submit_transaction(
        [(TransactionOperation.CREATE, entity) for entity in entities]
    )
    for _ in range(UPDATES_PER_ROW):
        answers = client.submit_transaction(
            [
                (
                    TransactionOperation.UPDATE,
                    entity,
                    {
                        "mode": UpdateMode.REPLACE,
                        "etag": answer["etag"],
                        "match_condition": MatchConditions.IfNotModified,
                    },
                )
                for entity, answer in zip(entities, answers, strict=True)
            ]
        )


def _owner() -> dict[str, Any]:
    """Return an entity of the size and shape of an owner of a key."""
    return {
        "PartitionKey": "owner|CDSContactPersons",
        "RowKey": uuid.uuid4().hex * 2,
        "row": str(uuid.uuid4()),
        "task": "contacts|Contacts",
    }


def _entity() -> dict[str, Any]:
    """Return an entity of the size and shape of a contact's ledger entry."""
    key = ["CDSContactPersons", ["dataAreaId", "usmf"], ["ContactPersonPartyNumber", "P-000001"]]
    return {
        "PartitionKey": "contacts|Contacts|0",
        "RowKey": str(uuid.uuid4()),
        "epoch": 1,
        "keys": json.dumps([[*key, ["AssociatedPartyNumber", "BENCH-0001"]]]),
        "hashes": json.dumps({f"PrimaryField{number}": "0" * 16 for number in range(24)}),
        "execution": "20260101T000000-00000000",
        "counted": json.dumps({"20260101T000000-00000000": "created"}),
        "source_version": "1234567",
        "record": "CDSContactPersons(dataAreaId='usmf',ContactPersonPartyNumber='P-000001')",
        "generation": 1,
        "outcome": "created",
        "since": "2026-01-01T00:00:00.000000+00:00",
    }

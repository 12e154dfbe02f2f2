"""Trying out an account writes, reads, and removes what it made."""

import pytest

from p2c.errors import UnavailableError
from p2c.storage import AzureProbe, StorageAccount

NOWHERE = "http://127.0.0.1:1"


def test_what_is_tried_out_is_gone_afterwards(storage_account):
    probe = AzureProbe(storage_account)
    before = probe.tables(), probe.queues()
    probe.try_table()
    probe.try_queue()
    assert (probe.tables(), probe.queues()) == before


def test_tables_and_queues_are_listed_by_name(storage_account):
    table, queue = storage_account.documents("p2cprobetest"), storage_account.queue("p2c-probetest")
    table.ensure()
    queue.ensure()
    probe = AzureProbe(storage_account)
    assert "p2cprobetest" in probe.tables()
    assert "p2c-probetest" in probe.queues()


@pytest.mark.parametrize("name", ["tables", "queues", "try_table", "try_queue"])
def test_an_account_that_cannot_be_reached_is_unavailable(name):
    dead = StorageAccount(
        connection_string="DefaultEndpointsProtocol=http;AccountName=dead;AccountKey=a2V5;"
        f"QueueEndpoint={NOWHERE}/dead;TableEndpoint={NOWHERE}/dead",
        retries=0,
    )
    with pytest.raises(UnavailableError):
        getattr(AzureProbe(dead), name)()

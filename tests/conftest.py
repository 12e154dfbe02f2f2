"""Fixtures that tests of several parts share."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from p2c.storage import StorageAccount
from tools.azurite import azurite

# How long an example takes tells of the machine's load, not of the code.
settings.register_profile("p2c", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("p2c")


@pytest.fixture(scope="session")
def azurite_connection_string() -> Iterator[str]:
    """One Azurite for the whole session; tests choose names of their own for what they store."""
    with azurite() as connection_string:
        yield connection_string


@pytest.fixture
def storage_account(azurite_connection_string: str) -> StorageAccount:
    return StorageAccount(connection_string=azurite_connection_string)

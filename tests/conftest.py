"""Fixtures that tests of several parts share."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from p2c.storage import StorageAccount
from tools.azurite import azurite

# How long an example takes tells of the machine's load, not of the code.
settings.register_profile("p2c", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("p2c")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow tests, so that no worker is left with one when the others are done."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def azurite_connection_string() -> Iterator[str]:
    """One Azurite for the whole session; tests choose names of their own for what they store."""
    with azurite() as connection_string:
        yield connection_string


@pytest.fixture
def storage_account(azurite_connection_string: str) -> StorageAccount:
    return StorageAccount(connection_string=azurite_connection_string)

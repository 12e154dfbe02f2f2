"""Storage of their own for these tests: queues and tables of the app have fixed names."""

from collections.abc import Iterator

import pytest

from p2c.sandbox import Sandbox
from tests.functions.world import World
from tools.azurite import azurite


@pytest.fixture
def connection() -> Iterator[str]:
    """An Azurite that nobody else uses."""
    with azurite() as connection_string:
        yield connection_string


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def world(connection, sandbox) -> Iterator[World]:
    with World(connection, sandbox) as world:
        yield world

"""Storage of their own for these tests: queues and tables of the app have fixed names."""

from collections.abc import Iterator

import pytest

from p2c.bootstrap import App, build_app
from p2c.sandbox import Sandbox
from p2c.settings import load_settings
from tests.functions.world import World, settings_for
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
def app(connection, sandbox) -> Iterator[App]:
    """The app in the test's own process."""
    app = build_app(load_settings(settings_for(connection, sandbox)))
    app.ensure_storage()
    yield app
    app.close()


@pytest.fixture
def world(connection, sandbox) -> Iterator[World]:
    with World(connection, sandbox) as world:
        yield world

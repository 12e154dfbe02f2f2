"""One sandbox for the tests of the sandbox, emptied before each."""

from collections.abc import Iterator

import pytest

from p2c.sandbox import Sandbox
from tests.sandbox.talk import Service


@pytest.fixture(scope="session")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@pytest.fixture
def dataverse(sandbox: Sandbox) -> Iterator[Service]:
    service = Service(f"{sandbox.dataverse_url}/api/data/v9.2/")
    with service.session:
        yield service


@pytest.fixture
def fno(sandbox: Sandbox) -> Iterator[Service]:
    service = Service(f"{sandbox.fno_url}/data/")
    with service.session:
        yield service

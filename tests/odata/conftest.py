"""A canned server for each test."""

from collections.abc import Iterator

import pytest

from tests.support.canned_server import CannedServer


@pytest.fixture
def server() -> Iterator[CannedServer]:
    with CannedServer() as running:
        yield running

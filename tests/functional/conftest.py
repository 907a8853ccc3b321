"""The site and the servers that the functional tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional import site
from tests.support.raw import Client
from tests.support.server import Server, serve


@pytest.fixture(scope="package")
def docroot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that is served; a test may add to it, under names of its own."""
    path = tmp_path_factory.mktemp("functional") / "site"
    site.build(path)
    return path


@pytest.fixture(scope="package")
def server(docroot: Path) -> Iterator[Server]:
    """A server of two workers with two loops each."""
    with serve(docroot, "--workers", "2", "--threads", "2") as server:
        yield server


@pytest.fixture(scope="package")
def lone_loop(docroot: Path) -> Iterator[Server]:
    """A server with a single loop: what blocks the loop keeps all clients waiting."""
    with serve(docroot, "--workers", "1", "--threads", "1") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A connection to `server`."""
    with Client(server.port) as client:
        yield client

"""Servers with a small limit of bodies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.configured import serve_with
from tests.functional.request_bodies.requests import (
    LIMIT,
)
from tests.support.server import Server


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("bodies")
    (site / "a").write_bytes(b"a")
    (site / "b").write_bytes(b"b")
    (site / "smuggled").write_bytes(b"smuggled")
    (site / "large").write_bytes(bytes(1_000_000))
    return site


@pytest.fixture(scope="module", params=[1, 2, 3, 100, 65536])
def any_recv(site: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """Servers that receive in pieces of different sizes."""
    with serve_with(site, recv=request.param, max_body=LIMIT) as server:
        yield server


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[Server]:
    with serve_with(site, max_body=LIMIT) as server:
        yield server


@pytest.fixture(scope="module")
def hasty(site: Path) -> Iterator[Server]:
    """A server with short timeouts."""
    with serve_with(site, header_timeout="1s") as server:
        yield server

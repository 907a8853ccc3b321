"""A server of files with precompressed forms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.configured import serve_with
from tests.functional.precompressed.forms import (
    FORMS,
    SUFFIXES,
    put,
)
from tests.support.raw import Client
from tests.support.server import Server


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("precompressed") / "site"
    site.mkdir()
    for target, forms in FORMS.items():
        name = target[1:] + ("index.html" if target.endswith("/") else "")
        for coding, content in forms.items():
            put(site / f"{name}{SUFFIXES[coding]}", content)
    put(site / "plain.txt", b"plain")
    return site


@pytest.fixture(scope="package")
def server(site: Path) -> Iterator[Server]:
    with serve_with(site, rules=[{"path": "/own.txt", "headers": {"X-Own": "1"}}]) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.port) as client:
        yield client

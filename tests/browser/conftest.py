"""A server of the shipped site, and browsers for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, chromium
from tests.support.server import Server, serve

WWW = Path(__file__).parents[2] / "www"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server of the shipped site."""
    with serve(WWW) as server:
        yield server


@pytest.fixture(scope="session")
def shared(server: Server) -> Iterator[Browser]:
    """A browser for the shipped site that many tests use, one after the other."""
    with chromium(server.url) as browser:
        yield browser


@pytest.fixture
def browser(shared: Browser) -> Iterator[Browser]:
    """The shared browser, as good as new; it must have nothing to complain about afterwards."""
    shared.forget()
    yield shared
    shared.check()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the site, for tests that add or change files."""
    return shutil.copytree(WWW, tmp_path / "www", ignore=shutil.ignore_patterns("large.bin"))


@pytest.fixture
def large(copied: Path) -> Callable[[int], Path]:
    """Make the large file that the downloads page asks for; sparse, so of any size."""

    def make(size: int) -> Path:
        path = copied / "downloads" / "large.bin"
        with path.open("wb") as file:
            file.truncate(size)
        return path

    return make

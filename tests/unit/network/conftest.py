"""Ticks that come quickly, so that deadlines are reached within a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.network.running import HUGE
from tests.unit.site.directories import write, write_sparse


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("httpd.network.loop.TICK", 0.02)


@pytest.fixture
def clock() -> Iterator[pytest.MonkeyPatch]:
    """Sets the clock of a test; of two patches, the last one to end puts back the other's clock."""
    with pytest.MonkeyPatch.context() as clock:
        yield clock


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    write(root / "index.html", "index")
    write(root / "a.txt", "content of a")
    write(root / "medium.bin", bytes(range(256)) * 400)
    write_sparse(root / "huge.bin", HUGE)
    return root

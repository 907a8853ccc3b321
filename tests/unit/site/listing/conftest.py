"""Fixtures of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.site.listing.pages import MANY, make_many


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More files than one run holds, and a few directories."""
    root = tmp_path_factory.mktemp("many")
    make_many(root, MANY)
    for name in "b", "a", "c":
        (root / name).mkdir()
    return root

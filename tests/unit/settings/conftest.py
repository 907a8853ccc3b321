"""A docroot, and config files that serve it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.settings.reading import Write


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


@pytest.fixture
def write(tmp_path: Path, site: Path) -> Write:
    """Write a config file with a good docroot and some more lines; return its path."""

    def write(text: str) -> str:
        path = tmp_path / "phttpd.yaml"
        path.write_text(f"docroot: {site.name}\n{text}", "utf-8")
        return str(path)

    return write

"""The modules and tests that the documentation names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, pages

_NAME = re.compile(r"`((?:tests|tools|benchmarks|[a-z]+)/[\w/]+\.py|[a-z_]+\.py)`")
PAGES = [page for page in pages() if _NAME.search(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_that_a_page_names_exists(page: Path) -> None:
    for name in _NAME.findall(page.read_text("utf-8")):
        tops = (ROOT, ROOT / "httpd", ROOT / "tests")
        assert any((top / name).exists() for top in tops), name

"""Every relative link in a Markdown file leads to a file, and to a heading of it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT

FILES = sorted(
    {*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "tests").rglob("*.md")}
    | set((ROOT / "benchmarks").rglob("*.md"))
)
NAMES = [str(path.relative_to(ROOT)) for path in FILES]

_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_ELSEWHERE = re.compile(r"[a-z]+:")


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, which GitHub and MkDocs make alike."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", _without_code(page), re.MULTILINE):
        assert re.fullmatch(r"[\w ,.`“”’'():/-]+", heading), f"{page}: {heading}"
        words = re.sub(r"[^\w\s-]", "", heading).strip().lower()
        assert "  " not in words, f"{page}: the two make different anchors of “{heading}”"
        found.add(words.replace(" ", "-"))
    return found


def _without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", FILES, ids=NAMES)
def test_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in _LINK.findall(_CODE.sub("", page.read_text("utf-8"))):
        if _ELSEWHERE.match(target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def test_every_page_is_reached_from_the_readme() -> None:
    found, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in found or page.suffix != ".md":
            continue
        found.add(page)
        for target in _LINK.findall(_CODE.sub("", page.read_text("utf-8"))):
            if not _ELSEWHERE.match(target):
                waiting.append((page.parent / target.partition("#")[0]).resolve())
    assert set(DOCS.rglob("*.md")) <= found

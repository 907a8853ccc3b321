"""The page of a snapshot: what it shows, and that nothing in it is taken for HTML."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from httpd.monitor.page import format_seconds, format_size, render_page
from httpd.monitor.page_parts import POLICY_LINE
from httpd.monitor.snapshot import HISTORY

EVIL = "/<script>alert('1')</script>\"&.iso"
ROW = {
    "id": 1,
    "client": "192.0.2.1",
    "user": "ana",
    "site": "a.example",
    "path": EVIL,
    "size": 4_000_000_000,
    "done": 1_000_000_000,
    "rate": 98_500_000,
    "left": 3605,
    "age": 7,
    "parts": 2,
    "resumes": 1,
    "outcome": "running",
}
SNAPSHOT: dict[str, Any] = {
    "at": 1,
    "state": ["paused", "every request gets 503"],
    "server": {
        "pid": 1,
        "version": "1.2.3",
        "started": "",
        "addresses": [],
        "loaded": 1,
        "reload": "phttpd.yaml:7: port: <x>",
    },
    "figures": {
        "connections": 12,
        "active": 3,
        "requests": 99,
        "sent": 1_500,
        "remaining": 0,
        "requests_per_second": 8,
        "bytes_per_second": 1_000_000,
        "generations": 1,
        "stuck": 0,
    },
    "history": [0, 50, 100],
    "workers": [{"worker": 0, "pid": 7, "phase": "serving", "loops": [[1, 0], [2, 1]]}],
    "downloads": [ROW],
    "ended": [{**ROW, "outcome": "complete"}],
}


class Text(HTMLParser):
    """The elements of a page, and the text of each cell."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self._in_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "td":
            self.cells.append("")
        self._in_cell = tag in ("td", "progress")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[-1] += data


def test_page_shows_the_snapshot() -> None:
    page = render_page(SNAPSHOT)
    assert Text(page).cells == [
        *(f"a.example{EVIL}", "192.0.2.1 ana", " 25 % of 4.0 GB", "98.5 MB/s", "1:00:05", "2"),
        *(f"a.example{EVIL}", "192.0.2.1 ana", "complete", "4.0 GB", "98.5 MB/s", "1"),
        *("0", "7", "serving", "1 (0 busy) · 2 (1 busy)"),
    ]
    assert ">paused: every request gets 503</p>" in page
    assert "The last reload has failed: phttpd.yaml:7: port: &lt;x&gt;" in page
    assert "<dd>12, 3 busy</dd>" in page
    points = re.search('points="(.*?)"', page)
    assert points
    last = HISTORY - 1
    assert points[1] == f"{last - 2},38.0 {last - 1},20.0 {last},2.0"


def test_page_has_no_element_of_a_client() -> None:
    tags = [tag for tag, _ in Text(render_page(SNAPSHOT)).tags]
    assert tags.count("script") == 1
    names = [fields.get("aria-label") for tag, fields in Text(render_page(SNAPSHOT)).tags]
    assert f"{EVIL} to 192.0.2.1" in names


@pytest.mark.parametrize("snapshot", [{}, SNAPSHOT])
def test_page_works_without_a_script(snapshot: dict[str, Any]) -> None:
    tags = Text(render_page(snapshot)).tags
    assert ("meta", {"http-equiv": "refresh", "content": "5"}) in tags
    assert [tag for tag, _ in tags].index("noscript") < [tag for tag, _ in tags].index("body")


@pytest.mark.parametrize("tag", ["style", "script"])
def test_policy_allows_exactly_what_the_page_has(tag: str) -> None:
    found = re.search(f"<{tag}>(.*?)</{tag}>", render_page(SNAPSHOT), re.DOTALL)
    assert found
    digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    assert f"{tag}-src 'sha256-{digest}'" in POLICY_LINE
    assert "default-src 'none'" in POLICY_LINE
    assert "unsafe" not in POLICY_LINE


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_900, "99.9 kB"),
        (100_000, "100 kB"),
        (1_500_000_000, "1.5 GB"),
        (10**18, "1000 PB"),
    ],
)
def test_size_has_a_unit(number: int, text: str) -> None:
    assert format_size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (65, "1:05"), (3599, "59:59"), (7207, "2:00:07")]
)
def test_time_has_colons(seconds: int, text: str) -> None:
    assert format_seconds(seconds) == text

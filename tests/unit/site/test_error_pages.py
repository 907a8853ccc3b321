"""Error pages: valid HTML that says what has happened, whatever the detail is."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.protocol.messages import STATUSES
from httpd.site.error_pages import POLICY, find_home, render_page
from httpd.site.listing import template
from httpd.site.listing.entries import Contents, Entry
from httpd.site.listing.html_format import render_html
from httpd.site.listing.order import Order

VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})


class Reader(HTMLParser):
    """Insists on balanced tags, and collects the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.paragraph = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert name not in ("src", "onload", "onerror"), "pages are self-contained"
            assert not (value or "").startswith(("http:", "https:", "//"))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] == "p":
            self.paragraph += data


def read(page: bytes) -> Reader:
    text = page.decode()
    assert text.startswith("<!DOCTYPE html>\n")
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("status", STATUSES)
def test_page_of_every_status_is_valid(status: int) -> None:
    page = render_page(status, "What happened.")
    reader = read(page)
    assert len(page) < 4096
    assert reader.tags.count("title") == reader.tags.count("h1") == 1
    assert f"{status} {STATUSES[status].phrase}" in reader.text
    assert reader.paragraph == "What happened."
    assert 'lang="en"' in page.decode()
    assert 'charset="utf-8"' in page.decode()
    assert 'name="viewport"' in page.decode()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_detail_of_a_page_is_text_and_never_markup(detail: str) -> None:
    tags = read(render_page(404, "x")).tags
    reader = read(render_page(404, detail))
    assert reader.paragraph == detail
    assert reader.tags == tags


@pytest.mark.parametrize(
    "detail", ["<script>alert(1)</script>", "</p></body>", "{status}", "{0}", "&lt;", "“..”", "%s"]
)
def test_detail_with_markup_is_escaped(detail: str) -> None:
    assert read(render_page(404, detail)).paragraph == detail


# What urljoin makes of an empty segment is not what browsers do, see tests/browser.
PATHS = st.lists(st.text("ab%2F.:", min_size=1, max_size=4).filter(lambda name: name.strip(".")))


@given(PATHS, st.booleans(), st.sampled_from(["", "/prefix", "/two/names"]))
def test_link_of_a_page_leads_to_the_start_page(names: list[str], slash: bool, prefix: str) -> None:
    path = "/" + "/".join(names) + "/" * (slash and bool(names))
    home = find_home(path.encode())
    assert bool(home) is (path != "/")
    assert urljoin(f"http://host{prefix}{path}", home) == f"http://host{prefix}/"
    page = render_page(404, "x", path.encode()).decode()
    assert (f'<a href="{home}">' in page) is bool(home)


@pytest.mark.parametrize("path", [b"", b"/", b"*", b"/" * 8000])
def test_page_without_a_way_to_the_start_page_has_no_link(path: bytes) -> None:
    assert find_home(path) == ""
    page = render_page(404, "x", path)
    assert "<a" not in page.decode()
    assert len(page) < 4096


def test_content_security_policy_allows_the_styles_of_a_page_only() -> None:
    """Content Security Policy Level 3, section 6.7.2: the hash is that of the element's text."""
    entry = Entry(b"a", False, 1, 0)
    listing = "".join(
        render_html(b"/", Order(), Contents(1, 1, 0, iter([entry])), is_straight=True)
    )
    page = render_page(404, "").decode()
    assert f"style-src {hash_of('style', page)}" == POLICY.split("; ")[-1]
    assert template.POLICY.split("; ")[-2:] == [
        f"style-src {hash_of('style', listing)}",
        f"script-src {hash_of('script', listing)}",
    ]
    assert "<script" not in page
    assert "style=" not in page + listing


def hash_of(element: str, page: str) -> str:
    (text,) = re.findall(f"<{element}>(.*?)</{element}>", page, re.DOTALL)
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"

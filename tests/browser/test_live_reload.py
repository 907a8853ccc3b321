"""A page in a browser is loaded again when a file below the directory changes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from selenium.common.exceptions import JavascriptException

from tests.browser.chromium import Browser, chromium
from tests.process.launch import Foreground
from tests.support.server import DEADLINE

UNCLOSED = "<!DOCTYPE html><html lang=en><title>t</title><body><h1>{}</h1><p>unclosed"
COLOUR = "return getComputedStyle(document.querySelector('h1')).color"
MARK = "return window.mark"
NOTHING = object()
HEADING = "return document.querySelector('h1').textContent"


def wait_for(browser: Browser, script: str, value: object) -> None:
    """Wait until a function body returns a value, which it cannot while the page is exchanged."""
    until = time.monotonic() + DEADLINE
    found: object = NOTHING
    while found != value:
        assert time.monotonic() < until, f"{script}: {found}"
        with suppress(JavascriptException):
            found = browser.run(script)


@pytest.fixture
def docroot(tmp_path: Path) -> Path:
    docroot = tmp_path / "site"
    (docroot / "sub" / "deep").mkdir(parents=True)
    (docroot / "index.html").write_text(
        "<!DOCTYPE html><html lang=en><head><title>t</title><link rel=icon href=data:,>"
        "<link rel=stylesheet href=a.css></head><body><h1>one</h1></body></html>\n"
    )
    (docroot / "a.css").write_text("h1 { color: rgb(1, 2, 3) }")
    page = UNCLOSED.format("one").replace("<body>", "<link rel=icon href=data:,><body>")
    (docroot / "sub" / "deep" / "page.html").write_text(page)
    (docroot / "sub" / "strict.html").write_text(
        "<!DOCTYPE html><html lang=en><title>t</title><link rel=icon href=data:,>"
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'self'; img-src data:\">"
        "<h1>one</h1>"
    )
    return docroot


@pytest.fixture
def watched(docroot: Path) -> Iterator[Browser]:
    server = Foreground(docroot, "--watch", "--verbose", "--port", "0", "--threads", "2")
    try:
        server.wait_until_ready()
        with chromium(f"http://127.0.0.1:{server.port}") as browser:
            yield browser
            browser.check()
        assert server.stop() == 0
        assert server.err.rest() == []
    finally:
        server.kill()


@pytest.mark.parametrize("name", ["index.html", "sub/deep/page.html", "sub/strict.html"])
def test_page_shows_what_was_written(watched: Browser, docroot: Path, name: str) -> None:
    file = docroot / name
    watched.open(name)
    for word in ("two", "three", "four"):
        file.write_text(re.sub(r"<h1>\w+", f"<h1>{word}", file.read_text()))
        wait_for(watched, HEADING, word)


def test_page_is_loaded_again_when_its_style_changes(watched: Browser, docroot: Path) -> None:
    watched.open("index.html")
    assert watched.run(COLOUR) == "rgb(1, 2, 3)"
    (docroot / "a.css").write_text("h1 { color: rgb(4, 5, 6) }")
    wait_for(watched, COLOUR, "rgb(4, 5, 6)")


def test_page_that_does_not_change_is_loaded_once(watched: Browser, docroot: Path) -> None:
    """Not for hidden files either, nor again and again for one change."""
    watched.open("index.html")
    watched.run("window.mark = 1")
    (docroot / ".index.html.swp").write_text("x")
    (docroot / "new.css").touch()
    wait_for(watched, MARK, None)
    watched.run("window.mark = 2")
    watched.fetch(["/a.css"])
    assert watched.run(MARK) == 2

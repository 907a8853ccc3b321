"""Coming back to a page: from the cache, or answered 304, or new if it has changed."""

from __future__ import annotations

import time
from pathlib import Path

from tests.browser.chromium import Browser, chromium
from tests.support.server import DEADLINE, Server, serve

COMPLETE = "return [...document.images].every((i) => i.complete && i.naturalWidth > 0)"


def test_second_visit_comes_from_the_cache(browser: Browser) -> None:
    browser.open("images.html")
    assert browser.traffic().failures == []
    browser.open("gallery/")
    browser.traffic()
    browser.open("images.html")
    assert browser.run(COMPLETE)
    assert browser.run(
        "return performance.getEntriesByType('resource')"
        ".filter((e) => e.initiatorType === 'img').every((e) => e.transferSize === 0)"
    )


def test_reload_gets_304(browser: Browser, server: Server) -> None:
    browser.open("gallery/")
    browser.driver.refresh()
    server.out.wait_for(r'"GET /gallery/ HTTP/1\.1" 304 ')
    assert browser.run(COMPLETE)


def test_reload_shows_a_page_that_has_changed(copied: Path) -> None:
    page = copied / "how.html"
    with serve(copied) as server, chromium(server.url) as browser:
        browser.open("how.html")
        assert browser.text("h1") == "How it works"
        page.write_text(page.read_text().replace("<h1>How it works", "<h1>How it worked"))
        deadline = time.monotonic() + DEADLINE
        while browser.text("h1") != "How it worked":  # a response may be used for a second
            assert time.monotonic() < deadline
            browser.driver.refresh()

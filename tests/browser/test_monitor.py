"""The page of the monitor in a browser: with a script, without, wide, narrow, light and dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser, chromium
from tests.process.launch import Foreground, foreground, free_port
from tests.support.raw import Client, request

SIZE = 1 << 30


class Watched:
    """A server with one download under way, and a browser for its monitor."""

    def __init__(self, server: Foreground, browser: Browser) -> None:
        self.server = server
        self.browser = browser

    def column(self, table: str, number: int) -> list[str]:
        """Return the texts of a column."""
        script = "return [...document.getElementById(arguments[0]).tBodies[0].rows].map("
        found: list[str] = self.browser.run(
            f"{script}row => row.cells[arguments[1]].textContent)", table, number
        )
        return found

    def overflows(self) -> bool:
        return bool(self.browser.run("return document.documentElement.scrollWidth > innerWidth"))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    site = tmp_path_factory.mktemp("monitored") / "site"
    site.mkdir()
    with (site / "a large <file>.iso").open("wb") as file:
        file.truncate(SIZE)
    port = free_port()
    with (
        foreground(site, workers=1, threads=1, monitor=f"127.0.0.1:{port}") as server,
        Client(server.port) as client,
    ):
        client.send(request("/a%20large%20%3Cfile%3E.iso"))
        client.head()
        with chromium(f"http://127.0.0.1:{port}") as browser:
            yield Watched(server, browser)
        client.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_page_follows_the_server_and_is_accessible(
    watched: Watched, width: int, scheme: str
) -> None:
    browser = watched.browser
    browser.width(width)
    browser.prefer(scheme)
    browser.open("/")
    browser.wait("document.querySelector('#downloads progress')")
    assert watched.column("downloads", 0) == ["/a large <file>.iso"]
    assert browser.text("#state") == "ready"
    points = browser.run("return document.querySelector('polyline').getAttribute('points')")
    browser.wait(f"document.querySelector('polyline').getAttribute('points') !== {points!r}")
    assert not watched.overflows()
    assert browser.inaccessible() == []
    browser.check()


def test_button_stops_and_starts_the_changes(watched: Watched) -> None:
    browser = watched.browser
    browser.open("/")
    browser.wait("!document.getElementById('pause').hidden")
    browser.click("#pause")
    assert browser.run("return document.getElementById('pause').ariaPressed") == "true"
    browser.run("document.getElementById('state').textContent = 'as it was'")
    browser.run("window.seen = 0; events.addEventListener('delta', () => { window.seen += 1; })")
    browser.run("events.addEventListener('delta', () => document.body.dataset.seen = seen)")
    browser.wait("document.body.dataset.seen >= 2")
    assert browser.text("#state") == "as it was"
    browser.click("#pause")
    assert browser.text("#state") == "ready"


def test_page_without_a_script_shows_the_same(watched: Watched) -> None:
    browser = watched.browser
    browser.allow_scripts(False)
    browser.open("/")
    try:
        assert watched.column("downloads", 0) == ["/a large <file>.iso"]
        assert watched.column("workers", 2) == ["serving"]
        assert browser.run("return document.getElementById('pause').hidden")
        assert not watched.overflows()
    finally:
        browser.allow_scripts(True)

"""Several large downloads in one browser: they move together, finish whole, and end cleanly."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, chromium
from tests.browser.conftest import WWW
from tests.browser.downloads_page import Downloads, downloads
from tests.support.server import Server, serve

MiB = 1 << 20
SIZE = 128 * MiB
ENDLESS = 100 << 30
"""The size of a file that no test gets to the end of."""

Large = Callable[[int], Path]


@pytest.fixture
def server(copied: Path) -> Iterator[Server]:
    """A server of the copy, so that files can be added to it."""
    with serve(copied) as server:
        yield server


@pytest.fixture
def browser(server: Server) -> Iterator[Browser]:
    """A browser for that server."""
    with chromium(server.url) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Downloads:
    return downloads(browser)


def test_downloads_move_together_and_finish_whole(page: Downloads, large: Large) -> None:
    large(SIZE)
    page.start()
    page.wait_until_all_are("done", timeout=120)
    assert page.received() == [SIZE] * 6
    together = [now for now in page.recorded() if all(0 < received < SIZE for received in now)]
    assert together, page.recorded()
    assert 0.5 < float(page.browser.text("#fair")) <= 1


def test_downloads_of_the_same_picture_finish_whole(page: Downloads) -> None:
    picture = (WWW / "gallery/pictures/attractor.png").stat().st_size
    page.start("picture", count=3)
    page.wait_until_all_are("done", timeout=120)
    assert page.received() == [500 * picture] * 3


def test_downloads_can_be_stopped_and_started_again(page: Downloads, large: Large) -> None:
    large(ENDLESS)
    for _ in range(2):
        page.start()
        page.wait_until_all_move()
        page.stop()
        page.wait_until_all_are("stopped")
        assert all(0 < received < ENDLESS for received in page.received())
    assert page.browser.run("return message.hidden")


def test_downloads_end_when_the_page_is_left(page: Downloads, large: Large) -> None:
    large(ENDLESS)
    page.start()
    page.wait_until_all_move()
    page.browser.open("images.html")
    assert page.browser.wait("document.querySelector('#arrived').textContent === '40'")


def test_download_of_a_missing_file_is_explained(page: Downloads) -> None:
    assert page.browser.complaints() == []
    page.start()
    assert "truncate -s 1G www/downloads/large.bin" in page.message()
    assert page.received() == [0] * 6
    complaints = page.browser.complaints()
    assert complaints
    assert all("404" in complaint for complaint in complaints), complaints


def test_download_from_elsewhere_is_not_fetched(page: Downloads) -> None:
    page.browser.run("document.querySelector('.address').value = 'http://example.invalid/'")
    page.start()
    assert "Only files of this server" in page.message()


def test_downloads_of_a_file_that_changes_end_visibly(copied: Path, large: Large) -> None:
    path = large(ENDLESS)
    server = Server(copied)  # not `serve`: this one has something to say on stderr
    try:
        with chromium(server.url) as browser:
            page = downloads(browser)
            page.start(count=2)
            page.wait_until_all_move()
            os.truncate(path, MiB)
            page.wait_until_all_are("failed")
            assert "broken off" in page.message()
            complaints = browser.complaints()
            assert all("CONTENT_LENGTH_MISMATCH" in each for each in complaints), complaints
        server.err.wait_for(r"/downloads/large\.bin changed during a download by ")
        assert server.stop() == 0
    finally:
        server.kill()


def test_downloads_finish_after_ctrl_c_in_the_server(copied: Path, large: Large) -> None:
    size = 32 * MiB
    large(size)
    with serve(copied) as server, chromium(server.url) as browser:
        page = downloads(browser)
        browser.slow_down(MiB)
        page.start(count=3)
        page.wait_until_all_move()
        server.signal(signal.SIGINT)
        server.out.wait_for(r"draining")
        assert all(received < size for received in page.received())
        browser.slow_down(-1)
        page.wait_until_all_are("done", timeout=120)
        assert page.received() == [size] * 3
        assert server.wait() == 0

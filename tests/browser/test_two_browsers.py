"""Two browsers on the same large file at the same time: both move."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.browser.chromium import chromium
from tests.browser.downloads_page import downloads
from tests.support.server import serve

MiB = 1 << 20


def test_two_browsers_download_at_the_same_time(copied: Path, large: Callable[[int], Path]) -> None:
    large(100 << 30)
    with (
        serve(copied) as server,
        chromium(server.url) as one,
        chromium(server.url) as two,
    ):
        first, second = downloads(one), downloads(two)
        for browser in (one, two):
            browser.slow_down(32 * MiB)  # else they leave nothing of the machine to themselves
        first.start(count=3)
        second.start(count=3)
        for page in (first, second, first, second):
            page.wait_until_all_move()
        first.stop()
        first.wait_until_all_are("stopped")
        second.wait_until_all_move()
        second.stop()
        second.wait_until_all_are("stopped")


def test_two_browsers_finish_the_same_file_whole(
    copied: Path, large: Callable[[int], Path]
) -> None:
    size = 64 * MiB
    large(size)
    with (
        serve(copied) as server,
        chromium(server.url) as one,
        chromium(server.url) as two,
    ):
        pages = [downloads(one), downloads(two)]
        for page in pages:
            page.start(count=3)
        for page in pages:
            page.wait_until_all_are("done", timeout=120)
            assert page.received() == [size] * 3

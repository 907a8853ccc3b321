"""Forty images on one page: asked for together, over few connections, none missing."""

from __future__ import annotations

import pytest

from tests.browser.chromium import Browser

CONNECTIONS = 6
"""As many as Chromium opens to one server."""

ARRIVED = "document.querySelector('#arrived').textContent === '40'"
DRAWN = "document.querySelectorAll('#falls li').length === 40"


@pytest.fixture(autouse=True)
def _opened(browser: Browser) -> None:
    browser.open("images.html")
    browser.wait(f"{ARRIVED} && {DRAWN}")


def sources(browser: Browser) -> list[str]:
    found: list[str] = browser.run("return [...document.images].map((i) => i.src)")
    return [source for source in found if "/map/" in source]


def test_images_all_arrive(browser: Browser) -> None:
    widths = browser.run(
        "return [...document.querySelectorAll('.map img')].map((i) => i.naturalWidth)"
    )
    assert widths == [160] * 40
    hashes = {response["sha256"] for response in browser.fetch(sources(browser))}
    assert len(hashes) == 40


def test_images_come_in_parallel_over_connections_that_stay_open(browser: Browser) -> None:
    images = [r for r in browser.traffic().responses if "/map/" in r["url"]]
    assert len(images) == 40
    assert {response["protocol"] for response in images} == {"http/1.1"}
    assert 1 < len({response["connectionId"] for response in images}) <= CONNECTIONS
    assert 1 < int(browser.text("#atonce")) <= CONNECTIONS


def test_images_can_be_loaded_again(browser: Browser) -> None:
    assert browser.traffic().failures == []
    browser.run("document.querySelector('#falls').replaceChildren()")
    browser.click("#again")
    browser.wait(f"{ARRIVED} && {DRAWN}")
    images = [r for r in browser.traffic().responses if r["url"].endswith(".png?round=1")]
    assert [response["status"] for response in images] == [200] * 40

"""Documents that declare an encoding of their own, as the browser reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, chromium
from tests.functional.configured import serve_with

TEXT = "Grüße aus Köln"
DECLARED = '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
DOCUMENTS = {
    "feed.xml": f"{DECLARED}<feed>{TEXT}</feed>",
    "page.xhtml": f'{DECLARED}<html xmlns="http://www.w3.org/1999/xhtml"><head><title>a</title>'
    f"</head><body>{TEXT}</body></html>",
    "image.svg": f'{DECLARED}<svg xmlns="http://www.w3.org/2000/svg"><text y="20">{TEXT}</text>'
    "</svg>",
}
PAGE = f'<!doctype html><html lang="de"><meta charset="iso-8859-1"><title>a</title><p>{TEXT}'
SHOWN = "return document.documentElement.textContent"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("encodings") / "site"
    site.mkdir()
    (site / "favicon.ico").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    for name, text in {**DOCUMENTS, "page.html": PAGE}.items():
        (site / name).write_text(text, "iso-8859-1")
    return site


@pytest.fixture(scope="module")
def browser(site: Path) -> Iterator[Browser]:
    with serve_with(site) as server, chromium(server.url) as browser:
        yield browser


@pytest.mark.parametrize("name", DOCUMENTS)
def test_xml_is_read_as_it_declares(browser: Browser, name: str) -> None:
    browser.forget()
    browser.open(name)
    assert browser.run("return document.characterSet") == "windows-1252"
    assert TEXT in browser.run(SHOWN)
    browser.check()


def test_html_is_read_as_it_declares_if_the_server_says_nothing(
    browser: Browser, site: Path
) -> None:
    browser.forget()
    with serve_with(site, charset=None) as server:
        browser.driver.get(f"{server.url}/page.html")
        assert browser.run("return document.characterSet") == "windows-1252"
        assert TEXT in browser.run(SHOWN)
    browser.forget()


def test_html_is_read_as_the_server_says(browser: Browser) -> None:
    browser.forget()
    browser.open("page.html")
    assert browser.run("return document.characterSet") == "UTF-8"
    browser.check()

"""Every page of the site, as the browser shows it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import quote, unquote, urldefrag, urlsplit

import pytest

from tests.browser.chromium import Browser
from tests.browser.conftest import WWW

PAGES = sorted(str(path.relative_to(WWW)) for path in WWW.rglob("*.html"))
PHONE = 360

IMPORTED = {"js/chart.js", "js/units.js"}
"""Files that only scripts refer to."""
UNASKED = {"favicon.ico"}
"""Files that browsers ask for by themselves."""

LINKS = """
return [...document.querySelectorAll("a, link, img, script")]
  .map((element) => element.href || element.src);
"""


def files() -> list[Path]:
    return sorted(path for path in WWW.rglob("*") if path.is_file() and path.name != "large.bin")


@pytest.mark.parametrize("page", PAGES)
def test_page_is_complete(browser: Browser, page: str) -> None:
    browser.open(quote(page))
    assert browser.run("return document.characterSet") == "UTF-8"
    assert browser.run("return document.querySelectorAll('main h1').length") == 1
    images = "[...document.images]"
    assert browser.run(f"return {images}.length") > 0
    broken = f"{images}.filter((i) => !i.complete || i.naturalWidth === 0).map((i) => i.src)"
    assert browser.run(f"return {broken}") == []


@pytest.mark.parametrize("page", PAGES)
def test_page_fits_a_phone(browser: Browser, page: str) -> None:
    browser.width(PHONE)
    browser.open(quote(page))
    assert browser.run("return document.documentElement.scrollWidth") <= PHONE


def test_site_files_arrive_as_they_are_on_the_disk(browser: Browser) -> None:
    paths = files()
    browser.open("/")
    responses = browser.fetch([f"/{quote(str(path.relative_to(WWW)))}" for path in paths])
    for path, response in zip(paths, responses, strict=True):
        assert response["status"] == 200, path
        assert response["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest(), path


def test_site_links_lead_somewhere(browser: Browser) -> None:
    found = {f"{browser.origin}/"}
    todo = list(found)
    while todo:
        browser.open(urlsplit(todo.pop()).path)
        links = {urldefrag(url)[0] for url in browser.run(LINKS)} - found
        assert all(url.startswith(browser.origin) for url in links), links
        found |= links
        new = sorted(links)
        for url, response in zip(new, browser.fetch(new), strict=True):
            assert response["status"] == 200, url
            if response["type"].startswith("text/html"):
                todo.append(url)
    linked = {unquote(urlsplit(url).path).lstrip("/") for url in found}
    linked |= {f"{path}index.html".lstrip("/") for path in linked if path.endswith("/")}
    shipped = {str(path.relative_to(WWW)) for path in files()}
    assert shipped - linked == (IMPORTED | UNASKED | {"index.html"}) - linked


@pytest.mark.parametrize(
    ("question", "status", "field"),
    [
        ("head", 200, "content-length: "),
        ("part", 206, "content-range: bytes 0-99/"),
        ("again", 304, "etag: "),
        ("options", 200, "allow: GET, HEAD, OPTIONS"),
    ],
)
def test_start_page_asks_the_server(
    browser: Browser, question: str, status: int, field: str
) -> None:
    browser.open("/")
    browser.wait("document.querySelector('#answered').dataset.status")
    browser.run("delete document.querySelector('#answered').dataset.status")
    browser.click(f"[data-question={question}]")
    assert browser.wait("document.querySelector('#answered').dataset.status") == str(status)
    lines = browser.text("#answered").splitlines()
    assert lines[0].startswith(f"HTTP/1.1 {status} ")
    assert any(line.startswith(field) for line in lines), lines


def test_files_page_shows_what_the_server_says(browser: Browser) -> None:
    browser.open("files/")
    browser.wait("[...document.querySelectorAll('#files tbody tr')].every((r) => r.dataset.status)")
    rows = browser.run(
        "return [...document.querySelectorAll('#files tbody tr')]"
        ".map((r) => [...r.cells].map((c) => c.textContent))"
    )
    told = {name: (media, size) for name, _, media, size in rows}
    assert told["Ωμέγα.txt"] == ("text/plain; charset=utf-8", "482 B")
    assert told["empty.txt"] == ("text/plain; charset=utf-8", "0 B")
    assert told["Zürich.svg"][0].startswith("image/svg+xml")
    assert told["hello.txt.gz"][0] == "application/gzip"
    assert told["no-extension"][0] == "application/octet-stream"
    assert told["../gallery"][0] == "text/html; charset=utf-8"


def test_text_is_shown_in_its_scripts(browser: Browser) -> None:
    browser.open(quote("files/Ωμέγα.txt"))
    assert "Όλες οι λήψεις προχωρούν." in browser.text("body")

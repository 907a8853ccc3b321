"""The list of a directory, as a person with a browser sees and uses it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, chromium
from tests.functional.configured import serve_with

PHONE = 360
NAMES = [
    "b.txt",
    "a b.txt",
    "c & <d>.txt",
    "日本語.txt",
    "x" * 200 + ".txt",
    "what?#.txt",
    "javascript:1",
]
LINKS = "return [...document.querySelectorAll('tbody a')].map((link) => link.textContent)"
ICON = "<svg xmlns='http://www.w3.org/2000/svg'/>"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the orders by name, by size and by time are three different ones."""
    directory = tmp_path_factory.mktemp("browser") / "site"
    (directory / "below" / "deeper").mkdir(parents=True)
    (directory / "favicon.ico").write_text(ICON)  # browsers ask for it by themselves
    for number, name in enumerate(NAMES):
        path = directory / "below" / name
        path.write_bytes(b"<p>" + b"x" * (number * 5 % len(NAMES)) + os.fsencode(name)[:1])
        os.utime(path, (10**9 + number * 3 % len(NAMES) * 86400,) * 2)
    return directory


@pytest.fixture(scope="module")
def page(directory: Path) -> Iterator[Browser]:
    """The list in a browser, which must have nothing to complain about in the end."""
    with serve_with(directory, listing=True) as server, chromium(server.url) as browser:
        yield browser


@pytest.fixture
def browser(page: Browser) -> Iterator[Browser]:
    page.forget()
    page.open("/below/")
    yield page
    page.check()


def expected(directory: Path, key: str, *, descending: bool) -> list[str]:
    files = [path for path in (directory / "below").iterdir() if path.is_file()]
    files.sort(key=lambda path: os.fsencode(path.name).lower())
    values = {
        "name": lambda path: os.fsencode(path.name).lower(),
        "size": lambda path: path.stat().st_size,
        "modified": lambda path: path.stat().st_mtime,
    }
    files.sort(key=values[key], reverse=descending)
    return ["deeper/", *(path.name for path in files)]


def click(browser: Browser, variant_key: str, query: str) -> None:
    browser.click(variant_key)
    browser.wait(f"location.search === {query!r} && document.readyState === 'complete'")


def test_listing_sorts_when_its_heads_are_clicked(browser: Browser, directory: Path) -> None:
    assert browser.run(LINKS) == expected(directory, "name", descending=False)
    for column, key in ((2, "size"), (3, "modified"), (1, "name")):
        for order in ("asc", "desc"):
            click(browser, f"th:nth-child({column}) button", f"?sort={key}&order={order}")
            assert browser.run(LINKS) == expected(directory, key, descending=order == "desc")
            shown = browser.run("return document.querySelector('[aria-sort]').cellIndex")
            assert shown == column - 1


def test_listing_has_a_style_that_its_policy_does_not_block(browser: Browser) -> None:
    style = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    assert browser.run(style, "table", "borderCollapse") == "collapse"
    assert browser.run(style, "td:nth-child(2)", "textAlign") == "end"
    assert browser.run("return document.styleSheets.length") == 1


@pytest.mark.parametrize("width", [320, PHONE, 1280])
def test_listing_fits_the_window(browser: Browser, width: int) -> None:
    browser.width(width)
    browser.open("/below/?sort=size&order=desc")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    rights = browser.run(
        "return [...document.querySelectorAll('a, time')]"
        ".map((element) => element.getBoundingClientRect().right)"
    )
    assert max(rights) <= width


SHOWN = (
    "return [...document.querySelectorAll('tbody tr')].filter((row) => row.checkVisibility())"
    ".map((row) => row.cells[0].textContent)"
)


def test_listing_filter_shows_only_names_with_the_words(browser: Browser) -> None:
    assert len(browser.run(SHOWN)) == len(NAMES) + 1
    for words, shown, count in (
        ("B.TXT", ["a b.txt", "b.txt"], "2 of 8"),
        ("nothing", [], "0 of 8"),
    ):
        browser.type("label input", words)
        assert browser.run(SHOWN) == shown
        assert browser.text("output") == count
    browser.type("label input", "")
    assert len(browser.run(SHOWN)) == len(NAMES) + 1
    assert browser.text("output") == ""


def test_listing_without_scripts_has_no_filter_and_sorts(browser: Browser, directory: Path) -> None:
    browser.allow_scripts(False)
    try:
        browser.open("/below/?sort=size&order=desc")
        assert browser.run("return document.querySelector('label').checkVisibility()") is False
        assert browser.run(LINKS) == expected(directory, "size", descending=True)
    finally:
        browser.allow_scripts(True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/below/?sort=size", "/below/deeper/"])
def test_listing_has_nothing_that_axe_finds(browser: Browser, path: str, scheme: str) -> None:
    browser.prefer(scheme)
    browser.open(path)
    assert browser.inaccessible() == []


def test_listing_leads_from_every_entry_to_its_file(browser: Browser) -> None:
    links = browser.run("return [...document.querySelectorAll('tbody a')].map((a) => a.href)")
    assert len(links) == len(NAMES) + 1
    browser.open("/below/b.txt")  # the policy of the list lets nothing be fetched
    assert {response["status"] for response in browser.fetch(links[1:])} == {200}


def test_listing_leads_down_and_up(browser: Browser) -> None:
    browser.click("tbody a")
    browser.wait("location.pathname === '/below/deeper/' && document.readyState === 'complete'")
    assert "empty" in browser.text("p")
    browser.click("p a")
    browser.wait("location.pathname === '/below/' && document.readyState === 'complete'")
    browser.click("h1 a")
    browser.wait("location.pathname === '/' && document.readyState === 'complete'")
    assert browser.run(LINKS) == ["below/", "favicon.ico"]

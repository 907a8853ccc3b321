"""What a page may use of another origin, by the key `cors` of rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import Browser, chromium
from tests.browser.font import make_font
from tests.functional.configured import serve_with
from tests.support.server import serve

LOAD_FONT = """
const [address, done] = arguments;
new FontFace("test", `url(${address})`).load().then((font) => done(font.status), () => done("no"));
"""
FETCH = """
const [address, headers, done] = arguments;
const get = async () => {
  const response = await fetch(address, { headers });
  const field = (name) => response.headers.get(name);
  return [response.status, field("Content-Range"), field("ETag") !== null, await response.text()];
};
get().then(done, () => done("refused"));
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, str]]:
    """Yield a browser for one server, and the address of another one."""
    root = tmp_path_factory.mktemp("cors")
    page, other = root / "page", root / "other"
    page.mkdir()
    (page / "index.html").write_text('<!doctype html><link rel="icon" href="data:,">')
    fill(other)
    with serve(page) as first:
        rules: list[dict[str, Any]] = [
            {"path": "/open/**", "cors": "*"},
            {"path": "/listed/**", "cors": [first.url]},
            {"path": "/unlisted/**", "cors": ["https://a.example"]},
        ]
        with serve_with(other, rules=rules) as second, chromium(first.url) as browser:
            yield browser, second.url


def fill(root: Path) -> None:
    for directory in "open", "listed", "unlisted":
        (root / directory / "sub").mkdir(parents=True)
        (root / directory / "font.ttf").write_bytes(make_font())
        (root / directory / "a.txt").write_text("0123456789")
        (root / directory / "sub" / "index.html").write_text("index")


def run(browser: Browser, script: str, *arguments: object) -> Any:
    browser.open("/")
    return browser.driver.execute_async_script(script, *arguments)


def only_from_elsewhere(browser: Browser) -> bool:
    """Tell whether the browser has nothing to complain about but that there is another server."""
    failures = browser.traffic().failures
    return not browser.console() and all("request to elsewhere" in line for line in failures)


@pytest.mark.parametrize("directory", ["open", "listed"])
def test_font_of_another_origin_is_loaded(pages: tuple[Browser, str], directory: str) -> None:
    browser, other = pages
    assert run(browser, LOAD_FONT, f"{other}/{directory}/font.ttf") == "loaded"
    assert only_from_elsewhere(browser)


@pytest.mark.parametrize("directory", ["open", "listed"])
def test_part_of_a_file_of_another_origin_is_read(
    pages: tuple[Browser, str], directory: str
) -> None:
    """A condition and the end of a file need a preflight request."""
    browser, other = pages
    headers = {"Range": "bytes=-4", "If-Match": "*"}
    found = run(browser, FETCH, f"{other}/{directory}/a.txt", headers)
    assert found == [206, "bytes 6-9/10", True, "6789"]
    assert run(browser, FETCH, f"{other}/{directory}/sub", {})[::3] == [200, "index"]
    assert only_from_elsewhere(browser)
    assert run(browser, FETCH, f"{other}/{directory}/none", {})[0] == 404
    browser.complaints()


def test_file_of_another_origin_is_not_read_by_a_page_that_is_not_listed(
    pages: tuple[Browser, str],
) -> None:
    browser, other = pages
    assert run(browser, LOAD_FONT, f"{other}/unlisted/font.ttf") == "no"
    for headers in {}, {"If-Match": "*"}:
        assert run(browser, FETCH, f"{other}/unlisted/a.txt", headers) == "refused"
    assert any("blocked by CORS policy" in line for line in browser.console())
    browser.complaints()

"""Files that a rule says to be coded, as the browser decodes them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser, chromium
from tests.functional.configured import serve_with

RULES = [{"path": ["*.svgz", "*.gz"], "headers": {"Content-Encoding": "gzip"}}]
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"/>'
MODULE = b"\0asm\1\0\0\0"
"""The shortest WebAssembly there is."""
PAGE = b'<!doctype html><title>a</title><img src="drawing.svgz"><script src="code.js.gz"></script>'
COMPILE = """
const done = arguments[arguments.length - 1];
WebAssembly.compileStreaming(fetch("build.wasm.gz")).then(() => done("compiled"), done);
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    site = tmp_path_factory.mktemp("coded") / "site"
    site.mkdir()
    (site / "index.html").write_bytes(PAGE)
    (site / "favicon.ico").write_bytes(SVG)
    (site / "drawing.svgz").write_bytes(gzip.compress(SVG))
    (site / "code.js.gz").write_bytes(gzip.compress(b"document.title = 'run';"))
    (site / "build.wasm.gz").write_bytes(gzip.compress(MODULE))
    with serve_with(site, rules=RULES) as server, chromium(server.url) as browser:
        yield browser


def test_coded_image_and_script_are_decoded(browser: Browser) -> None:
    browser.open("/")
    assert browser.run("return document.images[0].naturalWidth") == 30
    assert browser.run("return document.title") == "run"


def test_coded_module_is_compiled_while_it_arrives(browser: Browser) -> None:
    """For that, a browser insists on the media type."""
    browser.open("/")
    assert browser.driver.execute_async_script(COMPILE) == "compiled"

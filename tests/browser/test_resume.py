"""Files saved by a link and fetched in ranges by a page, also when they change on the way."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, chromium
from tests.process.events import until
from tests.support.server import Server, serve
from tests.support.tap import Tap

OLD = random.Random(1).randbytes(3_000_000)
NEW = random.Random(2).randbytes(3_500_000)
CUT = 1_500_000
PAGE = '<!doctype html><link rel=icon href="data:,"><a href=file.bin download>Save</a>'

FETCH_RANGES = """
const done = arguments[arguments.length - 1];
const [ranges, condition] = arguments;
const hex = (bytes) =>
  Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
const get = async (range) => {
  const headers = { Range: range, ...(condition && { "If-Range": condition }) };
  const response = await fetch("file.bin", { headers, cache: "no-store" });
  return [response, await response.arrayBuffer()];
};
Promise.all(ranges.map(get)).then(async (parts) => done({
  statuses: parts.map(([response]) => response.status),
  etag: parts[0][0].headers.get("ETag"),
  sha256: hex(await crypto.subtle.digest(
    "SHA-256", await new Blob(parts.map(([, body]) => body)).arrayBuffer())),
}));
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "site" / "file.bin"
    path.parent.mkdir()
    path.write_bytes(OLD)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    (path.parent / "index.html").write_text(PAGE)
    return path


@pytest.fixture
def server(file: Path) -> Iterator[Server]:
    with serve(file.parent) as server:
        yield server


def save(tap: Tap, directory: Path) -> str:
    """Save the file by clicking at the link, and return its SHA-256."""
    with chromium(f"http://127.0.0.1:{tap.port}") as browser:
        behavior = {"behavior": "allow", "downloadPath": str(directory)}
        browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", behavior)
        browser.open("")
        browser.click("a")
        until((directory / "file.bin").exists, "the file is saved")
    return sha256((directory / "file.bin").read_bytes())


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def replace(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(NEW)
    other.rename(file)


def test_download_link_saves_the_file(server: Server, tmp_path: Path) -> None:
    with Tap(server.port) as tap:
        assert save(tap, tmp_path / "saved") == sha256(OLD)


@pytest.mark.parametrize(("on_full", "content"), [(lambda _: None, OLD), (replace, NEW)])
def test_download_that_was_interrupted_is_resumed(
    server: Server, file: Path, tmp_path: Path, on_full: Callable[[Path], None], content: bytes
) -> None:
    """The browser does that by itself, with If-Range, so it gets the new file if there is one."""
    with Tap(server.port, CUT, lambda: on_full(file)) as tap:
        assert save(tap, tmp_path / "saved") == sha256(content)
    resumed = tap.asked[-1]
    assert "\r\nRange: bytes=" in resumed
    assert '\r\nIf-Range: "' in resumed


def fetch(browser: Browser, ranges: list[str], condition: str | None = None) -> dict[str, object]:
    found: dict[str, object] = browser.driver.execute_async_script(FETCH_RANGES, ranges, condition)
    return found


def test_page_fetches_ranges(server: Server, file: Path) -> None:
    with chromium(server.url) as browser:
        browser.open("")
        parts = fetch(browser, ["bytes=0-999999", "bytes=1000000-1999999", "bytes=2000000-"])
        assert parts["statuses"] == [206, 206, 206]
        assert parts["sha256"] == sha256(OLD)
        etag = str(parts["etag"])
        rest = fetch(browser, ["bytes=1000000-"], etag)
        assert rest["statuses"] == [206]
        assert rest["sha256"] == sha256(OLD[1_000_000:])
        replace(file)
        whole = fetch(browser, ["bytes=1000000-"], etag)
        assert whole["statuses"] == [200]
        assert whole["sha256"] == sha256(NEW)

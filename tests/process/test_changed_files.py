"""What arrives is what is on the disk: a file that changes under a download ends it visibly."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.process.events import until
from tests.process.launch import Foreground, foreground
from tests.support.raw import Client, ask, request

SIZE = 24 << 20
"""More than the kernel keeps for a client that reads nothing."""

OLD = random.Random(6).randbytes(SIZE)
NEW = random.Random(7).randbytes(SIZE)


def replace(path: Path) -> bytes:
    other = path.with_name("new")
    other.write_bytes(NEW)
    other.rename(path)
    return NEW


def replace_by_smaller(path: Path) -> bytes:
    other = path.with_name("new")
    other.write_bytes(b"small\n")
    other.rename(path)
    return b"small\n"


def truncate(path: Path) -> bytes:
    os.truncate(path, SIZE // 2)
    return OLD[: SIZE // 2]


def truncate_to_nothing(path: Path) -> bytes:
    os.truncate(path, 0)
    return b""


def append(path: Path) -> bytes:
    with path.open("ab") as file:
        file.write(b"more")
    return OLD + b"more"


def overwrite(path: Path) -> bytes:
    with path.open("r+b") as file:
        file.write(NEW)
    return NEW


CHANGES = pytest.mark.parametrize(
    "change",
    [replace, replace_by_smaller, truncate, truncate_to_nothing, append, overwrite],
    ids=lambda change: change.__name__,
)


@pytest.fixture
def file(site: Path) -> Path:
    path = site / "large"
    path.write_bytes(OLD)
    (site / "other").write_bytes(OLD)
    return path


def begin(server: Foreground, *lines: str, target: str = "/large") -> Client:
    """Return a client that has got the head of a download, and reads no more for now."""
    client = Client(server.port, receive_buffer=65536)
    client.send(request(target, *lines))
    assert client.head().status in {200, 206}
    return client


@CHANGES
def test_change_ends_the_download(site: Path, file: Path, change: Callable[[Path], bytes]) -> None:
    warning = "changed during a download"
    with (
        foreground(site, errors=warning) as server,
        begin(server) as client,
        begin(server, target="/other") as other,
    ):
        port = client.socket.getsockname()[1]
        content = change(file)
        got = client.rest()
        assert len(got) < SIZE
        if change is not overwrite:
            assert OLD.startswith(got), "what came is spliced"
        line = server.err.wait_for(warning).string
        text = f"/large changed during a download by 127.0.0.1:{port}; the transfer was ended"
        assert re.search(rf"warning loop \d\.\d\[\d+\]: \S*{re.escape(text)}$", line)
        server.out.wait_for(rf"connection 127\.0\.0\.1:{port} closed: file changed$")
        until(lambda: ask(server.port, "/large").body == content, "the new content is served")
        assert other.body(SIZE) == OLD


@pytest.mark.parametrize("change", [replace, append])
def test_change_ends_a_part_too(site: Path, file: Path, change: Callable[[Path], bytes]) -> None:
    first, last = 1 << 20, SIZE - 10
    with (
        foreground(site, errors="changed during a download") as server,
        begin(server, f"Range: bytes={first}-{last}") as client,
    ):
        change(file)
        got = client.rest()
        assert len(got) < last - first + 1
        assert OLD[first:].startswith(got)


def test_all_downloads_of_the_file_end(site: Path, file: Path) -> None:
    with foreground(site, errors="changed during a download") as server:
        clients = [begin(server) for _ in range(12)]
        replace(file)
        for client in clients:
            got = client.rest()
            assert len(got) < SIZE
            assert OLD.startswith(got)
            client.close()


def test_deleted_file_is_finished(site: Path, file: Path) -> None:
    with foreground(site) as server, begin(server) as client:
        file.unlink()
        assert client.body(SIZE) == OLD
        until(lambda: ask(server.port, "/large").status == 404, "it is gone")
        assert client.ask("/other", method="HEAD").status == 200  # the connection is still good


def test_file_moved_elsewhere_is_finished(site: Path, file: Path) -> None:
    with foreground(site) as server, begin(server) as client:
        file.rename(site.parent / "elsewhere")
        assert client.body(SIZE) == OLD


def test_resumed_download_of_a_changed_file_starts_over(site: Path, file: Path) -> None:
    with foreground(site, errors="changed during a download") as server, begin(server) as client:
        etag = ask(server.port, "/large", method="HEAD")["ETag"]
        replace(file)
        got = client.rest()
        fields = [f"Range: bytes={len(got)}-", f"If-Range: {etag}"]

        def whole() -> bytes:
            answer = ask(server.port, "/large", *fields)
            return answer.body if answer.status == 200 else b""

        assert until(whole, "the whole new file") == NEW


def test_small_file_that_changes_between_requests(site: Path) -> None:
    page = site / "page.html"
    page.write_text("one\n")
    with foreground(site) as server, Client(server.port) as client:
        for _ in range(3):
            assert client.ask("/page.html").body == b"one\n"
        page.write_text("two\n")  # as long as the one before
        until(lambda: client.ask("/page.html").body == b"two\n", "the new page")
        page.unlink()
        until(lambda: client.ask("/page.html").status == 404, "it is gone")
        page.write_text("back\n")
        until(lambda: client.ask("/page.html").body == b"back\n", "it is back")


def test_small_files_are_never_half_new(site: Path) -> None:
    page = site / "page.bin"
    page.write_bytes(b"a" * 30_000)
    with foreground(site) as server, Client(server.port) as client:
        for number in range(200):
            letter = b"ab"[number % 2 : number % 2 + 1]
            other = site / "next"
            other.write_bytes(letter * (30_000 + number))
            other.rename(page)
            body = client.ask("/page.bin", f"X-Number: {number}").body
            assert len(set(body)) == 1

"""A client gets one version of a file: only a change of the bytes ends a download, visibly."""

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


def truncate(path: Path) -> bytes:
    os.truncate(path, SIZE // 2)
    return OLD[: SIZE // 2]


def truncate_to_nothing(path: Path) -> bytes:
    os.truncate(path, 0)
    return b""


def overwrite(path: Path) -> bytes:
    with path.open("r+b") as file:
        file.write(NEW)
    return NEW


def overwrite_by_more(path: Path) -> bytes:
    with path.open("r+b") as file:
        file.write(NEW + b"more")
    return NEW + b"more"


def write_anew(path: Path) -> bytes:
    path.write_bytes(NEW)
    return NEW


CHANGES = pytest.mark.parametrize(
    "change",
    [truncate, truncate_to_nothing, overwrite, overwrite_by_more, write_anew],
    ids=lambda change: change.__name__,
)
"""In place: the open file does not have the announced content any more."""


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


def replace_by_link(path: Path) -> bytes:
    path.with_name("target").write_bytes(NEW)
    path.with_name("link").symlink_to("target")
    path.with_name("link").rename(path)
    return NEW


def append(path: Path) -> bytes:
    with path.open("ab") as file:
        file.write(b"more")
    return OLD + b"more"


def touch(path: Path) -> bytes:
    path.touch()
    return OLD


def change_mode(path: Path) -> bytes:
    path.chmod(0o640)
    return OLD


OTHER_EVENTS = pytest.mark.parametrize(
    "event",
    [replace, replace_by_smaller, replace_by_link, append, touch, change_mode],
    ids=lambda event: event.__name__,
)
"""The announced bytes are still in the open file."""


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
        if change in (truncate, truncate_to_nothing):
            assert OLD.startswith(got), "the received bytes are spliced of two versions"
        line = server.err.wait_for(warning).string
        text = f"/large changed during a download by 127.0.0.1:{port}; the transfer was ended"
        assert re.search(rf"warning loop \d\.\d\[\d+\]: \S*{re.escape(text)}$", line)
        server.out.wait_for(rf"connection 127\.0\.0\.1:{port} closed: file changed$")
        until(lambda: ask(server.port, "/large").body == content, "the new content is served")
        assert other.body(SIZE) == OLD


@CHANGES
def test_change_ends_a_part_too(site: Path, file: Path, change: Callable[[Path], bytes]) -> None:
    first, last = 1 << 20, SIZE - 10
    with (
        foreground(site, errors="changed during a download") as server,
        begin(server, f"Range: bytes={first}-{last}") as client,
    ):
        change(file)
        assert len(client.rest()) < last - first + 1


def test_all_downloads_of_the_file_end(site: Path, file: Path) -> None:
    with foreground(site, errors="changed during a download") as server:
        clients = [begin(server) for _ in range(12)]
        overwrite(file)
        for client in clients:
            assert len(client.rest()) < SIZE
            client.close()


@OTHER_EVENTS
@pytest.mark.parametrize("part", [range(SIZE), range(1 << 20, SIZE - 10)], ids=["whole", "part"])
def test_download_whose_bytes_stay_is_finished(
    site: Path, file: Path, event: Callable[[Path], bytes], part: range
) -> None:
    """And the next request gets the file that is there then."""
    line = f"Range: bytes={part.start}-{part.stop - 1}"
    with foreground(site) as server, begin(server, line) as client:
        content = event(file)
        until(lambda: ask(server.port, "/large").body == content, "the new content is served")
        assert client.body(len(part)) == OLD[part.start : part.stop]
        assert client.ask("/other", method="HEAD").status == 200  # the connection is still good


def test_part_before_the_place_of_a_truncation_is_finished(site: Path, file: Path) -> None:
    part = range(SIZE - (4 << 20))
    line = f"Range: bytes=0-{part.stop - 1}"
    with foreground(site) as server, begin(server, line) as client:
        os.truncate(file, part.stop)
        assert client.body(len(part)) == OLD[: part.stop]


def test_file_that_is_written_all_the_time_can_be_downloaded(site: Path, file: Path) -> None:
    """As a log or a recording: each client gets the size at the time of its request."""
    with foreground(site) as server, file.open("ab", buffering=0) as log:
        for _ in range(3):
            log.write(b"line\n")
            size = file.stat().st_size
            with begin(server) as client:
                received = b""
                while len(received) < size:
                    log.write(b"line\n")
                    received += client.body(min(SIZE // 8, size - len(received)))
            assert received == file.read_bytes()[:size]


def test_new_version_of_the_site_leaves_downloads_of_the_old_one(site: Path, file: Path) -> None:
    releases = site.with_name("releases")
    site.rename(releases)
    site.symlink_to(releases.name)
    other = site.with_name("other-releases")
    other.mkdir()
    (other / "large").write_bytes(NEW)
    with foreground(site) as server, begin(server) as client:
        link = site.with_name("link")
        link.symlink_to(other.name)
        link.rename(site)
        assert ask(server.port, "/large").body == NEW
        (releases / "large").unlink()
        assert client.body(SIZE) == OLD


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
        overwrite(file)
        got = client.rest()
        fields = [f"Range: bytes={len(got)}-", f"If-Range: {etag}"]

        def whole() -> bytes:
            response = ask(server.port, "/large", *fields)
            return response.body if response.status == 200 else b""

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

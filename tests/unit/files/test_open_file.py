"""Open files: what is known of them, and their entity tags."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from httpd.files.docroot import Docroot
from httpd.files.file_cache import FileCache
from httpd.files.fingerprint import sample_offsets
from httpd.files.lookup import FileLookup
from httpd.files.open_file import FIXED_TIMES, SMALL_FILE, OpenFile
from httpd.protocol.dates import format_date
from httpd.protocol.messages import HTTPError
from tests.unit.files.lookups import BUDGET, LARGE, OLD, append, find, make, status_of
from tests.unit.guard import open_descriptors, opened_since
from tests.unit.site.directories import (
    open_path,
    write,
    write_sparse,
)


@pytest.mark.parametrize("size", [0, 200, LARGE])
def test_media_type_of_ts_is_that_of_its_content(tmp_path: Path, size: int) -> None:
    stream = (b"G" + bytes(187)) * (size // 188 + 1)
    write(tmp_path / "stream.ts", stream[:size], age=OLD)
    write(tmp_path / "STREAM.TS", stream[:size], age=OLD)
    write(tmp_path / "code.ts", b"let a = 1;".ljust(size, b"\n"), age=OLD)
    lookup = make(tmp_path)
    media_type = "video/mp2t" if size else "text/plain"
    assert find(lookup, "/stream.ts").media_type == media_type
    assert find(lookup, "/STREAM.TS").media_type == media_type
    assert find(lookup, "/code.ts").media_type == "text/plain"


def test_small_file_has_its_content_tag_and_type(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "content", age=OLD)
    open_file = find(make(tmp_path), "/a.txt")
    assert open_file.content == b"content"
    assert open_file.fd < 0
    assert open_file.size == 7
    assert open_file.name == os.fsencode(path)
    assert open_file.media_type == "text/plain"
    assert open_file.modified == int(path.stat().st_mtime)
    assert open_file.last_modified == format_date(path.stat().st_mtime)


@pytest.mark.parametrize("size", [0, 1, SMALL_FILE - 1, SMALL_FILE])
def test_small_files_are_in_memory(tmp_path: Path, size: int) -> None:
    write(tmp_path / "a", os.urandom(size))
    before = open_descriptors()
    open_file = find(make(tmp_path), "/a")
    assert open_file.content == (tmp_path / "a").read_bytes()
    assert opened_since(before) == []


@pytest.mark.parametrize("size", [LARGE, 2**33])
def test_large_files_are_open(tmp_path: Path, size: int) -> None:
    path = write_sparse(tmp_path / "a", size)
    before = open_descriptors()
    lookup = make(tmp_path)
    open_file = find(lookup, "/a")
    assert open_file.content is None
    assert open_file.size == size
    assert os.path.samestat(os.fstat(open_file.fd), path.stat())
    assert not os.get_inheritable(open_file.fd)
    lookup._file_cache.clear()
    lookup.release()
    assert open_file.fd in open_descriptors(), "it is still held"
    del open_file
    assert opened_since(before) == []


def test_media_type_of_an_index_follows_from_its_name(tmp_path: Path) -> None:
    write(tmp_path / "folder.png" / "index.html")
    assert find(make(tmp_path), "/folder.png/").media_type == "text/html"


def test_modification_time_in_the_future_is_not_sent(tmp_path: Path) -> None:
    """RFC 9110 §8.8.2.1: an origin server MUST NOT send a Last-Modified later than its Date."""
    write(tmp_path / "a", age=-86400)
    lookup = make(tmp_path)
    now = int(time.time())
    lookup.begin_second(2, now)
    open_file = find(lookup, "/a")
    assert open_file.modified is not None
    assert open_file.modified <= now
    assert open_file.last_modified == format_date(open_file.modified)


def test_modification_time_before_the_year_1_is_sent_as_the_year_1() -> None:
    """Not every file system can store such a time, but tmpfs can."""
    with TemporaryDirectory(dir="/dev/shm") as directory:
        os.utime(write(Path(directory, "a")), (-70_000_000_000, -70_000_000_000))
        assert find(make(Path(directory)), "/a").last_modified == "Mon, 01 Jan 0001 00:00:00 GMT"


@pytest.mark.parametrize("content", [None, "small"])
def test_modification_time_before_1970_is_sent(tmp_path: Path, content: str | None) -> None:
    path = write(tmp_path / "a", content) if content else write_sparse(tmp_path / "a", LARGE)
    os.utime(path, ns=(-1_500_000_000, -1_500_000_000))
    open_file = find(make(tmp_path), "/a")
    assert open_file.modified == -2
    assert open_file.last_modified == "Wed, 31 Dec 1969 23:59:58 GMT"
    assert open_file.is_in_place()


def test_file_that_cannot_be_read_is_an_http_error() -> None:
    """Reading process memory at 0 fails with EIO, as reading a bad disk does."""
    lookup = FileLookup(
        Docroot("/proc/self", ("index.html",)), FileCache(BUDGET), precompressed=False
    )
    before = open_descriptors()
    assert status_of(lookup, "/mem") in (403, 500)
    lookup._file_cache.clear()
    lookup.release()
    assert opened_since(before) == []


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("/proc/self", "/status"),  # which says that it is empty
        ("/proc/sys/kernel", "/ostype"),
        ("/sys/kernel", "/mm/transparent_hugepage/enabled"),  # which says that it is a page
    ],
)
def test_file_that_is_not_as_long_as_its_status_says_is_403(directory: str, name: str) -> None:
    """The file is not being written, so a retry would not help."""
    if not Path(directory + name).exists():
        pytest.skip(f"needs {directory}{name}, which this kernel does not have")
    lookup = FileLookup(Docroot(directory, ("index.html",)), FileCache(BUDGET), precompressed=False)
    before = open_descriptors()
    with pytest.raises(HTTPError, match="size") as error:
        lookup.find(name.encode())
    assert (error.value.status, error.value.fields) == (403, ())
    del error  # its traceback holds the file
    lookup._file_cache.clear()
    lookup.release()
    assert opened_since(before) == []


def lie_about_size(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Let every status say a size, as a file system in user space can."""
    stat, fstat = os.stat, os.fstat

    def lie(status: os.stat_result) -> os.stat_result:
        return os.stat_result((*status[:6], size, *status[7:]), _named(status))

    monkeypatch.setattr(os, "stat", lambda *a, **k: lie(stat(*a, **k)))
    monkeypatch.setattr(os, "fstat", lambda fd: lie(fstat(fd)))


def _named(status: os.stat_result) -> dict[str, int]:
    names = "st_atime_ns", "st_mtime_ns", "st_ctime_ns"
    return {name: getattr(status, name) for name in names}


@pytest.mark.parametrize("size", [4, 6, LARGE])
def test_file_whose_status_lies_about_its_size_is_403(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    write(tmp_path / "a", b"12345", age=OLD)
    opened = open_path(Docroot(str(tmp_path), ()), b"/a")
    lie_about_size(monkeypatch, size)
    with pytest.raises(HTTPError, match="size") as error:
        OpenFile(opened._replace(status=os.fstat(opened.fd)), 0)
    assert error.value.status == 403


def write_on_reading(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Do something each time that something is read."""
    pread = os.pread

    def read(fd: int, size: int, offset: int) -> bytes:
        act()
        return pread(fd, size, offset)

    monkeypatch.setattr(os, "pread", read)


def test_large_file_that_grows_while_it_is_opened_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast it grows: a log or recording is served with its size at that time."""
    path = write(tmp_path / "a", b"x" * LARGE)
    write_on_reading(monkeypatch, lambda: append(path))
    open_file = find(make(tmp_path), "/a")
    assert open_file.size >= LARGE
    assert open_file.is_intact(range(open_file.size), is_last=True)


@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
def test_file_that_shrinks_while_it_is_opened_is_503(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = write(tmp_path / "a", b"x" * (size + 100))

    def shrink() -> None:
        os.truncate(path, path.stat().st_size - 1)

    write_on_reading(monkeypatch, shrink)
    with pytest.raises(HTTPError) as error:
        make(tmp_path).find(b"/a")
    assert (error.value.status, error.value.fields) == (503, (("Retry-After", "1"),))


def test_etags_are_strong_quoted_and_visible(tmp_path: Path) -> None:
    for size in 0, 10, LARGE:
        open_file = find(make(tmp_path), "/" + write_sparse(tmp_path / f"f{size}", size).name)
        assert open_file.etag[0] == open_file.etag[-1] == '"'
        assert all(0x21 <= ord(char) <= 0x7E and char != '"' for char in open_file.etag[1:-1])


def test_etags_do_not_depend_on_the_machine(tmp_path: Path) -> None:
    """The same content with the same time, under another name and inode, has the same tag."""
    for name in "a", "sub/b":
        os.utime(write(tmp_path / name, "content"), ns=(10**18 + 7, 10**18 + 7))
    lookup = make(tmp_path)
    assert find(lookup, "/a").etag == find(lookup, "/sub/b").etag


@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
def test_etags_change_with_the_modification_time_to_the_nanosecond(
    tmp_path: Path, size: int
) -> None:
    path = write_sparse(tmp_path / "a", size)
    tags = set()
    for modified in 10**18, 10**18 + 1, 10**18 + 2:
        os.utime(path, ns=(modified, modified))
        tags.add(find(make(tmp_path), "/a").etag)
    assert len(tags) == 3


@pytest.mark.parametrize("base", [0, LARGE], ids=["small", "large"])
def test_etags_change_with_the_size(tmp_path: Path, base: int) -> None:
    tags = set()
    for size in range(base, base + 3):
        os.utime(write_sparse(tmp_path / "a", size), ns=(10**18, 10**18))
        tags.add(find(make(tmp_path), "/a").etag)
    assert len(tags) == 3


@pytest.mark.parametrize("size", [3, LARGE, 3_000_000])
@pytest.mark.parametrize("place", ["beginning", "middle", "end"])
def test_etags_change_with_the_content_in_the_same_instant(
    tmp_path: Path, size: int, place: str
) -> None:
    """Same size, same time: as files have that a reproducible build has made."""
    tags = set()
    for content in b"one", b"two", b"six":
        start = {"beginning": 0, "middle": sample_offsets(max(size, LARGE))[7], "end": -3}[place]
        path = write_sparse(tmp_path / "a", size)
        with path.open("r+b") as file:
            file.seek(start if size > 3 else 0, os.SEEK_SET if start >= 0 else os.SEEK_END)
            file.write(content)
        os.utime(path, ns=(10**18, 10**18))
        tags.add(find(make(tmp_path), "/a").etag)
    assert len(tags) == 3


def test_etag_of_a_content_is_the_same_everywhere(tmp_path: Path) -> None:
    """On each processor and in each version: all servers of a site send one tag."""
    content = bytes(number % 251 for number in range(SMALL_FILE + 4096))
    tags = []
    for size in 1000, len(content):
        os.utime(write(tmp_path / "a", content[:size]), ns=(10**18, 10**18))
        tags.append(find(make(tmp_path), "/a").etag)
    assert tags == ['"de0b6b3a7640000-3e8-721746a6"', '"de0b6b3a7640000-21000-2543648f"']


@pytest.mark.parametrize("modified", sorted(FIXED_TIMES))
@pytest.mark.parametrize("size", [10, LARGE])
def test_modification_time_that_tools_write_into_every_file_is_not_compared(
    tmp_path: Path, modified: int, size: int
) -> None:
    os.utime(write_sparse(tmp_path / "a", size), (modified, modified))
    open_file = find(make(tmp_path), "/a")
    assert open_file.last_modified == format_date(modified)
    assert open_file.modified is None

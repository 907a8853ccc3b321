"""Opened files: what is known of them, and how it is found out that they have changed."""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
import weakref
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from httpd.files.docroot import Docroot, FoundDirectory
from httpd.files.faults import FileSystemError
from httpd.files.file_cache import LIFETIME, MAX_OPEN_FILES, OPEN_LIFETIME, CachedFile, FileCache
from httpd.files.fingerprint import sample_offsets
from httpd.files.lookup import FileLookup
from httpd.files.open_file import FIXED_TIMES, SMALL_FILE, OpenFile
from httpd.protocol.dates import format_date
from httpd.protocol.messages import HTTPError
from tests.unit.guard import descriptors_left, open_descriptors, opened_since
from tests.unit.site.directories import (
    as_nobody,
    note_asked,
    open_directory,
    open_path,
    settle,
    write,
    write_sparse,
)

LARGE = SMALL_FILE + 1
BUDGET = 1024 * 1024
OLD = 3600.0
"""Seconds: an age at which a modification time is settled."""


def make(root: Path, budget: int = BUDGET, index: tuple[str, ...] = ("index.html",)) -> FileLookup:
    lookup = FileLookup(Docroot(str(root), index), FileCache(budget), precompressed=True)
    tick(lookup, 1)
    return lookup


def tick(lookup: FileLookup, now: int) -> None:
    lookup.begin_second(now, int(time.time()))


def find(lookup: FileLookup, path: str | bytes) -> OpenFile:
    """Return what the second request finds, from which on it is kept."""
    path = path.encode() if isinstance(path, str) else path
    lookup.find(path)
    cached = lookup.find(path)
    assert isinstance(cached, CachedFile)
    return cached.original


def stays(lookup: FileLookup, path: str, resource: OpenFile, now: int = 2) -> bool:
    """Tell whether a request of the next second finds the same resource."""
    tick(lookup, now)
    try:
        cached = lookup.find(path.encode())
        return isinstance(cached, CachedFile) and cached.original is resource
    except HTTPError:
        return False


def status_of(lookup: FileLookup, path: str) -> int:
    with pytest.raises((HTTPError, FileSystemError)) as error:
        lookup.find(path.encode())
    raised = error.value
    shown = raised.http_error if isinstance(raised, FileSystemError) else raised
    assert isinstance(shown, HTTPError)
    return shown.status


# ---------------------------------------------------------------- one resource


@pytest.mark.parametrize("size", [0, 200, LARGE])
def test_the_type_of_ts_is_that_of_its_content(tmp_path: Path, size: int) -> None:
    stream = (b"G" + bytes(187)) * (size // 188 + 1)
    write(tmp_path / "stream.ts", stream[:size], age=OLD)
    write(tmp_path / "STREAM.TS", stream[:size], age=OLD)
    write(tmp_path / "code.ts", b"let a = 1;".ljust(size, b"\n"), age=OLD)
    lookup = make(tmp_path)
    media_type = "video/mp2t" if size else "text/plain"
    assert find(lookup, "/stream.ts").media_type == media_type
    assert find(lookup, "/STREAM.TS").media_type == media_type
    assert find(lookup, "/code.ts").media_type == "text/plain"


def test_what_is_known_of_a_small_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "content", age=OLD)
    resource = find(make(tmp_path), "/a.txt")
    assert resource.content == b"content"
    assert resource.fd < 0
    assert resource.size == 7
    assert resource.name == os.fsencode(path)
    assert resource.media_type == "text/plain"
    assert resource.modified == int(path.stat().st_mtime)
    assert resource.last_modified == format_date(path.stat().st_mtime)


@pytest.mark.parametrize("size", [0, 1, SMALL_FILE - 1, SMALL_FILE])
def test_small_files_are_in_memory(tmp_path: Path, size: int) -> None:
    write(tmp_path / "a", os.urandom(size))
    before = open_descriptors()
    resource = find(make(tmp_path), "/a")
    assert resource.content == (tmp_path / "a").read_bytes()
    assert opened_since(before) == []


@pytest.mark.parametrize("size", [LARGE, 2**33])
def test_large_files_are_open(tmp_path: Path, size: int) -> None:
    path = write_sparse(tmp_path / "a", size)
    before = open_descriptors()
    lookup = make(tmp_path)
    resource = find(lookup, "/a")
    assert resource.content is None
    assert resource.size == size
    assert os.path.samestat(os.fstat(resource.fd), path.stat())
    assert not os.get_inheritable(resource.fd)
    lookup.release()
    assert resource.fd in open_descriptors(), "it is still held"
    del resource
    assert opened_since(before) == []


def test_the_name_of_an_index_counts_for_the_media_type(tmp_path: Path) -> None:
    write(tmp_path / "folder.png" / "index.html")
    assert find(make(tmp_path), "/folder.png/").media_type == "text/html"


def test_a_modification_in_the_future_is_not_told(tmp_path: Path) -> None:
    """RFC 9110 §8.8.2.1: an origin server MUST NOT send a Last-Modified later than its Date."""
    write(tmp_path / "a", age=-86400)
    lookup = make(tmp_path)
    now = int(time.time())
    lookup.begin_second(2, now)
    resource = find(lookup, "/a")
    assert resource.modified is not None
    assert resource.modified <= now
    assert resource.last_modified == format_date(resource.modified)


def test_a_modification_before_the_year_1() -> None:
    """Which not every file system can tell of, but that of shared memory can."""
    with TemporaryDirectory(dir="/dev/shm") as directory:
        os.utime(write(Path(directory, "a")), (-70_000_000_000, -70_000_000_000))
        assert find(make(Path(directory)), "/a").last_modified == "Mon, 01 Jan 0001 00:00:00 GMT"


@pytest.mark.parametrize("content", [None, "small"])
def test_a_modification_before_1970(tmp_path: Path, content: str | None) -> None:
    path = write(tmp_path / "a", content) if content else write_sparse(tmp_path / "a", LARGE)
    os.utime(path, ns=(-1_500_000_000, -1_500_000_000))
    resource = find(make(tmp_path), "/a")
    assert resource.modified == -2
    assert resource.last_modified == "Wed, 31 Dec 1969 23:59:58 GMT"
    assert resource.is_in_place()


def test_a_file_that_cannot_be_read_is_an_http_error() -> None:
    """Reading process memory at 0 fails with EIO, as reading a bad disk does."""
    lookup = FileLookup(
        Docroot("/proc/self", ("index.html",)), FileCache(BUDGET), precompressed=False
    )
    before = open_descriptors()
    assert status_of(lookup, "/mem") in (403, 500)
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
def test_a_file_that_is_not_as_long_as_it_says_is_refused_for_good(
    directory: str, name: str
) -> None:
    """It is not being written just now, so to ask again would not help."""
    if not Path(directory + name).exists():
        pytest.skip(f"needs {directory}{name}, which this kernel does not have")
    lookup = FileLookup(Docroot(directory, ("index.html",)), FileCache(BUDGET), precompressed=False)
    before = open_descriptors()
    with pytest.raises(HTTPError, match="size") as error:
        lookup.find(name.encode())
    assert (error.value.status, error.value.fields) == (403, ())
    del error  # its traceback holds the file
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
def test_a_file_system_that_lies(
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


def test_a_large_file_that_grows_while_it_is_opened_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast: a log or recording is served up to where it was."""
    path = write(tmp_path / "a", b"x" * LARGE)
    write_on_reading(monkeypatch, lambda: append(path))
    resource = find(make(tmp_path), "/a")
    assert resource.size >= LARGE
    assert resource.is_intact(range(resource.size), is_last=True)


@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
def test_a_file_that_shrinks_while_it_is_opened_may_be_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = write(tmp_path / "a", b"x" * (size + 100))

    def shrink() -> None:
        os.truncate(path, path.stat().st_size - 1)

    write_on_reading(monkeypatch, shrink)
    with pytest.raises(HTTPError) as error:
        make(tmp_path).find(b"/a")
    assert (error.value.status, error.value.fields) == (503, (("Retry-After", "1"),))


# ---------------------------------------------------------------- entity tags


def test_etags_are_strong_quoted_and_visible(tmp_path: Path) -> None:
    for size in 0, 10, LARGE:
        resource = find(make(tmp_path), "/" + write_sparse(tmp_path / f"f{size}", size).name)
        assert resource.etag[0] == resource.etag[-1] == '"'
        assert all(0x21 <= ord(char) <= 0x7E and char != '"' for char in resource.etag[1:-1])


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


def test_the_tag_of_a_content_is_the_same_everywhere(tmp_path: Path) -> None:
    """On each processor and in each version: a fleet answers with one tag."""
    content = bytes(number % 251 for number in range(SMALL_FILE + 4096))
    tags = []
    for size in 1000, len(content):
        os.utime(write(tmp_path / "a", content[:size]), ns=(10**18, 10**18))
        tags.append(find(make(tmp_path), "/a").etag)
    assert tags == ['"de0b6b3a7640000-3e8-721746a6"', '"de0b6b3a7640000-21000-2543648f"']


@pytest.mark.parametrize("modified", sorted(FIXED_TIMES))
@pytest.mark.parametrize("size", [10, LARGE])
def test_a_time_that_tools_write_into_everything_is_told_but_not_compared(
    tmp_path: Path, modified: int, size: int
) -> None:
    os.utime(write_sparse(tmp_path / "a", size), (modified, modified))
    resource = find(make(tmp_path), "/a")
    assert resource.last_modified == format_date(modified)
    assert resource.modified is None


# ---------------------------------------------------------------- changes


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def overwrite(path: Path) -> None:
    """Same inode, same size, other content."""
    size, modified = path.stat().st_size, path.stat().st_mtime_ns
    with path.open("r+b") as file:
        file.write(b"x" * min(size, 100))
    os.utime(path, ns=(modified + 1, modified + 1))


def replace(path: Path) -> None:
    """Another inode with the same size and time."""
    status = path.stat()
    other = write_sparse(path.with_name("other"), status.st_size)
    os.utime(other, ns=(status.st_mtime_ns, status.st_mtime_ns))
    other.rename(path)


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES: list[Callable[[Path], None]] = [
    append,
    overwrite,
    replace,
    replace_by_directory,
    lambda path: os.truncate(path, 5),
    lambda path: os.truncate(path, 0),
    lambda path: path.touch(),
]
CHANGE_IDS = ["append", "overwrite", "replace", "folder", "shrink", "empty", "touch"]


@pytest.mark.parametrize("change", CHANGES, ids=CHANGE_IDS)
@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
def test_changes_are_seen(tmp_path: Path, size: int, change: Callable[[Path], None]) -> None:
    path = write_sparse(tmp_path / "a", size)
    os.utime(path, ns=(10**18, 10**18))
    lookup = make(tmp_path)
    resource = find(lookup, "/a")
    assert resource.is_in_place()
    change(path)
    assert not resource.is_in_place()
    assert not stays(lookup, "/a", resource)


@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
def test_what_does_not_change_stays(tmp_path: Path, size: int) -> None:
    path = write_sparse(tmp_path / "a", size)
    os.utime(path, ns=(10**18, 10**18))
    lookup = make(tmp_path)
    resource = find(lookup, "/a")
    path.read_bytes()
    assert stays(lookup, "/a", resource)


@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
def test_a_deleted_file(tmp_path: Path, size: int) -> None:
    """What is being sent is finished; no new request gets it."""
    path = write_sparse(tmp_path / "a", size)
    os.utime(path, ns=(10**18, 10**18))
    lookup = make(tmp_path)
    resource = find(lookup, "/a")
    path.unlink()
    assert resource.is_intact(range(size), is_last=True)
    assert not resource.is_in_place()
    assert not stays(lookup, "/a", resource)
    assert status_of(lookup, "/a") == 404


@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
def test_a_change_of_the_status_alone_leaves_the_file_in_place(tmp_path: Path, size: int) -> None:
    path = write_sparse(tmp_path / "a", size)
    resource = find(make(tmp_path), "/a")
    path.chmod(0o600)
    os.link(path, tmp_path / "b")
    path.read_bytes()
    assert resource.is_in_place()


def test_a_content_that_a_download_has_found_changed_is_opened_again_at_once(
    tmp_path: Path,
) -> None:
    """Also where its size and modification time are the same: who tries again gets the new one."""
    path = write_sparse(tmp_path / "a", LARGE)
    os.utime(path, ns=(10**18, 10**18))
    lookup = make(tmp_path)
    resource = find(lookup, "/a")
    overwrite(path)
    os.utime(path, ns=(10**18, 10**18))
    assert not resource.is_intact(range(LARGE), is_last=True)
    assert find(lookup, "/a").etag != resource.etag


@pytest.mark.parametrize(
    ("change", "is_read"),
    [
        (append, True),
        (replace, True),
        (Path.unlink, True),
        (Path.touch, True),
        (overwrite, False),
        (lambda path: os.truncate(path, LARGE), False),
        (lambda path: os.truncate(path, LARGE + 100), True),
    ],
)
def test_a_part_is_read_into_memory_as_it_was_announced(
    tmp_path: Path, change: Callable[[Path], None], is_read: bool
) -> None:
    path = write_sparse(tmp_path / "a", 2 * LARGE)
    os.utime(path, ns=(10**18, 10**18))
    resource = find(make(tmp_path), "/a")
    segments = (b"--", range(50, LARGE + 100), b"--")
    change(path)
    body = resource.read(segments)
    assert body == (b"--" + bytes(LARGE + 50) + b"--" if is_read else None)


def test_a_changed_permission_is_no_longer_current() -> None:
    with open_directory() as root:
        path = write(root / "a", "a", age=OLD)
        with as_nobody():
            lookup = make(root)
            resource = find(lookup, "/a")
            assert stays(lookup, "/a", resource)
        path.chmod(0)
        with as_nobody():
            assert not stays(lookup, "/a", resource, 3)
            assert status_of(lookup, "/a") == 403


def test_a_young_file_is_looked_at_anew(tmp_path: Path) -> None:
    """Coarse clocks give two contents of the same instant the same time."""
    write(tmp_path / "a", "a")
    lookup = make(tmp_path)
    resource = find(lookup, "/a")
    assert resource.is_in_place()
    assert not stays(lookup, "/a", resource)


def test_a_file_of_the_future_is_looked_at_anew(tmp_path: Path) -> None:
    write(tmp_path / "a", "a", age=-OLD)
    lookup = make(tmp_path)
    assert not stays(lookup, "/a", find(lookup, "/a"))


def test_a_second_choice_of_an_index_is_looked_at_anew(tmp_path: Path) -> None:
    write(tmp_path / "index.htm", "second", age=OLD)
    lookup = make(tmp_path, index=("index.html", "index.htm"))
    assert not stays(lookup, "/", find(lookup, "/"))
    write(tmp_path / "index.html", "first", age=OLD)
    tick(lookup, 3)
    assert find(lookup, "/").content == b"first"
    assert stays(lookup, "/", find(lookup, "/"), 4)


def test_a_directory_that_now_leads_out_of_the_docroot(tmp_path: Path) -> None:
    """The file is the same, but no longer below the docroot: a new request would not find it."""
    root = tmp_path / "site"
    write(root / "folder" / "a", "a", age=OLD)
    lookup = make(root)
    find(lookup, "/folder/a")
    (root / "folder").rename(tmp_path / "outside")
    (root / "folder").symlink_to("../outside")
    tick(lookup, 2)
    assert status_of(lookup, "/folder/a") == 404


# ---------------------------------------------------------------- what is kept


def test_a_small_file_is_looked_at_once_a_second(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "old", age=OLD)
    lookup = make(tmp_path)
    resource = find(lookup, "/a")
    write(path, "new")
    assert find(lookup, "/a") is resource
    tick(lookup, 2)
    assert find(lookup, "/a").content == b"new"


def test_a_large_file_is_looked_at_each_time(tmp_path: Path) -> None:
    """A new download is one of the newest version."""
    path = write_sparse(tmp_path / "a", LARGE)
    lookup = make(tmp_path)
    resource = find(lookup, "/a")
    append(path)
    assert find(lookup, "/a") is not resource
    assert find(lookup, "/a").size == LARGE + 4


def test_a_large_file_that_has_changed_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """Also if nobody has asked for it in this minute: HEAD would still tell of the old one."""
    path = write_sparse(tmp_path / "a", LARGE)
    os.utime(path, ns=(10**18, 10**18))
    lookup = make(tmp_path)
    resource = find(lookup, "/a")
    for now in range(2, LIFETIME + 1):
        assert stays(lookup, "/a", resource, now)
    append(path)
    os.utime(path, ns=(10**18 + 1, 10**18 + 1))
    changed = lookup.find(b"/a")
    assert isinstance(changed, CachedFile)
    assert changed.original is not resource
    assert lookup.find(b"/a") is changed


def test_an_unchanged_file_stays_the_same_resource(tmp_path: Path) -> None:
    write(tmp_path / "a", "a", age=OLD)
    lookup = make(tmp_path)
    resource = find(lookup, "/a")
    for now in range(2, 3 * LIFETIME):
        tick(lookup, now)
        assert find(lookup, "/a") is resource


def test_unused_files_are_let_go(tmp_path: Path) -> None:
    write_sparse(tmp_path / "used", LARGE)
    os.utime(tmp_path / "used", ns=(10**18, 10**18))
    write_sparse(tmp_path / "unused", LARGE)
    before = open_descriptors()
    lookup = make(tmp_path)
    find(lookup, "/unused")
    find(lookup, "/used")
    for now in range(2, 2 + OPEN_LIFETIME):
        tick(lookup, now)
        find(lookup, "/used")
    assert str(tmp_path / "unused") not in opened_since(before)
    assert str(tmp_path / "used") in opened_since(before)
    for now in range(2 + OPEN_LIFETIME, 2 + 2 * OPEN_LIFETIME):
        tick(lookup, now)
    assert opened_since(before) == []


def test_unused_contents_are_let_go(tmp_path: Path) -> None:
    write(tmp_path / "a", "a", age=OLD)
    lookup = make(tmp_path)
    kept = weakref.ref(find(lookup, "/a"))
    for now in range(2, 1 + LIFETIME):
        tick(lookup, now)
    assert kept() is not None
    tick(lookup, 1 + LIFETIME)
    assert kept() is None


def test_descriptors_are_bounded(tmp_path: Path) -> None:
    count = MAX_OPEN_FILES + 40
    for number in range(count):
        write_sparse(tmp_path / str(number), LARGE)
    lookup = make(tmp_path, budget=1 << 30)
    before = open_descriptors()
    for number in range(count):
        find(lookup, f"/{number}")
    assert len(opened_since(before)) <= MAX_OPEN_FILES + 2, "the docroot is pinned as well"
    lookup.release()
    assert opened_since(before) == []


def measure(lookup: FileLookup, paths: list[bytes]) -> int:
    """Return the bytes that finding all paths makes the memory grow by."""
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(len(paths)):
            find(lookup, bytes(bytearray(paths[number])))  # a copy, as from a request
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_bytes_are_bounded_for_many_files(tmp_path: Path) -> None:
    for number in range(100):
        write_sparse(tmp_path / str(number), 32768)
    paths = [b"/%d" % number for number in range(100)]
    assert measure(make(tmp_path), paths) <= BUDGET


def test_bytes_are_bounded_for_many_names_of_one_file(tmp_path: Path) -> None:
    """The same file has any number of long names: with one more slash, and another one."""
    directories = "/".join(["d" * 200] * 17)
    write(tmp_path / directories / "a", "a")
    paths = [b"/" * number + directories.encode() + b"/a" for number in range(1, 700)]
    assert measure(make(tmp_path), paths) <= BUDGET


@pytest.mark.parametrize("budget", [0, 100, SMALL_FILE])
def test_a_budget_too_small_for_anything(tmp_path: Path, budget: int) -> None:
    write(tmp_path / "a", b"x" * SMALL_FILE)
    lookup = make(tmp_path, budget=budget)
    for now in range(2, 5):
        found = find(lookup, "/a")
        assert found.content is None, "it is sent from its descriptor"
        assert found.read((range(SMALL_FILE),)) == b"x" * SMALL_FILE
        tick(lookup, now)


def test_errors_and_directories_are_not_kept(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    lookup = make(tmp_path)
    assert lookup.find(b"/folder") == FoundDirectory(b"/folder")
    assert status_of(lookup, "/a") == 404
    (tmp_path / "folder").rmdir()
    write(tmp_path / "folder")
    write(tmp_path / "a")
    assert isinstance(lookup.find(b"/folder"), CachedFile)
    assert isinstance(lookup.find(b"/a"), CachedFile)


@pytest.mark.parametrize("left", [0, 1])
def test_no_descriptor_left(tmp_path: Path, left: int) -> None:
    write(tmp_path / "a", "a")
    lookup = make(tmp_path)
    with descriptors_left(left):
        assert status_of(lookup, "/a") == 503
    assert find(lookup, "/a").content == b"a"


def test_in_a_directory_that_has_settled_no_forms_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its times tell that none was added; and when one is, it is found."""
    write(tmp_path / "a.txt", "a", age=OLD)
    lookup = make(tmp_path)
    asked = note_asked(monkeypatch)
    resource = find(lookup, "/a.txt")
    assert len(asked) == 2 * 3
    assert stays(lookup, "/a.txt", resource, 2), "the directory was changed just now"
    assert len(asked) == 3 * 3
    settle(monkeypatch)
    assert stays(lookup, "/a.txt", resource, 3)
    assert len(asked) == 4 * 3
    for second in range(4, 10):
        assert stays(lookup, "/a.txt", resource, second)
    assert len(asked) == 4 * 3
    write(tmp_path / "a.txt.gz", "z")
    tick(lookup, 10)
    cached = lookup.find(b"/a.txt")
    assert isinstance(cached, CachedFile)
    assert set(cached.coded) == {"gzip"}


@pytest.mark.parametrize("form", ["dangling", "folder", "older"])
def test_a_form_that_cannot_be_used_now_may_be_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Without a change of the directory."""
    write(tmp_path / "a.txt", "a", age=OLD)
    write(tmp_path / "there" / "other", "z", age=OLD)
    if form == "older":
        write(tmp_path / "a.txt.gz", "z", age=2 * OLD)
    else:
        (tmp_path / "a.txt.gz").symlink_to("there/form" if form == "dangling" else "there")
    settle(monkeypatch)
    lookup = make(tmp_path)
    resource = find(lookup, "/a.txt")
    assert stays(lookup, "/a.txt", resource, 2)
    if form == "older":
        os.utime(tmp_path / "a.txt.gz")
    elif form == "dangling":
        write(tmp_path / "there" / "form", "z", age=OLD)
    else:
        (tmp_path / "there").rename(tmp_path / "there~")
        write(tmp_path / "there", "z", age=OLD)
    tick(lookup, 3)
    cached = lookup.find(b"/a.txt")
    assert isinstance(cached, CachedFile)
    assert set(cached.coded) == {"gzip"}

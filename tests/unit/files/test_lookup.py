"""What a lookup caches, and for how long."""

from __future__ import annotations

import gc
import os
import tracemalloc
import weakref
from pathlib import Path

import pytest

from httpd.files.docroot import FoundDirectory
from httpd.files.file_cache import LIFETIME, MAX_OPEN_FILES, OPEN_LIFETIME, CachedFile
from httpd.files.lookup import FileLookup
from httpd.files.open_file import SMALL_FILE
from tests.unit.files.lookups import BUDGET, LARGE, OLD, append, find, make, status_of, stays, tick
from tests.unit.guard import descriptors_left, open_descriptors, opened_since
from tests.unit.site.directories import (
    note_asked,
    settle,
    write,
    write_sparse,
)


def test_small_file_is_validated_once_a_second(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "old", age=OLD)
    lookup = make(tmp_path)
    open_file = find(lookup, "/a")
    write(path, "new")
    assert find(lookup, "/a") is open_file
    tick(lookup, 2)
    assert find(lookup, "/a").content == b"new"


def test_large_file_is_looked_up_each_time(tmp_path: Path) -> None:
    """A new download is one of the newest version."""
    path = write_sparse(tmp_path / "a", LARGE)
    lookup = make(tmp_path)
    open_file = find(lookup, "/a")
    append(path)
    assert find(lookup, "/a") is not open_file
    assert find(lookup, "/a").size == LARGE + 4


def test_large_file_that_has_changed_replaces_the_old_one(tmp_path: Path) -> None:
    """Also if it was not requested in this minute: otherwise, HEAD would describe the old one."""
    path = write_sparse(tmp_path / "a", LARGE)
    os.utime(path, ns=(10**18, 10**18))
    lookup = make(tmp_path)
    open_file = find(lookup, "/a")
    for now in range(2, LIFETIME + 1):
        assert stays(lookup, "/a", open_file, now)
    append(path)
    os.utime(path, ns=(10**18 + 1, 10**18 + 1))
    changed = lookup.find(b"/a")
    assert isinstance(changed, CachedFile)
    assert changed.original is not open_file
    assert lookup.find(b"/a") is changed


def test_file_that_is_unchanged_stays_the_same_open_file(tmp_path: Path) -> None:
    write(tmp_path / "a", "a", age=OLD)
    lookup = make(tmp_path)
    open_file = find(lookup, "/a")
    for now in range(2, 3 * LIFETIME):
        tick(lookup, now)
        assert find(lookup, "/a") is open_file


def test_cached_file_that_is_unused_is_dropped(tmp_path: Path) -> None:
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


def test_content_of_an_unused_file_is_dropped(tmp_path: Path) -> None:
    write(tmp_path / "a", "a", age=OLD)
    lookup = make(tmp_path)
    kept = weakref.ref(find(lookup, "/a"))
    for now in range(2, 1 + LIFETIME):
        tick(lookup, now)
    assert kept() is not None
    tick(lookup, 1 + LIFETIME)
    assert kept() is None


def test_cached_files_hold_a_bounded_number_of_descriptors(tmp_path: Path) -> None:
    count = MAX_OPEN_FILES + 40
    for number in range(count):
        write_sparse(tmp_path / str(number), LARGE)
    lookup = make(tmp_path, budget=1 << 30)
    before = open_descriptors()
    for number in range(count):
        find(lookup, f"/{number}")
    assert len(opened_since(before)) <= MAX_OPEN_FILES + 2, "the docroot is pinned as well"
    lookup._file_cache.clear()
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


def test_cached_files_take_bounded_memory(tmp_path: Path) -> None:
    for number in range(100):
        write_sparse(tmp_path / str(number), 32768)
    paths = [b"/%d" % number for number in range(100)]
    assert measure(make(tmp_path), paths) <= BUDGET


def test_names_of_one_file_take_bounded_memory(tmp_path: Path) -> None:
    """The same file has any number of long names: with one more slash, and another one."""
    directories = "/".join(["d" * 200] * 17)
    write(tmp_path / directories / "a", "a")
    paths = [b"/" * number + directories.encode() + b"/a" for number in range(1, 700)]
    assert measure(make(tmp_path), paths) <= BUDGET


@pytest.mark.parametrize("budget", [0, 100, SMALL_FILE])
def test_file_without_a_budget_is_sent_from_its_descriptor(tmp_path: Path, budget: int) -> None:
    write(tmp_path / "a", b"x" * SMALL_FILE)
    lookup = make(tmp_path, budget=budget)
    for now in range(2, 5):
        found = find(lookup, "/a")
        assert found.content is None, "it is sent from its descriptor"
        assert found.read((range(SMALL_FILE),)) == b"x" * SMALL_FILE
        tick(lookup, now)


def test_errors_and_directories_are_not_cached(tmp_path: Path) -> None:
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
def test_lookup_without_a_descriptor_is_503(tmp_path: Path, left: int) -> None:
    write(tmp_path / "a", "a")
    lookup = make(tmp_path)
    with descriptors_left(left):
        assert status_of(lookup, "/a") == 503
    assert find(lookup, "/a").content == b"a"


def test_lookup_in_an_unchanged_directory_looks_for_no_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its times show that no form was added; one that is added is found."""
    write(tmp_path / "a.txt", "a", age=OLD)
    lookup = make(tmp_path)
    asked = note_asked(monkeypatch)
    open_file = find(lookup, "/a.txt")
    assert len(asked) == 2 * 3
    assert stays(lookup, "/a.txt", open_file, 2), "the directory was changed just now"
    assert len(asked) == 3 * 3
    settle(monkeypatch)
    assert stays(lookup, "/a.txt", open_file, 3)
    assert len(asked) == 4 * 3
    for second in range(4, 10):
        assert stays(lookup, "/a.txt", open_file, second)
    assert len(asked) == 4 * 3
    write(tmp_path / "a.txt.gz", "z")
    tick(lookup, 10)
    cached = lookup.find(b"/a.txt")
    assert isinstance(cached, CachedFile)
    assert set(cached.coded) == {"gzip"}


@pytest.mark.parametrize("form", ["dangling", "folder", "older"])
def test_form_that_cannot_be_used_now_may_be_used_later(
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
    open_file = find(lookup, "/a.txt")
    assert stays(lookup, "/a.txt", open_file, 2)
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


@pytest.mark.parametrize(
    ("size", "place"), [(SMALL_FILE, "in memory"), (SMALL_FILE + 1, "on disk")]
)
def test_open_file_and_cached_file_have_a_repr(tmp_path: Path, size: int, place: str) -> None:
    path = write_sparse(tmp_path / "a.txt", size)
    file = find(lookup := make(tmp_path), "/a.txt")
    assert repr(file) == f"<OpenFile {str(path)!r}, {size} bytes {place}, {file.etag}>"
    assert repr(lookup.find(b"/a.txt")) == "<CachedFile /a.txt, no forms, 0 responses>"

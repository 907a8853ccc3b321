"""Files of medium size are copied into memory when they are requested again."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from httpd.files.docroot import Docroot
from httpd.files.file_cache import LIFETIME, CachedFile, FileCache
from httpd.files.lookup import FileLookup
from httpd.files.open_file import MEDIUM_FILE, SMALL_FILE, OpenFile
from tests.unit.guard import open_descriptors, opened_since
from tests.unit.site.directories import write, write_sparse

OLD = 3600.0
SIZE = SMALL_FILE + 1
CONTENT = os.urandom(SIZE)
BUDGET = 16 * MEDIUM_FILE


def make(root: Path, budget: int = BUDGET) -> FileLookup:
    lookup = FileLookup(Docroot(str(root), ()), FileCache(budget), precompressed=True)
    tick(lookup, 1)
    return lookup


def tick(lookup: FileLookup, now: int) -> None:
    lookup.begin_second(now, int(time.time()))
    lookup._file_cache.begin_second(now)


def find(lookup: FileLookup, path: bytes = b"/a") -> CachedFile:
    cached = lookup.find(path)
    assert isinstance(cached, CachedFile)
    return cached


def find_again(lookup: FileLookup, path: bytes = b"/a") -> OpenFile:
    """Request a file twice in one second, and return what is found in the next one."""
    find(lookup, path)
    assert not find(lookup, path).original.is_snapshot
    tick(lookup, 2)
    return find(lookup, path).original


def read(open_file: OpenFile) -> bytes:
    return os.pread(open_file.fd, open_file.size + 1, 0)


def test_snapshot_is_made_when_the_file_is_requested_in_a_later_second(tmp_path: Path) -> None:
    write(tmp_path / "a", CONTENT, age=OLD)
    lookup = make(tmp_path)
    before = open_descriptors()
    find(lookup)
    first = find(lookup).original
    assert find(lookup).original is first
    again = find_again(lookup)
    assert (first.is_snapshot, again.is_snapshot) == (False, True)
    assert (again.etag, again.size, read(again)) == (first.etag, SIZE, CONTENT)
    assert read(first) == CONTENT, "a download that is running goes on"
    del first
    assert str(tmp_path / "a") not in opened_since(before)
    tick(lookup, 3)
    assert find(lookup).original is again
    del again
    tick(lookup, 3 + LIFETIME)
    assert opened_since(before) == []


def test_snapshot_stays_until_a_change_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "a", CONTENT, age=OLD)
    lookup = make(tmp_path)
    snapshot = find_again(lookup)
    path.write_bytes(CONTENT[::-1])
    assert find(lookup).original is snapshot, "for the rest of this second"
    assert snapshot.is_intact(range(SIZE), is_last=True)
    assert read(snapshot) == CONTENT
    tick(lookup, 3)
    assert read(find(lookup).original) == CONTENT[::-1]
    path.unlink()
    assert read(snapshot) == CONTENT


@pytest.mark.parametrize(
    ("size", "budget", "is_copied"),
    [
        (MEDIUM_FILE, BUDGET, True),
        (MEDIUM_FILE + 1, 2 * BUDGET, False),
        (MEDIUM_FILE, BUDGET - 1, False),
    ],
)
def test_file_that_is_too_large_gets_no_snapshot(
    tmp_path: Path, size: int, budget: int, *, is_copied: bool
) -> None:
    os.utime(write_sparse(tmp_path / "a", size), (1e9, 1e9))
    assert find_again(make(tmp_path, budget)).is_snapshot is is_copied


def test_snapshots_count_in_bytes(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path / str(number), bytes(MEDIUM_FILE), age=OLD)
    lookup = make(tmp_path)
    before = open_descriptors()
    for now in range(1, 4):
        tick(lookup, now)
        for number in range(20):
            lookup.find(b"/%d" % number)
    copies = [name for name in opened_since(before) if "memfd" in name]
    assert 8 < len(copies) < BUDGET // MEDIUM_FILE


def test_precompressed_forms_get_snapshots_too(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", CONTENT, age=OLD)
    write(tmp_path / "a.txt.gz", CONTENT[::-1], age=OLD)
    write(tmp_path / "a.txt.br", b"small", age=OLD)
    lookup = make(tmp_path)
    find_again(lookup, b"/a.txt")
    coded = find(lookup, b"/a.txt").coded
    assert read(coded["gzip"]) == CONTENT[::-1]
    assert coded["gzip"].is_snapshot
    assert coded["br"].content == b"small"
    assert not find(lookup, b"/a.txt").may_change


def test_file_that_changes_while_it_is_copied_gets_no_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a", CONTENT, age=OLD)
    lookup = make(tmp_path)
    before = open_descriptors()
    sendfile = os.sendfile

    def send_and_touch(*arguments: Any) -> int:
        sent = sendfile(*arguments)
        path.touch()
        return sent

    monkeypatch.setattr(os, "sendfile", send_and_touch)
    open_file = find_again(lookup)
    assert not open_file.is_snapshot
    assert not any("memfd" in name for name in opened_since(before))


def test_kernel_without_memfd_serves_the_file_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        raise OSError

    write(tmp_path / "a", CONTENT, age=OLD)
    monkeypatch.setattr(os, "memfd_create", refuse)
    assert read(find_again(make(tmp_path))) == CONTENT

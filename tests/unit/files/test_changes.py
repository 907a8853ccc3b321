"""Files that change between two requests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.files.lookups import LARGE, OLD, append, find, make, status_of, stays, tick
from tests.unit.site.directories import (
    as_nobody,
    open_directory,
    write,
    write_sparse,
)


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
def test_file_that_has_changed_is_opened_again(
    tmp_path: Path, size: int, change: Callable[[Path], None]
) -> None:
    path = write_sparse(tmp_path / "a", size)
    os.utime(path, ns=(10**18, 10**18))
    lookup = make(tmp_path)
    open_file = find(lookup, "/a")
    assert open_file.is_in_place()
    change(path)
    assert not open_file.is_in_place()
    assert not stays(lookup, "/a", open_file)


@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
def test_file_that_is_unchanged_stays_open(tmp_path: Path, size: int) -> None:
    path = write_sparse(tmp_path / "a", size)
    os.utime(path, ns=(10**18, 10**18))
    lookup = make(tmp_path)
    open_file = find(lookup, "/a")
    path.read_bytes()
    assert stays(lookup, "/a", open_file)


@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
def test_file_that_is_deleted_is_404_within_a_second(tmp_path: Path, size: int) -> None:
    """A download that is running is finished; no new request gets the file."""
    path = write_sparse(tmp_path / "a", size)
    os.utime(path, ns=(10**18, 10**18))
    lookup = make(tmp_path)
    open_file = find(lookup, "/a")
    path.unlink()
    assert open_file.is_intact(range(size), is_last=True)
    assert not open_file.is_in_place()
    assert not stays(lookup, "/a", open_file)
    assert status_of(lookup, "/a") == 404


@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
def test_file_whose_status_alone_has_changed_stays_in_place(tmp_path: Path, size: int) -> None:
    path = write_sparse(tmp_path / "a", size)
    open_file = find(make(tmp_path), "/a")
    path.chmod(0o600)
    os.link(path, tmp_path / "b")
    path.read_bytes()
    assert open_file.is_in_place()


def test_file_that_a_download_found_changed_is_opened_again_at_once(
    tmp_path: Path,
) -> None:
    """Also with the same size and modification time: a client that retries gets the new content."""
    path = write_sparse(tmp_path / "a", LARGE)
    os.utime(path, ns=(10**18, 10**18))
    lookup = make(tmp_path)
    open_file = find(lookup, "/a")
    overwrite(path)
    os.utime(path, ns=(10**18, 10**18))
    assert not open_file.is_intact(range(LARGE), is_last=True)
    assert find(lookup, "/a").etag != open_file.etag


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
def test_part_of_a_file_is_read_as_it_was_announced(
    tmp_path: Path, change: Callable[[Path], None], is_read: bool
) -> None:
    path = write_sparse(tmp_path / "a", 2 * LARGE)
    os.utime(path, ns=(10**18, 10**18))
    open_file = find(make(tmp_path), "/a")
    segments = (b"--", range(50, LARGE + 100), b"--")
    change(path)
    body = open_file.read(segments)
    assert body == (b"--" + bytes(LARGE + 50) + b"--" if is_read else None)


def test_file_whose_permission_has_changed_is_looked_up_again() -> None:
    with open_directory() as root:
        path = write(root / "a", "a", age=OLD)
        with as_nobody():
            lookup = make(root)
            open_file = find(lookup, "/a")
            assert stays(lookup, "/a", open_file)
        path.chmod(0)
        with as_nobody():
            assert not stays(lookup, "/a", open_file, 3)
            assert status_of(lookup, "/a") == 403


def test_file_that_was_just_written_is_looked_up_again(tmp_path: Path) -> None:
    """Coarse clocks give two contents of the same instant the same time."""
    write(tmp_path / "a", "a")
    lookup = make(tmp_path)
    open_file = find(lookup, "/a")
    assert open_file.is_in_place()
    assert not stays(lookup, "/a", open_file)


def test_file_with_a_time_in_the_future_is_looked_up_again(tmp_path: Path) -> None:
    write(tmp_path / "a", "a", age=-OLD)
    lookup = make(tmp_path)
    assert not stays(lookup, "/a", find(lookup, "/a"))


def test_index_of_second_choice_is_looked_up_again(tmp_path: Path) -> None:
    write(tmp_path / "index.htm", "second", age=OLD)
    lookup = make(tmp_path, index=("index.html", "index.htm"))
    assert not stays(lookup, "/", find(lookup, "/"))
    write(tmp_path / "index.html", "first", age=OLD)
    tick(lookup, 3)
    assert find(lookup, "/").content == b"first"
    assert stays(lookup, "/", find(lookup, "/"), 4)


def test_directory_that_becomes_a_link_to_outside_is_404(tmp_path: Path) -> None:
    """The file is the same, but no longer below the docroot: a new request would not find it."""
    root = tmp_path / "site"
    write(root / "folder" / "a", "a", age=OLD)
    lookup = make(root)
    find(lookup, "/folder/a")
    (root / "folder").rename(tmp_path / "outside")
    (root / "folder").symlink_to("../outside")
    tick(lookup, 2)
    assert status_of(lookup, "/folder/a") == 404

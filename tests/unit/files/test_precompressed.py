"""Directories without precompressed forms are remembered, and no form is overlooked."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from httpd.files.docroot import Docroot
from httpd.files.file_cache import CachedFile, FileCache
from httpd.files.lookup import FileLookup
from httpd.files.precompressed import CODINGS, MAX_NAMES, PlainDirectories
from tests.unit.guard import open_descriptors, opened_since
from tests.unit.site.directories import as_nobody, note_asked, open_directory, settle, write

OLD = 3600.0
STATE, OTHER_STATE = (1, 2, 3, 4), (1, 2, 3, 5)
NAME = b"/folder/a"


Read = Callable[[bytes, int], Iterable[str] | None]


def reader(response: Iterable[str] | None) -> tuple[list[tuple[bytes, int]], Read]:
    """Return a function that reads a directory, and where it notes what it was asked for."""
    asked: list[tuple[bytes, int]] = []

    def read(name: bytes, most: int) -> Iterable[str] | None:
        asked.append((name, most))
        return response

    return asked, read


def test_directory_with_many_requested_files_is_read_once() -> None:
    directories = PlainDirectories()
    asked, read = reader(["a.txt", "gz", "br.txt"])
    found = [directories.has(STATE, NAME, read) for _ in range(100)]
    assert asked == [(NAME, MAX_NAMES)]
    first = found.index(True)
    assert first > 1
    assert found == [False] * first + [True] * (100 - first)
    assert not directories.has(OTHER_STATE, NAME, read), (
        "one that has changed is not known any more"
    )


@pytest.mark.parametrize("names", [None, *([f"a{ending.decode()}"] for ending in CODINGS.values())])
def test_directory_with_precompressed_files_is_not_bare(names: list[str] | None) -> None:
    directories = PlainDirectories()
    asked, read = reader(names)
    assert not any(directories.has(STATE, NAME, read) for _ in range(100))
    assert asked == [(NAME, MAX_NAMES)]


def test_directory_that_has_just_changed_is_not_known_to_be_bare() -> None:
    directories = PlainDirectories()
    asked, read = reader([])
    assert not any(directories.has(None, NAME, read) for _ in range(100))
    assert asked == []


def test_directory_that_is_being_read_is_not_read_by_another_loop() -> None:
    directories = PlainDirectories()

    def read(name: bytes, most: int) -> list[str]:
        assert not directories.has(STATE, NAME, read)
        return []

    assert any(directories.has(STATE, NAME, read) for _ in range(100))


def test_directories_are_read_for_half_of_the_time_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directories = PlainDirectories()
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def read(name: bytes, most: int) -> list[str]:
        clock[0] += 0.5
        return []

    assert any(directories.has(STATE, NAME, read) for _ in range(100))
    clock[0] += 0.4
    assert not any(directories.has(OTHER_STATE, NAME, read) for _ in range(100))
    clock[0] += 0.1
    assert directories.has(OTHER_STATE, NAME, read)
    assert clock == [1001.5]


def test_directory_that_could_not_be_read_is_tried_again() -> None:
    directories = PlainDirectories()
    _, read = reader([])

    def fail(name: bytes, most: int) -> list[str]:
        raise MemoryError

    with pytest.raises(MemoryError):
        for _ in range(100):
            directories.has(STATE, NAME, fail)
    assert any(directories.has(STATE, NAME, read) for _ in range(100_000))


def test_bare_directories_are_bounded() -> None:
    directories = PlainDirectories()
    _, read = reader([])
    for number in range(20_000):
        directories.has((1, number, 3, 4), NAME, read)
    assert len(directories._requests) < 5000


# ---------------------------------------------------------------- in a lookup


def make(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[FileLookup, list[bytes]]:
    """Return a lookup to which all times are old, and the names that it asks for."""
    settle(monkeypatch)
    asked = note_asked(monkeypatch)
    lookup = FileLookup(Docroot(str(root), ()), FileCache(1 << 20), precompressed=True)
    lookup.begin_second(1, int(time.time()))
    return lookup, asked


def forms_of(lookup: FileLookup, path: bytes) -> set[str]:
    cached = lookup.find(path)
    assert isinstance(cached, CachedFile)
    return set(cached.coded)


def test_files_of_a_bare_directory_have_no_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        write(tmp_path / "folder" / f"{number}.txt", "a", age=OLD)
    lookup, asked = make(tmp_path, monkeypatch)
    before = open_descriptors()
    lookup.find(b"/folder/0.txt")  # which pins the directory
    pinned = len(opened_since(before))
    for number in range(100):
        assert forms_of(lookup, b"/folder/%d.txt" % number) == set()
    assert len(asked) < 100, "else it would be three for each"
    assert len(opened_since(before)) == pinned
    assert forms_of(lookup, b"/folder/99.txt") == set(), "the directory is known from now on"
    write(tmp_path / "folder" / "99.txt.gz", "z")
    lookup.begin_second(2, int(time.time()))
    assert forms_of(lookup, b"/folder/99.txt") == {"gzip"}


def test_form_among_many_files_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(100):
        write(tmp_path / f"{number}.txt", "a", age=OLD)
    write(tmp_path / "99.txt.br", "z", age=OLD)
    lookup, _ = make(tmp_path, monkeypatch)
    found = [forms_of(lookup, b"/%d.txt" % number) for number in range(100)]
    assert found == [set()] * 99 + [{"br"}]


def test_directory_with_too_many_names_is_not_read_to_its_end(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path / str(number))
    docroot = Docroot(str(tmp_path), ())
    name = os.fsencode(tmp_path / "0")
    assert docroot.names_beside(name, 19) is None
    names = docroot.names_beside(name, 20)
    assert names is not None
    assert set(names) == {str(number) for number in range(20)}


def test_directory_that_may_not_be_read_has_no_known_names() -> None:
    with open_directory() as root:
        write(root / "a")
        root.chmod(0o711)
        docroot = Docroot(str(root), ())
        with as_nobody():
            assert docroot.names_beside(os.fsencode(root / "a"), 20) is None

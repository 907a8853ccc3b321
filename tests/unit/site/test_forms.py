"""Which folders have no precompressed forms in them, and that nothing is overlooked for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from httpd.site.docroot import Docroot
from httpd.site.finder import Finder
from httpd.site.forms import CODINGS, MOST_NAMES, BareFolders
from httpd.site.store import Store
from tests.unit.guard import open_descriptors, opened_since
from tests.unit.site.folders import as_nobody, note_asked, open_folder, settle, write

OLD = 3600.0
STATE, OTHER_STATE = (1, 2, 3, 4), (1, 2, 3, 5)
NAME = b"/folder/a"


Read = Callable[[bytes, int], Iterable[str] | None]


def reader(answer: Iterable[str] | None) -> tuple[list[tuple[bytes, int]], Read]:
    """Return a function that reads a folder, and where it notes what it was asked for."""
    asked: list[tuple[bytes, int]] = []

    def read(name: bytes, most: int) -> Iterable[str] | None:
        asked.append((name, most))
        return answer

    return asked, read


def test_a_folder_is_read_once_and_only_if_many_files_are_asked_from_it() -> None:
    folders = BareFolders()
    asked, read = reader(["a.txt", "gz", "br.txt"])
    found = [folders.has(STATE, NAME, read) for _ in range(100)]
    assert asked == [(NAME, MOST_NAMES)]
    first = found.index(True)
    assert first > 1
    assert found == [False] * first + [True] * (100 - first)
    assert not folders.has(OTHER_STATE, NAME, read), "one that has changed is not known any more"


@pytest.mark.parametrize("names", [None, *([f"a{ending.decode()}"] for ending in CODINGS.values())])
def test_a_folder_that_is_not_bare(names: list[str] | None) -> None:
    folders = BareFolders()
    asked, read = reader(names)
    assert not any(folders.has(STATE, NAME, read) for _ in range(100))
    assert asked == [(NAME, MOST_NAMES)]


def test_nothing_is_known_of_a_folder_that_has_changed_lately() -> None:
    folders = BareFolders()
    asked, read = reader([])
    assert not any(folders.has(None, NAME, read) for _ in range(100))
    assert asked == []


def test_who_is_asked_meanwhile_does_not_read_it_again() -> None:
    folders = BareFolders()

    def read(name: bytes, most: int) -> list[str]:
        assert not folders.has(STATE, NAME, read)
        return []

    assert any(folders.has(STATE, NAME, read) for _ in range(100))


def test_folders_are_read_for_half_of_the_time_at_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = BareFolders()
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def read(name: bytes, most: int) -> list[str]:
        clock[0] += 0.5
        return []

    assert any(folders.has(STATE, NAME, read) for _ in range(100))
    clock[0] += 0.4
    assert not any(folders.has(OTHER_STATE, NAME, read) for _ in range(100))
    clock[0] += 0.1
    assert folders.has(OTHER_STATE, NAME, read)
    assert clock == [1001.5]


def test_who_fails_to_read_a_folder_does_not_keep_others_from_it() -> None:
    folders = BareFolders()
    _, read = reader([])

    def fail(name: bytes, most: int) -> list[str]:
        raise MemoryError

    with pytest.raises(MemoryError):
        for _ in range(100):
            folders.has(STATE, NAME, fail)
    assert any(folders.has(STATE, NAME, read) for _ in range(100_000))


def test_it_does_not_grow_for_ever() -> None:
    folders = BareFolders()
    _, read = reader([])
    for number in range(20_000):
        folders.has((1, number, 3, 4), NAME, read)
    assert len(folders._asked) < 5000


# ---------------------------------------------------------------- in a finder


def make(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Finder, list[bytes]]:
    """Return a finder, in whose time the files are settled, and the names that it asks for."""
    settle(monkeypatch)
    asked = note_asked(monkeypatch)
    finder = Finder(Docroot(str(root), ()), Store(1 << 20), precompressed=True)
    finder.tick(1, int(time.time()))
    return finder, asked


def forms_of(finder: Finder, path: bytes) -> set[str]:
    variants = finder.find(path)
    assert variants is not None
    return set(variants.coded)


def test_files_of_a_bare_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(100):
        write(tmp_path / "folder" / f"{number}.txt", "a", age=OLD)
    finder, asked = make(tmp_path, monkeypatch)
    before = open_descriptors()
    finder.find(b"/folder/0.txt")  # which pins the folder
    pinned = len(opened_since(before))
    for number in range(100):
        assert forms_of(finder, b"/folder/%d.txt" % number) == set()
    assert len(asked) < 100, "else it would be three for each"
    assert len(opened_since(before)) == pinned
    assert forms_of(finder, b"/folder/99.txt") == set(), "and from now on it is kept"
    write(tmp_path / "folder" / "99.txt.gz", "z")
    finder.tick(2, int(time.time()))
    assert forms_of(finder, b"/folder/99.txt") == {"gzip"}


def test_a_form_among_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(100):
        write(tmp_path / f"{number}.txt", "a", age=OLD)
    write(tmp_path / "99.txt.br", "z", age=OLD)
    finder, _ = make(tmp_path, monkeypatch)
    found = [forms_of(finder, b"/%d.txt" % number) for number in range(100)]
    assert found == [set()] * 99 + [{"br"}]


def test_a_folder_with_too_many_names_is_not_read_to_its_end(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path / str(number))
    docroot = Docroot(str(tmp_path), ())
    name = os.fsencode(tmp_path / "0")
    assert docroot.names_beside(name, 19) is None
    names = docroot.names_beside(name, 20)
    assert names is not None
    assert set(names) == {str(number) for number in range(20)}


def test_a_folder_that_may_not_be_read() -> None:
    with open_folder() as root:
        write(root / "a")
        root.chmod(0o711)
        docroot = Docroot(str(root), ())
        with as_nobody():
            assert docroot.names_beside(os.fsencode(root / "a"), 20) is None

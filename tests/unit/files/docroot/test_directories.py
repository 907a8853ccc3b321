"""Directories that are opened for a listing, and the names in them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from httpd.files.docroot import Docroot, FoundDirectory, OpenResult
from tests.unit.files.docroot.trees import MISSING, forbid_the_direct_way, list_names, look_up
from tests.unit.guard import descriptors_left, must_end, open_descriptors, opened_since
from tests.unit.site.directories import as_nobody, open_directory, write


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/bare/", ["d.txt"]),
        ("/empty/", []),
        ("//sub///", [".htpasswd", ".well-known", "b.txt", "deep", "index.html"]),
        ("/to-folder/deep/", ["c.txt"]),
        ("/.well-known/", [".hidden", "security.txt"]),
    ],
)
def test_directory_is_opened_with_all_its_names(
    docroot: Docroot, path: str, names: list[str]
) -> None:
    assert list_names(docroot, path) == names


def test_directory_outside_or_hidden_is_not_opened(docroot: Docroot) -> None:
    before = open_descriptors()
    paths = [path if path.endswith("/") else f"{path}/" for path in [*MISSING, "/a.txt", "/raw"]]
    with must_end():
        assert {path: list_names(docroot, path) for path in paths} == dict.fromkeys(paths, 404)
        assert list_names(docroot, "/a.txt") == list_names(docroot, "/fifo") == 404
    docroot.release()
    assert opened_since(before) == []


def test_directory_that_may_not_be_read_is_403() -> None:
    with open_directory() as root:
        write(root / "closed" / "a.txt").parent.chmod(0o711)
        with as_nobody():
            docroot = Docroot(str(root), ())
            assert list_names(docroot, "/closed/") == 403
            assert look_up(docroot, "/closed/") == 403


def test_directory_with_an_index_is_opened_as_its_index(docroot: Docroot) -> None:
    assert docroot.open(b"/bare/") == FoundDirectory(b"/bare/")
    assert isinstance(docroot.open(b"/sub/"), OpenResult)


def test_directory_without_a_descriptor_is_503(docroot: Docroot) -> None:
    for left in 0, 1:
        with descriptors_left(left):
            assert list_names(docroot, "/bare/") == 503
    assert list_names(docroot, "/bare/") == ["d.txt"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (b"a.txt", "file"),
        (b"to-file", "file"),
        (b"round-trip", "file"),
        (b"to-folder", "folder"),
        (b"out-file", None),
        (b"out-folder", None),
        (b"out-parent", None),
        (b"dangling", None),
        (b"self", None),
    ],
)
def test_name_in_a_directory_leads_where_it_should(
    docroot: Docroot, name: bytes, found: str | None
) -> None:
    directory = docroot.open_directory(FoundDirectory(b"/"))
    try:
        status = docroot.stat(name, directory)
    finally:
        os.close(directory)
    if status is None:
        assert found is None
    else:
        assert found == ("folder" if stat.S_ISDIR(status.st_mode) else "file")


def test_path_that_is_too_long_counts_as_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through links, one can get to where the path has more than the 4096 bytes of PATH_MAX."""
    root = tmp_path / "site"
    down = "/".join(["x" * 250] * 8)
    write(root / "c" / down / "a.txt", "a")
    for upper, lower, end in (("b", "c", ""), ("a", "b", "/link")):
        (root / upper / down).mkdir(parents=True)
        (root / lower).rename(root / upper / down / lower)
        (root / upper / down / "link").symlink_to(f"{lower}/{down}{end}")
    (root / "link").symlink_to(f"a/{down}/link")
    assert (root / "link" / "a.txt").read_text() == "a"
    before = open_descriptors()
    docroot = Docroot(str(root), ())
    forbid_the_direct_way(monkeypatch)
    assert look_up(docroot, "/link/a.txt") == 404
    assert docroot.stat(os.fsencode(root / "link")) is None
    docroot.release()
    assert opened_since(before) == []

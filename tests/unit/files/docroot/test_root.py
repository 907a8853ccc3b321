"""The docroot itself: a link, a directory that is replaced, or nothing at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from httpd.files.docroot import Docroot
from httpd.files.valid_roots import ValidRoots
from tests.unit.files.docroot.trees import CANARY, look_up
from tests.unit.site.directories import as_nobody, open_directory, write


@pytest.mark.parametrize("suffix", ["", "/", "///"])
def test_docroot_with_and_without_a_slash_is_the_same(site: Path, suffix: str) -> None:
    docroot = Docroot(str(site) + suffix, ("index.html",))
    assert look_up(docroot, "/a.txt") == "a"
    assert look_up(docroot, "/out-file") == 404


def test_docroot_may_be_the_root_of_the_machine(site: Path) -> None:
    docroot = Docroot("/", ("index.html",))
    assert look_up(docroot, str(site / "a.txt")) == "a"
    assert look_up(docroot, str(site / "out-file")) == CANARY  # nothing is outside
    assert look_up(docroot, "/") == 403


def test_docroot_that_is_a_link_is_followed_again(tmp_path: Path) -> None:
    """A new version of a site is put in place by the change of one link."""
    for version in "1", "2":
        write(tmp_path / version / "a.txt", version)
        (tmp_path / version / "out").symlink_to("../secret")
    write(tmp_path / "secret", CANARY)
    link = tmp_path / "current"
    link.symlink_to("1")
    roots = ValidRoots()
    docroot = Docroot(str(link), ("index.html",), roots)
    for version in "121":
        link.unlink()
        link.symlink_to(version)
        roots.invalidate()
        assert look_up(docroot, "/a.txt") == version
        assert look_up(docroot, "/out") == 404


def test_docroot_that_was_replaced_is_outside_of_the_new_one(tmp_path: Path) -> None:
    write(tmp_path / "old" / "secret", CANARY)
    write(tmp_path / "new" / "a.txt", "a")
    (tmp_path / "new" / "back").symlink_to("../old/secret")
    link = tmp_path / "current"
    link.symlink_to("old")
    roots = ValidRoots()
    docroot = Docroot(str(link), ("index.html",), roots)
    assert look_up(docroot, "/secret") == CANARY
    link.unlink()
    link.symlink_to("new")
    roots.invalidate()
    assert look_up(docroot, "/back") == 404
    assert look_up(docroot, "/a.txt") == "a"
    assert look_up(docroot, "/back") == 404


def test_docroot_that_is_gone_is_503_until_it_is_back(tmp_path: Path) -> None:
    roots = ValidRoots()
    docroot = Docroot(str(tmp_path / "site"), ("index.html",), roots)
    assert look_up(docroot, "/a.txt") == 503
    write(tmp_path / "site" / "a.txt", "a")
    assert look_up(docroot, "/a.txt") == "a"
    (tmp_path / "site").rename(tmp_path / "elsewhere")
    assert look_up(docroot, "/a.txt") == "a"
    roots.invalidate()
    assert look_up(docroot, "/a.txt") == 503
    assert docroot.stat(os.fsencode(tmp_path / "site" / "a.txt")) is None
    write(tmp_path / "site" / "b.txt", "b")
    assert look_up(docroot, "/b.txt") == "b"


def test_docroot_that_is_no_directory_is_503(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("a")
    docroot = Docroot(str(tmp_path / "site"), ("index.html",))
    assert look_up(docroot, "/") == look_up(docroot, "/a.txt") == 503


@pytest.mark.parametrize("path", ["/a.txt", "/", "/folder/", "/missing"])
def test_docroot_that_may_not_be_entered_is_503(path: str) -> None:
    with open_directory() as directory:
        write(directory / "site" / "a.txt", "a")
        roots = ValidRoots()
        docroot = Docroot(str(directory / "site"), ("index.html",), roots)
        (directory / "site").chmod(0)
        with as_nobody():
            assert look_up(docroot, path) == 503
        (directory / "site").chmod(0o755)
        (directory / "site" / "a.txt").chmod(0)
        roots.invalidate()
        with as_nobody():
            assert look_up(docroot, "/a.txt") == 403


def test_docroot_below_a_link_serves_its_files(tmp_path: Path) -> None:
    write(tmp_path / "real" / "site" / "a.txt", "a")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "site" / "out").symlink_to("../secret")
    write(tmp_path / "real" / "secret", CANARY)
    docroot = Docroot(str(tmp_path / "link" / "site"), ("index.html",))
    assert look_up(docroot, "/a.txt") == "a"
    assert look_up(docroot, "/out") == 404

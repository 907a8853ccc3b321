"""A docroot inside of another directory, such as one of many that a name chooses from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from httpd.files.docroot import Docroot
from httpd.files.faults import NoDocrootError
from httpd.files.valid_roots import ValidRoots
from httpd.protocol.messages import HTTPError
from tests.unit.files.docroot.trees import Found, look_up
from tests.unit.guard import open_descriptors, opened_since
from tests.unit.site.directories import as_nobody, open_directory, write

OPEN = "/proc/self/fd"


class Inner:
    """A docroot of which nothing is outside of `outer`."""

    def __init__(self, outer: Path, name: str, roots: ValidRoots | None = None) -> None:
        self.roots = roots or ValidRoots()
        self.outer = Docroot(str(outer), (), self.roots)
        self.docroot = Docroot(str(outer / name), ("index.html",), self.roots, self.outer)

    def find(self, path: str) -> Found:
        """Return what a request of a later turn finds."""
        self.roots.invalidate()
        return look_up(self.docroot, path)

    def release(self) -> None:
        self.docroot.release()
        self.outer.release()


@pytest.fixture
def outer(tmp_path: Path) -> Path:
    for name in "alice", "bob", ".hidden", "../outside":
        write(tmp_path / "outer" / name / "a.txt", name)
    write(tmp_path / "outer" / "a.txt", "of no directory")
    write(tmp_path / "a.txt", "outside")
    return tmp_path / "outer"


def test_directory_is_found_that_is_made_later(outer: Path) -> None:
    inner = Inner(outer, "carol")
    assert inner.find("/a.txt") == 404
    write(outer / "carol" / "a.txt", "carol")
    assert inner.find("/a.txt") == "carol"
    (outer / "carol").rename(outer / "dora")
    assert inner.find("/a.txt") == 404
    (outer / "bob").rename(outer / "carol")
    assert inner.find("/a.txt") == "bob"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("bob", "bob"),
        ("../outer/bob", "bob"),
        ("../outside", 404),
        (".hidden", 404),
        ("nowhere", 404),
        ("carol", 404),
        (".", 404),
        ("..", 404),
        ("/", 404),
        ("/proc/self/root", 404),
        ("bob/a.txt", 404),
    ],
)
def test_link_leads_to_a_directory_inside_only(outer: Path, link: str, expected: str | int) -> None:
    (outer / "carol").symlink_to(link)
    inner = Inner(outer, "carol")
    for _ in range(2):
        assert inner.find("/a.txt") == expected


def test_link_is_followed_again_in_each_turn(outer: Path) -> None:
    inner = Inner(outer, "carol")
    for name, expected in [("alice", "alice"), ("bob", "bob"), ("../outside", 404), ("bob", "bob")]:
        (outer / "carol").unlink(missing_ok=True)
        (outer / "carol").symlink_to(name)
        assert inner.find("/a.txt") == expected


@pytest.mark.parametrize("target", ["../bob/a.txt", "../../outside/a.txt", "../.hidden/a.txt"])
def test_link_from_one_directory_does_not_lead_to_another(outer: Path, target: str) -> None:
    (outer / "alice" / "link").symlink_to(target)
    assert Inner(outer, "alice").find("/link") == 404


def test_file_is_no_docroot(outer: Path) -> None:
    write(outer / "file")
    assert Inner(outer, "file").find("/") == 404
    assert Inner(outer, "file").find("/a.txt") == 404


def fault(inner: Inner) -> OSError | None:
    """Return the fault that the log gets."""
    with pytest.raises(HTTPError) as error:
        inner.docroot.open(b"/a.txt")
    return error.value.fault if isinstance(error.value, NoDocrootError) else None


def test_directory_around_that_is_missing_is_a_fault(outer: Path) -> None:
    missing = Inner(outer / "none", "alice")
    assert fault(missing)
    assert missing.find("/a.txt") == 503
    assert fault(Inner(outer, "none")) is None


def test_directory_that_may_not_be_entered_is_forbidden() -> None:
    with open_directory() as outer:
        write(outer / "alice" / "a.txt", "alice")
        (outer / "alice").chmod(0)
        with as_nobody():
            assert Inner(outer, "alice").find("/a.txt") == 403
        (outer / "alice").chmod(0o755)
        outer.chmod(0o700)
        with as_nobody():
            if os.geteuid() != outer.stat().st_uid:
                inner = Inner(outer, "alice")
                assert inner.find("/a.txt") == 503
                assert fault(inner)


def test_release_closes_all_descriptors(outer: Path) -> None:
    before = open_descriptors()
    inner = Inner(outer, "alice")
    assert opened_since(before) == []
    for _ in range(3):
        assert inner.find("/a.txt") == "alice"
        assert inner.docroot.directory_state(os.fsencode(outer / "alice" / "a.txt")) is None
        assert opened_since(before)
        inner.release()
        assert opened_since(before) == []


@pytest.mark.parametrize("names", [["alice", "bob"], ["alice"] * 20 + ["bob"]])
def test_docroots_together_hold_few_directories_open(outer: Path, names: list[str]) -> None:
    """Many sites of one loop cannot use up the descriptors of the process."""
    most = 8
    for name in "alice", "bob":
        for number in range(10):
            write(outer / name / str(number) / "a.txt", f"{name} {number}")
    before = open_descriptors()
    count = len(os.listdir(OPEN))
    roots = ValidRoots(most)
    inner = [Inner(outer, name, roots) for name in names * 3]
    seen = 0
    for number in range(10):
        for name, one in zip(names * 3, inner, strict=True):
            found = look_up(one.docroot, f"/{number}/a.txt")
            assert found == f"{name} {number}"
            path = os.fsencode(outer / name / str(number) / "a.txt")
            assert one.docroot.revalidate(path)[0] is not None
            one.docroot.directory_state(path)
            seen = max(seen, len(os.listdir(OPEN)) - count)
            assert seen <= most
    assert seen > most // 2
    roots.release()
    assert opened_since(before) == []


def test_docroot_that_is_full_goes_on_with_its_own_root(tmp_path: Path) -> None:
    for number in range(30):
        write(tmp_path / str(number) / "a.txt", str(number))
    before = open_descriptors()
    count = len(os.listdir(OPEN))
    docroot = Docroot(str(tmp_path), (), ValidRoots(4))
    for _ in range(2):
        for number in range(30):
            name = os.fsencode(tmp_path / str(number) / "a.txt")
            assert look_up(docroot, f"/{number}/a.txt") == str(number)
            assert docroot.revalidate(name)[0] is not None
            assert len(os.listdir(OPEN)) <= count + 4
    docroot.release()
    assert opened_since(before) == []

"""Links that lead out of the docroot, into directories that the operator has named."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from httpd.files.docroot import Docroot, FoundDirectory
from httpd.files.hidden import HiddenNames
from httpd.files.openat2 import pin_stepwise
from httpd.files.valid_roots import ValidRoots
from httpd.protocol.messages import HTTPError
from tests.unit.files.docroot.trees import CANARY, Found, list_names, look_up
from tests.unit.guard import descriptors_left, open_descriptors, opened_since
from tests.unit.site.directories import as_nobody, open_directory, write


@pytest.fixture(params=[False, True], ids=["openat2", "stepwise"])
def root(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A docroot `site`, the directories `one` and `two` to name, and `outside`."""
    if request.param:
        monkeypatch.setattr("httpd.files.openat2._HAS_OPENAT2", False)
        monkeypatch.setattr("httpd.files.resolver.pin", pin_stepwise)
    for directory in "site", "one", "two", "one-2":
        write(tmp_path / directory / "a.txt", directory)
        write(tmp_path / directory / "sub" / "index.html", f"{directory} index")
        write(tmp_path / directory / ".git" / "config", f"{directory} config")
        write(tmp_path / directory / ".well-known" / "a.txt", f"{directory} well-known")
    write(tmp_path / "outside" / "secret", CANARY)
    write(tmp_path / "outside" / "sub" / "index.html", CANARY)
    links = {
        "site/file": "../one/a.txt",
        "site/absolute": str(tmp_path / "one" / "a.txt"),
        "site/folder": "../one",
        "site/other": "../two",
        "site/beside": "../one-2/a.txt",
        "site/out": "../outside/secret",
        "site/out-folder": "../outside",
        "site/through": "../outside/to-one/a.txt",
        "site/hidden": "../one/.git/config",
        "site/hidden-folder": "../one/.git",
        "site/well-known": "../one/.well-known",
        "site/up": "../one/..",
        "one/back": "../site/a.txt",
        "one/back-to-hidden": "../site/.git/config",
        "one/on": "../two/a.txt",
        "one/out": "../outside/secret",
        "one/out-folder": "../outside",
        "one/sub/up": "../a.txt",
        "outside/to-one": "../one",
    }
    for link, target in links.items():
        (tmp_path / link).symlink_to(target)
    yield tmp_path


def make(
    root: Path, *targets: str, index: Sequence[str] = ("index.html",)
) -> tuple[Docroot, ValidRoots]:
    roots = ValidRoots()
    links = roots.link_targets(str(root / target) for target in targets)
    return Docroot(str(root / "site"), tuple(index), roots, link_targets=links), roots


WITH_ONE: dict[str, Found] = {
    "/a.txt": "site",
    "/file": "one",
    "/absolute": "one",
    "/folder": None,
    "/folder/": 403,
    "/folder/a.txt": "one",
    "/folder/sub/": "one index",
    "/folder/sub/up": "one",
    "/folder/back": "site",
    "/folder/back-to-hidden": 404,
    "/folder/on": 404,
    "/folder/out": 404,
    "/folder/out-folder/sub/": 404,
    "/folder/.git/config": 404,
    "/folder/.well-known/a.txt": 404,
    "/well-known/a.txt": "one well-known",
    "/hidden": 404,
    "/hidden-folder/config": 404,
    "/other/a.txt": 404,
    "/other/": 404,
    "/beside": 404,
    "/out": 404,
    "/out-folder": 404,
    "/out-folder/": 404,
    "/through": "one",
    "/up": 404,
    "/up/one/a.txt": "one",
    "/up/outside/secret": 404,
}


@pytest.mark.parametrize(
    ("targets", "changed"),
    [
        (["one"], {}),
        (["one/"], {}),
        (["two/../one"], {}),
        (["to-one"], {}),  # a link that the operator has made
        (["missing", "site/a.txt", "one"], {}),
        (["one", "two"], {"/folder/on": "two", "/other/a.txt": "two", "/other/": 403}),
        (["one", "one/.git"], {"/hidden": "one config", "/hidden-folder/config": "one config"}),
        (["one", "one-2/a.txt"], {}),  # no directory
        (["one", "one-2"], {"/beside": "one-2"}),
    ],
)
def test_link_leads_into_the_directories_that_are_named(
    root: Path, targets: list[str], changed: dict[str, Found]
) -> None:
    (root / "to-one").symlink_to("one")
    before = open_descriptors()
    docroot, roots = make(root, *targets)
    expected = {**WITH_ONE, **changed}
    for _ in range(2):
        assert {path: look_up(docroot, path) for path in expected} == expected
    docroot.release()
    roots.release()
    assert opened_since(before) == []


@pytest.mark.parametrize("targets", [[], ["missing"], ["site"], ["site/sub"], ["one-2"]])
def test_link_leads_nowhere_else(root: Path, targets: list[str]) -> None:
    docroot, _ = make(root, *targets)
    found = {path: look_up(docroot, path) for path in WITH_ONE}
    beside: Found = "one-2" if targets == ["one-2"] else 404
    inside = {"/a.txt": "site", "/folder/back": "site"}  # a way may lead out to come back
    assert found == {**dict.fromkeys(WITH_ONE, 404), **inside, "/beside": beside}


def test_names_below_a_directory_are_hidden_unless_they_are_served(root: Path) -> None:
    roots = ValidRoots()
    links = roots.link_targets([str(root / "one")])
    docroot = Docroot(
        str(root / "site"), (), roots, hidden=HiddenNames([".git"]), link_targets=links
    )
    assert look_up(docroot, "/folder/.git/config") == "one config"
    assert look_up(docroot, "/hidden") == look_up(docroot, "/hidden-folder/config") == "one config"
    assert look_up(docroot, "/folder/back-to-hidden") == "site config"
    assert look_up(docroot, "/folder/.well-known/a.txt") == 404


def test_names_and_their_status_are_those_of_a_request(root: Path) -> None:
    docroot, _ = make(root, "one")
    assert list_names(docroot, "/folder/") == sorted(os.listdir(root / "one"))
    assert list_names(docroot, "/other/") == list_names(docroot, "/out-folder/") == 404
    directory = docroot.open_directory(FoundDirectory(b"/folder/"))
    try:
        found = {name for name in os.listdir(directory) if docroot.stat(name.encode(), directory)}
    finally:
        os.close(directory)
    assert found == {"a.txt", "back", "sub", ".well-known"}
    site = os.fsencode(root / "site")
    for path in b"/file", b"/absolute", b"/folder/a.txt", b"/folder/back", b"/through":
        status, _ = docroot.revalidate(site + path)
        assert status is not None
        assert os.path.samestat(status, os.stat(site + path))
    for path in b"/out", b"/other/a.txt", b"/folder/on", b"/folder/out", b"/hidden":
        assert docroot.revalidate(site + path)[0] is None
        assert docroot.stat(site + path) is None
    assert docroot.names_beside(site + b"/other/a.txt", 9) is None
    assert docroot.names_beside(site + b"/folder/a.txt", 99) is not None


def test_directory_is_found_that_is_made_or_replaced_later(root: Path) -> None:
    docroot, roots = make(root, "later")
    (root / "site" / "link").symlink_to("../later/a.txt")

    def find() -> Found:
        roots.invalidate()
        return look_up(docroot, "/link")

    assert find() == 404
    write(root / "later" / "a.txt", "first")
    assert find() == "first"
    (root / "later").rename(root / "earlier")
    assert find() == 404
    (root / "site" / "old").symlink_to("../earlier/a.txt")
    assert look_up(docroot, "/old") == 404, "the directory has lost its name"
    write(root / "later" / "a.txt", "second")
    assert find() == "second"
    assert look_up(docroot, "/old") == 404


def test_link_of_the_operator_is_followed_again_in_each_turn(root: Path) -> None:
    docroot, roots = make(root, "current")
    for version, other in ("one", "two"), ("two", "one"):
        (root / "current").unlink(missing_ok=True)
        (root / "current").symlink_to(version)
        roots.invalidate()
        for name in version, other:
            path = {"one": "/file", "two": "/other/a.txt"}[name]
            assert look_up(docroot, path) == (name if name == version else 404)


def test_link_whose_target_changes_is_forgotten(root: Path) -> None:
    docroot, _ = make(root, "one")
    name = os.fsencode(root / "site" / "link" / "a.txt")
    for directory, is_found in ("one", True), ("outside", False), ("two", False), ("one", True):
        write(root / "outside" / "a.txt", CANARY)
        (root / "site" / "link").unlink(missing_ok=True)
        (root / "site" / "link").symlink_to(f"../{directory}")
        docroot.release()  # as each second
        assert (docroot.revalidate(name)[0] is not None) is is_found
        assert look_up(docroot, "/link/a.txt") == (directory if is_found else 404)


def test_directory_that_may_not_be_entered_leads_to_nothing() -> None:
    with open_directory() as root:
        write(root / "closed" / "one" / "a.txt", "one")
        write(root / "two" / "a.txt", "two")
        (root / "site").mkdir()
        (root / "site" / "one").symlink_to("../closed/one/a.txt")
        (root / "site" / "two").symlink_to("../two/a.txt")
        (root / "closed").chmod(0)
        with as_nobody():
            docroot, _ = make(root, "closed/one", "two")
            assert look_up(docroot, "/one") == 403
            assert look_up(docroot, "/two") == "two"
        (root / "closed").chmod(0o755)


def test_directory_without_a_descriptor_is_503(root: Path) -> None:
    docroot, _ = make(root, "one")
    assert look_up(docroot, "/a.txt") == "site"
    with descriptors_left(1):  # to find the file
        assert look_up(docroot, "/file") == 503
    assert look_up(docroot, "/file") == "one"


def test_site_of_one_directory_may_be_in_a_directory_that_is_named(root: Path) -> None:
    """As `/srv/students/alice` may be a link to `/home/alice/public_html`."""
    (root / "site" / "alice").symlink_to("../one/sub")
    (root / "site" / "bob").symlink_to("../two/sub")
    (root / "one" / "sub" / "link").symlink_to("../a.txt")
    (root / "one" / "sub" / "to-site").symlink_to("../../site/a.txt")
    roots = ValidRoots()
    links = roots.link_targets([str(root / "one")])
    outer = Docroot(str(root / "site"), (), roots, link_targets=links)

    def find(name: str, path: str) -> Found:
        inner = Docroot(
            str(root / "site" / name), ("index.html",), roots, outer, link_targets=links
        )
        try:
            return look_up(inner, path)
        except HTTPError as error:
            return error.status

    assert find("alice", "/") == "one index"
    assert find("alice", "/link") == "one"
    assert find("alice", "/to-site") == 404, "the directory around all sites was not named"
    assert find("bob", "/") == find("out-folder", "/sub/") == 404

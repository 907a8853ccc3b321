"""The docroot is changed while its files are opened."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from httpd.files.docroot import Docroot
from httpd.files.openat2 import pin_by_openat2, pin_stepwise
from httpd.files.valid_roots import ValidRoots
from tests.unit.files.docroot.trees import (
    CANARY,
    Found,
    forbid_the_direct_way,
    list_names,
    look_up,
)
from tests.unit.guard import must_end
from tests.unit.site.directories import write


def test_path_in_another_mount_namespace_is_outside(tmp_path: Path, way: None) -> None:
    """Where a process sees something else at the docroot's path, procfs leads there."""
    root = tmp_path / "site"
    write(root / "x", "inside")
    write(tmp_path / "outside" / "x", CANARY)
    write(tmp_path / "outside" / "secret", CANARY)
    script = 'mount --bind "$1" "$2" && echo mounted && read _'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    with subprocess.Popen(
        [*command, str(tmp_path / "outside"), str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        if other.stdout.readline() != b"mounted\n":
            pytest.skip("needs the right to make a mount namespace")
        (root / "link").symlink_to(f"/proc/{other.pid}/root/{root}")
        (root / "file").symlink_to(f"/proc/{other.pid}/root/{root}/secret")
        assert (root / "file").read_text() == CANARY
        docroot = Docroot(str(root), ())
        assert look_up(docroot, "/x") == "inside"
        for path in ("/link/x", "/link/secret", "/file"):
            assert look_up(docroot, path) in ("inside", 404)
        other.communicate(b"\n")


@pytest.fixture(params=[None, pin_by_openat2, pin_stepwise])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use one of the ways of pinning: beneath the docroot, or else another one."""
    if request.param is not None:
        monkeypatch.setattr("httpd.files.resolver.pin", request.param)
        forbid_the_direct_way(monkeypatch)


SWAP = """
import os
import sys
rounds = 0
while True:
    for pair in sys.argv[1:]:
        one, other = pair.split(":")
        os.rename(one, "aside")
        os.rename(other, one)
        os.rename(one, other)
        os.rename("aside", one)
    rounds += 1
    if rounds == 1:
        print("once", flush=True)
"""
"""A process of its own: two threads would wait for each other at each call."""


@pytest.fixture
def swapping(tmp_path: Path) -> Iterator[Path]:
    """A docroot in which a file and a directory keep turning into links to the outside.

    So they do in the directory `named`, and a link to that turns into another link to the outside.
    """
    root = tmp_path / "site"
    write(tmp_path / "outside" / "x", CANARY)
    write(root / "folder" / "x", "inside")
    write(root / "x", "inside")
    (root / "link").symlink_to("../outside/x")
    (root / "link-folder").symlink_to("../outside")
    write(tmp_path / "named" / "x", "inside")
    write(tmp_path / "named" / "folder" / "x", "inside")
    (tmp_path / "named" / "link").symlink_to("../outside/x")
    (tmp_path / "named" / "link-folder").symlink_to("../outside")
    (root / "leads-to-named").symlink_to("../named")
    (root / "leads-out").symlink_to("../outside")
    pairs = ["x:link", "folder:link-folder", "leads-to-named:leads-out"]
    pairs += [f"../named/{pair.replace(':', ':../named/')}" for pair in pairs[:2]]
    command = [sys.executable, "-c", SWAP, *pairs]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"once\n"
            yield root
            assert other.poll() is None
        finally:
            other.kill()


def test_names_that_are_swapped_do_not_lead_out(swapping: Path, way: None) -> None:
    docroot = Docroot(str(swapping), ("x",))
    seen = set()
    turns = 0
    with must_end(60):
        while turns < 1500 or "inside" not in seen:  # the links may stay where the machine is busy
            for path in "/x", "/folder/x", "/folder/":
                seen.add(look_up(docroot, path))
            turns += 1
    assert seen <= {"inside", 403, 404}


def test_names_that_are_swapped_lead_only_into_the_directory_that_is_named(
    swapping: Path, way: None
) -> None:
    roots = ValidRoots()
    links = roots.link_targets([str(swapping.parent / "named")])
    docroot = Docroot(str(swapping), ("x",), roots, link_targets=links)
    paths = ["/leads-to-named/x", "/leads-to-named/folder/x", "/leads-to-named/folder/", "/x"]
    seen: dict[str, set[Found]] = {path: set() for path in paths}
    turns = 0
    with must_end(60):
        while turns < 1500 or not all("inside" in found for found in seen.values()):
            for path in paths:
                seen[path].add(look_up(docroot, path))
                status, _ = docroot.revalidate(os.fsencode(f"{swapping}{path}"))
                assert status is None or status.st_size != len(CANARY)
            if turns % 50 == 0:
                docroot.release()
                roots.invalidate()
            turns += 1
    assert set.union(*seen.values()) <= {"inside", 403, 404}


def test_directory_that_is_swapped_does_not_lead_out(swapping: Path) -> None:
    write(swapping.parent / "outside" / "canary")
    docroot = Docroot(str(swapping), ())
    seen = [list_names(docroot, "/folder/") for _ in range(3000)]
    with must_end(60):
        while ["x"] not in seen:  # the link may stay where the machine is busy
            seen.append(list_names(docroot, "/folder/"))
    assert all(names in (["x"], 404) for names in seen)

"""Both ways of openat2 find what the kernel finds, but for magic links."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from httpd.files import openat2
from httpd.files.openat2 import open_without_links, pin_by_openat2, pin_stepwise, pin_without_links
from tests.unit.guard import open_descriptors, opened_since
from tests.unit.site.directories import write

Pin = Callable[[bytes, int], int]

WAYS = pytest.mark.parametrize("pin", [pin_by_openat2, pin_stepwise])

NAMES = [
    b".",
    b"./",
    b"..",
    b"../",
    b"/",
    b"//",
    b"a.txt",
    b"./a.txt",
    b"a.txt/",
    b"a.txt/.",
    b"a.txt/b",
    b"folder",
    b"folder/",
    b"folder//b.txt",
    b"folder/../a.txt",
    b"folder/up",
    b"folder/up/a.txt",
    b"to-file",
    b"to-file/",
    b"to-folder",
    b"to-folder/",
    b"to-folder/b.txt",
    b"absolute",
    b"to-root",
    b"to-root/proc/self",
    b"chain-39",
    b"chain-40",
    b"dangling",
    b"loop",
    b"missing",
    b"missing/a",
    b"x" * 256,
    b"",
]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    """A directory with all kinds of links in it."""
    site = tmp_path / "site"
    write(site / "a.txt")
    write(site / "folder" / "b.txt")
    links = {
        "folder/up": "..",
        "to-file": "a.txt",
        "to-folder": "folder/",
        "absolute": str(site / "a.txt"),
        "to-root": "/",
        "chain-0": "a.txt",
        **{f"chain-{number + 1}": f"./chain-{number}" for number in range(40)},
        "dangling": "nowhere",
        "loop": "loop",
        "magic-root": "/proc/self/root",
        "magic-folder": "/proc/self/cwd",
    }
    for name, target in links.items():
        (site / name).symlink_to(target)
    fd = os.open(site, os.O_PATH)
    yield fd
    os.close(fd)


def look_up(find: Callable[[], int]) -> tuple[int, int] | str:
    """Return what was found, or the error."""
    try:
        fd = find()
    except OSError as error:
        assert error.errno is not None
        return errno.errorcode[error.errno]
    status = os.fstat(fd)
    os.close(fd)
    return status.st_dev, status.st_ino


@WAYS
@pytest.mark.parametrize("name", NAMES)
def test_stepwise_walk_finds_the_same_as_the_kernel(directory: int, pin: Pin, name: bytes) -> None:
    before = open_descriptors()
    found = look_up(lambda: pin(name, directory))
    assert found == look_up(lambda: os.open(name, os.O_PATH, dir_fd=directory))
    assert opened_since(before) == []


@pytest.mark.parametrize("find", [pin_without_links, open_without_links])
def test_path_without_a_link_is_found_directly(
    directory: int, find: Callable[[bytes, int], int | None]
) -> None:
    direct = [b".", b"a.txt", b"folder", b"folder/b.txt", b"folder//b.txt"]
    for name in direct:
        fd = find(name, directory)
        assert fd is not None
        same = os.stat(name, dir_fd=directory)
        assert os.path.samestat(os.fstat(fd), same)
        os.close(fd)
    for link in (b"to-file", b"to-folder", b"to-folder/b.txt", b"folder/up/a.txt", b"absolute"):
        assert find(link, directory) is None
    for other in (b"loop", b"dangling", b"to-root", b"magic-root", b"..", b"/"):
        assert find(other, directory) is None
    with pytest.raises(FileNotFoundError):
        find(b"missing", directory)


def test_magic_links_are_not_followed(directory: int) -> None:
    assert look_up(lambda: pin_by_openat2(b"magic-root", directory)) == "ELOOP"
    assert look_up(lambda: pin_by_openat2(b"magic-folder/a", directory)) == "ELOOP"


def test_magic_links_of_a_stepwise_walk_lead_where_their_text_does(
    directory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/usr")
    same = look_up(lambda: os.open("/usr", os.O_PATH))
    assert look_up(lambda: pin_stepwise(b"magic-folder", directory)) == same
    fd = os.memfd_create("nameless")
    try:
        assert look_up(lambda: pin_stepwise(b"/proc/self/fd/%d" % fd, directory)) == "ENOENT"
    finally:
        os.close(fd)


def test_openat2_interrupted_by_a_signal_is_called_again(
    directory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an open of a file on NFS may be."""
    calls = []

    def interrupted(*arguments: object) -> int:
        calls.append(arguments)
        if len(calls) < 3:
            ctypes.set_errno(errno.EINTR)
            return -1
        return 17

    monkeypatch.setattr(openat2, "_syscall", interrupted)
    assert openat2.pin_by_openat2(b"a", directory) == 17
    assert len(calls) == 3

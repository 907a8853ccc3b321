"""Root follows its own links, and none that another user may have put in its way."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from httpd.process import safe_path
from httpd.process.safe_path import make_directory_of, open_file
from tests.unit.guard import must_end, open_descriptors, opened_since
from tests.unit.site.directories import NOBODY, as_nobody

ROOT = Path(__file__).parents[3]
FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK


@pytest.fixture
def top() -> Iterator[Path]:
    """A directory that all users may enter, and only its owner may write."""
    top = Path(tempfile.mkdtemp())
    top.chmod(0o755)
    (top / "precious").write_text("precious\n")
    yield top
    shutil.rmtree(top)


@pytest.fixture
def theirs(top: Path) -> Path:
    """A directory of another user, as one for the logs of a service."""
    theirs = top / "theirs"
    theirs.mkdir()
    os.chown(theirs, NOBODY, NOBODY)
    return theirs


def write(path: Path) -> None:
    """Append a line to the file of a path."""
    before = open_descriptors()
    fd = open_file(str(path), FLAGS, 0o640)
    os.write(fd, b"line\n")
    os.close(fd)
    assert opened_since(before) == []


def refusal(path: Path) -> str:
    before = open_descriptors()
    with pytest.raises(PermissionError) as error:
        write(path)
    assert opened_since(before) == []
    return str(error.value.strerror)


def link_as_nobody(link: Path, to: Path | str) -> None:
    with as_nobody():
        link.symlink_to(to)


# ---------------------------------------------------------------- what is opened


def test_file_and_its_directories_are_made(top: Path) -> None:
    path = top / "a" / "b" / "new.log"
    write(path)
    write(path)
    assert path.read_text() == "line\n" * 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755


@pytest.mark.parametrize("text", ["precious", "./precious", "sub/../precious", "{top}/precious"])
def test_link_of_our_own_is_followed(top: Path, text: str) -> None:
    (top / "sub").mkdir()
    (top / "link").symlink_to(text.format(top=top))
    (top / "chain").symlink_to("link")
    write(top / "chain")
    assert (top / "precious").read_text() == "precious\nline\n"


def test_directory_behind_a_link_is_entered(top: Path) -> None:
    (top / "real").mkdir()
    (top / "link").symlink_to("real")
    write(top / "link" / "sub" / "file")
    assert (top / "real" / "sub" / "file").read_text() == "line\n"


def test_link_to_a_missing_file_makes_it(top: Path) -> None:
    (top / "link").symlink_to("other")
    write(top / "link")
    assert (top / "other").read_text() == "line\n"


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_standard_output_is_opened_by_its_names(top: Path, name: str, kind: str) -> None:
    script = (
        "import os, sys; from httpd.process.safe_path import open_file; "
        f"os.write(open_file(sys.argv[1], {FLAGS}, 0o640), b'line')"
    )
    command = [sys.executable, "-c", script, name]
    if kind == "pipe":
        assert subprocess.run(command, stdout=PIPE, check=True, cwd=ROOT).stdout == b"line"
        return
    with (top / "precious").open("ab") as file:
        subprocess.run(command, stdout=file, check=True, cwd=ROOT)
    assert (top / "precious").read_text() == "precious\nline"


def test_devices_and_fifos_are_opened(top: Path) -> None:
    write(Path("/dev/null"))
    os.mkfifo(top / "fifo")
    write(top / "fifo")


@pytest.mark.root
def test_link_of_root_is_followed_where_others_may_write(top: Path, theirs: Path) -> None:
    (theirs / "link").symlink_to(top / "precious")
    write(theirs / "link")
    assert (top / "precious").read_text() == "precious\nline\n"


@pytest.mark.root
def test_file_of_another_user_is_written(theirs: Path) -> None:
    with as_nobody():
        (theirs / "own.log").touch()
    write(theirs / "own.log")
    write(theirs / "new.log")
    assert (theirs / "new.log").stat().st_uid == 0


# ---------------------------------------------------------------- what is refused


@pytest.mark.root
def test_link_of_another_user_is_not_followed(top: Path, theirs: Path) -> None:
    link_as_nobody(theirs / "phttpd.log", top / "precious")
    link_as_nobody(theirs / "new.log", top / "new")
    for name in ("phttpd.log", "new.log"):
        said = refusal(theirs / name)
        assert f"{theirs}/{name} is a symbolic link that belongs to the user nobody" in said
    assert (top / "precious").read_text() == "precious\n"
    assert not (top / "new").exists()


@pytest.mark.root
@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o775])
def test_link_of_another_user_where_he_may_write_is_not_followed(top: Path, mode: int) -> None:
    """As in /tmp, or in a directory of his group."""
    shared = top / "shared"
    shared.mkdir()
    os.chown(shared, 0, NOBODY)
    shared.chmod(mode)
    link_as_nobody(shared / "link", top / "precious")
    refusal(shared / "link")
    refusal(shared / "link" / "file")


@pytest.mark.root
def test_directory_is_not_made_behind_a_link_of_another_user(top: Path, theirs: Path) -> None:
    (top / "root").mkdir()
    link_as_nobody(theirs / "sub", top / "root")
    assert f"{theirs}/sub is a symbolic link" in refusal(theirs / "sub" / "logs" / "file")
    with pytest.raises(PermissionError):
        make_directory_of(str(theirs / "sub" / "logs" / "file"))
    assert list((top / "root").iterdir()) == []


@pytest.mark.root
def test_chain_of_links_is_followed_up_to_that_of_another_user(top: Path, theirs: Path) -> None:
    link_as_nobody(theirs / "second", top / "precious")
    (top / "first").symlink_to(theirs / "second")
    assert f"{theirs}/second is" in refusal(top / "first")


@pytest.mark.root
def test_second_name_of_a_file_is_not_written(top: Path, theirs: Path) -> None:
    """Where link(2) is not restricted (proc_sys_fs(5), protected_hardlinks)."""
    os.link(top / "precious", theirs / "phttpd.log")
    assert "has several names" in refusal(theirs / "phttpd.log")
    (top / "link").symlink_to("precious")
    os.link(top / "link", theirs / "link", follow_symlinks=False)
    assert "has several names" in refusal(theirs / "link")
    assert (top / "precious").read_text() == "precious\n"


@pytest.mark.root
def swap_before_creation(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have another user do something just before a file is made, each time."""
    create = safe_path._Walk._create

    def swap_and_create(walk: Any, *arguments: Any) -> int | None:
        act()
        return create(walk, *arguments)

    monkeypatch.setattr(safe_path._Walk, "_create", swap_and_create)


@pytest.mark.root
def test_second_name_that_appears_meanwhile_is_not_written(
    top: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = theirs / "log"
    swap_before_creation(monkeypatch, lambda: path.hardlink_to(top / "precious"))
    assert "has several names" in refusal(path)
    assert (top / "precious").read_text() == "precious\n"


@pytest.mark.root
def test_file_that_comes_and_goes_is_given_up(
    theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = theirs / "log"
    step = safe_path._Walk._step

    def step_and_hide(walk: Any, *arguments: Any, **options: Any) -> int | None:
        path.unlink(missing_ok=True)
        return step(walk, *arguments, **options)

    monkeypatch.setattr(safe_path._Walk, "_step", step_and_hide)
    swap_before_creation(monkeypatch, path.touch)
    with must_end(), pytest.raises(OSError, match="Too many levels"):
        write(path)


def test_links_are_all_followed_without_root(top: Path, theirs: Path) -> None:
    """He can only write where he may."""
    (theirs / "link").symlink_to("file")
    with as_nobody():
        write(theirs / "link")
        write(theirs / "sub" / "new")
        with pytest.raises(PermissionError):
            write(top / "new")
    assert (theirs / "file").read_text() == "line\n"


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("loop", errno.ELOOP),
        ("loop/file", errno.ELOOP),
        ("precious/file", errno.ENOTDIR),
        ("precious/sub/file", errno.ENOTDIR),
        ("gone/file", errno.ENOTDIR),
        ("gone/sub/file", errno.ENOTDIR),
        ("folder", errno.EISDIR),
        (".", errno.EISDIR),
        ("x" * 300, errno.ENAMETOOLONG),
    ],
)
def test_path_without_a_directory_is_refused(top: Path, path: str, number: int) -> None:
    (top / "loop").symlink_to("loop")
    (top / "gone").symlink_to("nowhere")
    (top / "folder").mkdir()
    before = open_descriptors()
    with pytest.raises(OSError, match=r".") as error:
        open_file(f"{top}/{path}", FLAGS, 0o640)
    assert error.value.errno == number
    assert opened_since(before) == []
    assert not (top / "nowhere").exists()


def test_path_of_the_root_is_refused() -> None:
    with pytest.raises(IsADirectoryError):
        open_file("/", FLAGS, 0o640)

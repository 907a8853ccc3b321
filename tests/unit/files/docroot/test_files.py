"""From a path to an open file, and never to one outside of the docroot."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.files.docroot import Docroot
from httpd.files.openat2 import open_beneath, open_without_links
from httpd.protocol.messages import HTTPError
from tests.unit.files.docroot.trees import CANARY, MISSING, forbid_the_direct_way, look_up
from tests.unit.guard import descriptors_left, must_end, open_descriptors, opened_since
from tests.unit.site.directories import as_nobody, open_directory, open_path, write


class Opens:
    """Notes which files are opened for reading during a `with` block."""

    def __init__(self) -> None:
        self.on = False
        self.paths: list[str] = []
        self._patch = pytest.MonkeyPatch()
        sys.addaudithook(self._hook)  # which can never be taken away again

    def __enter__(self) -> list[str]:
        self.on = True
        self.paths = []
        # These are no events of Python's.
        for room, read in ("resolver", open_beneath), ("docroot", open_without_links):
            noting = partial(self._note, read)
            self._patch.setattr(f"httpd.files.{room}.{read.__name__}", noting)
        return self.paths

    def __exit__(self, *_: object) -> None:
        self.on = False
        self._patch.undo()

    def _note(
        self, read: Callable[[bytes, int], int | None], name: bytes, directory: int
    ) -> int | None:
        fd = read(name, directory)
        if fd is not None:
            self.paths.append(os.readlink(f"/proc/self/fd/{fd}"))
        return fd

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.on and event == "open":
            path, _, flags = arguments
            assert isinstance(flags, int)
            if isinstance(path, str | bytes) and not flags & os.O_PATH:
                self.paths.append(os.path.realpath(os.fsdecode(path)))


OPENS = Opens()

FILES = {
    "/": "index",
    "/index.html": "index",
    "//": "index",
    "/a.txt": "a",
    "//a.txt": "a",
    "/%61.txt": "a",
    "/two%20words.txt": "two words",
    "/%CE%A9%CE%BC%CE%AD%CE%B3%CE%B1.txt": "omega",
    "/raw-%ff%fe%0A": "raw",
    "/sub/": "sub index",
    "/sub//": "sub index",
    "/sub/b.txt": "b",
    "//sub///deep////c.txt": "c",
    "/.": "index",
    "/./a.txt": "a",
    "/sub/.": "sub index",
    "/sub/%2e%2e/%2E/a.txt": "a",
    "/.git/../a.txt": "a",
    "/sub%2Fb.txt": "b",
    "/sub%2F..%2Fa.txt": "a",
    "/%2F": "index",
    "/raw-\xff\xfe%0A": "raw",
    "/.well-known/security.txt": "well-known",
    "/to-file": "a",
    "/to-folder/": "sub index",
    "/to-folder/b.txt": "b",
    "/to-deep": "c",
    "/up-and-back": "a",
    "/absolute": "a",
    "/chain-1": "a",
    "/round-trip": "a",  # it leaves the docroot only to come back
    "/through-hidden": "a",  # what it leads to is not hidden
    "/to-well-known/security.txt": "well-known",
    "/volume.txt": "volume",
    "/itself/sub/b.txt": "b",
}

DIRECTORIES = ["/sub", "/sub/deep", "/bare", "/empty", "/to-folder", "//sub", "/folder-index"]


@pytest.mark.parametrize("path", FILES)
def test_path_to_a_file_opens_the_file(docroot: Docroot, path: str) -> None:
    assert look_up(docroot, path) == FILES[path]


@pytest.mark.parametrize("path", DIRECTORIES)
def test_path_to_a_directory_without_a_slash_finds_the_directory(
    docroot: Docroot, path: str
) -> None:
    assert look_up(docroot, path) is None


@pytest.mark.parametrize("path", ["/bare/", "/empty/", "/sub/deep/", "/folder-index/"])
def test_path_to_a_directory_without_an_index_finds_the_directory(
    docroot: Docroot, path: str
) -> None:
    assert look_up(docroot, path) == 403


def test_path_to_nothing_or_to_a_hidden_file_is_404(docroot: Docroot) -> None:
    """One test for all paths, since making the site takes longer than asking for them."""
    with must_end():  # a FIFO that is opened for reading waits for a writer
        assert {path: look_up(docroot, path) for path in MISSING} == dict.fromkeys(MISSING, 404)


@pytest.mark.parametrize("direct", [True, False])
def test_link_that_is_changed_to_lead_to_a_hidden_name_is_404(
    site: Path, monkeypatch: pytest.MonkeyPatch, *, direct: bool
) -> None:
    """A changed link hides what it led to: the link itself, or one on the path."""
    if not direct:
        forbid_the_direct_way(monkeypatch)
    (site / "link").symlink_to("sub/b.txt")
    (site / "on-the-way").symlink_to("sub")
    docroot = Docroot(str(site), ())
    names = [b"link", b"on-the-way/b.txt"]
    for name in names:
        opened = open_path(docroot, b"/" + name)
        os.close(opened.fd)
        assert docroot.revalidate(opened.name)[0] is not None
    write(site / ".git" / "b.txt")
    for link, target in {"link": ".git/b.txt", "on-the-way": ".git"}.items():
        (site / link).unlink()
        (site / link).symlink_to(target)
    docroot.release()
    for name in names:
        path = os.fsencode(site) + b"/" + name
        assert docroot.revalidate(path) == (None, None) or docroot.stat(path) is None
        assert look_up(docroot, b"/" + name) == 404


def test_path_to_outside_opens_nothing_and_loses_no_descriptor(
    docroot: Docroot, site: Path
) -> None:
    before = open_descriptors()
    with OPENS as opened:
        for path in [*FILES, *DIRECTORIES, *MISSING, "/bare/", "/empty/"]:
            look_up(docroot, path)
    assert len(opened) >= len(FILES)
    assert [path for path in opened if not path.startswith(f"{site}/")] == []
    docroot.release()
    assert opened_since(before) == []


def test_fifo_socket_and_device_are_not_opened(docroot: Docroot) -> None:
    with OPENS as opened:
        for path in ["/fifo", "/to-fifo", "/socket", "/device"]:
            look_up(docroot, path)
    assert opened == []


SEGMENTS = st.sampled_from(
    [
        *("", ".", "..", "...", "sub", "deep", "a.txt", "b.txt", "c.txt", "index.html", "outside"),
        *("secret", "out-file", "out-folder", "out-parent", "out-root", "round-trip", "to-folder"),
        *("..%2f", "%2e%2e", "%2E%2E%2F", "..%5c", "..\\", "..;", "%c0%ae%c0%ae", "..%00", "site"),
        *("back", "fifo", "loop-1", ".hidden", "proc", "self", "etc", "passwd", "..%252f"),
    ]
)


@given(st.data())
@settings(max_examples=60)
def test_path_never_leads_out_of_the_docroot(data: st.DataObject) -> None:
    with open_directory() as directory:
        root = directory / "site"
        write(directory / "outside" / "secret", CANARY)
        write(root / "sub" / "a.txt", "fine")
        (root / "out-file").symlink_to("../outside/secret")
        (root / "out-folder").symlink_to("../outside")
        (root / "out-parent").symlink_to("..")
        docroot = Docroot(str(root), ("index.html", "secret"))
        for _ in range(20):
            path = "/" + "/".join(data.draw(st.lists(SEGMENTS, max_size=6)))
            try:
                found = look_up(docroot, path)
            except HTTPError as error:
                found = error.status
            assert found in ("fine", None, 400, 403, 404), path


@pytest.mark.parametrize(
    ("present", "expected", "is_only_choice"),
    [
        (["index.html"], "index.html", True),
        (["index.html", "index.htm"], "index.html", True),
        (["index.htm"], "index.htm", False),
        (["default.txt", "index.htm"], "index.htm", False),
        (["default.txt"], "default.txt", False),
    ],
)
def test_index_is_the_first_one_that_exists(
    tmp_path: Path, present: list[str], expected: str, is_only_choice: bool
) -> None:
    for name in present:
        write(tmp_path / name, name)
    docroot = Docroot(str(tmp_path), ("index.html", "index.htm", "default.txt"))
    opened = open_path(docroot, b"/")
    assert opened.is_only_choice is is_only_choice
    assert opened.name == os.fsencode(tmp_path / expected)
    os.close(opened.fd)


@pytest.mark.parametrize("obstacle", ["folder", "fifo", "link-out", "dangling"])
def test_index_that_is_no_file_inside_is_skipped(tmp_path: Path, obstacle: str) -> None:
    root = tmp_path / "site"
    write(root / "index.htm", "second")
    first = root / "index.html"
    if obstacle == "folder":
        first.mkdir()
    elif obstacle == "fifo":
        os.mkfifo(first)
    else:
        first.symlink_to("../secret" if obstacle == "link-out" else "nowhere")
    write(tmp_path / "secret", CANARY)
    assert look_up(Docroot(str(root), ("index.html", "index.htm")), "/") == "second"


def test_index_that_is_unreadable_is_not_skipped() -> None:
    with open_directory() as root:
        write(root / "index.html", "first").chmod(0)
        write(root / "index.htm", "second")
        with as_nobody():
            assert look_up(Docroot(str(root), ("index.html", "index.htm")), "/") == 403


def test_file_that_may_not_be_read_is_403() -> None:
    with open_directory() as root:
        write(root / "a.txt", CANARY).chmod(0)
        write(root / "closed" / "b.txt", CANARY)
        write(root / "list" / "c.txt", "c")
        (root / "closed").chmod(0)
        (root / "list").chmod(0o711)
        with as_nobody():
            docroot = Docroot(str(root), ("index.html",))
            assert look_up(docroot, "/a.txt") == 403
            assert look_up(docroot, "/closed/b.txt") == 403
            assert look_up(docroot, "/closed/") == 403
            assert look_up(docroot, "/closed") is None
            assert look_up(docroot, "/list/c.txt") == "c"
        (root / "closed").chmod(0o755)


def test_file_without_a_descriptor_is_503(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "a")
    docroot = Docroot(str(tmp_path), ("index.html",))
    with descriptors_left(0):
        assert look_up(docroot, "/a.txt") == 503
    with descriptors_left(1):  # one to find the file, none to read it
        assert look_up(docroot, "/a.txt") == 503
    assert look_up(docroot, "/a.txt") == "a"


def test_file_with_a_lease_of_another_program_is_503(tmp_path: Path) -> None:
    file = write(tmp_path / "site" / "a.txt", "a")
    docroot = Docroot(str(tmp_path / "site"), ())
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # the kernel asks to give the lease up
    try:
        with file.open("r+b") as own, must_end():
            fcntl.fcntl(own, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            assert look_up(docroot, "/a.txt") == 503
    finally:
        signal.signal(signal.SIGIO, before)
    assert look_up(docroot, "/a.txt") == "a"

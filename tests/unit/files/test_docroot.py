"""From a path to an open file, and never to one outside of the docroot."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.files.docroot import Docroot, FoundDirectory, OpenResult
from httpd.files.faults import FileSystemError, OutOfDescriptorsError, UnreadableError, explain
from httpd.files.openat2 import open_beneath, open_without_links, pin_by_openat2, pin_stepwise
from httpd.protocol.messages import HTTPError
from httpd.protocol.target import decode_path
from tests.unit.guard import descriptors_left, must_end, open_descriptors, opened_since
from tests.unit.site.directories import as_nobody, open_directory, open_path, write

CANARY = "what nobody outside may read"

Found = str | int | None


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
        for read in (open_beneath, open_without_links):  # which are no event of Python's
            noting = partial(self._note, read)
            self._patch.setattr(f"httpd.files.docroot.{read.__name__}", noting)
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


def forbid_the_straight_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a docroot ask where a name leads to, as if the way there left it."""
    for name in (
        "resolver.pin_without_links",
        "docroot.open_without_links",
        "docroot.open_beneath",
    ):
        monkeypatch.setattr(f"httpd.files.{name}", lambda name, directory: None)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A docroot with all kinds of things in it, and secrets around it."""
    root = tmp_path / "site"
    outside = tmp_path / "outside"
    write(outside / "secret", CANARY)
    write(outside / "index.html", CANARY)
    write(tmp_path / "site-2" / "secret", CANARY)
    write(tmp_path / ".." / tmp_path.name / "beside", CANARY)
    write(root / "index.html", "index")
    write(root / "a.txt", "a")
    write(root / "two words.txt", "two words")
    write(root / "Ωμέγα.txt", "omega")
    write(root / os.fsdecode(b"raw-\xff\xfe\n"), "raw")
    write(root / "sub" / "index.html", "sub index")
    write(root / "sub" / "b.txt", "b")
    write(root / "sub" / "deep" / "c.txt", "c")
    write(root / "bare" / "d.txt", "d")
    write(root / "folder-index" / "index.html" / "e.txt", "e")
    write(root / ".hidden", "hidden")
    write(root / ".git" / "config", "config")
    write(root / "sub" / ".htpasswd", "password")
    write(root / ".well-known" / "security.txt", "well-known")
    write(root / ".well-known" / ".hidden", "hidden")
    write(root / "sub" / ".well-known" / "security.txt", "not at the root")
    write(root / "..data" / "volume.txt", "volume")
    (root / "empty").mkdir()
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(root / "socket"))
    if os.geteuid() == 0:
        os.mknod(root / "device", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mkfifo(outside / "fifo")
    links = {
        "to-file": "a.txt",
        "to-folder": "sub",
        "to-deep": "sub/deep/c.txt",
        "up-and-back": "../site/a.txt",
        "absolute": str(root / "a.txt"),
        "chain-1": "chain-2",
        "chain-2": "to-file",
        "round-trip": "../outside/back/a.txt",
        "to-hidden": ".hidden",
        "to-hidden-absolute": str(root / ".hidden"),
        "to-hidden-chain": "to-hidden",
        "to-hidden-out-and-in": "../outside/back/.hidden",
        "to-git": ".git",
        "to-git-config": "to-git/config",
        "to-well-known": ".well-known",
        "to-other-well-known": "sub/.well-known",
        "through-hidden": ".git/../a.txt",
        "volume.txt": "..data/volume.txt",
        "itself": ".",
        "to-fifo": "fifo",
        "loop-1": "loop-2",
        "loop-2": "loop-1",
        "self": "self",
        "dangling": "nowhere",
        "out-file": "../outside/secret",
        "out-folder": "../outside",
        "out-absolute": str(outside / "secret"),
        "out-chain": "out-file",
        "out-fifo": "../outside/fifo",
        "out-prefix": "../site-2/secret",
        "out-parent": "..",
        "out-root": "/",
        "out-proc": "/proc/self/cmdline",
        "out-null": "/dev/null",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    (outside / "back").symlink_to("../site")
    return root


def look_up(docroot: Docroot, path: str | bytes) -> Found:
    """Return the content of a file, the status of an error, or None for a directory without
    slash; 403 for a directory without index, as where nothing is listed.
    """
    raw = path.encode("latin-1") if isinstance(path, str) else path
    try:
        opened = docroot.open(decode_path(raw))
    except HTTPError as error:
        return error.status
    except FileSystemError as error:
        return error.http_error.status
    if isinstance(opened, FoundDirectory):
        return None if opened.lacks_slash else 403
    with open(opened.fd, "rb") as file:
        assert not os.get_inheritable(opened.fd)
        return file.read().decode()


@pytest.fixture
def docroot(site: Path) -> Docroot:
    return Docroot(str(site), ("index.html",))


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
MISSING = [
    "/nothing",
    "/sub/nothing",
    "/nothing/",
    "/nothing/nothing",
    "/a.txt/",
    "/a.txt/b",
    "/a.txt/index.html",
    "/A.txt",
    "/.hidden",
    "/%2ehidden",
    "/.hidden/",
    "/.git/",
    "/.git/config",
    "/sub/.htpasswd",
    "/.well-known/.hidden",
    "/.well-known2",
    "/sub/.well-known/security.txt",
    "/to-folder/.well-known/security.txt",
    "/to-other-well-known/security.txt",
    "/itself/.well-known/security.txt",
    "/to-well-known/.hidden",
    "/to-hidden",
    "/to-hidden-absolute",
    "/to-hidden-chain",
    "/to-hidden-out-and-in",
    "/to-git/",
    "/to-git/config",
    "/to-git-config",
    "/..data/volume.txt",
    "/...",
    "/..a",
    "/.git%2Fconfig",
    "/sub%2F.htpasswd",
    "/sub/../.hidden",
    "/%2Fetc%2Fpasswd",
    "/out-file",
    "/out-folder",
    "/out-folder/",
    "/out-folder/secret",
    "/out-folder/nothing",
    "/out-folder/back/a.txt/",
    "/out-absolute",
    "/out-chain",
    "/out-fifo",
    "/out-prefix",
    "/out-parent",
    "/out-parent/",
    "/out-parent/beside",
    "/out-root",
    "/out-root/",
    "/out-root/etc/passwd",
    "/out-proc",
    "/out-null",
    "/fifo",
    "/fifo/",
    "/to-fifo",
    "/socket",
    "/device",
    "/loop-1",
    "/loop-1/",
    "/self",
    "/self/a",
    "/dangling",
    "/dangling/",
    "/" + "a" * 256,
    "/" + "a/" * 3000,
    "/" + "sub/" * 2000 + "a",
]


@pytest.mark.parametrize("path", FILES)
def test_files(docroot: Docroot, path: str) -> None:
    assert look_up(docroot, path) == FILES[path]


@pytest.mark.parametrize("path", DIRECTORIES)
def test_directories_without_their_slash(docroot: Docroot, path: str) -> None:
    assert look_up(docroot, path) is None


@pytest.mark.parametrize("path", ["/bare/", "/empty/", "/sub/deep/", "/folder-index/"])
def test_directories_without_an_index(docroot: Docroot, path: str) -> None:
    assert look_up(docroot, path) == 403


def test_what_is_not_there_or_not_to_be_known(docroot: Docroot) -> None:
    """In one test, since a site takes longer to make than to look at."""
    with must_end():  # a FIFO that is opened for reading waits for a writer
        assert {path: look_up(docroot, path) for path in MISSING} == dict.fromkeys(MISSING, 404)


@pytest.mark.parametrize("straight", [True, False])
def test_a_link_that_is_changed_to_lead_into_hidden_names(
    site: Path, monkeypatch: pytest.MonkeyPatch, *, straight: bool
) -> None:
    """What was found by it is not there any more, be it the link itself or one on the way."""
    if not straight:
        forbid_the_straight_way(monkeypatch)
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


def test_nothing_outside_is_opened_and_no_descriptor_lost(docroot: Docroot, site: Path) -> None:
    before = open_descriptors()
    with OPENS as opened:
        for path in [*FILES, *DIRECTORIES, *MISSING, "/bare/", "/empty/"]:
            look_up(docroot, path)
    assert len(opened) >= len(FILES)
    assert [path for path in opened if not path.startswith(f"{site}/")] == []
    docroot.release()
    assert opened_since(before) == []


def test_neither_fifo_nor_socket_nor_device_is_opened(docroot: Docroot) -> None:
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
def test_no_walk_leads_out(data: st.DataObject) -> None:
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


# ---------------------------------------------------------------- the docroot itself


@pytest.mark.parametrize("suffix", ["", "/", "///"])
def test_a_docroot_with_and_without_slash(site: Path, suffix: str) -> None:
    docroot = Docroot(str(site) + suffix, ("index.html",))
    assert look_up(docroot, "/a.txt") == "a"
    assert look_up(docroot, "/out-file") == 404


def test_the_whole_machine_as_docroot(site: Path) -> None:
    docroot = Docroot("/", ("index.html",))
    assert look_up(docroot, str(site / "a.txt")) == "a"
    assert look_up(docroot, str(site / "out-file")) == CANARY  # nothing is outside
    assert look_up(docroot, "/") == 403


def test_a_linked_docroot_is_followed_anew(tmp_path: Path) -> None:
    """A new version of a site is put in place by changing one link."""
    for version in "1", "2":
        write(tmp_path / version / "a.txt", version)
        (tmp_path / version / "out").symlink_to("../secret")
    write(tmp_path / "secret", CANARY)
    link = tmp_path / "current"
    link.symlink_to("1")
    docroot = Docroot(str(link), ("index.html",))
    for version in "121":
        link.unlink()
        link.symlink_to(version)
        docroot.invalidate_root()
        assert look_up(docroot, "/a.txt") == version
        assert look_up(docroot, "/out") == 404


def test_the_previous_docroot_is_outside_of_the_new_one(tmp_path: Path) -> None:
    write(tmp_path / "old" / "secret", CANARY)
    write(tmp_path / "new" / "a.txt", "a")
    (tmp_path / "new" / "back").symlink_to("../old/secret")
    link = tmp_path / "current"
    link.symlink_to("old")
    docroot = Docroot(str(link), ("index.html",))
    assert look_up(docroot, "/secret") == CANARY
    link.unlink()
    link.symlink_to("new")
    docroot.invalidate_root()
    assert look_up(docroot, "/back") == 404
    assert look_up(docroot, "/a.txt") == "a"
    assert look_up(docroot, "/back") == 404


def test_a_docroot_that_is_gone_and_comes_back(tmp_path: Path) -> None:
    docroot = Docroot(str(tmp_path / "site"), ("index.html",))
    assert look_up(docroot, "/a.txt") == 503
    write(tmp_path / "site" / "a.txt", "a")
    assert look_up(docroot, "/a.txt") == "a"
    (tmp_path / "site").rename(tmp_path / "elsewhere")
    assert look_up(docroot, "/a.txt") == "a"
    docroot.invalidate_root()
    assert look_up(docroot, "/a.txt") == 503
    assert docroot.stat(os.fsencode(tmp_path / "site" / "a.txt")) is None
    write(tmp_path / "site" / "b.txt", "b")
    assert look_up(docroot, "/b.txt") == "b"


def test_a_docroot_that_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("a")
    docroot = Docroot(str(tmp_path / "site"), ("index.html",))
    assert look_up(docroot, "/") == look_up(docroot, "/a.txt") == 503


@pytest.mark.parametrize("path", ["/a.txt", "/", "/folder/", "/missing"])
def test_a_docroot_that_may_not_be_entered_is_as_one_that_is_not_there(path: str) -> None:
    with open_directory() as directory:
        write(directory / "site" / "a.txt", "a")
        docroot = Docroot(str(directory / "site"), ("index.html",))
        (directory / "site").chmod(0)
        with as_nobody():
            assert look_up(docroot, path) == 503
        (directory / "site").chmod(0o755)
        (directory / "site" / "a.txt").chmod(0)
        docroot.invalidate_root()
        with as_nobody():
            assert look_up(docroot, "/a.txt") == 403


def test_a_docroot_below_a_link(tmp_path: Path) -> None:
    write(tmp_path / "real" / "site" / "a.txt", "a")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "site" / "out").symlink_to("../secret")
    write(tmp_path / "real" / "secret", CANARY)
    docroot = Docroot(str(tmp_path / "link" / "site"), ("index.html",))
    assert look_up(docroot, "/a.txt") == "a"
    assert look_up(docroot, "/out") == 404


# ---------------------------------------------------------------- index files


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
def test_the_first_index_that_exists(
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
def test_an_index_that_cannot_be_served_is_passed_over(tmp_path: Path, obstacle: str) -> None:
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


def test_an_unreadable_index_is_not_passed_over() -> None:
    with open_directory() as root:
        write(root / "index.html", "first").chmod(0)
        write(root / "index.htm", "second")
        with as_nobody():
            assert look_up(Docroot(str(root), ("index.html", "index.htm")), "/") == 403


# ---------------------------------------------------------------- permissions and resources


def test_what_may_not_be_read_is_403() -> None:
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


def test_no_descriptor_left_is_503_and_passes(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "a")
    docroot = Docroot(str(tmp_path), ("index.html",))
    with descriptors_left(0):
        assert look_up(docroot, "/a.txt") == 503
    with descriptors_left(1):  # one to find the file, none to read it
        assert look_up(docroot, "/a.txt") == 503
    assert look_up(docroot, "/a.txt") == "a"


# ---------------------------------------------------------------- directories


def list_names(docroot: Docroot, path: str) -> list[str] | int:
    """Return the names in a directory, or the status of an error."""
    try:
        directory = docroot.open_directory(FoundDirectory(decode_path(path.encode())))
    except HTTPError as error:
        return error.status
    except FileSystemError as error:
        return error.http_error.status
    try:
        assert not os.get_inheritable(directory)
        return sorted(os.listdir(directory))
    finally:
        os.close(directory)


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
def test_opening_a_directory(docroot: Docroot, path: str, names: list[str]) -> None:
    assert list_names(docroot, path) == names


def test_directories_that_must_not_be_opened(docroot: Docroot) -> None:
    before = open_descriptors()
    paths = [path if path.endswith("/") else f"{path}/" for path in [*MISSING, "/a.txt", "/raw"]]
    with must_end():
        assert {path: list_names(docroot, path) for path in paths} == dict.fromkeys(paths, 404)
        assert list_names(docroot, "/a.txt") == list_names(docroot, "/fifo") == 404
    docroot.release()
    assert opened_since(before) == []


def test_a_directory_that_may_not_be_read() -> None:
    with open_directory() as root:
        write(root / "closed" / "a.txt").parent.chmod(0o711)
        with as_nobody():
            docroot = Docroot(str(root), ())
            assert list_names(docroot, "/closed/") == 403
            assert look_up(docroot, "/closed/") == 403


def test_only_a_directory_without_an_index_could_be_listed(docroot: Docroot) -> None:
    assert docroot.open(b"/bare/") == FoundDirectory(b"/bare/")
    assert isinstance(docroot.open(b"/sub/"), OpenResult)


def test_no_descriptor_for_a_directory_is_503(docroot: Docroot) -> None:
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
def test_where_a_name_in_a_directory_leads(
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


def test_a_place_too_deep_to_be_told_is_outside(
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
    forbid_the_straight_way(monkeypatch)
    assert look_up(docroot, "/link/a.txt") == 404
    assert docroot.stat(os.fsencode(root / "link")) is None
    docroot.release()
    assert opened_since(before) == []


def test_a_file_that_somebody_keeps_to_himself_is_503(tmp_path: Path) -> None:
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


# ---------------------------------------------------------------- an attacker in the docroot


def test_the_same_path_in_another_mount_namespace_is_outside(tmp_path: Path, way: None) -> None:
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
        forbid_the_straight_way(monkeypatch)


SWAP = """
import os
rounds = 0
while True:
    for one, other in (("x", "link"), ("folder", "link-folder")):
        os.rename(one, "aside")
        os.rename(other, one)
        os.rename(one, other)
        os.rename("aside", one)
    rounds += 1
    if rounds == 1:
        print("once", flush=True)
"""
"""A process of its own: a thread would wait for this one, and this one for it, at each call."""


@pytest.fixture
def swapping(tmp_path: Path) -> Iterator[Path]:
    """A docroot in which a file and a directory keep turning into links to the outside."""
    root = tmp_path / "site"
    write(tmp_path / "outside" / "x", CANARY)
    write(root / "folder" / "x", "inside")
    write(root / "x", "inside")
    (root / "link").symlink_to("../outside/x")
    (root / "link-folder").symlink_to("../outside")
    with subprocess.Popen([sys.executable, "-c", SWAP], cwd=root, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"once\n"
            yield root
            assert other.poll() is None
        finally:
            other.kill()


def test_swapping_names_does_not_lead_out(swapping: Path, way: None) -> None:
    docroot = Docroot(str(swapping), ("x",))
    seen = set()
    turns = 0
    with must_end(60):
        while turns < 1500 or "inside" not in seen:  # the links may stay where the machine is busy
            for path in "/x", "/folder/x", "/folder/":
                seen.add(look_up(docroot, path))
            turns += 1
    assert seen <= {"inside", 403, 404}


def test_swapping_a_directory_does_not_lead_out(swapping: Path) -> None:
    write(swapping.parent / "outside" / "canary")
    docroot = Docroot(str(swapping), ())
    seen = [list_names(docroot, "/folder/") for _ in range(3000)]
    with must_end(60):
        while ["x"] not in seen:  # the link may stay where the machine is busy
            seen.append(list_names(docroot, "/folder/"))
    assert all(names in (["x"], 404) for names in seen)


@pytest.mark.parametrize("calls", range(6))
def test_a_failing_status_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """As of a server of NFS that was started anew: its handles are stale."""
    write(tmp_path / "folder" / "a.txt", "a")
    docroot = Docroot(str(tmp_path), ())
    name = os.fsencode(tmp_path / "folder" / "a.txt")
    gc.collect()
    before = open_descriptors()
    made = 0

    def fail(fd: int) -> os.stat_result:
        nonlocal made
        made += 1
        if made > calls:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return os.stat(fd)

    monkeypatch.setattr("os.fstat", fail)
    for look in (docroot.revalidate, docroot.directory_state, docroot.stat):
        look(name)
    docroot.names_beside(name, 10)
    docroot.release()
    monkeypatch.undo()
    assert opened_since(before) == []


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOMEM, OutOfDescriptorsError, "has no memory left"),
        (errno.EMFILE, OutOfDescriptorsError, "has too many open files"),
        (errno.EIO, UnreadableError, "cannot be read: Input/output error"),
        (errno.ESTALE, UnreadableError, "cannot be read: Stale file handle"),
    ],
)
def test_an_error_of_the_machine_is_called_by_its_name(
    number: int, kind: type[OutOfDescriptorsError | UnreadableError], words: str
) -> None:
    error = explain(OSError(number, ""))
    assert isinstance(error, kind)
    assert error.reason == os.strerror(number)
    assert words in error.http_error.detail

"""Unix sockets that this server binds: their files, and whose they are."""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from unittest import mock

import pytest

from httpd.network import unix_listener
from httpd.network.hosts import UnixAddress
from httpd.network.listener import (
    divert_newcomers,
    format_url,
    open_listeners,
    set_options,
    stop_handshakes,
)
from httpd.network.settings import ListenSettings
from httpd.network.unix_listener import UnixListener, discard
from tests.unit.guard import open_descriptors, opened_since


def listen(
    *addresses: UnixAddress, present: list[socket.socket] | None = None
) -> list[socket.socket]:
    return open_listeners(ListenSettings(host=addresses), present or [])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "web.sock"


@pytest.fixture
def listener(path: Path) -> Iterator[UnixListener]:
    (listener,) = listen(UnixAddress(unix=str(path)))
    assert isinstance(listener, UnixListener)
    with listener:
        yield listener


def can_connect(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def bind(path: Path, kind: int = socket.SOCK_STREAM) -> socket.socket:
    other = socket.socket(socket.AF_UNIX, kind)
    other.bind(str(path))
    return other


# ---------------------------------------------------------------- opening


@pytest.mark.parametrize("mode", ["0600", "660", "0666", "0777"])
def test_unix_listener_has_the_mode_whatever_the_umask(path: Path, mode: str) -> None:
    before = os.umask(0o137)
    try:
        (listener,) = listen(UnixAddress(unix=str(path), mode=int(mode, 8)))
    finally:
        assert os.umask(before) == 0o137, "the umask is as before"
    with listener:
        assert stat.S_IMODE(path.stat().st_mode) == int(mode, 8)
        assert path.stat().st_gid == os.getegid()
        assert not listener.getblocking()
        assert format_url(listener) == f"unix:{path}"
        assert can_connect(path)


def test_unix_listener_lets_nobody_connect_before_its_mode_is_right(path: Path) -> None:
    modes = []

    def note(*_: object) -> None:
        modes.append(stat.S_IMODE(path.stat().st_mode))

    with mock.patch.object(UnixListener, "set_access", note):
        discard(listen(UnixAddress(unix=str(path))))
    assert modes == [0]


@pytest.mark.root
def test_unix_listener_has_the_group(path: Path) -> None:
    group = grp.getgrnam("daemon")
    (listener,) = listen(UnixAddress(unix=str(path), group="daemon"))
    with listener:
        assert path.stat().st_gid == group.gr_gid
        set_options(listener, ListenSettings(host=(UnixAddress(unix=str(path), mode=0o600),)))
        assert path.stat().st_gid == os.getegid()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_unix_listener_stands_beside_internet_ones(path: Path) -> None:
    hosts = (UnixAddress(unix=str(path)), "127.0.0.1")
    listeners = open_listeners(ListenSettings(host=hosts, port=0))
    assert [one.family for one in listeners] == [socket.AF_INET, socket.AF_UNIX]
    again = open_listeners(ListenSettings(host=hosts, port=0), listeners)
    assert again == listeners
    discard(listeners)


def test_unix_listener_takes_the_place_of_a_dead_one(path: Path) -> None:
    bind(path).close()
    (listener,) = listen(UnixAddress(unix=str(path)))
    with listener:
        assert can_connect(path)


def test_one_of_two_listeners_takes_the_place_of_a_dead_one(path: Path) -> None:
    def compete(barrier: threading.Barrier) -> list[socket.socket]:
        barrier.wait()
        try:
            return listen(UnixAddress(unix=str(path)))
        except OSError as error:
            assert error.errno == errno.EADDRINUSE
            return []

    with ThreadPoolExecutor(2) as threads:
        for _ in range(200):
            bind(path).close()
            winners = [*chain(*threads.map(compete, [threading.Barrier(2)] * 2))]
            assert len(winners) == 1
            assert can_connect(path)
            discard(winners)


def test_unix_listener_does_not_wait_long_for_a_lock_that_another_user_holds(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unix_listener, "_LOCK_SECONDS", 0.01)
    lock = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (listener,) = listen(UnixAddress(unix=str(path)))
    os.close(lock)
    with listener:
        assert can_connect(path)


def bind_and_listen(path: Path) -> socket.socket:
    other = bind(path)
    other.listen()
    return other


def bind_and_fill(path: Path) -> socket.socket:
    """A live server that has no room for one more client."""
    other = bind(path)
    other.listen(0)
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))
    KEPT.append(client)
    return other


KEPT: list[socket.socket] = []


@pytest.mark.parametrize(
    "occupy",
    [bind_and_listen, bind_and_fill, lambda path: bind(path, socket.SOCK_DGRAM)],
    ids=["listening", "full", "datagrams"],
)
def test_unix_listener_leaves_a_live_socket_alone(
    path: Path, occupy: Callable[[Path], socket.socket]
) -> None:
    with occupy(path):
        inode = path.stat().st_ino
        with pytest.raises(OSError, match="in use") as raised:
            listen(UnixAddress(unix=str(path)))
        assert raised.value.errno == errno.EADDRINUSE
        assert raised.value.filename == f"unix:{path}"
        assert path.stat().st_ino == inode
    while KEPT:
        KEPT.pop().close()


@pytest.mark.parametrize("kind", ["file", "directory", "link", "fifo"])
def test_unix_listener_removes_nothing_but_sockets(path: Path, kind: str) -> None:
    other = path.with_name("other")
    bind(other).close()
    make: dict[str, Callable[[], object]] = {
        "file": path.touch,
        "directory": path.mkdir,
        "link": lambda: path.symlink_to(other),
        "fifo": lambda: os.mkfifo(path),
    }
    make[kind]()
    with pytest.raises(OSError, match="a file of that name, which is no socket"):
        listen(UnixAddress(unix=str(path)))
    assert path.lstat()
    assert other.is_socket()


def test_unix_listener_that_fails_leaves_nothing_behind(path: Path, tmp_path: Path) -> None:
    before = open_descriptors()
    missing = UnixAddress(unix=str(tmp_path / "missing" / "web.sock"))
    with pytest.raises(FileNotFoundError):
        listen(UnixAddress(unix=str(path)), missing)
    assert not path.exists()
    assert opened_since(before) == []


# ---------------------------------------------------------------- the file


def test_unix_listener_is_kept_while_its_file_is_there(path: Path, listener: UnixListener) -> None:
    assert listen(UnixAddress(unix=str(path), mode=0o600), present=[listener]) == [listener]


def test_unix_listener_whose_file_is_gone_is_opened_anew(
    path: Path, listener: UnixListener
) -> None:
    path.unlink()
    assert not can_connect(path)
    (new,) = listen(UnixAddress(unix=str(path)), present=[listener])
    with new:
        assert new is not listener
        assert can_connect(path)
        listener.remove_file()
        assert can_connect(path), "the file of another socket"


@pytest.mark.parametrize("leave", [divert_newcomers, stop_handshakes, UnixListener.remove_file])
def test_unix_listener_that_is_left_has_no_file(
    path: Path, listener: UnixListener, leave: Callable[[UnixListener], None]
) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        leave(listener)
        assert not path.exists()
        listener.accept()[0].close()


def test_unix_listener_that_was_closed_removes_no_file(path: Path, listener: UnixListener) -> None:
    """Its inode may be that of another file by now."""
    listener.close()
    listener.remove_file()
    assert path.is_socket()


def test_unix_listener_of_another_process_knows_its_file(
    path: Path, listener: UnixListener
) -> None:
    with UnixListener(str(path), os.dup(listener.fileno()), listener.file) as passed:
        assert listen(UnixAddress(unix=str(path)), present=[passed]) == [passed]
        discard([passed])
        assert path.is_socket(), "it is in force"


def test_unix_listener_is_discarded_with_its_file_until_it_is_in_force(path: Path) -> None:
    address = UnixAddress(unix=str(path))
    discard(listen(address))
    assert not path.exists()
    (listener,) = listen(address)
    set_options(listener, ListenSettings(host=(address,)))
    discard([listener])
    assert path.is_socket()


def test_unix_listener_gets_another_mode(path: Path, listener: UnixListener) -> None:
    set_options(listener, ListenSettings(host=(UnixAddress(unix=str(path), mode=0o640),)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_unix_listener_changes_no_mode_of_another_file(path: Path, listener: UnixListener) -> None:
    precious = path.with_name("precious")
    precious.touch(0o600)
    path.unlink()
    for put in (path.symlink_to, path.hardlink_to):
        put(precious)
        with pytest.raises(OSError, match="another file has taken its place"):
            set_options(listener, ListenSettings(host=(UnixAddress(unix=str(path)),)))
        path.unlink()
    assert stat.S_IMODE(precious.stat().st_mode) == 0o600


def test_unix_listener_changes_no_mode_of_a_file_that_was_swapped_for_its_own(
    path: Path, listener: UnixListener
) -> None:
    """Who may write in the directory could do so between bind(2) and lstat(2)."""
    path.unlink()
    path.touch(0o600)
    status = path.stat()
    listener.file = status.st_dev, status.st_ino
    with pytest.raises(OSError, match="another file has taken its place"):
        set_options(listener, ListenSettings(host=(UnixAddress(unix=str(path)),)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

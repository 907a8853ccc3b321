"""Listening Unix sockets that this server binds, and the files that clients find them by.

A file outlives its socket, and anybody who may write in its directory can replace it.  So a socket
knows its file by device and inode, which no other file has as long as the socket is open.
"""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import socket
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from httpd.network.hosts import UnixAddress

FileId = tuple[int, int]
"""Device and inode of a file."""
_LOCK_SECONDS = 1.0
"""How long to wait for a lock: who may read a directory may hold its lock for ever."""
_LOCK_PAUSE = 0.01


class UnixListener(socket.socket):
    """A listening Unix socket that this server has bound.

    Args:
        path: that it is bound to.
        fd: the socket, if it is open already.
        file: the file that it is bound to, if it is bound already.
    """

    def __init__(self, path: str, fd: int | None = None, file: FileId = (0, 0)) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)
        self.path = path
        self.file = file
        self.is_in_force = fd is not None
        """Whether a generation that serves has used it."""

    def has_its_file(self) -> bool:
        """Tell whether clients find the socket: no other file, and not none, is in the place."""
        if self.fileno() < 0:
            return False  # another file may have the inode by now
        try:
            return _identify(os.lstat(self.path)) == self.file
        except OSError:
            return False

    def remove_file(self) -> None:
        """Remove the file, so that no more clients find the socket; others are left alone."""
        if self.has_its_file():
            try:
                os.unlink(self.path)
            except OSError:
                pass  # the next start finds that the socket is dead

    def set_access(self, address: UnixAddress) -> None:
        """Set who may connect.

        Args:
            address: with the mode and the group.

        Raises:
            OSError: when this user may not, or the file is gone.
        """
        # A link that another user has put there is not followed.
        pinned = os.open(self.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(pinned)
            if _identify(status) != self.file or not stat.S_ISSOCK(status.st_mode):
                raise OSError(errno.ESTALE, "another file has taken its place")
            file = f"/proc/self/fd/{pinned}"
            gid = grp.getgrnam(address.group).gr_gid if address.group else os.getegid()
            if status.st_gid != gid:
                _change_group(file, gid, address)
            os.chmod(file, address.mode)
        finally:
            os.close(pinned)


def _change_group(file: str, gid: int, address: UnixAddress) -> None:
    try:
        os.chown(file, -1, gid)
    except PermissionError:
        why = f"only root and members of the group {address.group} may give it to that group"
        raise PermissionError(errno.EPERM, why) from None


def open_unix_listeners(
    addresses: Sequence[UnixAddress], backlog: int, present: Sequence[socket.socket]
) -> list[UnixListener]:
    """Bind and listen, except where a socket of this server listens already.

    Args:
        addresses: where to listen.
        backlog: connections that may wait to be accepted.
        present: the listening sockets of this server.

    Returns:
        Non-blocking sockets in the order of `addresses`; those of `present` among them.

    Raises:
        OSError: an address cannot be bound; `filename` says which.
    """
    listeners: list[UnixListener] = []
    own = [one for one in present if isinstance(one, UnixListener) and one.has_its_file()]
    try:
        for address in addresses:
            found = [one for one in own if one.path == address.unix]
            listeners.append(found[0] if found else _open(address, backlog))
    except OSError:
        discard([one for one in listeners if one not in own])
        raise
    return listeners


def _open(address: UnixAddress, backlog: int) -> UnixListener:
    listener = UnixListener(address.unix)
    try:
        with _lock(os.path.dirname(address.unix)):
            if is_dead(address.unix):
                os.unlink(address.unix)
            mask = os.umask(0o777)  # nobody can connect before mode and group are right
            try:
                listener.bind(address.unix)
            finally:
                os.umask(mask)
            listener.file = _identify(os.lstat(address.unix))
            listener.set_access(address)
            listener.setblocking(False)
            listener.listen(backlog)
    except OSError as error:
        discard([listener])
        raise OSError(error.errno, error.strerror, str(address)) from None
    return listener


@contextmanager
def _lock(directory: str) -> Iterator[None]:
    """Hold the lock of a directory, so that servers that start together bind one by one.

    Until a server listens, its socket looks like that of a dead one, and another server would
    remove it.  A lock that cannot be had in time is done without.
    """
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # the directory may not be read, or is not there: bind(2) says so
        yield
        return
    until = time.monotonic() + _LOCK_SECONDS
    try:
        while not _try_lock(fd) and time.monotonic() < until:
            time.sleep(_LOCK_PAUSE)
        yield
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_dead(path: str) -> bool:
    """Tell whether there is a socket that a dead server has left, or else nothing.

    Raises:
        OSError: when there is anything else.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    if not stat.S_ISSOCK(status.st_mode):
        raise FileExistsError(errno.EEXIST, "there is a file of that name, which is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # the queue of a live server may be full
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except PermissionError:
            raise
        except OSError:
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def discard(listeners: Sequence[socket.socket]) -> None:
    """Close listeners that were opened for nothing, and remove the files of Unix sockets."""
    for listener in listeners:
        if isinstance(listener, UnixListener) and not listener.is_in_force:
            listener.remove_file()
        listener.close()


def _identify(status: os.stat_result) -> FileId:
    return status.st_dev, status.st_ino

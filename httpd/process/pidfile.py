"""The pidfile: who is the supervisor, and is it alive?

A running supervisor holds a POSIX lock (fcntl(2)) on its pidfile.  The kernel drops it with the
process, however that ends, and no child inherits it, so the lock is the truth and the number inside
is for people and scripts.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import struct
import time

from httpd.process.errors import EX_UNAVAILABLE, StartError, status_of
from httpd.process.folders import make_folder_of

_FLOCK = struct.Struct("hhqqi4x")
"""``struct flock`` of 64-bit Linux: type, whence, start, length, pid."""
_MAX_TEXT = 64
_PID = re.compile(rb"\s*[1-9][0-9]{0,9}\s*")


class Pidfile:
    """The pidfile of this process, from `acquire` or `prepare` to `release`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._place = path  # where the file is now
        self._fd = -1

    def acquire(self) -> None:
        """Write the pid of this process, unless somebody else has the file.

        Raises:
            StartError: when a live process holds it, when it holds something that is no pid, or
                when it
                cannot be written.
        """
        try:
            make_folder_of(self._path)
            while not self._lock():
                os.close(self._fd)
        except OSError as error:
            raise self._unwritable(error) from None
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise self._taken("it is no regular file; name another one")
        self._check_predecessor(os.pread(self._fd, _MAX_TEXT, 0))
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)
        except OSError as error:
            raise self._unwritable(error) from None

    def prepare(self) -> None:
        """Write and lock a file to put in place of that of a running supervisor.

        Raises:
            StartError: when it cannot be written.
        """
        self._place = f"{self._path}.{os.getpid()}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._fd = os.open(self._place, flags, 0o644)
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)
        except OSError as error:
            raise self._unwritable(error) from None

    def replace(self) -> None:
        """Put the prepared file in place: at every moment the name leads to one that is locked.

        Raises:
            StartError: when the system refuses.
        """
        try:
            os.rename(self._place, self._path)
        except OSError as error:
            raise self._unwritable(error) from None
        self._place = self._path

    def _lock(self) -> bool:
        """Open and lock the file; false if its last owner has removed it in between."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        self._fd = os.open(self._path, flags, 0o644)
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _lock_holder(self._fd)
            text = f"phttpd is already running with pid {pid}; another one needs another pidfile"
            raise self._taken(text) from None
        try:
            return os.path.samestat(os.fstat(self._fd), os.lstat(self._path))
        except FileNotFoundError:
            return False

    def _check_predecessor(self, text: bytes) -> None:
        """Nobody of ours runs.  What is in the file may be stale, or not be ours at all."""
        if not text:
            return
        if not _PID.fullmatch(text):
            raise self._taken("it exists and is no pidfile; remove it or name another one")
        pid = int(text)
        written = os.fstat(self._fd).st_mtime
        if (started := _start_time(pid)) is not None and started <= written and pid != os.getpid():
            raise self._taken(f"it belongs to the running process {pid} ({_process_name(pid)})")

    def _taken(self, why: str) -> StartError:
        os.close(self._fd)
        self._fd = -1
        return StartError(EX_UNAVAILABLE, f"pidfile {self._path}: {why}")

    def _unwritable(self, error: OSError) -> StartError:
        return _refused("write", self._path, error)

    def release(self) -> None:
        """Remove the file, if it is still ours."""
        if self._fd < 0:
            return
        try:
            same = os.path.samestat(os.fstat(self._fd), os.lstat(self._place))
            if same and os.pread(self._fd, _MAX_TEXT, 0).strip() == b"%d" % os.getpid():
                os.unlink(self._place)
        except OSError:
            pass  # it is gone, or its folder is no longer ours to write in
        os.close(self._fd)
        self._fd = -1


def find_supervisor(path: str) -> int | None:
    """Return the pid of the running supervisor that holds a pidfile, or None.

    Raises:
        StartError: when the file is there and cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _refused("read", path, error) from None
    try:
        return _lock_holder(fd)
    finally:
        os.close(fd)


def _refused(what: str, path: str, error: OSError) -> StartError:
    why = error.strerror
    if error.errno == errno.ELOOP and os.path.islink(path):  # by O_NOFOLLOW
        why = "it is a symbolic link; name another one"
    return StartError(status_of(error), f"cannot {what} the pidfile {path}: {why}")


def _lock_holder(fd: int) -> int | None:
    # F_GETLK asks who stands in the way of a write lock; the answer to “nobody” is type F_UNLCK.
    question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, question))
    return None if kind == fcntl.F_UNLCK else pid


def _start_time(pid: int) -> float | None:
    """Return when a process started, in seconds since the epoch; None if it does not run."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    ticks = int(fields[19])  # field 22 of proc_pid_stat(5), counted from the one after the name
    since_boot = ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot


def _process_name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as comm:
            return comm.read().strip()
    except OSError:
        return "unknown"

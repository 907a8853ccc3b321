"""The pidfile, and the lock beside it, which tells whether the supervisor runs.

A running supervisor holds a POSIX lock (fcntl(2)) on a file beside its pidfile.  The kernel drops
the lock when the process ends, however that happens, and no child inherits it.  So the lock is
authoritative, and the number in the pidfile is for people and monitors.

A process that can open a file can lock it, and pose as the supervisor.  So only the user of the
supervisor and root can open the lock file.  The pidfile can be read by all users.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import struct
from contextlib import suppress

from httpd.process.errors import EX_NOPERM, EX_UNAVAILABLE, StartError, status_of
from httpd.process.others import user_name
from httpd.process.safe_path import make_directory_of

_FLOCK = struct.Struct("hhqqi4x")
"""``struct flock`` of 64-bit Linux: type, whence, start, length, pid."""
_LOCK_MODE, _PIDFILE_MODE = 0o600, 0o644
_OTHERS = 0o077
_MAX_TEXT = 64
_PID = re.compile(rb"\s*[1-9][0-9]{0,9}\s*")
_CAREFULLY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Pidfile:
    """The pidfile of this process, and the lock beside it.

    Both exist from `acquire` or `prepare` until `release`.

    Args:
        path: of the pidfile, absolute.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock_path = _lock_of(path)
        self._places = (path, self._lock_path)  # where the two files are at present
        self._written: os.stat_result | None = None
        self._lock_fd = -1
        os.register_at_fork(after_in_child=self._close)

    def acquire(self) -> None:
        """Take the lock and write the pid of this process, unless another process has the lock.

        Raises:
            StartError: when a running process has the lock, when the pidfile has other content
                than a pid, or when one of the two files cannot be written.
        """
        try:
            make_directory_of(self._path)
            while not self._lock():
                self._close()
            self._check_replaceable()
            self._write_new()
        except OSError as error:
            self.release()
            raise _refused("write", self._path, error) from None
        except StartError:
            self.release()
            raise

    def prepare(self) -> None:
        """Write a pidfile and lock a file, which `replace` puts in place of those of a predecessor.

        Raises:
            StartError: when they cannot be written.
        """
        places = f"{self._path}.{os.getpid()}", f"{self._lock_path}.{os.getpid()}"
        try:
            _remove(places[1])
            self._written = _write_pid(places[0])
            self._places = places
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._lock_fd = os.open(places[1], flags, _LOCK_MODE)
            fcntl.lockf(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            raise _refused("write", self._path, error) from None

    def replace(self) -> None:
        """Put the prepared files in place.

        The lock file is replaced by one rename, so at every moment its name leads to a file that is
        locked.  The pidfile is replaced first, so a process that finds the new lock finds the new
        pid as well.

        Raises:
            StartError: when the system refuses.
        """
        try:
            os.rename(self._places[0], self._path)
            self._places = (self._path, self._places[1])
            os.rename(self._places[1], self._lock_path)
            self._places = (self._path, self._lock_path)
        except OSError as error:
            raise _refused("write", self._path, error) from None

    def restore(self) -> None:
        """Put pidfile and lock in place again, if a process that has ended had replaced them.

        Raises:
            StartError: as `acquire` does.
        """
        lock = self._lock_fd >= 0 and _is_same(self._lock_path, os.fstat(self._lock_fd))
        if lock and self._written is not None and _is_same(self._path, self._written):
            return
        self._close()
        self.acquire()

    def release(self) -> None:
        """Remove both files, unless another process has replaced them, and drop the lock."""
        if self._written is not None and _is_same(self._places[0], self._written):
            with suppress(OSError):  # it was removed, or its directory is not writable any more
                if _read_text(self._places[0]).strip() == b"%d" % os.getpid():
                    os.unlink(self._places[0])
        self._written = None
        if self._lock_fd >= 0 and _is_same(self._places[1], os.fstat(self._lock_fd)):
            with suppress(OSError):
                os.unlink(self._places[1])
        self._close()

    def _close(self) -> None:
        """Close the lock file, which drops the lock.

        Also called in each child: it has no lock, and a worker must not be able to get it.
        """
        self._written = None
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
        self._lock_fd = -1

    def _lock(self) -> bool:
        """Open and lock the lock file; return whether it still has its name.

        Its last owner may have removed it between the two steps.
        """
        fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | _CAREFULLY, _LOCK_MODE)
        try:
            status = os.fstat(fd)
            _check_lock_file(self._lock_path, status)
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (OSError, StartError) as error:
            pid = _lock_holder(fd) if isinstance(error, BlockingIOError) else None
            os.close(fd)
            if not isinstance(error, BlockingIOError):
                raise
            where = f"with pid {pid}" if pid else "in another PID namespace"
            text = f"phttpd is already running {where}; another one needs another pidfile"
            raise _taken(self._path, text) from None
        self._lock_fd = fd
        return _is_same(self._lock_path, status)

    def _check_replaceable(self) -> None:
        """Refuse to replace a file that is not a pidfile: no supervisor runs, so a pid is stale."""
        try:
            fd = os.open(self._path, os.O_RDONLY | _CAREFULLY)
        except FileNotFoundError:
            return
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise _taken(self._path, "it is no regular file; name another one")
            text = os.pread(fd, _MAX_TEXT, 0)
        finally:
            os.close(fd)
        if text and not _PID.fullmatch(text):
            why = "it exists and is no pidfile; remove it or name another one"
            raise _taken(self._path, why)

    def _write_new(self) -> None:
        """Write the pidfile under another name and rename it, so that it is never seen empty."""
        new = f"{self._path}.new"
        written = _write_pid(new)
        try:
            os.rename(new, self._path)
        except OSError:
            os.unlink(new)
            raise
        self._written = written


def find_supervisor(path: str) -> int | None:
    """Return the pid of the running supervisor that has the lock of a pidfile, or None.

    Raises:
        StartError: when this user may not know, or a process has the lock that must not have it.
    """
    lock = _lock_of(path)
    try:
        if os.path.islink(path):
            raise _refused("read", path, OSError(errno.ELOOP, os.strerror(errno.ELOOP), path))
        fd = os.open(lock, os.O_RDONLY | _CAREFULLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise _not_ours(path, error) from None
    except OSError as error:
        raise _refused("read", path, error) from None
    try:
        status = os.fstat(fd)
        _check_lock_file(lock, status)
        pid = _lock_holder(fd)
        user = _user_of(pid)
        if pid and user is None:  # it has ended since, perhaps after an upgrade
            pid = _lock_holder(fd)
            user = _user_of(pid)
    finally:
        os.close(fd)
    if pid:  # 0 is one of another PID namespace
        if user is None:
            return None
        if user not in (0, status.st_uid):
            owner = f"the process {pid} of the user {user_name(user)}"
            raise _taken(path, f"{owner} has locked {lock}, which belongs to {_owner_of(status)}")
    return pid


def _lock_of(path: str) -> str:
    return f"{path}.lock"


def _check_lock_file(path: str, status: os.stat_result) -> None:
    """Refuse a lock file that other users can open, and could have locked."""
    if not stat.S_ISREG(status.st_mode):
        raise _taken(path, "it is no regular file; remove it")
    if status.st_mode & _OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise _taken(path, f"its mode is {mode:04o}, and 0600 would be right; remove it")


def _remove(path: str) -> None:
    """Remove a file that a killed process has left: no other process uses this name."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def _write_pid(path: str) -> os.stat_result:
    """Make a file with the pid of this process, and return its status."""
    _remove(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PIDFILE_MODE)
    try:
        os.fchmod(fd, _PIDFILE_MODE)  # whatever the umask is
        os.write(fd, b"%d\n" % os.getpid())
        return os.fstat(fd)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(fd)


def _read_text(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | _CAREFULLY)
    try:
        return os.pread(fd, _MAX_TEXT, 0)
    finally:
        os.close(fd)


def _is_same(path: str, status: os.stat_result) -> bool:
    """Tell whether a path still leads to the file that had this status."""
    try:
        return os.path.samestat(os.lstat(path), status)
    except OSError:
        return False


def _taken(path: str, why: str) -> StartError:
    return StartError(EX_UNAVAILABLE, f"pidfile {path}: {why}")


def _refused(what: str, path: str, error: OSError) -> StartError:
    is_lock = error.filename == _lock_of(path)
    file = f"lock file {error.filename}" if is_lock else f"pidfile {path}"
    why = error.strerror
    if error.errno == errno.ELOOP and os.path.islink(error.filename):  # by O_NOFOLLOW
        why = "it is a symbolic link; name another one"
    return StartError(status_of(error), f"cannot {what} the {file}: {why}")


def _not_ours(path: str, error: OSError) -> StartError:
    """Return the error for a lock file that only another user can open."""
    try:
        owner = _owner_of(os.stat(_lock_of(path), follow_symlinks=False))
    except OSError:  # its directory may not be searched
        return _refused("read", path, error)
    text = f"the pidfile {path} is that of the user {owner}"
    return StartError(
        EX_NOPERM, f"{text}; only {owner} and root can tell whether its daemon runs, and control it"
    )


def _lock_holder(fd: int) -> int | None:
    # F_GETLK returns the lock that prevents a write lock, or the type F_UNLCK if there is none.
    question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, question))
    return None if kind == fcntl.F_UNLCK else pid


def _user_of(pid: int | None) -> int | None:
    """Return the effective user ID of a process; None if it does not run, or there is none.

    The owner of its directory in /proc may be another user (proc(5), “dumpable”).
    """
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            for line in status:
                if line.startswith(b"Uid:"):
                    return int(line.split()[2])
    except OSError:
        pass
    return None


def _owner_of(status: os.stat_result) -> str:
    return user_name(status.st_uid)

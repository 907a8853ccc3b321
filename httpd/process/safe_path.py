"""Opens a file whose path leads through directories in which other users may write.

Another user could put a symbolic link there that leads root to any file of the machine.  So root
walks a path name by name (path_resolution(7)).  Root follows a link only if root owns the link, or
only root may write in its directory.  Each name is opened with O_PATH (open(2)) before it is
checked, so the file that is opened is the one that was checked.

Called by `httpd.service` and `httpd.process.pidfile`.
"""

from __future__ import annotations

import errno
import os
import stat

from httpd.process.directories import make_parent
from httpd.process.others import user_name

_ROOT = 0
_PIN = os.O_PATH | os.O_CLOEXEC
_MAX_LINKS = 40  # as in path_resolution(7)
_DIRECTORY_MODE = 0o755


def open_file(path: str, flags: int, mode: int) -> int:
    """Open a file as `os.open` does, after making it and its directory unless they are there.

    Args:
        path: absolute.
        flags: of open(2), without O_CREAT.
        mode: of the file if it is made.

    Raises:
        OSError: when a system call fails, or root would have to follow a link of another user;
            `strerror` has the reason.
    """
    if os.geteuid() != _ROOT:
        make_parent(path)
        return os.open(path, flags | os.O_CREAT, mode)
    return _Walk(path).open(flags, mode)


def make_directory_of(path: str) -> None:
    """Make the directory of a file, and those above it, unless they are there.

    Args:
        path: of the file, absolute.

    Raises:
        OSError: as `open_file` does.
    """
    if os.geteuid() != _ROOT:
        make_parent(path)
    else:
        _Walk(os.path.dirname(path)).end_in_directory()


class _Walk:
    """A walk of root along a path, name by name."""

    def __init__(self, path: str) -> None:
        self._here = os.open("/", _PIN)
        self._steps = _split(path)
        self._attempts = 0
        self._link = ""  # the link that was followed last
        self._own_steps = len(self._steps)  # remaining names of the path itself, not of a link

    def open(self, flags: int, mode: int) -> int:
        """Walk to the end and open the file that is there, or make it."""
        try:
            while self._steps:
                name = self._steps.pop()
                try:
                    there = self._step(name, may_make=bool(self._steps))
                except FileNotFoundError:
                    if (made := self._create(name, flags, mode)) is not None:
                        return made
                    self._steps.append(name)  # another process has made a file of that name
                    continue
                if there is not None and not self._steps:
                    try:
                        return self._open_pinned(there, flags)
                    finally:
                        os.close(there)
                self._go(there)
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        finally:
            os.close(self._here)

    def end_in_directory(self) -> None:
        """Walk to the end, and make every directory that is missing."""
        try:
            while self._steps:
                self._go(self._step(self._steps.pop(), may_make=True))
        finally:
            os.close(self._here)

    def _step(self, name: str, *, may_make: bool) -> int | None:
        """Open a name with O_PATH; or add the names of a link's text to the path, and return None.

        Args:
            name: without a slash.
            may_make: whether to make a directory if there is nothing.
        """
        try:
            there = os.open(name, _PIN | os.O_NOFOLLOW, dir_fd=self._here)
        except FileNotFoundError:
            if not may_make:
                raise
            if len(self._steps) >= self._own_steps:
                raise NotADirectoryError(
                    errno.ENOTDIR, f"{self._link} is not a directory"
                ) from None
            os.mkdir(name, _DIRECTORY_MODE, dir_fd=self._here)
            there = os.open(name, _PIN | os.O_NOFOLLOW, dir_fd=self._here)
        status = os.fstat(there)
        if not stat.S_ISLNK(status.st_mode):
            return there
        try:
            self._check_link(there, status)
            if _is_procfs(status):  # the text of a link such as /proc/self/fd/1 may be no path
                return os.open(name, _PIN, dir_fd=self._here)
            text = os.readlink("", dir_fd=there)
            self._link = _name_of(there)
        finally:
            os.close(there)
        self._own_steps = min(self._own_steps, len(self._steps))
        self._steps += _split(text)
        if text.startswith("/"):
            self._go(os.open("/", _PIN))
        return None

    def _go(self, there: int | None) -> None:
        """Go into a directory, in which the next name is looked up."""
        if there is None:
            return
        if not stat.S_ISDIR(os.fstat(there).st_mode):
            name = _name_of(there)
            os.close(there)
            raise NotADirectoryError(errno.ENOTDIR, f"{name} is not a directory")
        os.close(self._here)
        self._here = there

    def _check_link(self, link: int, status: os.stat_result) -> None:
        self._count_attempt()
        if self._is_ours():
            return
        if status.st_uid != _ROOT:
            why = f"belongs to the user {user_name(status.st_uid)}"
        elif status.st_nlink > 1:  # another user may have made this name, by link(2)
            why = "lies in a directory where others may write, and has several names"
        else:
            return
        text = f"{_name_of(link)} is a symbolic link that {why}, and root does not follow it"
        raise PermissionError(errno.EPERM, text)

    def _count_attempt(self) -> None:
        """Give up when other users make the path longer and longer."""
        self._attempts += 1
        if self._attempts > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))

    def _is_ours(self) -> bool:
        """Tell whether only root may make a link here."""
        status = os.fstat(self._here)
        group_may = status.st_mode & stat.S_IWGRP and status.st_gid != _ROOT
        return status.st_uid == _ROOT and not group_may and not status.st_mode & stat.S_IWOTH

    def _create(self, name: str, flags: int, mode: int) -> int | None:
        """Make a file; return None if another process has just made one."""
        try:
            return os.open(name, flags | os.O_CREAT | os.O_EXCL, mode, dir_fd=self._here)
        except FileExistsError:
            self._count_attempt()
            return None

    def _open_pinned(self, there: int, flags: int) -> int:
        status = os.fstat(there)
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1 and not self._is_ours():
            text = f"{_name_of(there)} has several names, and others may write in its directory"
            raise PermissionError(errno.EPERM, text)
        return os.open(f"/proc/self/fd/{there}", flags)


def _split(path: str) -> list[str]:
    """Return the names of a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name]


def _is_procfs(status: os.stat_result) -> bool:
    try:
        return status.st_dev == os.stat("/proc/self/").st_dev
    except OSError:
        return False


def _name_of(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}")

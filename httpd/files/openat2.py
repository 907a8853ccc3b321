"""From a name to a descriptor that pins what it leads to, without opening it (O_PATH of open(2)),
or that reads it.

The one difference to a plain `os.open`: a magic link of procfs (symlink(7)), such as /proc/1/root,
is not followed as such, since it can lead into another mount namespace, where a path means another
file.  Called by `httpd.files.docroot`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct

_FLAGS = os.O_PATH | os.O_CLOEXEC
_MAX_LINKS = 40  # as in path_resolution(7)
_OPENAT2 = 437  # on every architecture
# Whoever holds a lease on the file (F_SETLEASE of fcntl(2)) would keep us waiting.
READING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""The flags that a file is opened with."""
# struct open_how: with RESOLVE_NO_MAGICLINKS, then also with RESOLVE_BENEATH, then also with
# RESOLVE_NO_SYMLINKS
_HOW = struct.pack("=QQQ", _FLAGS, 0, 0x02)
_HOW_STRAIGHT = struct.pack("=QQQ", _FLAGS, 0, 0x02 | 0x08 | 0x04)
_HOW_READING = struct.pack("=QQQ", READING, 0, 0x02 | 0x08)
_HOW_READING_STRAIGHT = struct.pack("=QQQ", READING, 0, 0x02 | 0x08 | 0x04)
_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long  # argtypes would only cost time: what is passed are int and bytes


def pin_at_once(name: bytes, directory: int) -> int:
    """Return a descriptor of what a name leads to, as the kernel finds it.

    Args:
        name: a path, of which links are followed.
        directory: the descriptor of the directory that it is relative to.

    Raises:
        OSError: see openat2(2); ENOSYS before Linux 5.6, EPERM where a container forbids it.
    """
    return _open(name, directory, _HOW)


def pin_straight(name: bytes, directory: int) -> int | None:
    """Return a descriptor of what has a name in a directory or below it, with no link on the way.

    Args:
        name: a path, which has no ``..`` in it.
        directory: the descriptor of the directory that it is relative to.

    Returns:
        None where the kernel cannot say: there is a symbolic link on the way, something on it was
        moved meanwhile, or the kernel has no openat2.

    Raises:
        OSError: see openat2(2).
    """
    return _open_beneath(name, directory, _HOW_STRAIGHT, _LINKED)


def read_straight(name: bytes, directory: int) -> int | None:
    """Do the same, but open what is there for reading."""
    return _open_beneath(name, directory, _HOW_READING_STRAIGHT, _LINKED)


def read_beneath(name: bytes, directory: int) -> int | None:
    """Open what a name leads to for reading, and follow links that never leave a directory.

    Args:
        name: a path, of which links are followed.
        directory: the descriptor of the directory that it is relative to.

    Returns:
        None where the kernel cannot say: the way leads out, if only to come back, as that of an
        absolute link does; something on it was moved meanwhile; or the kernel has no openat2.

    Raises:
        OSError: see openat2(2).
    """
    return _open_beneath(name, directory, _HOW_READING, _MOVED)


_MOVED = (errno.EXDEV, errno.EAGAIN)
_LINKED = (*_MOVED, errno.ELOOP)


def _open_beneath(name: bytes, directory: int, how: bytes, unclear: tuple[int, ...]) -> int | None:
    try:
        return _open(name, directory, how) if pin is pin_at_once else None
    except OSError as error:
        if error.errno in unclear:
            return None
        raise


def _open(name: bytes, directory: int, how: bytes) -> int:
    fd: int = _syscall(_OPENAT2, directory, name, how, len(how))
    while fd < 0:
        code = ctypes.get_errno()
        if code != errno.EINTR:
            raise OSError(code, os.strerror(code), name)
        fd = _syscall(_OPENAT2, directory, name, how, len(how))  # as `os.open` does (PEP 475)
    return fd


def pin_stepwise(name: bytes, directory: int) -> int:
    """Do the same where the kernel cannot: step by step, a link being what its text says."""
    steps = _split(name)
    here = os.open(b".", _FLAGS, dir_fd=directory)
    links = 0
    try:
        while steps:
            there = os.open(steps.pop(), _FLAGS | os.O_NOFOLLOW, dir_fd=here)
            try:
                if stat.S_ISLNK(os.fstat(there).st_mode):
                    steps += _split(os.readlink(b"", dir_fd=there))
                    links += 1
                    if links > _MAX_LINKS:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
                else:
                    here, there = there, here
            finally:
                os.close(there)
    except OSError:
        os.close(here)
        raise
    return here


def _split(path: bytes) -> list[bytes]:
    """Return the steps of a path, the last one first; ``.`` stands for a slash at the end."""
    if not path:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    first, *others = path.split(b"/")
    steps = [step or b"." for step in others[-1:]] + [step for step in others[-2::-1] if step]
    return [*steps, first or b"/"]


def _has_openat2() -> bool:
    try:
        os.close(pin_at_once(b"/", -1))
    except OSError:
        return False
    return True


pin = pin_at_once if _has_openat2() else pin_stepwise

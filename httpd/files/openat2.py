"""From a name to a descriptor that pins what the name leads to (O_PATH of open(2)), or reads it.

There is one difference to a plain `os.open`: a magic link of procfs (symlink(7)), such as
/proc/1/root, is not followed as such, since it can lead into another mount namespace, where a path
means another file.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct

_PINNING = os.O_PATH | os.O_CLOEXEC
# O_NONBLOCK: a program with a lease on the file (F_SETLEASE of fcntl(2)) would block the open.
READING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""The flags that a file is opened with."""
_MAX_LINKS = 40  # as in path_resolution(7)

_OPENAT2 = 437  # on every architecture
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08  # the flags RESOLVE_… of openat2(2)
_HOW = struct.Struct("=QQQ")  # struct open_how: flags, mode, resolve
_SIZE = _HOW.size
_PIN = _HOW.pack(_PINNING, 0, _NO_MAGICLINKS)
_PIN_WITHOUT_LINKS = _HOW.pack(_PINNING, 0, _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH)
_OPEN_WITHOUT_LINKS = _HOW.pack(READING, 0, _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH)
_OPEN_BENEATH = _HOW.pack(READING, 0, _NO_MAGICLINKS | _BENEATH)

_MOVED = frozenset({errno.EXDEV, errno.EAGAIN})
_LINKED = _MOVED | {errno.ELOOP}
"""Errors by which the kernel says that the way cannot be resolved under these conditions."""

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long  # argtypes would only cost time: what is passed are int and bytes


def pin_directory(path: str | bytes) -> tuple[int, os.stat_result]:
    """Return a descriptor and the status of the directory that a path leads to.

    Raises:
        OSError: there is no such directory, or it cannot be reached.
    """
    fd = os.open(path, _PINNING | os.O_DIRECTORY)
    try:
        return fd, os.fstat(fd)
    except OSError:
        os.close(fd)
        raise


def pin_by_openat2(name: bytes, directory: int) -> int:
    """Return a descriptor of what a name leads to, as the kernel resolves it.

    Args:
        name: a path, of which links are followed.
        directory: the descriptor of the directory that the path is relative to.

    Raises:
        OSError: see openat2(2); ENOSYS before Linux 5.6, EPERM where a container forbids it.
    """
    fd: int = _syscall(_OPENAT2, directory, name, _PIN, _SIZE)
    if fd < 0:
        again = _call_again(name, directory, _PIN, frozenset())
        assert again is not None
        return again
    return fd


def pin_without_links(name: bytes, directory: int) -> int | None:
    """Return a descriptor of what a name leads to, without a symbolic link on the way.

    Args:
        name: a path without ``..`` in it.
        directory: the descriptor of the directory that the path is relative to.

    Returns:
        None where the kernel cannot tell: there is a symbolic link on the way, something on the way
        was moved meanwhile, or the kernel has no openat2.

    Raises:
        OSError: see openat2(2).
    """
    if not _HAS_OPENAT2:
        return None
    fd: int = _syscall(_OPENAT2, directory, name, _PIN_WITHOUT_LINKS, _SIZE)
    return fd if fd >= 0 else _call_again(name, directory, _PIN_WITHOUT_LINKS, _LINKED)


def open_without_links(name: bytes, directory: int) -> int | None:
    """Open what a name leads to for reading; else the same as `pin_without_links`."""
    if not _HAS_OPENAT2:
        return None
    fd: int = _syscall(_OPENAT2, directory, name, _OPEN_WITHOUT_LINKS, _SIZE)
    return fd if fd >= 0 else _call_again(name, directory, _OPEN_WITHOUT_LINKS, _LINKED)


def open_beneath(name: bytes, directory: int) -> int | None:
    """Open what a name leads to for reading, and follow links that never leave a directory.

    Args:
        name: a path, of which links are followed.
        directory: the descriptor of the directory that the path is relative to.

    Returns:
        None where the kernel cannot tell: the way leads out of the directory, if only to come back,
        as that of an absolute link does; something on the way was moved meanwhile; or the kernel
        has no openat2.

    Raises:
        OSError: see openat2(2).
    """
    if not _HAS_OPENAT2:
        return None
    fd: int = _syscall(_OPENAT2, directory, name, _OPEN_BENEATH, _SIZE)
    return fd if fd >= 0 else _call_again(name, directory, _OPEN_BENEATH, _MOVED)


def _call_again(name: bytes, directory: int, how: bytes, unclear: frozenset[int]) -> int | None:
    """Repeat a call that has failed if it was interrupted, as `os.open` does (PEP 475).

    Args:
        name: an argument of the call.
        directory: an argument of the call.
        how: an argument of the call.
        unclear: the error numbers for which to return None.
    """
    code = ctypes.get_errno()
    while code == errno.EINTR:
        fd: int = _syscall(_OPENAT2, directory, name, how, _SIZE)
        if fd >= 0:
            return fd
        code = ctypes.get_errno()
    if code in unclear:
        return None
    raise OSError(code, os.strerror(code), name)


def pin_stepwise(name: bytes, directory: int) -> int:
    """Do what `pin_by_openat2` does without that call: step by step, by the text of each link."""
    steps = _split(name)
    here = os.open(b".", _PINNING, dir_fd=directory)
    links = 0
    try:
        while steps:
            there = os.open(steps.pop(), _PINNING | os.O_NOFOLLOW, dir_fd=here)
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
        os.close(pin_by_openat2(b"/", -1))
    except OSError:
        return False
    return True


_HAS_OPENAT2 = _has_openat2()
pin = pin_by_openat2 if _HAS_OPENAT2 else pin_stepwise

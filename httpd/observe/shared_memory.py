"""Memory that the processes of a server share: anonymous files (memfd_create(2)) with names.

Other programs find the memory of a server among the descriptors of its supervisor, so looking at it
costs the server nothing.  A file is sealed when its content is valid: nobody can then shorten it.
Otherwise an access of another process beyond the end would kill that process with SIGBUS (mmap(2)).
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import sys
from collections.abc import Callable, Iterator

CELL = 8
"""Bytes of an aligned number, which is never read half written."""
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_NAME = re.compile(r"/memfd:(phttpd\..*) \(deleted\)")


def create_memory(name: str, size: int, fill: Callable[[mmap.mmap], None]) -> mmap.mmap:
    """Make shared memory, all zeros at first.

    Args:
        name: begins with ``phttpd.``.
        size: in bytes.
        fill: called to make the content valid, with the magic number in its first cell.

    Raises:
        OSError: when there is no memory or descriptor for it.
    """
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size)
        memory = mmap.mmap(fd, size)  # keeps a descriptor of its own
        fill(memory)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    finally:
        os.close(fd)
    return memory


def find_memory(pid: int) -> Iterator[tuple[str, str]]:
    """Yield name and path of all shared memory that a process has open.

    A process may have several descriptors of one.

    Raises:
        PermissionError: when the process belongs to another user.
        ProcessLookupError: when there is no such process.
    """
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except FileNotFoundError:
        raise ProcessLookupError(f"there is no process {pid}") from None
    for descriptor in descriptors:
        path = f"/proc/{pid}/fd/{descriptor}"
        try:
            match = _NAME.fullmatch(os.readlink(path))
        except FileNotFoundError:
            continue
        if match:
            yield match[1], path


def find_generations(pid: int) -> dict[str, tuple[int, str]]:
    """Return the memory of the generations of a supervisor, of whatever kind.

    Its name ends in the number of the generation.

    Args:
        pid: of the supervisor.

    Returns:
        The number and a path to open, by name.

    Raises:
        PermissionError: see `find_memory`.
        ProcessLookupError: see `find_memory`.
    """
    found = ((name, name.rpartition(".")[2], path) for name, path in find_memory(pid))
    return {name: (int(number), path) for name, number, path in found if number.isdecimal()}


def find_kind(pid: int, prefix: str) -> dict[int, str]:
    """Return the paths of the memory of one kind, by the number of the generation.

    Args:
        pid: see `find_generations`.
        prefix: of the name, before the number.

    Raises:
        PermissionError: see `find_memory`.
        ProcessLookupError: see `find_memory`.
    """
    return {
        number: path
        for name, (number, path) in find_generations(pid).items()
        if name == f"{prefix}{number}"
    }


def open_memory(path: str, magic: int, *, writable: bool = False) -> mmap.mmap | None:
    """Return memory that was found; None if it is half made, gone, or of another program.

    Args:
        path: to open.
        magic: the number in its first cell.
        writable: whether to open it for writing.
    """
    try:
        fd = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
            return None
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        memory = mmap.mmap(fd, 0, access=access)
    except OSError:
        return None  # the descriptor is that of another file by now
    finally:
        os.close(fd)
    if len(memory) < CELL or int.from_bytes(memory[:CELL], sys.byteorder) != magic:
        return None
    return memory

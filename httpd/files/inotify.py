"""inotify(7): the kernel tells which names of directories change.

Called by `httpd.files.tree_watch`.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import NamedTuple

CREATE, DELETE, CLOSE_WRITE = 0x100, 0x200, 0x8
MOVED_FROM, MOVED_TO = 0x40, 0x80
DELETE_SELF, MOVE_SELF = 0x400, 0x800
IS_DIRECTORY = 0x40000000
OVERFLOW = 0x4000
"""The queue of events was full, and some are lost."""
IGNORED = 0x8000
"""The watch has ended, since the directory is gone."""
_ONLY_DIRECTORY = 0x01000000
_CHANGES = CREATE | DELETE | CLOSE_WRITE | MOVED_FROM | MOVED_TO | DELETE_SELF | MOVE_SELF
_EVENT = struct.Struct("@iIII")  # struct inotify_event: watch, mask, cookie, length of the name
_READ = 64 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


class Event(NamedTuple):
    """Something has changed.

    Args:
        watch: the directory, as `Inotify.watch` numbers it.
        mask: what happened, as bits.
        name: in the directory; empty for the directory itself.
    """

    watch: int
    mask: int
    name: bytes


class Inotify:
    """A queue of events of directories that are watched.

    Raises:
        OSError: this user has no further queue, or the process no further descriptor.
    """

    def __init__(self) -> None:
        self._fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            raise _error(b"")

    def fileno(self) -> int:
        """Return the descriptor, which is readable when there are events."""
        return int(self._fd)

    def close(self) -> None:
        """End all watches."""
        os.close(self._fd)

    def watch(self, directory: bytes) -> int:
        """Watch a directory, and return its number, which stays the same if it is renamed.

        Raises:
            OSError: see inotify_add_watch(2); ENOSPC where this user may watch no further one.
        """
        number = _libc.inotify_add_watch(self._fd, directory, _CHANGES | _ONLY_DIRECTORY)
        if number < 0:
            raise _error(directory)
        return int(number)

    def read(self) -> list[Event]:
        """Return the events that are there, without waiting."""
        try:
            data = os.read(self._fd, _READ)
        except BlockingIOError:
            return []
        events = []
        position = 0
        while position < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, position)
            position += _EVENT.size
            events.append(Event(watch, mask, data[position : position + length].rstrip(b"\0")))
            position += length
        return events


def _error(name: bytes) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), os.fsdecode(name))

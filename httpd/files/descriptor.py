"""A descriptor that is closed with the last reference to it."""

from __future__ import annotations

import os


class Descriptor:
    """Owns an open file descriptor.

    Args:
        fd: the descriptor, which only this object may close.
    """

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __del__(self) -> None:
        close_quietly(self._fd)


def close_quietly(fd: int) -> None:
    """Close a file that nothing was written to, so that no error of close(2) loses anything."""
    try:
        os.close(fd)
    except OSError:
        pass

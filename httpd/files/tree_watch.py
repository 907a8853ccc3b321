"""Waits for changes of what can be served below a directory.

Names that begin with a dot are left out, and symbolic links to directories are not followed.
"""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Iterator

from httpd.files.inotify import (
    CREATE,
    DELETE_SELF,
    IGNORED,
    IS_DIRECTORY,
    MOVE_SELF,
    MOVED_FROM,
    MOVED_TO,
    OVERFLOW,
    Event,
    Inotify,
)

QUIET_SECONDS = 0.05
"""A change is over when nothing has happened for so long: a build writes many files."""
_LONGEST_SECONDS = 1.0
"""A change that goes on for longer is one all the same."""
_RETRY_SECONDS = 0.2
"""Between two looks for a directory that has vanished."""
_HIDDEN = b"."
_ENDS = DELETE_SELF | MOVE_SELF | IGNORED
"""What may happen to the root so that its path leads elsewhere."""


class TreeWatch:
    """Watches a directory and all directories below it.

    Args:
        root: the path of the directory, which may vanish and come again.

    Attributes:
        limit_at: how many directories are watched, if that is all that this user may watch.

    Raises:
        OSError: this user has no further inotify queue, or the process no further descriptor.
    """

    def __init__(self, root: str) -> None:
        self._root = os.fsencode(root)
        self.limit_at: int | None = None
        self._watch_all()

    def wait(self) -> None:
        """Wait until something has changed, and the change is over."""
        while not self._take(None):
            pass
        until = time.monotonic() + _LONGEST_SECONDS
        while time.monotonic() < until and self._take(QUIET_SECONDS):
            pass

    def close(self) -> None:
        """End the watch."""
        self._inotify.close()

    def _watch_all(self) -> None:
        """Watch all directories that are there now."""
        self._inotify = Inotify()
        self._directories: dict[int, bytes] = {}  # by the numbers of their watches
        self._add(self._root)

    def _start_again(self) -> None:
        self._inotify.close()
        self._watch_all()

    def _add(self, directory: bytes) -> None:
        """Watch a directory and those below it: first itself, so that no new one is missed."""
        left = [directory]
        while left:
            path = left.pop()
            try:
                number = self._inotify.watch(path)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    self.limit_at = len(self._directories)
                    return
                continue  # it is gone, or not readable, so that it cannot be served either
            self._directories[number] = path
            left += _directories_in(path)

    def _take(self, seconds: float | None) -> bool:
        """Take events for some time, until there are any; tell whether anything has changed."""
        if not self._directories:
            time.sleep(_RETRY_SECONDS)
            self._start_again()
            return bool(self._directories)
        ready, _, _ = select.select([self._inotify], [], [], seconds)
        if not ready:
            return False
        has_changed = False
        for event in self._inotify.read():
            has_changed |= self._obey(event)
        return has_changed

    def _obey(self, event: Event) -> bool:
        """Watch what is new; tell whether an event is a change of what can be served."""
        watch, mask, name = event
        path = self._directories.get(watch)
        if mask & OVERFLOW or (path == self._root and mask & _ENDS):
            self._start_again()
            return True
        if mask & IGNORED:
            self._directories.pop(watch, None)
        if path is None or not name or name.startswith(_HIDDEN):
            return False
        if mask & IS_DIRECTORY:
            if mask & MOVED_FROM:  # with all that is below it, perhaps out of the root
                self._start_again()
            elif mask & (CREATE | MOVED_TO):
                self._add(os.path.join(path, name))
        return True


def _directories_in(path: bytes) -> Iterator[bytes]:
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if not entry.name.startswith(_HIDDEN) and entry.is_dir(follow_symlinks=False):
                    yield entry.path
    except OSError:
        pass  # it is gone, or not readable

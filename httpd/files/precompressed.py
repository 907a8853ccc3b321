"""Precompressed forms of files: their names, and which directories have none of them.

Asking for a name that is not there makes the kernel search the directory, which costs more than all
else that a file takes to be found.  So the names in a directory that files are asked from are read
once, and not again as long as it stays the same; and those of many directories one after the other,
for half of the time at the most, since others wait meanwhile.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping

from httpd.files.resolver import DirectoryState

CODINGS: Mapping[str, bytes] = {"br": b".br", "zstd": b".zst", "gzip": b".gz"}
"""Content codings, the best one first, and the file names that they are found by."""
MOST_NAMES = 4096
"""Names that are read of a directory, which takes about a millisecond."""
_ENDINGS = tuple(ending.decode() for ending in CODINGS.values())
PATIENCE = 8
"""Files that are asked from a directory before its names are read."""
_MOST_DIRECTORIES = 4096


class PlainDirectories:
    """The directories of which it is known whether they have precompressed forms in them.

    All loops of a worker share it.
    """

    def __init__(self) -> None:
        self._asked: dict[DirectoryState, int] = {}
        self._is_bare: dict[DirectoryState, bool] = {}
        self._next_read = 0.0  # by the monotonic clock

    def has(
        self,
        directory: DirectoryState | None,
        name: bytes,
        read: Callable[[bytes, int], Iterable[str] | None],
    ) -> bool:
        """Tell whether there are no precompressed forms in a directory, as far as that is known.

        Args:
            directory: its state; None if it has changed lately.
            name: that of a file in it.
            read: returns the names beside that; None if they are more than so many, or cannot be
                read.
        """
        if directory is None:
            return False
        is_bare = self._is_bare.get(directory)
        if is_bare is not None:
            return is_bare
        asked = self._asked.get(directory, 0) + 1
        if len(self._asked) >= _MOST_DIRECTORIES:
            self._asked, self._is_bare = {}, {}
        self._asked[directory] = asked
        start = time.monotonic()
        if asked <= PATIENCE or start < self._next_read:
            return False
        self._next_read = math.inf  # for the other loops, until this one knows better
        try:
            names = read(name, MOST_NAMES)
        finally:
            self._next_read = 2 * time.monotonic() - start
        is_bare = names is not None and not any(name.endswith(_ENDINGS) for name in names)
        self._is_bare[directory] = is_bare
        return is_bare

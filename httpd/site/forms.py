"""Precompressed forms of files: their names, and which folders have none of them.

Asking for a name that is not there makes the kernel search the folder, which costs more than all
else that a file takes to be found.  So the names in a folder that files are asked from are read
once, and not again as long as it stays the same; and those of many folders one after the other, for
half of the time at the most, since others wait meanwhile.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping

from httpd.site.docroot import FolderState

CODINGS: Mapping[str, bytes] = {"br": b".br", "zstd": b".zst", "gzip": b".gz"}
"""Content codings, the best one first, and the file names that they are found by."""
MOST_NAMES = 4096
"""Names that are read of a folder, which takes about a millisecond."""
_ENDINGS = tuple(ending.decode() for ending in CODINGS.values())
PATIENCE = 8
"""Files that are asked from a folder before its names are read."""
_MOST_FOLDERS = 4096


class BareFolders:
    """The folders of which it is known whether they have precompressed forms in them.

    All loops of a worker share it.
    """

    def __init__(self) -> None:
        self._asked: dict[FolderState, int] = {}
        self._is_bare: dict[FolderState, bool] = {}
        self._next_read = 0.0  # by the monotonic clock

    def has(
        self,
        folder: FolderState | None,
        name: bytes,
        read: Callable[[bytes, int], Iterable[str] | None],
    ) -> bool:
        """Tell whether there are no precompressed forms in a folder, as far as that is known.

        Args:
            folder: its state; None if it has changed lately.
            name: that of a file in it.
            read: returns the names beside that; None if they are more than so many, or cannot be
                read.
        """
        if folder is None:
            return False
        is_bare = self._is_bare.get(folder)
        if is_bare is not None:
            return is_bare
        asked = self._asked.get(folder, 0) + 1
        if len(self._asked) >= _MOST_FOLDERS:
            self._asked, self._is_bare = {}, {}
        self._asked[folder] = asked
        start = time.monotonic()
        if asked <= PATIENCE or start < self._next_read:
            return False
        self._next_read = math.inf  # for the other loops, until this one knows better
        try:
            names = read(name, MOST_NAMES)
        finally:
            self._next_read = 2 * time.monotonic() - start
        is_bare = names is not None and not any(name.endswith(_ENDINGS) for name in names)
        self._is_bare[folder] = is_bare
        return is_bare

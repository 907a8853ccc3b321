"""Precompressed forms of files: their names, and which directories contain none of them.

Asking for a name that does not exist makes the kernel search the directory, which costs more than
all other steps of finding a file.  So the names in a directory from which files are requested are
read once, and not again as long as the directory stays the same.  The names of many directories are
read one directory after the other, for half of the time at the most, since clients wait meanwhile.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping

from httpd.files.resolver import DirectoryState

CODINGS: Mapping[str, bytes] = {"br": b".br", "zstd": b".zst", "gzip": b".gz"}
"""Content codings, the best one first, and the file name extensions of their forms."""
MAX_NAMES = 4096
"""Names that are read of a directory, which takes about a millisecond."""
_EXTENSIONS = tuple(extension.decode() for extension in CODINGS.values())
PATIENCE = 8
"""Files that are requested from a directory before its names are read."""
_MAX_DIRECTORIES = 4096


class PlainDirectories:
    """The directories of which it is known whether they contain precompressed forms.

    All loops of a worker share it.

    Attributes:
        known: whether a directory is plain, by its state.
    """

    def __init__(self) -> None:
        self.known: dict[DirectoryState | None, bool] = {}
        self._requests: dict[DirectoryState, int] = {}
        self._next_read = 0.0  # by the monotonic clock

    def has(
        self,
        directory: DirectoryState | None,
        name: bytes,
        read: Callable[[bytes, int], Iterable[str] | None],
    ) -> bool:
        """Tell whether a directory is known to contain no precompressed forms.

        Args:
            directory: its state; None if it has changed lately.
            name: the name of a file in it.
            read: returns the names beside that file; None if they are more than a number, or the
                directory cannot be read.
        """
        if directory is None:
            return False
        is_plain = self.known.get(directory)
        if is_plain is not None:
            return is_plain
        requests = self._requests.get(directory, 0) + 1
        if len(self._requests) >= _MAX_DIRECTORIES:
            self._requests, self.known = {}, {}
        self._requests[directory] = requests
        start = time.monotonic()
        if requests <= PATIENCE or start < self._next_read:
            return False
        self._next_read = math.inf  # for the other loops, until this one knows better
        try:
            names = read(name, MAX_NAMES)
        finally:
            self._next_read = 2 * time.monotonic() - start
        is_plain = names is not None and not any(name.endswith(_EXTENSIONS) for name in names)
        self.known[directory] = is_plain
        return is_plain

"""Samples of a large file: a few blocks of it, by which one version is told from another.

They go into the entity tag, and they tell whether a file that is being sent still has the content
that its download began with.  Where the blocks lie depends on the size alone, so the same content
has the same samples on every host.
"""

from __future__ import annotations

import os
import struct
import time
from binascii import crc32
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import repeat

from httpd.files.resolver import SETTLED_NS

BLOCK = 4096
"""Bytes of a sample: as many as a page, of which the kernel reads the whole from a disk anyway."""
COUNT = 16
"""Samples of a file, of whatever size."""
COMPARE_SECONDS = 1.0
"""How often the samples of a file are read again at the most while parts of it are sent."""
_SHORT = -1
"""Stands for the checksum of a block that the file does not have."""


def sample_offsets(size: int) -> list[int]:
    """Return where the samples of a file lie: at its beginning, at its end, and evenly between.

    Args:
        size: bytes of the file, more than 2 * BLOCK.
    """
    last = size - BLOCK
    step = last // (COUNT - 1)
    return [*range(0, step * (COUNT - 1), step), last]


def enclose(segments: Iterable[bytes | range]) -> range:
    """Return the part of a file that has all ranges of a body in it."""
    parts = [segment for segment in segments if isinstance(segment, range)]
    return range(min(part.start for part in parts), max(part.stop for part in parts))


class Fingerprint:
    """What an open file is known by, and whether that is still so.

    Only the descriptor counts: whatever happens to the name of the file, its content stays.  The
    times of the file tell when its samples must be compared, and nothing else: an append, a new
    owner and `touch` change the times as well.  That of the last status change is one of them,
    since who writes a file can set the modification time back, as `cp -p` does.  All loops of a
    worker share a fingerprint.

    Not seen is a change between the samples, and one that leaves the times as they are, as a write
    to a mapping of the file may until the kernel writes it back (mmap(2)).

    Args:
        fd: an open file of more than 2 * BLOCK bytes.
        status: its status just before.

    Raises:
        OSError: of reading the samples.
    """

    __slots__ = ("_checksums", "_fd", "_next", "_seen", "_size")

    def __init__(self, fd: int, status: os.stat_result) -> None:
        self._fd = fd
        self._size = status.st_size
        self._next = 0.0  # when the samples may be compared, by the monotonic clock
        self._checksums: tuple[int, ...] = ()
        # Times of the file, whether they are so old that a later write gives it others, and its
        # checksums then.  It is replaced as a whole, since other threads look at it.
        self._seen = self._look(status)
        self._checksums = self._seen[2]

    @property
    def is_whole(self) -> bool:
        """Whether the file had as many bytes as it says."""
        return _SHORT not in self._checksums

    @property
    def checksum(self) -> int:
        """A number that is the same on every host for the same content."""
        return crc32(struct.pack(f"<{COUNT}q", *self._checksums))

    @property
    def has_changed(self) -> bool:
        """Whether a sample was another one when samples were compared last."""
        return self._seen[2] is not self._checksums

    def is_intact(self, part: range, *, is_last: bool) -> bool:
        """Tell whether a part of the file is still what it was, as far as that can be told.

        Args:
            part: what a client was promised, in bytes of the file.
            is_last: whether no other look comes before the client has all of it.  Then samples that
                may have changed are compared, however shortly ago that was done.

        Raises:
            OSError: of the file.
        """
        status = os.fstat(self._fd)
        if status.st_size < part.stop:
            return False
        times, is_settled, checksums = self._seen
        if not is_settled or times != _times(status):
            now = time.monotonic()
            if is_last or now >= self._next:
                self._next = now + COMPARE_SECONDS
                self._seen = self._look(status)
                checksums = self._seen[2]
        return checksums is self._checksums or self._fits(part, checksums)

    def _look(self, status: os.stat_result) -> tuple[tuple[int, int], bool, tuple[int, ...]]:
        """Read the samples; `status` is that of the file just before."""
        times = _times(status)
        is_settled = time.time_ns() - status.st_mtime_ns > SETTLED_NS
        offsets = sample_offsets(self._size)
        blocks = [*map(os.pread, repeat(self._fd), repeat(BLOCK), offsets)]
        checksums = tuple(map(crc32, blocks))
        if sum(map(len, blocks)) < COUNT * BLOCK:
            checksums = tuple(crc32(block) if len(block) == BLOCK else _SHORT for block in blocks)
        same = checksums == self._checksums
        return times, is_settled, self._checksums if same else checksums

    def _fits(self, part: range, checksums: tuple[int, ...]) -> bool:
        """Compare the samples that overlap a part; if none does, the nearest one before it.

        The file has all of the part, so a block that is short ends behind it.
        """
        offsets = sample_offsets(self._size)
        stop = bisect_left(offsets, part.stop)
        first = min(bisect_right(offsets, part.start - BLOCK), stop - 1)
        return all(
            new in (old, _SHORT)
            for old, new in zip(self._checksums[first:stop], checksums[first:stop], strict=True)
        )


def _times(status: os.stat_result) -> tuple[int, int]:
    return status.st_mtime_ns, status.st_ctime_ns

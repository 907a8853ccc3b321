"""Samples of a large file: a few blocks of it, which tell one version of the file from another.

The samples go into the entity tag.  They also tell whether a file that is being sent still has the
content that its download began with.  The size alone decides where the samples are, so the same
content has the same samples on every host.
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
"""Seconds between two comparisons of the samples while parts of the file are being sent."""
_SHORT = -1
"""Stands for the checksum of a block that the file does not have."""


def sample_offsets(size: int) -> list[int]:
    """Return where the samples of a file are: at its beginning, at its end, and evenly between.

    Args:
        size: bytes of the file, more than 2 * BLOCK.
    """
    last = size - BLOCK
    step = last // (COUNT - 1)
    return [*range(0, step * (COUNT - 1), step), last]


def enclose(segments: Iterable[bytes | range]) -> range:
    """Return the smallest part of a file that contains all ranges of a body."""
    parts = [segment for segment in segments if isinstance(segment, range)]
    return range(min(part.start for part in parts), max(part.stop for part in parts))


class Fingerprint:
    """The samples of an open file, and whether they are still the same.

    Only the descriptor counts: whatever happens to the name of the file, its content stays.  The
    times of the file tell when its samples must be compared, and nothing else: an append, a new
    owner and `touch` change the times as well.  The time of the last status change is one of them,
    since a program that writes to a file can set the modification time back, as `cp -p` does.  All
    loops of a worker share a fingerprint.

    Two changes go unnoticed: one between the samples, and one that leaves the times as they are.  A
    write to a mapping of the file may do so until the kernel writes it back (mmap(2)).

    Args:
        fd: an open file of more than 2 * BLOCK bytes.
        status: its status just before.

    Raises:
        OSError: the samples cannot be read.
    """

    __slots__ = ("_checksums", "_fd", "_next", "_seen", "_size")

    def __init__(self, fd: int, status: os.stat_result) -> None:
        self._fd = fd
        self._size = status.st_size
        self._next = 0.0  # when the samples may be compared, by the monotonic clock
        self._checksums: tuple[int, ...] = ()
        # The times of the file, whether they are so old that a later write changes them, and the
        # checksums at that time.  The tuple is replaced as a whole, since other threads read it.
        self._seen = self._sample(status)
        self._checksums = self._seen[2]

    @property
    def is_whole(self) -> bool:
        """Whether the file had as many bytes as its status said."""
        return _SHORT not in self._checksums

    @property
    def checksum(self) -> int:
        """A number that is the same on every host for the same content."""
        return crc32(struct.pack(f"<{COUNT}q", *self._checksums))

    @property
    def has_changed(self) -> bool:
        """Whether the last comparison of the samples found a difference."""
        return self._seen[2] is not self._checksums

    def is_intact(self, part: range, *, is_last: bool) -> bool:
        """Tell whether a part of the file is still what it was, as far as that can be told.

        Args:
            part: what a client was promised, in bytes of the file.
            is_last: whether the client has all of the part before the next call.  Then samples that
                may have changed are compared, however recent the last comparison is.

        Raises:
            OSError: the status or the samples cannot be read.
        """
        status = os.fstat(self._fd)
        if status.st_size < part.stop:
            return False
        times, is_settled, checksums = self._seen
        if not is_settled or times != _times(status):
            now = time.monotonic()
            if is_last or now >= self._next:
                self._next = now + COMPARE_SECONDS
                self._seen = self._sample(status)
                checksums = self._seen[2]
        return checksums is self._checksums or self._fits(part, checksums)

    def _sample(self, status: os.stat_result) -> tuple[tuple[int, int], bool, tuple[int, ...]]:
        """Read the samples.

        Args:
            status: that of the file just before.
        """
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
        """Compare the samples that overlap a part; if none does, the nearest one before the part.

        The file has all of the part, so a block that is short ends behind the part.
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

"""An answer that did not go out at once: what of it is still to be sent, and sending some of it.

Called by `httpd.network.connection`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from httpd.files.fingerprint import enclose
from httpd.network import socket_ops
from httpd.protocol.response import Response

TAIL = 4096
"""Bytes at the end of a part of a file that are sent from memory, after a last look at the file."""
_NOTHING = memoryview(b"")
_NO_PART = range(0)


class FileChangedError(Exception):
    """What the head of the answer promises of the file is not in it any more."""


class StillUnsentError(BlockingIOError):
    """The kernel has still to send all that it holds before the last look makes sense."""


def send_beginning(fd: int, response: Response, budget: int) -> int:
    """Send the head of an answer that has segments, and what follows if that cannot change.

    Args:
        fd: a non-blocking socket.
        response: what is sent.
        budget: bytes of the first segment to send at the most.

    Returns:
        The bytes that were sent.

    Raises:
        OSError: of the socket.
    """
    head, first, source = response.wire, response.segments[0], response.source
    sent = socket_ops.send_first(fd, head)
    if sent == len(head) and source and source.is_snapshot and isinstance(first, range):
        try:
            sent += os.sendfile(fd, source.fd, first.start, min(budget, len(first)))
        except BlockingIOError:
            pass
    return sent


class Transfer:
    """What is left of an answer.

    Args:
        response: what is sent.
        parts: what comes before its segments.
        sent: bytes that have been sent: of these, and perhaps of its first segment.
    """

    __slots__ = (
        "_has_grown",
        "_held",
        "_part",
        "_parts",
        "_pending",
        "_promised",
        "_queues_pages",
        "_segment_size",
        "_segments",
        "_source",
        "_waiting",
        "is_blocked",
    )

    def __init__(self, response: Response, parts: Sequence[bytes], sent: int) -> None:
        left = []
        for part in parts:  # others share them, so none is copied
            if sent < len(part):
                left.append(memoryview(part)[sent:])
            sent = max(0, sent - len(part))
        self._pending = _NOTHING  # bytes in memory
        self._part = _NO_PART  # of the file
        segments = response.segments
        if sent:
            segments = (segments[0][sent:], *segments[1:])
        self._segments = iter((*left, *segments))  # that come after these
        self._waiting = sum(map(len, left)) + response.length - sent  # bytes of them, with the part
        self._source = source = response.source
        self._promised = _NO_PART  # of the file, if others may change it
        self._parts = 0  # ranges among the segments that come after these
        if response.segments and source and not source.is_snapshot:
            self._promised = enclose(response.segments)
            self._parts = sum(isinstance(segment, range) for segment in response.segments)
        self._queues_pages = False  # whether the kernel may hold pages of the file
        self._held: int | None = None  # by the kernel, if nothing was sent since the last look
        self._segment_size = 0
        self._has_grown = False  # the size of a segment, as far as it will
        self.is_blocked = False
        """Whether the socket took less than it was given, and so would take no more just now."""

    def unsent(self) -> int:
        """Return the bytes that are still to be sent."""
        return len(self._pending) + self._waiting

    def is_being_taken(self, fd: int) -> bool:
        """Tell whether the client has taken something since the last look, or may have.

        What the kernel holds may last a slow one for longer than it may take nothing.
        """
        before, self._held = self._held, socket_ops.count_unsent(fd)
        return before is None or self._held < before

    def segment_size(self, fd: int) -> int:
        """Return the bytes that a full segment carries.

        While the connection is young it grows, so the kernel is asked until that has ended.
        """
        if not self._has_grown:
            before, self._segment_size = self._segment_size, socket_ops.segment_size(fd)
            self._has_grown = self._segment_size == before
        return self._segment_size

    def send(self, fd: int, budget: int, piece: int) -> int:
        """Send something, as long as there is `unsent`, and return the number of bytes.

        Args:
            fd: a non-blocking socket.
            budget: bytes of the file to send at the most.
            piece: bytes of it to give to the kernel at a time.

        Raises:
            FileChangedError: the rest must not be sent.
            OSError: of the socket, or of reading the file.
        """
        self._held = None
        self.is_blocked = False
        while not self._pending and not self._part:
            self._take_segment()
        return self._send_pending(fd) if self._pending else self._send_file(fd, budget, piece)

    def _take_segment(self) -> None:
        segment = next(self._segments)
        if isinstance(segment, range):
            self._parts -= 1
            assert self._source is not None
            if self._source.content is None:
                self._part = segment
                return
            self._pending = memoryview(self._source.content)[segment.start : segment.stop]
        else:
            self._pending = memoryview(segment)
        self._waiting -= len(self._pending)

    def _send_pending(self, fd: int) -> int:
        sent = os.write(fd, self._pending)
        self.is_blocked = sent < len(self._pending)
        self._pending = self._pending[sent:]
        return sent

    def _send_file(self, fd: int, budget: int, piece: int) -> int:
        """Send some of the file.

        If others may change it, the last bytes wait in memory for a last check, so that a client
        never receives all of what was announced when some of it may be of a later version.
        """
        source, part = self._source, self._part
        assert source is not None
        tail_size = 0 if source.is_snapshot else TAIL
        if len(part) > tail_size:
            size = min(budget, len(part) - tail_size)
            sent = self._send_pieces(fd, source.fd, part[:size], piece)
            self.is_blocked = sent < size
            self._queues_pages = True
            self._part = part = part[sent:]
            self._waiting -= sent
            is_checked_next = len(part) <= tail_size
            if sent and (is_checked_next or source.is_intact(self._promised, is_last=False)):
                return sent
        elif self._queues_pages and socket_ops.count_unsent(fd):
            os.write(fd, b"")  # fails if they never will be sent, for they still count then
            raise StillUnsentError
        else:
            tail = os.pread(source.fd, len(part), part.start)
            is_last = self._parts == 0
            if len(tail) == len(part) and source.is_intact(self._promised, is_last=is_last):
                self._pending = memoryview(tail)
                self._part = _NO_PART
                self._waiting -= len(tail)
                return self._send_pending(fd)
        raise FileChangedError

    def _send_pieces(self, fd: int, file: int, part: range, piece: int) -> int:
        """Send a part of a file piece by piece, each of whole segments if their size is known."""
        piece -= piece % (self._segment_size or 1)
        position = part.start
        while position < part.stop:
            asked = min(piece, part.stop - position)
            try:
                sent = os.sendfile(fd, file, position, asked)
            except OSError:
                if position == part.start:
                    raise
                break  # it will be the same next time
            position += sent
            if sent < asked:
                break
        return position - part.start

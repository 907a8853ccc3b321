"""A response that did not go out at once: what of it is still to be sent, and sending some of it.

Called by `httpd.network.connection`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from httpd.files.fingerprint import enclose
from httpd.network.transport import Transport
from httpd.protocol.response import Body, Response

TAIL = 4096
"""Bytes at the end of a part of a file that are sent from memory, after a last check."""
_NOTHING = memoryview(b"")
_NO_PART = range(0)


class FileChangedError(Exception):
    """The file no longer holds what the head of the response announced."""


class StillUnsentError(BlockingIOError):
    """The kernel still holds unsent pages of the file, so the last check would come too early."""


def send_beginning(transport: Transport, head: bytes, body: Body, budget: int) -> int:
    """Send the head of a response that has segments, and the first segment if it cannot change.

    Args:
        transport: to the client.
        head: of the response.
        body: of the response.
        budget: the most bytes to send of the first segment.

    Returns:
        The bytes that were sent.

    Raises:
        OSError: of the socket.
    """
    first, source = body.segments[0], body.source
    sent = transport.send_first(head)
    if sent == len(head) and source and source.is_snapshot and isinstance(first, range):
        try:
            size = min(budget, len(first))
            sent += transport.sendfile(transport.fd, source.fd, first.start, size)
        except BlockingIOError:
            pass
    return sent


class Transfer:
    """What is left of a response.

    Args:
        response: what is sent.
        parts: the bytes that come before its segments.
        sent: bytes that have been sent: of `parts`, and perhaps of the first segment.
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
        for part in parts:  # views, as other connections send the same bytes
            if sent < len(part):
                left.append(memoryview(part)[sent:])
            sent = max(0, sent - len(part))
        self._pending = _NOTHING  # bytes in memory, which come first
        self._part = _NO_PART  # of the file, which comes next
        segments = response.body.segments
        if sent:
            segments = (segments[0][sent:], *segments[1:])
        self._segments = iter((*left, *segments))  # which come last
        self._waiting = sum(map(len, left)) + sum(map(len, segments))  # bytes of part and segments
        self._source = source = response.body.source
        self._promised = _NO_PART  # of the file, if others may write it
        self._parts = 0  # ranges among `_segments`
        if response.body.segments and source and not source.is_snapshot:
            self._promised = enclose(response.body.segments)
            self._parts = sum(isinstance(segment, range) for segment in response.body.segments)
        self._queues_pages = False  # whether the kernel may hold pages of the file
        self._held: int | None = None  # by the kernel, if nothing was sent since
        self._segment_size = 0
        self._has_grown = False  # whether the size of a segment grows no more
        self.is_blocked = False
        """Whether the socket accepted less than it was given, and would accept no more now."""

    def unsent(self) -> int:
        """Return the bytes that are still to be sent."""
        return len(self._pending) + self._waiting

    def is_being_taken(self, transport: Transport) -> bool:
        """Tell whether the client has taken something since the last call, or may have.

        A slow client may be busy with what the kernel holds for longer than it may take nothing.
        """
        before, self._held = self._held, transport.count_unsent()
        return before is None or self._held < before

    def segment_size(self, transport: Transport) -> int:
        """Return the bytes that a full segment carries.

        The size grows at the beginning of a connection, so the kernel is asked until it stops.
        """
        if not self._has_grown:
            before, self._segment_size = self._segment_size, transport.segment_size()
            self._has_grown = self._segment_size == before
        return self._segment_size

    def send(self, transport: Transport, budget: int, piece: int) -> int:
        """Send some of what is `unsent`, which must not be nothing.

        Args:
            transport: to the client.
            budget: the most bytes of the file to send.
            piece: bytes of the file to give to the kernel at a time.

        Returns:
            The bytes that were sent.

        Raises:
            FileChangedError: the rest must not be sent.
            StillUnsentError: nothing can be sent before the kernel has sent what it holds.
            OSError: of the socket, or of reading the file.
        """
        self._held = None
        self.is_blocked = False
        while not self._pending and not self._part:
            self._take_segment()
        if self._pending:
            return self._send_pending(transport)
        return self._send_file(transport, budget, piece)

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

    def _send_pending(self, transport: Transport) -> int:
        sent = transport.write(transport.fd, self._pending)
        self.is_blocked = sent < len(self._pending)
        self._pending = self._pending[sent:]
        return sent

    def _send_file(self, transport: Transport, budget: int, piece: int) -> int:
        """Send some of the file.

        If other processes may write it, its last bytes are sent only after a last check.  So a
        client never receives all that was announced when some of it may be of a later version.
        """
        source, part = self._source, self._part
        assert source is not None
        tail_size = 0 if source.is_snapshot else TAIL
        if len(part) > tail_size:
            size = min(budget, len(part) - tail_size)
            sent = self._send_pieces(transport, source.fd, part[:size], piece)
            self.is_blocked = sent < size
            self._queues_pages = True
            self._part = part = part[sent:]
            self._waiting -= sent
            is_checked_next = len(part) <= tail_size
            if sent and (is_checked_next or source.is_intact(self._promised, is_last=False)):
                return sent
        elif self._queues_pages and transport.count_unsent():
            # This fails on a broken connection, where the pages count although they never go out.
            transport.write(transport.fd, b"")
            raise StillUnsentError
        else:
            tail = os.pread(source.fd, len(part), part.start)
            is_last = self._parts == 0
            if len(tail) == len(part) and source.is_intact(self._promised, is_last=is_last):
                self._pending = memoryview(tail)
                self._part = _NO_PART
                self._waiting -= len(tail)
                return self._send_pending(transport)
        raise FileChangedError

    def _send_pieces(self, transport: Transport, file: int, part: range, piece: int) -> int:
        """Send a part of a file in pieces, which are whole segments if their size is known."""
        piece -= piece % (self._segment_size or 1)
        position = part.start
        while position < part.stop:
            asked = min(piece, part.stop - position)
            try:
                sent = transport.sendfile(transport.fd, file, position, asked)
            except OSError:
                if position == part.start:
                    raise
                break  # the next call will raise it
            position += sent
            if sent < asked:
                break
        return position - part.start

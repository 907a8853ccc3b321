"""One line per request: who asked what when, the answer, how long it took, and all bytes sent.

Each loop has an access log of its own, which collects lines and writes many at once: to a file by
one appending `write`, to anything else in pieces of whole lines that the kernel does not split.
Lines of several loops and processes therefore never mix.
"""

from __future__ import annotations

import os
import select
import stat
import time

from httpd.observe.access_formats import Format
from httpd.observe.log import MAX_LINE, Log, append_lines

FLUSH_AT = 64 * 1024
"""Bytes that are collected at the most before they are written."""
RETRY_AT = 8 * 1024
"""Bytes after which a reader that was too slow gets another chance."""
_REMEMBERED = 1024
_MAX_REMEMBERED = 1024
"""Requests that are remembered, and bytes of a head that is."""
_Key = tuple[bytes, int, int, int]
"""What they are remembered by: head, status, bytes of the body, and bytes in all."""
MAX_BACKLOG = 1024 * 1024
"""Bytes that are kept while they cannot be written; what comes on top is lost, and counted."""


class AccessLog:
    """The access log of one loop.

    Args:
        fd: where to write; it may be made to refer to another file at any time.
        log: is told when lines were lost.
        line_format: what a line looks like.
    """

    def __init__(self, fd: int, log: Log, line_format: Format) -> None:
        self._fd = fd
        self._log = log
        self._line, self._format_time, self._describe = line_format
        self._described: dict[_Key, tuple[bytes, bytes]] = {}
        self._lines: list[bytes] = []
        self._size = 0
        self._lost = 0
        self._failure = ""
        self._due = FLUSH_AT  # bytes to come before the next attempt to write
        self._time = b""
        self.tick()

    def tick(self) -> None:
        """Take note of the time of day, which lines show to the second, and write what there is."""
        self._time = self._format_time()
        self.flush()

    def add(
        self, peer: bytes, head: bytes, status: int, body: int, duration: float, sent: int
    ) -> None:
        """Add the line of one request.

        Args:
            peer: address of the client.
            head: that of the request, or what there is of one.
            status: of the answer.
            body: bytes of the body that were sent.
            duration: seconds from the request's first byte to the answer's last.
            sent: bytes that were sent in all.
        """
        key = head, status, body, sent
        parts = self._described.get(key) or self._look_at(key)
        line = self._line % (peer, self._time, parts[0], duration, parts[1])
        if self._size > MAX_BACKLOG:
            self._lost += 1
        else:
            self._lines.append(line)
            self._size += len(line)
        self._due -= len(line)
        if self._due <= 0:
            self.flush()

    def _look_at(self, key: _Key) -> tuple[bytes, bytes]:
        """Describe a request, and remember that: the same bytes come again and again."""
        parts = self._describe(*key)
        if len(key[0]) <= _MAX_REMEMBERED:
            if len(self._described) == _REMEMBERED:
                self._described.clear()
            self._described[key] = parts
        return parts

    def flush(self, patience: float = 0.0) -> None:
        """Write what was collected; what cannot be written now is kept for the next time.

        Args:
            patience: seconds to wait for a reader of the log that is slow.
        """
        self._due = FLUSH_AT
        if not self._lines:
            return
        data = b"".join(self._lines)
        try:
            written = self._write(data, patience)
        except OSError as error:
            written = 0
            self._note_failure(error)
        if written < len(data):
            self._due = RETRY_AT
        self._keep(data[written:])
        if written == len(data) and (self._failure or self._lost):
            self._note_recovery()

    def _write(self, data: bytes, patience: float) -> int:
        if stat.S_ISREG(os.fstat(self._fd).st_mode):
            return append_lines(self._fd, data)
        written = 0
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        until = time.monotonic() + patience
        while written < len(data) and poll.poll(max(0.0, until - time.monotonic()) * 1000):
            piece = data[written : written + MAX_LINE]
            if len(piece) == MAX_LINE:
                piece = piece[: piece.rindex(b"\n") + 1]
            try:
                written += os.write(self._fd, piece)
            except BlockingIOError:  # another process was faster
                if not patience:
                    break
        return written

    def _keep(self, data: bytes) -> None:
        self._lines = [data] if data else []
        self._size = len(data)

    def _note_failure(self, error: OSError) -> None:
        if not self._failure:
            self._failure = error.strerror or type(error).__name__
            self._log.error(f"cannot write the access log: {self._failure}")

    def _note_recovery(self) -> None:
        lost, self._lost = self._lost, 0
        why = self._failure or "nobody read it"
        self._log.error(f"the access log is written again; lines lost: {lost} ({why})")
        self._failure = ""

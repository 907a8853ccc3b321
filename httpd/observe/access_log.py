"""The access log: a line per request, with client, time, response, duration and bytes sent.

Each loop has an access log of its own, which collects lines and writes many at once: to a file by
one appending write(2), to a pipe or terminal in pieces of whole lines that the kernel does not
split.  Lines of several loops and processes therefore never mix.
"""

from __future__ import annotations

import os
import select
import stat
import time

from httpd.observe.access_formats import Format
from httpd.observe.log import MAX_LINE, Log, append_lines

FLUSH_AT = 64 * 1024
"""Bytes after which the collected lines are written."""
RETRY_AT = 8 * 1024
"""Bytes after which to write again, when the reader was too slow for the last lines."""
_MAX_CACHED = 1024
_MAX_HEAD = 1024
"""Requests whose parts of a line are cached, and bytes of a head at the most."""
_Key = tuple[bytes, int, int, int]
"""Cache key: head, status, bytes of the body, and bytes in all."""
MAX_BACKLOG = 1024 * 1024
"""Bytes that are kept while they cannot be written; further lines are lost, and counted."""


class AccessLog:
    """The access log of one loop.

    Args:
        fd: of the file; dup2(2) may let it refer to another file at any time.
        log: gets a message when lines were lost.
        line_format: of a line.
    """

    def __init__(self, fd: int, log: Log, line_format: Format) -> None:
        self._fd = fd
        self._log = log
        self._line, self._format_time, self._describe = line_format
        self._cache: dict[_Key, tuple[bytes, bytes]] = {}
        self._lines: list[bytes] = []
        self._size = 0
        self._lost = 0
        self._failure = ""
        self._due = FLUSH_AT  # bytes to come before the next attempt to write
        self._time = b""
        self.tick()

    def tick(self) -> None:
        """Set the time of day, which lines have to the second, and write the collected lines."""
        self._time = self._format_time()
        self.flush()

    def add(
        self, peer: bytes, head: bytes, status: int, body: int, duration: float, sent: int
    ) -> None:
        """Add the line of one request.

        Args:
            peer: address of the client.
            head: of the request; any bytes, if they could not be parsed.
            status: of the response.
            body: bytes of the body that were sent.
            duration: seconds from the first byte of the request to the last of the response.
            sent: bytes that were sent in all.
        """
        key = head, status, body, sent
        parts = self._cache.get(key) or self._describe_request(key)
        line = self._line % (peer, self._time, parts[0], duration, parts[1])
        if self._size > MAX_BACKLOG:
            self._lost += 1
        else:
            self._lines.append(line)
            self._size += len(line)
        self._due -= len(line)
        if self._due <= 0:
            self.flush()

    def _describe_request(self, key: _Key) -> tuple[bytes, bytes]:
        """Return the two parts of a line, and cache them: most requests come again."""
        parts = self._describe(*key)
        if len(key[0]) <= _MAX_HEAD:
            if len(self._cache) == _MAX_CACHED:
                self._cache.clear()
            self._cache[key] = parts
        return parts

    def flush(self, patience: float = 0.0) -> None:
        """Write the collected lines; lines that cannot be written now are kept for the next time.

        Args:
            patience: seconds to wait for a slow reader of the log.
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
            except BlockingIOError:  # another process has filled the pipe
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
        why = self._failure or "no process read it"
        self._log.error(f"the access log is written again; lines lost: {lost} ({why})")
        self._failure = ""

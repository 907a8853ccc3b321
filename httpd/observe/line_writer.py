"""Writes whole lines to a file, pipe or terminal, and keeps those that cannot be written now.

To a file, many lines are one appending write(2); a pipe or terminal gets them in pieces of whole
lines that the kernel does not split.  Lines of several loops and processes therefore never mix.
Used by `httpd.observe.access_log`.
"""

from __future__ import annotations

import os
import select
import stat
import time

from httpd.observe.log import MAX_LINE, Log, append_lines

MAX_BACKLOG = 1024 * 1024
"""Bytes that are kept while they cannot be written; further lines are lost, and counted."""


class LineWriter:
    """Where one loop writes lines to.

    Args:
        fd: of the file; dup2(2) may let it refer to another file at any time.
        log: gets a message when lines cannot be written, and when they can be again.
        name: of the file, in these messages.
    """

    def __init__(self, fd: int, log: Log, name: str = "the access log") -> None:
        self.fd = fd
        self._log = log
        self._name = name
        self._kept = b""
        self._lost = 0
        self._failure = ""

    @property
    def is_behind(self) -> bool:
        """Whether lines wait to be written."""
        return bool(self._kept)

    def write(self, lines: bytes, patience: float = 0.0) -> None:
        """Write lines; those that cannot be written now are kept for the next time.

        Args:
            lines: whole lines, to be written after those that were kept.
            patience: seconds to wait for a slow reader.
        """
        data = self._kept + lines
        if not data:
            return
        try:
            written = self._write(data, patience)
        except OSError as error:
            written = 0
            self._note_failure(error)
        self._keep(data[written:])
        if written == len(data) and (self._failure or self._lost):
            self._note_recovery()

    def _write(self, data: bytes, patience: float) -> int:
        if stat.S_ISREG(os.fstat(self.fd).st_mode):
            return append_lines(self.fd, data)
        written = 0
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        until = time.monotonic() + patience
        while written < len(data) and poll.poll(max(0.0, until - time.monotonic()) * 1000):
            piece = data[written : written + MAX_LINE]
            if len(piece) == MAX_LINE:
                piece = piece[: piece.rindex(b"\n") + 1]
            try:
                written += os.write(self.fd, piece)
            except BlockingIOError:  # another process has filled the pipe
                if not patience:
                    break
        return written

    def _keep(self, data: bytes) -> None:
        """Keep lines for the next time; the first ones, if there are too many."""
        if len(data) > MAX_BACKLOG:
            end = data.index(b"\n", MAX_BACKLOG - 1) + 1
            self._lost += data.count(b"\n", end)
            data = data[:end]
        self._kept = data

    def _note_failure(self, error: OSError) -> None:
        if not self._failure:
            self._failure = error.strerror or type(error).__name__
            self._log.error(f"cannot write {self._name}: {self._failure}")

    def _note_recovery(self) -> None:
        lost, self._lost = self._lost, 0
        why = self._failure or "no process read it"
        self._log.error(f"{self._name} is written again; lines lost: {lost} ({why})")
        self._failure = ""

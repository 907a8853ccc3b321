"""Messages for the operator: one line each, written at once.

Errors and warnings are always written, notices and debug messages only when the operator asked for
them (`verbose`).  A line is one `write` of less than PIPE_BUF bytes, so lines of several processes
never mix, be they written to a file or to a pipe.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace

MAX_LINE = 4096
"""Linux's PIPE_BUF: a write of at most this many bytes to a pipe is atomic (pipe(7))."""


@dataclass(frozen=True, slots=True)
class Log:
    """Where messages go, and in whose name.

    Args:
        role: who speaks, such as ``worker 1``.
        output: descriptor for notices and debug messages.
        errors: descriptor for errors and warnings.
        verbose: whether notices and debug messages are written.
    """

    role: str
    output: int
    errors: int
    verbose: bool

    def named(self, role: str) -> Log:
        """Return the same log for somebody else."""
        return replace(self, role=role)

    def error(self, text: str) -> None:
        """Something failed that the operator should look at."""
        self._write(self.errors, "error", text)

    def warning(self, text: str) -> None:
        """Something was not as it should be, and was dealt with."""
        self._write(self.errors, "warning", text)

    def notice(self, text: str) -> None:
        """The server starts, stops or changes."""
        if self.verbose:
            self._write(self.output, "notice", text)

    def debug(self, text: str) -> None:
        """Why a connection was closed, and the like."""
        if self.verbose:
            self._write(self.output, "debug", text)

    def _write(self, fd: int, level: str, text: str) -> None:
        now = time.time()
        zone = time.strftime("%z", time.localtime(now))
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(now))
        head = f"{stamp}.{int(now % 1 * 1000):03}{zone[:3]}:{zone[3:]} {level}"
        line = f"{head} {self.role}[{os.getpid()}]: {text}".replace("\n", " | ")
        data = line.encode("utf-8", "backslashreplace")
        try:
            os.write(fd, data[: MAX_LINE - 1] + b"\n")
        except OSError:
            pass  # A full disk or a closed terminal must not stop the server, and whom to tell?

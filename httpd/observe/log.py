"""Messages for the operator: one line each, written at once.

Errors and warnings are always written, notices and debug messages only with the setting `verbose`.
A line is one write(2) of at most PIPE_BUF bytes, so lines of several processes never mix, in a file
or in a pipe.

The journal of systemd records the time of a line itself, and takes its priority from a prefix such
as ``<3>`` (sd-daemon(3)).
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from dataclasses import dataclass, field, replace

from httpd.settings.errors import escape

MAX_LINE = 4096
"""Linux's PIPE_BUF: a write of at most this many bytes to a pipe is atomic (pipe(7))."""
_LOSING = threading.Lock()
"""Held by a loop while it counts lost messages."""
PRIORITIES = {"error": 3, "warning": 4, "notice": 5, "debug": 7}
"""The priorities of syslog(3), which the journal uses too."""


def append_lines(fd: int, lines: bytes) -> int:
    """Write whole lines; the fragment of a line that a full disk leaves is removed.

    Args:
        fd: a file opened for reading and appending, or a pipe or terminal.
        lines: whole lines, at most `MAX_LINE` bytes for a pipe.

    Returns:
        How many bytes were written, up to the end of a line.

    Raises:
        OSError: when no line could be written.
    """
    written = os.write(fd, lines)
    if written == len(lines):
        return written
    whole = lines.rfind(b"\n", 0, written) + 1
    fragment = lines[whole:written]
    try:
        # No other process can have appended since: the disk is full.
        start = os.fstat(fd).st_size - len(fragment)
        if os.pread(fd, len(fragment), start) == fragment:
            os.ftruncate(fd, start)
    except OSError:
        pass  # a pipe, or a file that may not be shortened
    if not whole:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return whole


def open_console(fd: int) -> int:
    """Return a descriptor for a terminal or pipe that never blocks, or `fd` itself for other files.

    A log without a reader must not block the server.  O_NONBLOCK belongs to the open file
    description, which other processes share, so the file is opened again.  A socket cannot be
    opened again, but the socket of the journal is used by this server alone.
    """
    mode = os.fstat(fd).st_mode
    if is_journal(fd):
        os.set_blocking(fd, False)
    if not stat.S_ISFIFO(mode) and not stat.S_ISCHR(mode):
        return fd
    try:
        return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return fd


def may_block(console: int) -> bool:
    """Tell whether a write to the descriptor that `open_console` returned may block."""
    is_file = stat.S_ISREG(os.fstat(console).st_mode)
    return not is_file and os.get_blocking(console)


def is_journal(fd: int) -> bool:
    """Tell whether a descriptor leads to the journal of systemd (systemd.exec(5), $JOURNAL_STREAM).

    The variable is inherited by programs whose output goes elsewhere, so it names device and inode.
    """
    status = os.fstat(fd)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def name_thread(role: str) -> None:
    """Name the calling thread, for ``ps -L`` and ``top -H`` (proc(5): up to 15 bytes)."""
    name = f"phttpd {role}"
    try:
        with open(f"/proc/self/task/{threading.get_native_id()}/comm", "w") as comm:
            comm.write(name if len(name) <= 15 else role)
    except OSError:
        pass  # without /proc, no tool shows the name


@dataclass(slots=True)
class Log:
    """Where messages go, and which part of the server they are from.

    Args:
        role: the part of the server, such as ``worker 1``.
        output: descriptor for notices and debug messages.
        errors: descriptor for errors and warnings.
        verbose: whether notices and debug messages are written; a reload may change that.  What is
            traced is written in any case.
        journal: those of the two descriptors that lead to the journal.
        brief: whether debug messages are left out all the same.
        lost: how many messages could not be written, by descriptor; the next message that can be
            written reports it.
    """

    role: str
    output: int
    errors: int
    verbose: bool
    journal: tuple[int, ...] = ()
    brief: bool = False
    lost: dict[int, int] = field(default_factory=dict, compare=False)

    def named(self, role: str) -> Log:
        """Return the same log for another part of the server."""
        return replace(self, role=role)

    def error(self, text: str) -> None:
        """Write that something failed which the operator should look at."""
        self._write(self.errors, "error", text)

    def warning(self, text: str) -> None:
        """Write that something was wrong, and that the server goes on."""
        self._write(self.errors, "warning", text)

    def notice(self, text: str) -> None:
        """Write that the server starts, stops or changes, if `verbose`."""
        if self.verbose:
            self._write(self.output, "notice", text)

    def trace(self, text: str) -> None:
        """Write what the operator asked to know about some clients, `verbose` or not."""
        self._write(self.output, "notice", text)

    def debug(self, text: str) -> None:
        """Write details such as why a connection was closed, if `verbose` and not `brief`."""
        if self.verbose and not self.brief:
            self._write(self.output, "debug", text)

    def _write(self, fd: int, level: str, text: str) -> None:
        head = f"<{PRIORITIES[level]}>" if fd in self.journal else f"{_stamp()} {level} "
        line = f"{head}{self.role}[{os.getpid()}]: {printable(text)}"
        try:
            if lost := self.lost.get(fd, 0):
                text = f"messages lost, since they could not be written: {lost}"
                append_lines(fd, f"{head}{self.role}[{os.getpid()}]: {text}\n".encode())
                with _LOSING:
                    self.lost[fd] -= lost
            append_lines(fd, _shorten(line.encode()) + b"\n")
        except OSError:  # a full disk or a closed terminal must not stop the server
            with _LOSING:
                self.lost[fd] = self.lost.get(fd, 0) + 1


def _stamp() -> str:
    now = time.time()
    zone = time.strftime("%z", time.localtime(now))
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(now))
    return f"{stamp}.{int(now % 1 * 1000):03}{zone[:3]}:{zone[3:]}"


def _shorten(line: bytes) -> bytes:
    """Cut the middle out of a line that is too long: the end of a traceback matters most."""
    if len(line) < MAX_LINE:
        return line
    start, end = line[: MAX_LINE // 4], line[4 + MAX_LINE // 4 - MAX_LINE :]
    return start.decode(errors="ignore").encode() + b"..." + end.decode(errors="ignore").encode()


def printable(text: str) -> str:
    """Return a text on one line and with control characters escaped, which a terminal would obey.

    Messages for the operator quote clients, files and other processes.
    """
    if text.isprintable():
        return text
    lines = text.strip("\n").replace("\n", " | ")
    return escape(lines)

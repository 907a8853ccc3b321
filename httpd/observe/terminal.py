"""The terminal of a server in the foreground: a few lines for the person who has started it.

Nothing is written if standard error is not a terminal.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Sequence

from httpd.observe.log import printable

_STDERR = 2


def is_terminal() -> bool:
    """Tell whether standard error is a terminal."""
    return os.isatty(_STDERR)


def allows_colours() -> bool:
    """Tell whether the person and the terminal want escape sequences."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def has_hung_up() -> bool:
    """Tell whether standard error is a terminal whose window was closed (tty(4))."""
    if not stat.S_ISCHR(os.fstat(_STDERR).st_mode):
        return False
    poll = select.poll()
    poll.register(_STDERR, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


def say(text: str) -> None:
    """Write a line on the terminal, if there is one, without waiting.

    The line is lost if the terminal accepts nothing (after Ctrl-S) or is closed.
    """
    if is_terminal():
        _write(f"{printable(text)}\n")


def draw(lines: Sequence[str]) -> None:
    """Write a picture on the terminal, light on dark ground, if the terminal is large enough.

    The picture consists of block characters, so that it needs UTF-8.
    """
    if not is_terminal() or sys.stderr.encoding.lower() != "utf-8":
        return
    columns, rows = os.get_terminal_size(_STDERR)
    if columns < max(map(len, lines)) or rows < len(lines):
        return
    before, after = ("\x1b[97;40m", "\x1b[m") if allows_colours() else ("", "")
    for line in lines:
        _write(f"{before}{line}{after}\n")


def _write(text: str) -> None:
    fd = _open_again()
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    try:
        if poll.poll(0) == [(fd, select.POLLOUT)]:
            os.write(fd, text.encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # the terminal is closed or full; the server does not depend on it
    finally:
        if fd != _STDERR:
            os.close(fd)


def _open_again() -> int:
    """Return a descriptor that never blocks.

    O_NONBLOCK belongs to the open file description (open(2)), which the shell shares, so the
    terminal is opened again.  After ``su``, it belongs to another user and cannot be opened; then
    only the poll in `say` prevents blocking.
    """
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        return os.open(f"/proc/self/fd/{_STDERR}", flags)
    except OSError:
        return _STDERR

"""The terminal of a server in the foreground, for the few lines that a person waits for.

Where standard error is no terminal, nothing is said.
"""

from __future__ import annotations

import os
import select
import stat

from httpd.observe.log import printable

_STDERR = 2


def is_terminal() -> bool:
    """Tell whether standard error is a terminal."""
    return os.isatty(_STDERR)


def has_hung_up() -> bool:
    """Tell whether standard error is a terminal that is gone: its window was closed (tty(4))."""
    if not stat.S_ISCHR(os.fstat(_STDERR).st_mode):
        return False
    poll = select.poll()
    poll.register(_STDERR, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


def say(text: str) -> None:
    """Write a line on the terminal, if there is one, at once or not at all: nothing waits for it.

    It is lost where the terminal takes nothing (after Ctrl-S) or is gone.
    """
    if not is_terminal():
        return
    fd = _open_again()
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    try:
        if poll.poll(0) == [(fd, select.POLLOUT)]:
            os.write(fd, f"{printable(text)}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # it has hung up, or is full: the server does not depend on it
    finally:
        if fd != _STDERR:
            os.close(fd)


def _open_again() -> int:
    """Return a descriptor that never blocks.

    O_NONBLOCK belongs to the open file, which the shell shares, so this is an open file of its own.
    The terminal of another user cannot be opened (after ``su``): there, only `say` looks first.
    """
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        return os.open(f"/proc/self/fd/{_STDERR}", flags)
    except OSError:
        return _STDERR

"""The running daemon that a command is for, and the errors where it cannot be reached.

Called by the other modules of `httpd.commands`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from httpd.process.errors import EX_NOPERM, EX_NOT_RUNNING, EX_UNAVAILABLE, StartError
from httpd.process.pidfile import find_supervisor

_MAX_PID = 64
"""Bytes of a pidfile that are read."""


def find_daemon(pidfile: str) -> int:
    """Return the pid of the daemon that holds the lock of a pidfile.

    Raises:
        StartError: when no daemon runs, or it runs in another PID namespace.
    """
    pid = find_supervisor(pidfile)
    if pid is None:
        raise StartError(EX_NOT_RUNNING, f"phttpd is not running (pidfile {pidfile})")
    if pid == 0:  # fcntl(2), F_GETLK: the holder of the lock is in another PID namespace
        raise StartError(EX_UNAVAILABLE, _describe_elsewhere(pidfile))
    return pid


def _describe_elsewhere(pidfile: str) -> str:
    """Return the error for a daemon that has no pid in this PID namespace."""
    try:
        with open(pidfile, "rb") as file:
            text = file.read(_MAX_PID).decode("ascii", "replace").strip()
    except OSError:
        text = ""
    number = f", where its pid is {text}" if text.isdecimal() else ""
    return (
        f"phttpd (pidfile {pidfile}) runs in another PID namespace{number}; "
        "give this command there: in its container, or on the host"
    )


@contextmanager
def reaching(pid: int) -> Iterator[None]:
    """Turn errors of signalling a daemon, or of reading its scoreboards, into a `StartError`."""
    try:
        yield
    except PermissionError:
        text = f"the daemon (pid {pid}) belongs to another user; try again as root"
        raise StartError(EX_NOPERM, text) from None
    except ProcessLookupError:
        raise StartError(EX_NOT_RUNNING, "phttpd has just ended") from None
    except (KeyError, TypeError, ValueError):
        text = f"the process {pid} is not a phttpd of this version"
        raise StartError(EX_UNAVAILABLE, text) from None

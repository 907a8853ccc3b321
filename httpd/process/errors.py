"""Exit statuses and the error that ends a start (sysexits(3))."""

from __future__ import annotations

import os
import sys
import traceback

from httpd.observe.log import Log, printable

EX_OK = os.EX_OK
EX_NOT_RUNNING = 3
"""No daemon to control (Linux Standard Base, “init script actions”)."""
EX_USAGE = os.EX_USAGE
EX_NOINPUT = os.EX_NOINPUT
"""The config file, or a file that it names, is missing or unreadable; a later start may work."""
EX_UNAVAILABLE = os.EX_UNAVAILABLE
"""A port or a pidfile is in use, or a required package is missing."""
EX_WORKER = os.EX_SOFTWARE
"""A worker could not boot."""
EX_OSERR = os.EX_OSERR
EX_NOPERM = os.EX_NOPERM
EX_CONFIG = os.EX_CONFIG


class StartError(Exception):
    """The server cannot start, or a command cannot be carried out.

    Args:
        status: exit status of the command.
        texts: what is wrong, and what would help.  Each is shown on one line.  A text may quote
            another process, so control characters are escaped.
    """

    def __init__(self, status: int, *texts: str) -> None:
        super().__init__(status, *texts)
        self.status = status
        self.lines = tuple(map(printable, texts))

    @property
    def text(self) -> str:
        """All lines, as `describe_failure` takes them."""
        return "\n".join(self.lines)


def describe_failure(what: str, why_not: str) -> list[str]:
    """Return the lines of the log for a reload or an upgrade that failed.

    Args:
        what: ``reload`` or ``upgrade``.
        why_not: the `text` of a `StartError`: one reason, or several on a line each.
    """
    head = f"the {what} failed, nothing has changed:"
    reasons = why_not.split("\n")
    return [f"{head} {why_not}"] if len(reasons) == 1 else [head, *(f"  {r}" for r in reasons)]


def status_of(error: OSError) -> int:
    """Return the exit status for a system call that has failed."""
    return EX_NOPERM if isinstance(error, PermissionError) else EX_OSERR


def format_failure() -> str:
    """Return the traceback of the error that is being handled.

    A traceback shows lines of source files.  It cannot be made if the interpreter was replaced
    while the server runs; then the error alone is returned.
    """
    try:
        return traceback.format_exc()
    except Exception:
        return repr(sys.exception())


def explain(error: Exception, log: Log) -> StartError:
    """Return why something could not be done; an internal error is logged with its traceback.

    To be called while the error is handled.
    """
    if isinstance(error, StartError):
        return error
    log.error(format_failure())
    return StartError(EX_WORKER, f"internal error, see the log: {error!r}")

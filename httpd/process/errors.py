"""Exit statuses and the error that ends a start (sysexits(3))."""

from __future__ import annotations

import os

from httpd.observe.log import printable

EX_OK = os.EX_OK
EX_NOT_RUNNING = 3
"""No daemon to control (Linux Standard Base, “init script actions”)."""
EX_USAGE = os.EX_USAGE
EX_UNAVAILABLE = os.EX_UNAVAILABLE
"""A port or a pidfile is taken, or a package that is needed is missing."""
EX_WORKER = os.EX_SOFTWARE
"""A worker could not boot."""
EX_OSERR = os.EX_OSERR
EX_NOPERM = os.EX_NOPERM
EX_CONFIG = os.EX_CONFIG


class StartError(Exception):
    """The server cannot start.

    Args:
        status: exit status of the command.
        text: what is wrong, and what would help; it is shown on one line, and what another process
            has said may be a part of it.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = printable(text)


def status_of(error: OSError) -> int:
    """Return the exit status for what the system refused."""
    return EX_NOPERM if isinstance(error, PermissionError) else EX_OSERR

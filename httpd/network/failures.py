"""Exceptions in a loop: each ends one connection at most, and is logged."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Callable

from httpd.network.connection import Connection
from httpd.observe.log import Log

_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC})
"""Errors of a machine that lacks something, and no mistake of phttpd.  ENOSPC of epoll_ctl(2) means
that there are too many watches."""


class Failures:
    """Handles the exceptions of one loop.

    Args:
        log: of the loop.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._complaints: set[str] = set()

    def guard(self, connection: Connection | None, act: Callable[[], None]) -> None:
        """Do something; if it fails, close the connection that it was done for."""
        try:
            act()
        except Exception:
            self.handle(connection)

    def handle(self, connection: Connection | None) -> None:
        """Log the exception that is being handled, and close the connection, if any."""
        error = sys.exception()
        if isinstance(error, OSError) and error.errno in _SHORTAGES:
            self.complain(f"connections had to be closed: {error.strerror}")
        else:
            self.log_exception()
        if connection is not None:
            connection.close("internal error")

    def log_exception(self) -> None:
        """Log the exception that is being handled, with its traceback."""
        self._log.error(f"internal error: {traceback.format_exc()}")

    def complain(self, text: str) -> None:
        """Log an error that may come with each request, once until the next tick."""
        if text not in self._complaints:
            self._complaints.add(text)
            self._log.error(text)

    def tick(self) -> None:
        """Let each complaint be logged once more."""
        self._complaints.clear()

"""What a server logs to: log files, and the console of a server in the foreground.

Called by `httpd.service`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from httpd.observe.log import Log, may_block, open_console
from httpd.observe.relay import Relay
from httpd.process.errors import EX_OSERR, StartError, status_of
from httpd.process.safe_path import open_file

_MODE = 0o640


def open_log_file(path: str) -> int:
    """Return the descriptor of a log file, which is made if it is not there.

    Raises:
        StartError: when it cannot be opened.
    """
    try:
        # O_NONBLOCK: a write to a full FIFO without a reader must not block.
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        return open_file(path, flags, _MODE)
    except OSError as error:
        raise StartError(
            status_of(error), f"cannot write the log file {path}: {error.strerror}"
        ) from None


@dataclass(slots=True, eq=False)
class LogFile:
    """An open log of requests or downloads, which plans of the same server share.

    Args:
        fd: the descriptor, which has the same number in the processes that write it.
        is_console: whether it is that of the server's console, and stays open.
        is_open: whether it is open in this process.
    """

    fd: int
    is_console: bool
    is_open: bool = field(default=True, init=False)

    def close(self) -> None:
        """Close it in this process, unless it is closed or the console."""
        if self.is_open and not self.is_console:
            self.is_open = False
            os.close(self.fd)


class Console:
    """Standard output and standard error of a server, as descriptors that never block."""

    def __init__(self) -> None:
        self._fds: dict[int, int] = {}
        self._relays: dict[tuple[int, int], Relay] = {}

    def open(self, stream: int) -> int:
        """Return the descriptor for a standard stream.

        Args:
            stream: 1 or 2.

        Raises:
            StartError: when no process can be made that writes in place of this one.
        """
        if stream not in self._fds:
            self._fds[stream] = self._open(stream)
        return self._fds[stream]

    def _open(self, stream: int) -> int:
        console = open_console(stream)
        if not may_block(console):
            return console
        status = os.fstat(console)
        key = status.st_dev, status.st_ino
        try:
            relay = self._relays[key] = self._relays.get(key) or Relay(console)
        except OSError as error:
            raise StartError(EX_OSERR, f"cannot write to the console: {error.strerror}") from None
        return relay.fd

    def close(self, log: Log) -> None:
        """End the processes that write in place of this one, when nothing is logged any more.

        Args:
            log: gets a message when something was lost.
        """
        fds = [relay.fd for relay in self._relays.values()]
        lost = sum(relay.close() for relay in self._relays.values())
        if lost and log.errors not in fds:
            log.error(f"bytes of the log that the console did not take: {lost}")

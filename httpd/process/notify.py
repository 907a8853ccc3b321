"""Messages to the service manager about the state of the server (sd_notify(3)).

Only the supervisor sends them: the units have ``NotifyAccess=main``.  A message that cannot be sent
is dropped, and the server goes on.

Called by `httpd.process.service_status`.
"""

from __future__ import annotations

import os
import re
import select
import socket
from array import array
from collections.abc import Mapping

BARRIER_SECONDS = 2.0
"""How long the service manager may take until it has read all messages."""


class Notifier:
    """Sends messages to the service manager, if there is one.

    Args:
        address: ``$NOTIFY_SOCKET``: a path, or the name of an abstract socket after an ``@``.
        watchdog: seconds after which the service manager ends a server that did not send
            ``WATCHDOG=1``; None if there is no watchdog.
        is_main: whether this is the main process of the service already, or only after
            `become_main`.
    """

    def __init__(self, address: str | None, watchdog: float | None, *, is_main: bool) -> None:
        self._address = address
        self._is_main = is_main
        self.watchdog = watchdog if address else None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, is_main: bool) -> Notifier:
        """Return the notifier that the environment of this process asks for.

        Args:
            environment: of this process.
            is_main: whether this is the main process already.

        Sources: sd_notify(3), sd_watchdog_enabled(3).
        """
        address = environment.get("NOTIFY_SOCKET", "")
        usec = environment.get("WATCHDOG_USEC", "")
        pid = environment.get("WATCHDOG_PID", str(os.getpid()))
        is_watched = re.fullmatch("[1-9][0-9]{0,17}", usec) and pid == str(os.getpid())
        return cls(
            address if address[:1] in ("/", "@") else None,
            int(usec) / 1e6 if is_watched else None,
            is_main=is_main,
        )

    def is_active(self) -> bool:
        """Tell whether messages are sent: there is a service manager, and this is its process."""
        return self._address is not None and self._is_main

    def become_main(self) -> None:
        """Send messages from now on: this is the main process of the service."""
        self._is_main = True

    def notify(self, *assignments: str) -> None:
        """Send assignments such as ``READY=1`` in one message, without waiting for the reader."""
        self._send("\n".join(assignments))

    def hand_over(self, pid: int) -> None:
        """Say that another process is the main process from now on: the last message of this one.

        Returns when the service manager has read it.  Otherwise the service manager could read a
        message of the other process first, and ignore it (sd_notify_barrier(3)).
        """
        self.notify(f"MAINPID={pid}")
        if self.is_active():
            self._wait_until_read()
        self._is_main = False

    def _wait_until_read(self) -> None:
        try:
            read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
        except OSError:
            return  # without a descriptor, a message of the other process may come first
        self._send("BARRIER=1", write_fd)
        os.close(write_fd)
        poll = select.poll()
        poll.register(read_fd, 0)  # which leaves POLLHUP: the service manager closes its copy
        poll.poll(BARRIER_SECONDS * 1000)
        os.close(read_fd)

    def _send(self, text: str, fd: int | None = None) -> None:
        if self._address is None or not self._is_main:
            return
        to = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        attached = []
        if fd is not None:
            attached.append((socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [fd])))
        try:
            # A socket for each message: there is none that a worker could inherit.
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                end.sendmsg([text.encode("utf-8", "replace")], attached, socket.MSG_DONTWAIT, to)
        except OSError:
            pass

"""A service manager for tests: reads what a server sends to $NOTIFY_SOCKET (sd_notify(3))."""

from __future__ import annotations

import os
import queue
import re
import socket
import threading
from typing import Self

from tests.support.server import DEADLINE


class Manager:
    """Listens for a `with` block.

    Args:
        address: as in the environment of the server: a path, or ``@`` and a name.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.said: list[str] = []
        """All messages that were waited for or passed over."""
        self._messages: queue.Queue[str] = queue.Queue()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._name())
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self._name())
        self._thread.join(DEADLINE)
        self._socket.close()

    def _name(self) -> str:
        return "\0" + self.address[1:] if self.address.startswith("@") else self.address

    def _read(self) -> None:
        while True:
            data, fds, _, _ = socket.recv_fds(self._socket, 65536, 8)
            for fd in fds:  # which tells who waits for it that everything before was read
                os.close(fd)
            if not data:
                return
            self._messages.put(data.decode())

    def wait_for(self, pattern: str, timeout: float = DEADLINE) -> re.Match[str]:
        """Return the match of the next message with `pattern` in it."""
        while True:
            try:
                message = self._messages.get(timeout=timeout)
            except queue.Empty:
                raise AssertionError(f"no {pattern!r} in {timeout} s: {self.said}") from None
            self.said.append(message)
            if match := re.search(pattern, message, re.MULTILINE):
                return match

    def rest(self) -> list[str]:
        """Return the messages that were not waited for."""
        found = []
        while not self._messages.empty():
            found.append(self._messages.get())
        self.said += found
        return found

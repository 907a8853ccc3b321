"""Clients of Unix sockets."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Self

from tests.process.events import until
from tests.support.raw import Client, Response, request
from tests.support.server import DEADLINE


class UnixClient(Client):
    """One connection to a Unix socket."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.address = "unix:"
        self._buffer = bytearray()


def ask_unix(path: Path, target: str = "/") -> Response:
    """Ask with a connection of its own."""
    with UnixClient(path) as client:
        client.send(request(target, "Connection: close"))
        return client.response()


class Knocking:
    """Clients each of whose requests has a connection of its own."""

    def __init__(self, path: Path, count: int) -> None:
        self.failed: list[str] = []
        self.answered = 0
        self._path = path
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(DEADLINE)

    def more(self, count: int) -> None:
        enough = self.answered + count
        until(lambda: self.answered >= enough or self.failed, f"{count} more answers")

    def _run(self) -> None:
        while not self._enough.is_set():
            try:
                assert ask_unix(self._path).status == 200
                self.answered += 1
            except (OSError, AssertionError) as error:
                self.failed.append(repr(error))
                return

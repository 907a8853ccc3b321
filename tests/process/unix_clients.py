"""Clients of Unix sockets."""

from __future__ import annotations

import socket
from pathlib import Path

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

"""Stands between a client and the server under test: notes what is asked, and can cut it off."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from tests.support.server import DEADLINE


class Tap:
    """Relays connections from a port of its own, for a `with` block.

    Args:
        port: of the server.
        room: bytes of the server's that are let through in all; then every connection ends.
        on_full: called when that happens for the first time; afterwards there is room for all.
        cuts: false to let the connections go on after `on_full`, which all of them wait for, so
            that none is done before another one has begun.
    """

    def __init__(
        self,
        port: int,
        room: float = float("inf"),
        on_full: Callable[[], None] | None = None,
        *,
        cuts: bool = True,
    ) -> None:
        self.asked: list[str] = []
        """The request heads, in the order in which they came."""
        self.answered = 0
        """Connections over which the server has sent something."""
        self._server = port
        self._room = room
        self._on_full = on_full
        self._cuts = cuts
        self._lock = threading.Lock()
        self._goes_on = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:  # to which the first adds others, until it ends
            thread.join(DEADLINE)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # when the listener is shut down
            while True:
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._relay, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._server)) as server:
            responses = threading.Thread(target=self._relay_responses, args=(server, client))
            responses.start()
            head = b""
            with suppress(OSError):
                while data := client.recv(65536):
                    *heads, head = (head + data).split(b"\r\n\r\n")
                    self.asked += [text.decode("latin-1") + "\r\n" for text in heads]
                    server.sendall(data)
            with suppress(OSError):  # also when the client has reset its connection
                server.shutdown(socket.SHUT_WR)
            responses.join(DEADLINE)

    def _relay_responses(self, server: socket.socket, client: socket.socket) -> None:
        is_first = True
        with suppress(OSError):
            while data := server.recv(65536):
                if is_first:
                    is_first = False
                    with self._lock:
                        self.answered += 1
                if not self._cuts:
                    self._pause(len(data))
                    client.sendall(data)
                    continue
                with self._lock:
                    data = data[: int(min(self._room, len(data)))]
                    self._room -= len(data)
                client.sendall(data)
                if not self._room:
                    if self._on_full:
                        self._on_full()
                        self._room = float("inf")
                    break
            client.shutdown(socket.SHUT_RDWR)
            server.shutdown(socket.SHUT_RDWR)

    def _pause(self, size: int) -> None:
        """Count so many bytes, and wait for `on_full` if they are too many."""
        with self._lock:
            had_room = self._room >= 0
            self._room -= size
            has_room = self._room >= 0
        if has_room:
            return
        if not had_room:
            self._goes_on.wait(2 * DEADLINE)
            return
        try:
            if self._on_full:
                self._on_full()
        finally:
            self._goes_on.set()

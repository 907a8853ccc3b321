"""An acceptor with a listener of its own, for the tests of acceptors."""

from __future__ import annotations

import array
import os
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from httpd.network.acceptor import Acceptor, Listeners
from httpd.network.listener import Listener
from httpd.observe.log import Log
from tests.unit.network.running import make_frontend

NOW = 1000.0


FRONTEND = make_frontend(Path("/"))


def listeners(*sockets: socket.socket, loops: int = 1) -> Listeners:
    return Listeners([Listener(socket, FRONTEND) for socket in sockets], loops)


class Bench:
    """An acceptor with a listener of its own, and what it has done."""

    def __init__(
        self,
        counts: list[int],
        me: int = 0,
        kind: type[socket.socket] = socket.socket,
        loops: int = 1,
    ) -> None:
        self.stack = ExitStack()
        self.listener = self.stack.enter_context(kind(socket.AF_INET, socket.SOCK_STREAM))
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(512)
        self.listener.setblocking(False)
        self.epoll = self.stack.enter_context(select.epoll())
        self.counts = memoryview(array.array("Q", counts))
        self.accepted: list[int] = []
        self.commands: list[Callable[[], None]] = []
        self.exhausted = 0
        self.closes_when_exhausted = False
        self.log_read, log_write = os.pipe()
        os.set_blocking(self.log_read, False)
        self.stack.callback(os.close, self.log_read)
        self.stack.callback(os.close, log_write)
        self.log = Log("loop 0.0", log_write, log_write, verbose=True)
        self.listeners = listeners(self.listener, loops=loops)
        self.acceptor = self.make_acceptor(me, self.epoll)

    def make_acceptor(self, me: int, epoll: select.epoll) -> Acceptor:
        return Acceptor(
            self.listeners,
            epoll,
            self.counts,
            me,
            {FRONTEND: self._on_accept},
            self._on_exhausted,
            self.commands.append,
            self.log,
        )

    def _on_accept(self, fd: int, address: Any) -> None:
        assert address[0] == "127.0.0.1"
        self.accepted.append(fd)

    def _on_exhausted(self, _: OSError) -> None:
        self.exhausted += 1
        if self.closes_when_exhausted:
            self.close_accepted()

    def close_accepted(self) -> None:
        for fd in self.accepted:
            try:
                os.close(fd)
            except OSError:
                pass

    def connect(self, count: int = 1) -> None:
        for _ in range(count):
            client = socket.create_connection(self.listener.getsockname(), timeout=10)
            self.stack.callback(client.close)

    def accept(self, now: float = NOW) -> None:
        self.acceptor.accept(self.listener.fileno(), now)

    def is_watching(self) -> bool:
        return bool(self.epoll.poll(0))

    def errors(self) -> list[str]:
        try:
            return os.read(self.log_read, 1 << 16).decode().splitlines()
        except BlockingIOError:
            return []


@contextmanager
def bench(
    counts: list[int],
    me: int = 0,
    kind: type[socket.socket] = socket.socket,
    loops: int = 1,
) -> Iterator[Bench]:
    made = Bench(counts, me, kind, loops)
    with made.stack:
        yield made
        if not made.closes_when_exhausted:
            made.close_accepted()

"""Clients that keep a server busy while a test does something to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Self

from tests.process.events import until
from tests.support.raw import Client, request
from tests.support.server import DEADLINE


@contextmanager
def connected(port: int, count: int, receive_buffer: int = 0) -> Iterator[list[Client]]:
    """Hold `count` connections for a `with` block."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(Client(port, receive_buffer=receive_buffer)) for _ in range(count)
        ]


class Load:
    """Clients that ask without pause, each over a connection that it renews now and then.

    Args:
        port: of the server on 127.0.0.1.
        count: of clients.
        retry: whether they ask again, as browsers do, when the server closes a connection that was
            idle just before, instead of a response (RFC 9112, section 9.3.1).
        hosts: which they ask for in turn.
        target: of the requests.
    """

    def __init__(
        self,
        port: int,
        count: int,
        *,
        retry: bool = False,
        hosts: Sequence[str] = ("localhost",),
        target: str = "/",
    ) -> None:
        self.port = port
        self.retry = retry
        self.hosts = hosts
        self.target = target
        self.failed: list[tuple[int, str]] = []
        self.answered = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Return once all clients have got their last responses."""
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE)

    def more(self, count: int) -> None:
        """Return once `count` more requests were answered."""
        enough = self.answered + count
        until(lambda: self.answered >= enough, f"{count} more answers; failed: {self.failed}")

    def _run(self) -> None:
        while not self._stop.is_set():
            with Client(self.port) as client:
                self._ask_on(client)

    def _ask_on(self, client: Client) -> None:
        number = client.socket.getsockname()[1]
        for turn in range(20):
            try:
                client.send(request(self.target, host=self.hosts[turn % len(self.hosts)]))
                response = client.response()
                assert response.status == 200, response
            except (OSError, AssertionError) as error:
                unanswered = isinstance(error, OSError) or ": 0 bytes" in str(error)
                if not (self.retry and turn and unanswered):
                    self.failed.append((number, repr(error)))
                return
            self.answered += 1
            if response.get("Connection") == "close":
                return

"""A response that is sent part by part: all of it, in order, to a client that is slow or gone."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from httpd.network.connection import Connection
from httpd.network.state import CLOSED, SUSPENDED, WAITING
from httpd.observe.scoreboard import Scoreboard
from httpd.protocol.messages import Request
from httpd.protocol.response import Part, Pause, PendingResponse
from tests.support.raw import request
from tests.unit.network.running import SETTINGS, RunningLoop, make_connection

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


class Streaming:
    """A loop, not running, whose gateway responds to everything with the same parts."""

    def __init__(self, site: Path) -> None:
        self.running = RunningLoop(site, SETTINGS, Scoreboard.create(1, 1, 1))
        self.parts: Sequence[Part | Pause] = ()
        self.is_closed = False
        (self.gateway,) = self.running.loop.gateways.values()

    def connect(self, monkeypatch: pytest.MonkeyPatch) -> tuple[Connection, socket.socket]:
        """Return a connection that has received a request, and the end of its client."""

        def respond_to(_gateway: object, _head: bytes, _request: Request) -> PendingResponse:
            return self._steps()

        monkeypatch.setattr(type(self.gateway), "respond", lambda *_: None)
        monkeypatch.setattr(type(self.gateway), "respond_to", respond_to)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connection = make_connection(self.running.loop, ours)
        theirs.sendall(request())
        connection.on_event()
        return connection, theirs

    def _steps(self) -> PendingResponse:
        try:
            yield from self.parts
            raise AssertionError("the last part has been sent")
        finally:
            self.is_closed = True


@pytest.fixture
def streaming(site: Path) -> Iterator[Streaming]:
    streaming = Streaming(site)
    yield streaming
    streaming.running.close()


def test_parts_are_sent_in_order_and_the_last_one_ends_the_connection(
    streaming: Streaming, monkeypatch: pytest.MonkeyPatch
) -> None:
    streaming.parts = [Part(HEAD), Part(b"one"), Pause.UNTIL_WOKEN, Part(b"two", is_last=True)]
    connection, client = streaming.connect(monkeypatch)
    with client:
        for _ in range(3):
            assert connection.state is WAITING
            connection.on_event()
        assert connection.state is SUSPENDED
        assert client.recv(4096) == HEAD + b"one"
        connection.wake()
        connection.on_event()
        assert connection.state is CLOSED
        assert client.recv(4096) == b"two"
        assert client.recv(4096) == b""
    assert streaming.is_closed


def test_part_that_the_socket_does_not_accept_waits_and_nothing_is_lost(
    streaming: Streaming, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = bytes(range(256)) * 4096
    streaming.parts = [Part(HEAD), Part(large), Part(b"end", is_last=True)]
    connection, client = streaming.connect(monkeypatch)
    received = b""
    with client:
        while connection.state is not CLOSED:
            connection.on_event()
            received += client.recv(1000)
        while data := client.recv(65536):
            received += data
    assert received == HEAD + large + b"end"


def test_client_that_takes_nothing_is_closed_at_the_deadline(
    streaming: Streaming, monkeypatch: pytest.MonkeyPatch
) -> None:
    streaming.parts = [Part(HEAD), Part(bytes(1 << 20))]
    connection, client = streaming.connect(monkeypatch)
    with client:
        for _ in range(3):
            connection.on_event()
        assert connection.state is WAITING
        now = streaming.running.loop.context.now
        assert connection.deadline == now + SETTINGS.send_timeout
        connection.on_deadline()
        assert connection.state is CLOSED
    assert streaming.is_closed


def test_client_that_has_gone_ends_the_response(
    streaming: Streaming, monkeypatch: pytest.MonkeyPatch
) -> None:
    streaming.parts = [Part(HEAD), Part(b"one")]
    connection, client = streaming.connect(monkeypatch)
    connection.on_event()
    client.close()
    connection.on_event()
    assert connection.state is CLOSED
    assert streaming.is_closed

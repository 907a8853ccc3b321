"""Clients that are served at accept, and gone before anything would remember them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from httpd.network.accept_handler import AcceptHandler
from httpd.network.connection import Connection
from httpd.network.room import Room
from httpd.network.settings import LoopSettings
from httpd.observe.scoreboard import Scoreboard
from tests.support.raw import Client, Response, request
from tests.unit.network.running import SETTINGS, RunningLoop
from tests.unit.site.directories import settle, write

BODY = b"x" * 4096
CLOSING = request("/small.txt", "Connection: close")


class Door:
    """A silent loop that accepts when the test says so."""

    def __init__(self, site: Path, settings: LoopSettings = SETTINGS) -> None:
        self.site = site
        write(site / "small.txt", BODY)
        self.running = RunningLoop(site, settings, Scoreboard.create(1, 1, 1), verbose=False)
        self.loop = self.running.loop
        self.loop._tick()
        for _ in range(3):  # then the response is known
            assert self.ask().body == BODY

    def accept(self) -> None:
        self.loop._acceptor.accept(self.running.listener.fileno(), self.loop.context.now)

    def handler(self) -> AcceptHandler:
        ((_, on_accept),) = self.loop._acceptor._accepts.values()
        handler: AcceptHandler = on_accept.__self__  # type: ignore[attr-defined]
        return handler

    def ask(self) -> Response:
        with self.running.connect() as client:
            client.send(CLOSING)
            self.accept()
            response = client.response()
            assert client.rest() == b""
            return response


@pytest.fixture
def door(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    settle(monkeypatch)
    made = Door(site)
    yield made
    made.running.close()


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """Those that the loop has made since."""
    made: list[Connection] = []

    class Noted(Connection):
        __slots__ = ()

        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr("httpd.network.accept_handler.Connection", Noted)
    return made


def test_accept_of_a_request_for_a_small_cached_response_needs_no_connection(
    door: Door, connections: list[Connection]
) -> None:
    before = door.running.tally.requests, door.running.tally.sent
    response = door.ask()
    assert (response.status, response["Connection"], response.body) == (200, "close", BODY)
    assert connections == []
    assert door.running.tally.requests == before[0] + 1
    assert door.running.tally.sent - before[1] == before[1] // before[0]


@pytest.mark.parametrize(
    "data",
    [
        request("/small.txt"),
        request("/medium.bin", "Connection: close"),
        request("/huge.bin", "Connection: close"),
        CLOSING + CLOSING,
        CLOSING[:-1],
        b"",
    ],
    ids=["keep-alive", "medium", "huge", "pipelined", "half", "silent"],
)
def test_accept_of_anything_else_makes_a_connection(
    door: Door, connections: list[Connection], data: bytes
) -> None:
    for _ in range(3):
        with door.running.connect() as client:
            client.send(data)
            door.accept()
    assert len(connections) == 3
    assert door.ask().body == BODY


def test_accept_of_a_client_that_may_send_more_does_not_reset_it(site: Path) -> None:
    """All that was asked for was received; closing would reset what the rest comes by."""
    door = Door(site, replace(SETTINGS, recv=len(CLOSING)))
    with door.running.connect() as client:
        client.send(CLOSING + b"more than was asked for")
        door.accept()
        assert client.response().body == BODY
        client.send(b"and more")
        assert client.rest() == b""
    door.running.close()


def test_accept_with_a_full_socket_sends_the_rest_later(door: Door) -> None:
    door.running.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    before = door.running.tally.sent
    with Client(door.running.port, receive_buffer=1) as client:
        client.send(CLOSING)
        door.accept()
        assert 0 < door.running.tally.sent - before < len(BODY)
        door.running.start()
        assert client.response().body == BODY
        assert client.rest() == b""


def test_accept_of_a_client_that_is_gone_does_no_harm(
    door: Door, connections: list[Connection]
) -> None:
    client = door.running.connect()
    client.send(CLOSING)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    door.accept()
    assert len(connections) == 1
    assert door.ask().body == BODY


@pytest.mark.parametrize(
    ("target", "may_wait"),
    [
        ("/small.txt", False),
        ("/small.txt?new", False),
        ("/a.txt", True),
        ("/nothing", True),
        ("/huge.bin", True),
        ("/listed/", True),
    ],
)
def test_accept_wakes_resting_loops_before_a_disk_may_block(
    door: Door, monkeypatch: pytest.MonkeyPatch, target: str, may_wait: bool
) -> None:
    write(door.site / "listed" / "a")
    roused = []
    monkeypatch.setattr(door.loop._listeners, "wake_resting_loops", lambda: roused.append(True))
    with door.running.connect() as client:
        client.send(request(target, "Connection: close"))
        door.accept()
        assert bool(roused) is may_wait


def test_accept_with_a_close_takes_no_place_among_the_connections(site: Path) -> None:
    door = Door(site, replace(SETTINGS, max_connections=1))
    with door.running.connect() as busy:
        busy.send(b"GET /")
        door.accept()
        assert door.ask().status == 200
    door.running.close()


@pytest.mark.parametrize("recv", [1, 4, 65536])
@pytest.mark.parametrize("verbose", [False, True])
def test_accept_of_a_head_request_beyond_the_limit_sends_no_body(
    door: Door, recv: int, *, verbose: bool
) -> None:
    """RFC 9110 §9.3.2: however little is read of it, and whether or not a verbose loop reads it."""
    Room.__init__(door.loop.context.room, door.running.board, 1)
    handler = door.handler()
    handler._reads_at_once = not verbose
    with door.running.connect() as busy:
        busy.send(b"GET /")
        door.accept()
        door.loop.context.recv = handler._recv = recv
        with door.running.connect() as newcomer:
            newcomer.send(request("/small.txt", method="HEAD"))
            door.accept()
            response = newcomer.response("HEAD")
            assert response.status == 503
            assert int(response["Content-Length"]) > 0
            assert newcomer.rest() == b""

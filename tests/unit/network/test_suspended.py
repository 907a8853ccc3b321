"""A response that waits for something else than its client neither spins nor holds anything up."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from httpd.network.connection import Connection
from httpd.network.loop import Loop
from httpd.network.state import CLOSED, IDLE, SUSPENDED, WAITING
from httpd.observe.scoreboard import Scoreboard
from httpd.site.changes import Changes
from httpd.site.live_reload import LISTENERS
from tests.support.raw import request
from tests.unit.network.running import SETTINGS, RunningLoop, make_connection

EVENTS = "/.phttpd/reload"
NOTHING = b"\r\n\r\nretry: 100\n\n"


class Watched:
    """A loop whose turns the test takes, of a site whose changes are watched."""

    def __init__(self, site: Path) -> None:
        self.changes = Changes()
        board = Scoreboard.create(1, 1, 1)
        self.running = RunningLoop(site, SETTINGS, board, changes=self.changes)
        self.loop: Loop = self.running.loop
        self.ends: list[socket.socket] = []

    def listen(self, *more: bytes, query: str = "") -> tuple[socket.socket, Connection]:
        """Connect a client that asks for the next change; return its end, and the connection."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        self.ends.append(theirs)
        connection = make_connection(self.loop, ours)
        theirs.sendall(request(EVENTS + query))
        connection.on_event()
        for data in more:
            theirs.sendall(data)
        self.turn()
        return theirs, connection

    def turn(self) -> int:
        """Handle the events of connections that are there now; return how many."""
        events = [fd for fd, _ in self.loop._epoll.poll(0)]
        found = [self.loop._connections.by_fd[fd] for fd in events if fd in self.known]
        for connection in found:
            connection.on_event()
        self.loop.queue.send()
        return len(found)

    @property
    def known(self) -> set[int]:
        return set(self.loop._connections.by_fd)


@pytest.fixture
def watched(site: Path) -> Iterator[Watched]:
    watched = Watched(site)
    yield watched
    for end in watched.ends:
        end.close()
    watched.running.start()
    watched.running.close()


def test_suspended_response_has_no_events(watched: Watched) -> None:
    """Not even when the client sends its next request."""
    _, connection = watched.listen(request("/index.html"))
    assert connection.state is SUSPENDED
    assert watched.turn() == 0
    watched.changes.note()
    assert watched.turn() == 0


def test_woken_response_is_sent_and_then_what_was_pipelined(watched: Watched) -> None:
    end, connection = watched.listen(request("/.phttpd/reload.js"))
    watched.changes.note()
    watched.loop._wake()
    assert connection.state is WAITING
    while watched.turn():
        pass
    assert connection.state is IDLE
    received = end.recv(65536)
    first, second = received.split(b"HTTP/1.1 ")[1:]
    assert first.endswith(
        b"\r\n\r\nevent: reload\ndata: %d\nretry: 100\n\n" % watched.changes.version
    )
    assert b"text/event-stream" in first
    assert second.startswith(b"200 OK\r\n")


def test_waking_nobody_in_particular_changes_nothing(watched: Watched) -> None:
    _, connection = watched.listen()
    ours, theirs = socket.socketpair()
    watched.ends.append(theirs)
    idle = make_connection(watched.loop, ours)
    idle.wake()
    assert idle.state is IDLE
    idle.close("test")
    assert connection.state is SUSPENDED


def test_client_that_leaves_is_noticed(watched: Watched) -> None:
    end, connection = watched.listen()
    end.close()
    assert watched.turn() == 1
    assert connection.state is CLOSED


def test_wait_has_an_end(watched: Watched) -> None:
    end, connection = watched.listen()
    connection.on_deadline()
    while watched.turn():
        pass
    assert connection.state is IDLE
    assert end.recv(65536).endswith(NOTHING)


def test_version_that_is_old_is_told_at_once(watched: Watched) -> None:
    end, connection = watched.listen(query="?1")
    assert connection.state is IDLE
    assert b"event: reload\ndata: %d\n" % watched.changes.version in end.recv(65536)
    end, connection = watched.listen(query=f"?{watched.changes.version}")
    assert connection.state is SUSPENDED


def test_drain_does_not_wait_for_a_change(watched: Watched) -> None:
    end, connection = watched.listen()
    connection.on_drain(time.monotonic())
    while watched.turn():
        pass
    assert end.recv(65536).endswith(NOTHING)


def test_responses_that_wait_are_bounded(watched: Watched) -> None:
    clients = [watched.listen() for _ in range(LISTENERS)]
    assert {connection.state for _, connection in clients} == {SUSPENDED}
    end, _ = watched.listen()
    assert end.recv(65536).startswith(b"HTTP/1.1 503 ")
    clients[0][0].close()
    watched.turn()
    assert watched.listen()[1].state is SUSPENDED


def test_suspended_response_waits_for_the_client_to_close() -> None:
    assert SUSPENDED.interest == select.EPOLLRDHUP

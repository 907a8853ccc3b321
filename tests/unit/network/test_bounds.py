"""What a turn does for one connection is bounded; the rest waits for the next turn."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from httpd.network import loop as loop_module
from httpd.network.connection import PIPELINED
from httpd.network.context import PATIENCE
from httpd.network.loop import Loop
from httpd.network.state import CLOSED, IDLE, WAITING
from httpd.observe.scoreboard import Scoreboard
from httpd.protocol.body import CHUNKS
from tests.support.raw import request
from tests.unit.network.running import SETTINGS, RunningLoop
from tests.unit.network.test_turns import Peer
from tests.unit.site.directories import settle, write

STATUS = b"HTTP/1.1 "
POST = request("/a.txt", "Transfer-Encoding: chunked", method="POST")
CHUNK = b"a\r\nten bytes.\r\n"


@pytest.fixture
def loop(site: Path, clock: pytest.MonkeyPatch) -> Iterator[Loop]:
    """A loop whose turns the test takes, and whose clock stands still."""
    running = RunningLoop(site, SETTINGS, Scoreboard.create(1, 1, 1))
    clock.setattr(time, "monotonic", lambda: running.loop.context.now)
    yield running.loop
    clock.undo()
    running.start()
    running.close()


@pytest.fixture
def peer(loop: Loop) -> Iterator[Peer]:
    with ExitStack() as stack:
        yield Peer(loop, stack)


def turns_until_idle(peer: Peer) -> list[int]:
    """Take turns, and return how many responses the client has received in each of them."""
    received: list[int] = []
    while not received or peer.connection.state is not IDLE:
        peer.connection.on_event()
        peer.loop.queue.send()
        received.append(peer.received().count(STATUS))
        assert len(received) < 100
    return received


def test_body_of_many_chunks_takes_many_turns(peer: Peer) -> None:
    peer.theirs.sendall(POST + CHUNK * (3 * CHUNKS) + b"0\r\n\r\n" + request("/a.txt"))
    assert turns_until_idle(peer) == [0, 0, 0, 2]


def test_body_chunks_that_arrive_in_between_are_skipped_as_well(peer: Peer) -> None:
    peer.theirs.sendall(POST + CHUNK * (CHUNKS + 1))
    peer.connection.on_event()
    assert peer.connection.state is WAITING
    peer.theirs.sendall(CHUNK + b"0\r\n\r\n")
    assert turns_until_idle(peer) == [0, 1]


def test_body_that_waits_for_its_turn_has_the_same_deadline(loop: Loop, peer: Peer) -> None:
    peer.theirs.sendall(POST + CHUNK * (CHUNKS + 1))
    peer.connection.on_event()
    assert peer.connection.deadline == loop.context.now + SETTINGS.header_timeout
    peer.connection.on_deadline()
    assert peer.received().startswith(b"HTTP/1.1 408 ")


def test_body_of_chunks_with_hardly_any_data_is_refused(peer: Peer) -> None:
    peer.theirs.sendall(POST + b"1\r\nx\r\n" * 6000)
    for _ in range(6000 // CHUNKS + 1):
        peer.connection.on_event()
    assert peer.received().startswith(b"HTTP/1.1 400 ")


def test_pipelined_requests_take_more_turns_if_they_are_not_cached(
    peer: Peer, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    for number in range(PIPELINED):
        write(site / f"{number}.txt")
    peer.theirs.sendall(b"".join(request(f"/{number}.txt") for number in range(PIPELINED)))
    assert turns_until_idle(peer) == [8, 8, 8, 8, 0]
    peer.theirs.sendall(request("/0.txt") * PIPELINED)
    turns_until_idle(peer)
    peer.theirs.sendall(request("/0.txt") * PIPELINED)
    assert turns_until_idle(peer) == [PIPELINED]


def test_pipelined_requests_get_one_response_in_a_late_turn(
    loop: Loop, peer: Peer, clock: pytest.MonkeyPatch
) -> None:
    clock.setattr(time, "monotonic", lambda: loop.context.now + 2 * PATIENCE)
    peer.theirs.sendall(b"".join(request(f"/{number}.missing") for number in range(4)))
    assert turns_until_idle(peer) == [1, 1, 1, 1]


def test_connection_holds_one_response_while_its_client_does_not_read(
    peer: Peer, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    write(site / "page.txt", "x" * 4000)
    for _ in range(3):
        peer.theirs.sendall(request("/page.txt"))
        turns_until_idle(peer)
    ours = socket.socket(fileno=peer.connection.fd)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    ours.detach()
    peer.theirs.sendall(request("/page.txt") * PIPELINED)
    peer.connection.on_event()
    received = 0
    while peer.connection.state is not IDLE:
        assert peer.connection.unsent() < 5000
        received += peer.received().count(STATUS)
        peer.connection.on_event()
    assert received + peer.received().count(STATUS) == PIPELINED


def test_deadlines_that_pass_together_take_several_turns(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "DUE", 3)
    with ExitStack() as stack:
        peers = [Peer(loop, stack) for _ in range(7)]
        for peer in peers:
            peer.connection.on_event()  # nothing is here yet, so the loop watches it
        loop.context.now += SETTINGS.header_timeout
        loop._tick()
        assert sum(peer.connection.state is CLOSED for peer in peers) == 3
        loop._on_other_event(loop._commands.fd)
        assert sum(peer.connection.state is CLOSED for peer in peers) == 6
        loop._on_other_event(loop._commands.fd)
        assert sum(peer.connection.state is CLOSED for peer in peers) == 7

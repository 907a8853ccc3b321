"""A turn receives first and sends then: a client that sleeps need not be woken by each response."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from httpd.network.context import PATIENCE
from httpd.network.loop import Loop
from httpd.observe.scoreboard import Column, Scoreboard
from httpd.protocol.response import Response
from tests.support.raw import request
from tests.unit.network.running import SETTINGS, RunningLoop, make_connection
from tests.unit.site.directories import write

OK = b"HTTP/1.1 200 "


@pytest.fixture
def loop(site: Path) -> Iterator[Loop]:
    """A loop whose turns the test takes."""
    running = RunningLoop(site, SETTINGS, Scoreboard.create(1, 1, 1))
    yield running.loop
    running.start()
    running.close()


class Peer:
    """Both ends of a connection to a loop, the far one non-blocking."""

    def __init__(self, loop: Loop, stack: ExitStack) -> None:
        self.loop = loop
        ours, self.theirs = socket.socketpair()
        stack.enter_context(self.theirs)
        ours.setblocking(False)
        self.theirs.setblocking(False)
        self.connection = make_connection(loop, ours)

    def ask(self, target: str) -> None:
        self.theirs.sendall(request(target))
        self.connection.on_event()

    def received(self) -> bytes:
        try:
            return self.theirs.recv(65536)
        except BlockingIOError:
            return b""


@pytest.fixture
def peers(loop: Loop, clock: pytest.MonkeyPatch) -> Iterator[tuple[Peer, Peer]]:
    """Two that are connected to a loop whose turn takes no time, however busy the machine is."""
    with ExitStack() as stack:
        clock.setattr(time, "monotonic", lambda: loop.context.now)
        first, second = Peer(loop, stack), Peer(loop, stack)
        first.ask("/index.html")  # from which the loop knows the header section
        loop.queue.send()
        assert first.received().startswith(OK)
        yield first, second


def test_queued_responses_go_out_at_the_end_of_a_turn(loop: Loop, peers: tuple[Peer, Peer]) -> None:
    for _ in range(3):  # unknown, known by its file, in the response cache
        for peer in peers:
            peer.ask("/a.txt")
        assert [peer.received() for peer in peers] == [b"", b""]
        loop.queue.send()
        assert all(peer.received().startswith(OK) for peer in peers)
    loop.queue.send()
    assert [peer.received() for peer in peers] == [b"", b""], "each response is sent once"


def test_queued_responses_go_out_before_a_slice_of_a_download(
    loop: Loop, peers: tuple[Peer, Peer]
) -> None:
    downloading, other = peers
    downloading.ask("/huge.bin")
    loop.queue.send()
    assert downloading.received().startswith(OK)
    other.ask("/a.txt")
    downloading.connection.on_event()
    assert other.received().startswith(OK)


def test_queued_responses_go_out_before_a_step_of_a_listing(
    loop: Loop, peers: tuple[Peer, Peer], site: Path
) -> None:
    (site / "folder").mkdir()
    listing, other = peers
    listing.ask("/folder/")
    other.ask("/a.txt")
    listing.connection.on_event()
    assert other.received().startswith(OK)


def test_queued_responses_go_out_before_a_miss_in_a_late_turn(
    loop: Loop, peers: tuple[Peer, Peer], site: Path, clock: pytest.MonkeyPatch
) -> None:
    first, second = peers
    for elapsed, is_sent in (0.0, False), (PATIENCE, True):
        later = loop.context.now + elapsed + 0.0001
        clock.setattr(time, "monotonic", lambda later=later: later)
        first.ask("/a.txt")
        write(site / f"{elapsed}.txt")
        second.ask(f"/{elapsed}.txt")
        assert first.received().startswith(OK) is is_sent
        assert second.received() == b""
        loop.queue.send()
        assert first.received().startswith(OK) is not is_sent
        assert second.received().startswith(OK)


def test_connection_with_a_queued_response_is_not_idle(
    loop: Loop, peers: tuple[Peer, Peer]
) -> None:
    """Descriptors run out while the second request is served."""
    waiting, other = peers
    other.ask("/a.txt")
    loop.queue.send()
    waiting.ask("/a.txt")
    loop._free_descriptors()
    loop.queue.send()
    assert waiting.received().startswith(OK)


def test_queued_response_that_fails_does_not_stop_the_others(
    loop: Loop, peers: tuple[Peer, Peer]
) -> None:
    for peer in peers:
        peer.ask("/a.txt")
    first, last = peers
    loop.context.queued[0] = (first.connection, cast(Response, None))
    loop.queue.send()
    assert first.received() == b""
    assert last.received().startswith(OK)


def test_connection_served_at_accept_counts_before_the_next_one(site: Path) -> None:
    """Else a burst would get over the limit of connections, and over the share of the loop."""
    board = Scoreboard.create(1, 1, 1)
    running = RunningLoop(site, replace(SETTINGS, max_connections=2), board)
    with ExitStack() as stack:
        stack.callback(running.close)
        stack.callback(running.start)
        clients = [stack.enter_context(running.connect()) for _ in range(5)]
        for client in clients:
            client.send(request("/a.txt"))
        for _ in clients:
            running.loop._on_other_event(running.listener.fileno())
            running.loop._acceptor.watch_again(float("inf"))
        assert sum(board.column(Column.CONNECTIONS)) == 2
        assert [client.response().status for client in clients] == [200] * 5


def test_connection_accepted_within_a_turn_gets_the_newest_version_of_a_site(
    tmp_path: Path,
) -> None:
    link = tmp_path / "link"
    board = Scoreboard.create(1, 1, 1)
    for version in "1", "2":
        write(tmp_path / version / f"{version}.txt")
    link.symlink_to("1")
    running = RunningLoop(link, SETTINGS, board)
    with ExitStack() as stack:
        stack.callback(running.close)
        stack.callback(running.start)
        for version in "1", "2":
            link.unlink()
            link.symlink_to(version)
            client = stack.enter_context(running.connect())
            client.send(request(f"/{version}.txt"))
            running.loop._on_other_event(running.listener.fileno())
            assert client.response().status == 200
        link.unlink()
        link.symlink_to("1")
        client.send(request("/1.txt"))
        running.loop._begin_drain(lambda: None, 3600)
        assert client.response().status == 200

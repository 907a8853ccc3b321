"""A turn receives first and sends then: a client that sleeps need not be woken by each answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from httpd.network.connection import Connection
from httpd.network.loop import Loop
from httpd.observe.scoreboard import Scoreboard
from httpd.site.answer import Answer
from tests.support.raw import request
from tests.unit.network.running import SETTINGS, RunningLoop

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
        ours, self.theirs = socket.socketpair()
        stack.enter_context(self.theirs)
        ours.setblocking(False)
        self.theirs.setblocking(False)
        self.connection = Connection(loop, ours.detach(), ("127.0.0.1", 1))

    def ask(self, target: str) -> None:
        self.theirs.sendall(request(target))
        self.connection.on_event()

    def received(self) -> bytes:
        try:
            return self.theirs.recv(65536)
        except BlockingIOError:
            return b""


@pytest.fixture
def peers(loop: Loop) -> Iterator[tuple[Peer, Peer]]:
    with ExitStack() as stack:
        first, second = Peer(loop, stack), Peer(loop, stack)
        first.ask("/index.html")  # from which the loop knows the header section
        assert first.received().startswith(OK)
        yield first, second


def test_answers_go_out_at_the_end_of_a_turn(loop: Loop, peers: tuple[Peer, Peer]) -> None:
    for _ in range(3):  # unknown, known by its file, known to the memo
        for peer in peers:
            peer.ask("/a.txt")
        assert [peer.received() for peer in peers] == [b"", b""]
        loop.send_answers()
        assert all(peer.received().startswith(OK) for peer in peers)
    loop.send_answers()
    assert [peer.received() for peer in peers] == [b"", b""], "each answer is sent once"


def test_no_answer_waits_for_a_slice_of_a_download(loop: Loop, peers: tuple[Peer, Peer]) -> None:
    downloading, other = peers
    downloading.ask("/huge.bin")
    loop.send_answers()
    assert downloading.received().startswith(OK)
    other.ask("/a.txt")
    downloading.connection.on_event()
    assert other.received().startswith(OK)


def test_no_answer_waits_for_a_step_of_a_listing(
    loop: Loop, peers: tuple[Peer, Peer], site: Path
) -> None:
    (site / "folder").mkdir()
    listing, other = peers
    listing.ask("/folder/")
    other.ask("/a.txt")
    listing.connection.on_event()
    assert other.received().startswith(OK)


def test_who_waits_for_an_answer_is_not_idle(loop: Loop, peers: tuple[Peer, Peer]) -> None:
    """Descriptors run out while the second request is served."""
    waiting, other = peers
    other.ask("/a.txt")
    loop.send_answers()
    waiting.ask("/a.txt")
    loop._make_room()
    loop.send_answers()
    assert waiting.received().startswith(OK)


def test_who_cannot_be_answered_keeps_nobody_from_his_answer(
    loop: Loop, peers: tuple[Peer, Peer]
) -> None:
    for peer in peers:
        peer.ask("/a.txt")
    first, last = peers
    loop.answered[0] = (first.connection, cast(Answer, None))
    loop.send_answers()
    assert first.received() == b""
    assert last.received().startswith(OK)

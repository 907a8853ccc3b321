"""The loops of a worker share one interpreter: a busy one gives way to the others."""

from __future__ import annotations

import os
import select
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from httpd.observe.scoreboard import Scoreboard
from tests.support.raw import request
from tests.support.server import DEADLINE
from tests.unit.network.running import SETTINGS, RunningLoop

TURN = 16


class Watched:
    """An epoll that notes how many events each turn gets; -1 stands for giving way.

    No turn begins while `gate` is closed.
    """

    def __init__(self, epoll: select.epoll) -> None:
        self.seen: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self._epoll = epoll
        self.register, self.modify = epoll.register, epoll.modify

    def poll(self, timeout: float | None, most: int) -> list[tuple[int, int]]:
        self.gate.wait(DEADLINE)
        events = self._epoll.poll(timeout, most)
        self.seen.append(len(events))
        return events

    def note_yield(self) -> None:
        self.seen.append(-1)


def test_loop_yields_after_every_turn(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = RunningLoop(site, SETTINGS, Scoreboard.create(1, 1, 1))
    watched = Watched(running.loop._epoll)
    monkeypatch.setattr(running.loop, "_epoll", watched)
    monkeypatch.setattr(os, "sched_yield", watched.note_yield)
    running.start()
    with ExitStack() as stack:
        stack.callback(running.close)
        clients = [stack.enter_context(running.connect()) for _ in range(2 * TURN)]
        for client in clients:
            assert client.ask("/a.txt").status == 200
        watched.gate.clear()
        for client in clients:
            client.send(request("/a.txt"))
        watched.gate.set()
        for client in clients:
            assert client.response().status == 200
    turns = [n for n in watched.seen if n >= 0]
    followed = zip(watched.seen, [*watched.seen[1:], -1], strict=True)  # the last one may go on
    assert max(turns) == TURN
    assert 1 in turns
    assert all(after == -1 for n, after in followed if n >= 0)

"""The bytecodes of a hit and of a cold request are counted, so that the short ways stay short.

The number is an upper bound: who makes it smaller lowers it here.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from httpd.files.precompressed import PATIENCE
from httpd.network.connection import Connection
from httpd.observe.scoreboard import Scoreboard
from tests.support.raw import request
from tests.unit.network.running import SETTINGS, RunningLoop
from tests.unit.site.directories import settle, write

HIT = 178
CLOSE = 159
"""From one accept to the next, with the close."""
COLD = 1894
"""A small file that is asked for the first time, while rules are there for other files."""
TURN = 16
"""Hits that share what a turn costs."""

ONE_PYTHON = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="each Python has its own bytecodes"
)


def count_bytecodes(act: Callable[[], None]) -> int:
    """Return how many bytecodes run in Python functions while something is done."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


@ONE_PYTHON
def test_a_hit_runs_no_more_bytecodes(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)
    running = RunningLoop(site, SETTINGS, Scoreboard.create(1, 1, 1))
    loop = running.loop
    loop.access_log = None
    clients = []
    connections = []
    for _ in range(TURN):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        connections.append(Connection(loop, ours.detach(), ("127.0.0.1", 1)))
        clients.append(theirs)

    def turn() -> None:
        for connection in connections:
            connection.on_event()
        loop.send_responses()

    def ask() -> float:
        for client in clients:
            client.sendall(request("/a.txt"))
        count = count_bytecodes(turn)
        for client in clients:
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        return count / TURN

    loop._tick()
    miss = ask()
    loop.now += 1
    loop._tick()
    ask()  # the first one of a second, for which the answer is renewed
    hits = [ask(), ask()]
    for client in clients:
        client.close()
    running.close()
    assert len(set(hits)) == 1
    assert miss > hits[0]
    assert hits[0] <= HIT


@ONE_PYTHON
def test_a_cold_request_runs_no_more_bytecodes(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)
    count = PATIENCE + 4
    for number in range(count):
        write(site / f"{number}.txt", "cold")
    running = RunningLoop(site, SETTINGS, Scoreboard.create(1, 1, 1))
    loop = running.loop
    loop.access_log = None
    ours, client = socket.socketpair()
    ours.setblocking(False)
    connection = Connection(loop, ours.detach(), ("127.0.0.1", 1))
    loop._tick()

    def ask(number: int) -> int:
        client.sendall(request(f"/{number}.txt"))

        def turn() -> None:
            connection.on_event()
            loop.send_responses()

        counted = count_bytecodes(turn)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        return counted

    cold = [ask(number) for number in range(count)]
    client.close()
    running.close()
    assert cold[-1] == cold[-2] <= COLD


@ONE_PYTHON
def test_a_close_runs_no_more_bytecodes(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)
    running = RunningLoop(site, SETTINGS, Scoreboard.create(1, 1, 1), verbose=False)
    loop = running.loop
    loop._tick()

    def ask() -> float:
        clients = [running.connect() for _ in range(TURN)]
        for client in clients:
            client.send(request("/a.txt", "Connection: close"))
        count = count_bytecodes(lambda: loop._on_other_event(running.listener.fileno()))
        for client in clients:
            assert client.response().status == 200
            client.close()
        return count / TURN

    ask()
    first, second = ask(), ask()
    running.close()
    assert first == second <= CLOSE

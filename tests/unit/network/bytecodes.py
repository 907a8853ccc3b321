"""Counts the bytecodes that a hit, a close and a cold request run in this Python, and the calls.

`python -m tests.unit.network.bytecodes` prints the counts as JSON.  It needs nothing but the
standard library, so that every Python that is installed can run it.  It has a process of its own,
so that no other tracer (coverage, a debugger) is in the way.
"""

from __future__ import annotations

import gc
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

from httpd.files.precompressed import PATIENCE
from httpd.gateway.gateway import Gateway
from httpd.network.connection import Connection
from httpd.observe.scoreboard import Scoreboard
from httpd.site.rules import Rule
from tests.support.raw import request
from tests.unit.network.running import RULES, SETTINGS, RunningLoop, make_connection
from tests.unit.site.directories import write

TURN = 16
"""Requests that share what an iteration of the loop costs."""

COLD_RULES = (*RULES, Rule(("*.txt",), fields=(("Cache-Control", "no-cache"),)))
REPEATED = 3
"""Measurements of each kind, which must be equal; one before them is not used.

Python 3.12 counts nothing in a function that is traced for the first time.
"""


def count_bytecodes(act: Callable[[], None]) -> int:
    """Return how many bytecodes run in Python functions while something is done."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    sys.settrace(trace)
    gc.disable()  # or what is collected, which is not of the request, would count as well
    try:
        act()
    finally:
        sys.settrace(None)
        gc.enable()
    return count


def count_frames(act: Callable[[], None]) -> int:
    """Return how many Python functions are called while something is done."""
    count = 0

    def trace(_: FrameType, event: str, __: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(None)
    return count


@contextmanager
def new_loop(
    site: Path, *, verbose: bool = True, rules: tuple[Rule, ...] = ()
) -> Iterator[RunningLoop]:
    """A loop without an access log, which the caller runs step by step."""
    board = Scoreboard.create(1, 1, 1)
    running = RunningLoop(site, SETTINGS, board, verbose=verbose, rules=rules)
    running.loop.context.access_log = None
    running.loop._tick()
    try:
        yield running
    finally:
        running.close()


def connect(running: RunningLoop) -> tuple[Connection, socket.socket]:
    """Return a connection of the loop, and the client's end."""
    ours, client = socket.socketpair()
    ours.setblocking(False)
    return make_connection(running.loop, ours), client


def ask(
    running: RunningLoop,
    asked: dict[Connection, socket.socket],
    path: str,
    count: Callable[[Callable[[], None]], int] = count_bytecodes,
    lines: Sequence[str] = (),
) -> int:
    """Request a file on each of the connections at once; return the cost of that iteration."""
    loop = running.loop

    def iteration() -> None:
        for connection in asked:
            connection.on_event()
        loop.queue.send()

    for client in asked.values():
        client.sendall(request(path, *lines))
    cost = count(iteration)
    for client in asked.values():
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    return cost


def hits(site: Path) -> list[float]:
    """A file that was asked for within the same second."""
    with new_loop(site) as running:
        asked = dict(connect(running) for _ in range(TURN))
        ask(running, asked, "/a.txt")
        counts = [ask(running, asked, "/a.txt") / TURN for _ in range(1 + REPEATED)]
        for client in asked.values():
            client.close()
    return counts[1:]


def closes(site: Path) -> list[float]:
    """From one accept to the next, with the response from the cache and the close."""
    with new_loop(site, verbose=False) as running:
        accept = partial(running.loop._on_other_event, running.listener.fileno())
        counts = []
        for _ in range(2 + REPEATED):
            clients = [running.connect() for _ in range(TURN)]
            for client in clients:
                client.send(request("/a.txt", "Connection: close"))
            counts.append(count_bytecodes(accept) / TURN)
            for client in clients:
                assert client.response().status == 200
                client.close()
    return counts[2:]


def usual_lines(number: int) -> list[str]:
    """Return header fields that clients send, in a section that no other request has."""
    return [
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64)",
        "Accept: text/html,*/*;q=0.8",
        "Accept-Language: en-GB,en;q=0.5",
        "Accept-Encoding: gzip, deflate, br",
        "Connection: keep-alive",
        f"Cookie: number={number}",
    ]


def cold_requests(
    site: Path,
    count: Callable[[Callable[[], None]], int] = count_bytecodes,
    lines: Callable[[int], Sequence[str]] = lambda _: (),
    rules: tuple[Rule, ...] = (),
    *,
    is_quick: bool = True,
) -> list[float]:
    """A small file that is asked for the first time.

    The loop has given up looking for precompressed files, since there are none in the directory.

    Args:
        site: the directory, to which the files are added.
        count: measures.
        lines: returns the header fields of each request.
        rules: of the site.
        is_quick: whether the site has the quick way.
    """
    paths = [f"{number}.txt" for number in range(PATIENCE + 2 + REPEATED)]
    for path in paths:
        write(site / path, "cold")
    with new_loop(site, rules=rules) as running:
        if not is_quick:
            (gateway,) = running.loop.gateways.values()
            assert isinstance(gateway, Gateway)
            assert gateway._sites.only is not None
            gateway._sites.only.quick = None
        connection, client = connect(running)
        counts: list[float] = [
            ask(running, {connection: client}, f"/{path}", count, lines(number))
            for number, path in enumerate(paths)
        ]
        client.close()
    return counts[-REPEATED:]


def measure() -> dict[str, list[float]]:
    """Return the counts of each kind of request.

    The clock of the files stands still in the future, since a file that was changed just now is
    looked at more often.
    """
    later = time.time_ns() + 10_000_000_000
    clock = mock.patch.object(time, "time_ns", lambda: later)
    with tempfile.TemporaryDirectory() as directory, clock:
        site = Path(directory)
        write(site / "a.txt", "content of a")
        return {
            "hit": hits(site),
            "close": closes(site),
            "cold": cold_requests(site),
            "cold_frames": cold_requests(site, count_frames),
            "first": cold_requests(site, lines=usual_lines),
            "first_frames": cold_requests(site, count_frames, usual_lines),
            "ruled": cold_requests(site, rules=COLD_RULES),
            "ruled_frames": cold_requests(site, count_frames, rules=COLD_RULES),
            "general": cold_requests(site, rules=RULES, is_quick=False),
            "general_frames": cold_requests(site, count_frames, rules=RULES, is_quick=False),
        }


if __name__ == "__main__":
    print(json.dumps(measure()))

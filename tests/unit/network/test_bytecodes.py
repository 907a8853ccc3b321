"""The bytecodes of a hit are counted, so that the short way stays short.

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

from httpd.network.connection import Connection
from httpd.observe.scoreboard import Scoreboard
from tests.support.raw import request
from tests.unit.network.running import SETTINGS, RunningLoop

HIT = 158


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


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="each Python has its own bytecodes")
def test_a_hit_runs_no_more_bytecodes(site: Path) -> None:
    running = RunningLoop(site, SETTINGS, Scoreboard.create(1, 1, 1))
    running.loop.access_log = None
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    connection = Connection(running.loop, ours.detach(), ("127.0.0.1", 1))
    counts = []
    with theirs:
        for _ in range(3):
            theirs.sendall(request("/a.txt"))
            counts.append(count_bytecodes(connection.on_event))
            assert theirs.recv(65536).startswith(b"HTTP/1.1 200 ")
    running.start()
    running.close()
    miss, *hits = counts
    assert len(set(hits)) == 1
    assert miss > hits[0]
    assert hits[0] <= HIT

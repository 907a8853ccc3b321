"""The figures of a running server, ready for JSON: for ``phttpd status`` and the monitor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from httpd.observe.counters import Counters
from httpd.observe.scoreboard import Column, Mode, Scoreboard


def make_report(pid: int, boards: Sequence[Scoreboard], counters: Counters) -> dict[str, Any]:
    """Return what a server is doing, ready for JSON.

    Args:
        pid: of the supervisor.
        boards: its scoreboards, the newest first; one at least.
        counters: of the server.
    """
    newest, *older = boards
    return {
        "pid": pid,
        "phase": newest.phase.name.lower(),
        "modes": {
            mode.name.lower(): format_time(since) if (since := newest.since(mode)) else None
            for mode in Mode
        },
        **newest.facts,
        "connections": sum(board.total(Column.CONNECTIONS) for board in boards),
        "active": sum(board.total(Column.ACTIVE) for board in boards),
        "requests": counters.total("http_requests_total"),
        "sent": counters.total("http_response_bytes_total"),
        "draining_connections": sum(board.total(Column.CONNECTIONS) for board in older),
        "workers": newest.snapshot(),
    }


def format_time(seconds: int) -> str:
    """Return a local time, given in seconds since the epoch."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(seconds))

"""The figures of a running server, ready for JSON: for ``phttpd status`` and the monitor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from httpd.observe.counters import Counters
from httpd.observe.counts import BYTES, REQUESTS
from httpd.observe.scoreboard import Column, Mode, Scoreboard, total

_TIME = "%Y-%m-%d %H:%M:%S %z"


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
        "connections": total(boards, Column.CONNECTIONS),
        "active": total(boards, Column.ACTIVE),
        "requests": counters.total(REQUESTS),
        "sent": counters.total(BYTES),
        "draining_connections": total(older, Column.CONNECTIONS),
        "workers": newest.snapshot(),
    }


def format_time(seconds: int) -> str:
    """Return a local time, given in seconds since the epoch."""
    return time.strftime(_TIME, time.localtime(seconds))


def parse_time(text: str) -> float:
    """Return the seconds since the epoch that `format_time` has formatted.

    Raises:
        ValueError: it is another text.
    """
    return datetime.strptime(text, _TIME).timestamp()

"""Words for figures of the scoreboard: for ``phttpd stop`` and ``status``, and the service manager.

Called by `httpd.commands`, `httpd.process.service_status` and `httpd.process.drain_progress`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from httpd.observe.report import format_time
from httpd.observe.scoreboard import Mode, Scoreboard


def describe_sites(facts: Mapping[str, Any]) -> str:
    """Return what is served.

    Args:
        facts: of a scoreboard: the docroot for all names but those of the sites, if there is one,
            and how many sites have names.
    """
    served = [facts["docroot"]] if facts["docroot"] else []
    sites = facts.get("sites", 0)
    return " and ".join([*served, count(sites, "named site")] if sites else served)


def describe_modes(modes: Mapping[Mode, int]) -> str:
    """Return what a server does that does not drain, in a word or a few.

    Args:
        modes: since when the server is in each, in seconds since the epoch, or 0.
    """
    if modes[Mode.PAUSED]:
        return f"paused since {format_time(modes[Mode.PAUSED])}"
    if modes[Mode.MAINTENANCE]:
        since = format_time(modes[Mode.MAINTENANCE])
        return f"paused by maintenance_file since {since}"
    if modes[Mode.UNREADY]:
        return f"unready since {format_time(modes[Mode.UNREADY])}, serving"
    return "serving"


def describe_unready(board: Scoreboard) -> str:
    """Return why the server is not ready, as two lines; empty if it is ready."""
    for mode, (what, why) in _UNREADY.items():
        if since := board.since(mode):
            return f"{what}\n{why}, since {format_time(since)}\n"
    return ""


_UNREADY = {
    Mode.STOPPING: ("draining", "the server stops"),
    Mode.PAUSED: ("paused", "an operator has paused the server"),
    Mode.MAINTENANCE: ("paused", "the file of maintenance_file exists"),
    Mode.UNREADY: ("unready", "an operator has said so"),
    Mode.STARTING: ("starting", "not all workers serve yet"),
}
"""The first word and the reason of each mode, the most important one first."""


def describe_drain(active: int, remaining: int) -> str:
    """Return what a drain waits for.

    Args:
        active: connections in the middle of a request.
        remaining: bytes that are still to be sent to them.
    """
    return f"waiting for {count(active, 'request')}, {format_bytes(remaining)} to send"


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"


def format_bytes(number: int) -> str:
    """Return a number of bytes with a unit that keeps it short."""
    if number < 1000:
        return f"{number} bytes"
    size, units = number / 1000, ["kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.1f} {units[0]}"

"""What the monitor shows of a server at one moment: plain data for JSON, the page and events.

A snapshot is made once a second.  Its parts change at different times, so that an event can leave
out those that have not changed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from httpd.monitor.state import ServerState
from httpd.observe.counts import BYTES, REQUESTS
from httpd.observe.downloads import Download, Outcome
from httpd.observe.scoreboard import Column, Scoreboard, total

HISTORY = 60
"""Seconds of throughput that are shown."""
MOST_DOWNLOADS = 200
"""Running downloads that are shown: the fastest."""
MOST_ENDED = 20
"""Downloads that do not run and are shown: the latest."""

Snapshot = Mapping[str, Any]


class Snapshots:
    """Makes a snapshot each second.

    Args:
        state: of the server.
    """

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._history: deque[int] = deque(maxlen=HISTORY)
        self._before: tuple[int, int] | None = None  # requests and bytes
        self._numbers: dict[int, int] = {}  # of downloads, by identity
        self._count = 0
        self.latest: Snapshot = {}

    def take(self) -> Snapshot:
        """Take the snapshot of this second, and return it."""
        state = self._state
        boards, counters = state.boards(), state.counters()
        sums = before = 0, 0
        if counters is not None:
            sums = counters.total(REQUESTS), counters.total(BYTES)
            before, self._before = self._before or sums, sums
        requests, sent = (max(0, now - then) for now, then in zip(sums, before, strict=True))
        self._history.append(sent)
        downloads = state.downloads.all()
        readiness = state.readiness()
        self.latest = {
            "at": round(time.time()),
            "state": [readiness.word, readiness.reason],
            "server": _describe_server(state.supervisor, boards),
            "figures": {
                "connections": total(boards, Column.CONNECTIONS),
                "active": total(boards, Column.ACTIVE),
                "requests": sums[0],
                "sent": sums[1],
                "remaining": total(boards, Column.REMAINING),
                "requests_per_second": requests,
                "bytes_per_second": sent,
                "generations": len(boards),
                "stuck": state.stuck_loops(),
            },
            "history": list(self._history),
            "workers": _describe_workers(boards),
            **self._describe_downloads(downloads),
        }
        return self.latest

    def _describe_downloads(self, downloads: Sequence[Download]) -> dict[str, Any]:
        """Return the fastest of those that run, and the latest of those that do not."""
        kept = {id(one) for one in downloads}
        self._numbers = {key: number for key, number in self._numbers.items() if key in kept}
        running = [one for one in downloads if one.outcome is Outcome.RUNNING]
        running.sort(key=Download.bytes_per_second, reverse=True)
        ended = [one for one in downloads if one.outcome is not Outcome.RUNNING]
        ended.sort(key=lambda one: one.changed, reverse=True)
        shown = map(self._describe, running[:MOST_DOWNLOADS])
        return {
            "downloads": sorted(shown, key=lambda row: int(row["id"])),
            "ended": [self._describe(one) for one in ended[:MOST_ENDED]],
        }

    def _describe(self, download: Download) -> dict[str, Any]:
        if id(download) not in self._numbers:
            self._count += 1
            self._numbers[id(download)] = self._count
        left = download.seconds_left
        until = time.monotonic() if download.running else download.changed
        return {
            "id": self._numbers[id(download)],
            "client": download.client.decode("utf-8", "replace"),
            "user": download.user.decode("utf-8", "replace"),
            "site": download.site.decode("utf-8", "replace"),
            "path": download.path.decode("utf-8", "replace"),
            "size": download.size,
            "done": download.unique,
            "rate": round(download.bytes_per_second()),
            "left": None if left is None else round(left),
            "age": max(0, round(until - download.started)),
            "parts": download.parts,
            "resumes": download.resumes,
            "outcome": str(download.outcome),
        }


def _describe_server(supervisor: int, boards: Sequence[Scoreboard]) -> dict[str, Any]:
    facts = boards[0].facts if boards else {}
    status, remark = facts.get("outcome", (0, ""))
    return {
        "pid": supervisor,
        "version": facts.get("version", ""),
        "started": facts.get("started", ""),
        "addresses": facts.get("addresses", []),
        "loaded": facts.get("loaded"),
        "reload": "" if status == 0 else remark or "failed",
    }


def _describe_workers(boards: Sequence[Scoreboard]) -> list[dict[str, Any]]:
    return [
        {
            "worker": worker["worker"],
            "pid": worker["pid"],
            "phase": board.phase.name.lower(),
            "loops": [[loop["connections"], loop["active"]] for loop in worker["loops"]],
        }
        for board in boards
        for worker in board.snapshot()
        if worker["pid"]
    ]


def changes_between(before: Snapshot, now: Snapshot) -> dict[str, Any]:
    """Return what an event has to tell a client that knows the snapshot before.

    Of the downloads, it has those that have changed, and null for those that are not shown any
    more; of the history, the last value; of everything else, the parts that have changed.

    Args:
        before: the last snapshot but one.
        now: the last snapshot.
    """
    rows = {row["id"]: row for row in before["downloads"]}
    changed: dict[str, Any] = {
        str(row["id"]): row for row in now["downloads"] if rows.pop(row["id"], None) != row
    }
    changed |= {str(number): None for number in rows}
    delta = {
        name: value
        for name, value in now.items()
        if name not in ("downloads", "history") and value != before[name]
    }
    if changed:
        delta["downloads"] = changed
    return {**delta, "history": now["history"][-1:]}

"""A snapshot: rates are of one second, and downloads keep their numbers."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from httpd.monitor import snapshot
from httpd.monitor.snapshot import HISTORY, Snapshots
from httpd.monitor.state import Readiness, ServerState
from httpd.observe.counters import Counters
from httpd.observe.downloads import Download, Downloads, Look
from httpd.observe.scoreboard import Phase, Scoreboard
from httpd.observe.transfers import State, Transfer


class Server:
    """A server whose figures a test sets."""

    def __init__(self) -> None:
        board = Scoreboard.create(1, 2, 1)
        board.phase = Phase.SERVING
        board.set_pid(0, 7)
        self.sent = self.requests = 0
        self.downloads = Downloads()
        self.is_new = False
        """Whether the counters cannot be read yet."""
        self.snapshots = Snapshots(
            cast(
                ServerState,
                SimpleNamespace(
                    supervisor=1,
                    downloads=self.downloads,
                    boards=lambda: [board],
                    counters=self.counters,
                    readiness=lambda: Readiness(True, "ready"),
                    stuck_loops=lambda: 0,
                ),
            )
        )

    def counters(self) -> Counters | None:
        if self.is_new:
            return None
        values: dict[str, Any] = {
            "http_requests_total": {(): self.requests},
            "http_response_bytes_total": {(): self.sent},
        }
        return Counters(values, {})

    def fold(self, *running: Transfer, ended: tuple[Transfer, ...] = ()) -> Any:
        self.downloads.fold(time.monotonic(), [Look(1, running, ended)])
        return self.snapshots.take()


def transfer(number: int, acknowledged: int, state: State = State.RUNNING) -> Transfer:
    now = time.monotonic()
    return Transfer(
        *(b"192.0.2.1", b"", b"", b"/%d" % number, number, 1, 200, 1000, ((0, 0, 1000),)),
        *(now - 10, acknowledged, now, state, number, 0),
    )


def test_rates_are_of_the_last_second_and_the_first_is_not_known() -> None:
    server = Server()
    server.sent = server.requests = 1000
    server.is_new = True
    assert server.snapshots.take()["figures"]["sent"] == 0
    server.is_new = False
    figures = server.snapshots.take()["figures"]
    assert (figures["sent"], figures["bytes_per_second"]) == (1000, 0)
    server.sent, server.requests = 1500, 1003
    figures = server.snapshots.take()["figures"]
    assert (figures["bytes_per_second"], figures["requests_per_second"]) == (500, 3)
    for _ in range(2 * HISTORY):
        server.snapshots.take()
    assert len(server.snapshots.latest["history"]) == HISTORY


def test_download_keeps_its_number_until_it_is_over() -> None:
    server = Server()
    rows = server.fold(transfer(1, 100), transfer(2, 100))["downloads"]
    first = {row["path"]: row["id"] for row in rows}
    assert [row["done"] for row in rows] == [100, 100]
    assert len({*first.values()}) == 2
    second = server.fold(transfer(2, 300), ended=(transfer(1, 1000, State.SENT),))
    (row,) = second["downloads"]
    assert (row["id"], row["done"], row["outcome"]) == (first["/2"], 300, "running")
    (row,) = second["ended"]
    assert (row["id"], row["path"], row["outcome"]) == (first["/1"], "/1", "complete")
    third = server.fold(ended=(transfer(2, 400, State.CUT),))
    assert not third["downloads"]
    assert [row["outcome"] for row in third["ended"]] == ["interrupted", "complete"]
    assert third["ended"] == server.fold()["ended"]


def test_only_the_fastest_downloads_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MOST_DOWNLOADS", 2)
    rates = {b"/1": 5.0, b"/2": 1.0, b"/3": 9.0}
    monkeypatch.setattr(Download, "bytes_per_second", lambda one: rates[one.path])
    shown = Server().fold(*(transfer(number, 100) for number in (1, 2, 3)))["downloads"]
    assert {row["path"] for row in shown} == {"/1", "/3"}


def test_worker_has_the_connections_of_its_loops() -> None:
    (worker,) = Server().snapshots.take()["workers"]
    assert worker == {"worker": 0, "pid": 7, "phase": "serving", "loops": [[0, 0], [0, 0]]}

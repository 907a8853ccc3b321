"""The access log and the scoreboard show what the connections do."""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

from httpd.network.connection_counts import ConnectionCounts
from httpd.observe.counts import ACCEPTED, CLOSED, OTHER, REFUSED
from httpd.observe.scoreboard import Column, Scoreboard
from tests.support.raw import Response, request
from tests.unit.network.running import (
    HUGE,
    SETTINGS,
    RunningLoop,
    running_loop,
)


def test_access_log_counts_the_bytes_sent(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        for target, line in (("/a.txt", []), ("/medium.bin", []), ("/a.txt", ["Range: bytes=0-1"])):
            client.send(request(target, *line))
            response = client.response()
            seen = running.access.wait_for(f'"GET {target} ').string
            status, body = seen.split('"')[2].split()
            head = seen.split()[-2]
            assert int(status) == response.status
            assert int(body) == len(response.body)
            assert int(head) == len(response.body) + length_of_head(response)


def length_of_head(response: Response) -> int:
    lines = [f"HTTP/1.1 {response.status} {response.reason}"]
    lines += [f"{name}: {value}" for name, value in response.fields]
    return sum(len(line) + 2 for line in lines) + 2


def test_scoreboard_shows_the_connections(site: Path) -> None:
    with running_loop(site) as running, running.connect() as idle, running.connect() as busy:
        idle.ask("/a.txt")
        busy.send(request("/huge.bin"))
        busy.head()
        seen = dict.fromkeys(Column, 0)
        # A row is written number by number, and read likewise.
        while (
            (seen[Column.CONNECTIONS], seen[Column.ACTIVE]) != (2, 1)
            or seen[Column.SENT] < 100_000
            or not seen[Column.REQUESTS]
            or not seen[Column.REMAINING]
        ):
            seen = {column: running.board.column(column)[0] for column in Column}
        assert seen[Column.REMAINING] <= HUGE
        assert seen[Column.TICKS] > 0


def test_counters_continue_in_the_worker_that_replaces_a_dead_one(site: Path) -> None:
    board = Scoreboard.create(1, 1, 1)
    for expected in 1, 2:
        running = RunningLoop(site, SETTINGS, board)
        running.start()
        with running.connect() as client:
            client.ask("/a.txt", "Connection: close")
        running.close()
        assert board.column(Column.REQUESTS)[0] == expected


def test_verbose_log_names_the_cache_level_if_asked(site: Path) -> None:
    settings = replace(SETTINGS, log_cache_level=True)
    with running_loop(site, settings) as running, running.connect() as client:
        client.ask("/nothing")
        running.log.wait_for("debug loop .*: cache level built: GET /nothing HTTP/1.1$")


def test_log_explains_the_requests_of_traced_clients_only(site: Path) -> None:
    """Without `verbose`, and also the hits of a client that closes its connection."""
    for network, is_traced in ("127.0.0.0/8", True), ("192.0.2.0/24", False):
        settings = replace(SETTINGS, trace=(ip_network(network),))
        board = Scoreboard.create(1, 1, 1)
        running = RunningLoop(site, settings, board, verbose=False)
        running.start()
        for _ in range(2):
            with running.connect() as client:
                client.ask("/a.txt", "Connection: close")
        running.close()
        told = [line for line in running.log.rest() if "127.0.0.1: cache level" in line]
        assert len(told) == 2 * is_traced
        assert all(f"200 by file, file {site}/a.txt" in line for line in told)


# ---------------------------------------------------------------- connections


def test_counts_of_connections_have_those_that_were_answered_at_once() -> None:
    counts = ConnectionCounts()
    counts.connected = 3
    counts.closed.update({"answered": 1, "client reset": 1, "No such device": 1})
    counts.refused["clients"] = 2
    first = {
        (ACCEPTED,): 7,
        (CLOSED, "answered"): 5,
        (CLOSED, "client reset"): 1,
        (CLOSED, OTHER): 1,
        (REFUSED, "clients"): 2,
    }
    assert counts.take(7) == first
    assert counts.take(7) == {}
    counts.closed["Stale file handle"] = 1
    assert counts.take(8) == {(ACCEPTED,): 1, (CLOSED, "answered"): 1, (CLOSED, OTHER): 1}


def wait_for_count(running: RunningLoop, *key: str) -> None:
    """Wait for a tick after something was counted."""
    while key not in running.table.values():
        os.sched_yield()


def test_every_connection_is_counted_with_the_reason_of_its_close(site: Path) -> None:
    board = Scoreboard.create(1, 1, 1)
    running = RunningLoop(site, SETTINGS, board, verbose=False)
    running.start()
    for _ in range(5):  # from the second one on, there is no connection
        with running.connect() as client:
            client.ask("/a.txt", "Connection: close")
    with running.connect() as client:
        client.send(b"nonsense\r\n\r\n")
        assert client.response().status == 400
    wait_for_count(running, CLOSED, "bad request")
    with running.connect() as client:
        client.ask("/a.txt")
        running.close()
    values = running.table.values()
    assert {key: value for key, value in values.items() if key[0] in (ACCEPTED, CLOSED)} == {
        (ACCEPTED,): 7,
        (CLOSED, "answered"): 5,
        (CLOSED, "bad request"): 1,
        (CLOSED, "stop"): 1,
    }


def test_client_beyond_the_limit_is_counted_as_refused(site: Path) -> None:
    settings = replace(SETTINGS, max_connections=1)
    board = Scoreboard.create(1, 1, 1)
    running = RunningLoop(site, settings, board)
    running.start()
    with running.connect() as busy, running.connect() as refused:
        busy.send(request("/huge.bin"))
        busy.head()
        refused.send(request("/a.txt"))
        assert refused.response().status == 503
        refused.close()
        wait_for_count(running, CLOSED, "too many connections")
    running.close()
    values = running.table.values()
    assert values[REFUSED, "max_connections"] == 1
    assert values[CLOSED, "too many connections"] + 1 == values[ACCEPTED,] == 2

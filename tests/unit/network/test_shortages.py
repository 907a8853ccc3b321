"""Connections and descriptors run out."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from httpd.observe.scoreboard import Column
from tests.support.raw import request
from tests.support.server import DEADLINE
from tests.unit.guard import descriptors_left
from tests.unit.network.running import (
    CLOSED,
    SETTINGS,
    is_closed,
    running_loop,
)
from tests.unit.site.directories import write, write_sparse


def test_connection_beyond_the_limit_closes_an_idle_one(site: Path) -> None:
    settings = replace(SETTINGS, max_connections=3)
    with ExitStack() as stack:
        running = stack.enter_context(running_loop(site, settings))
        idle = [stack.enter_context(running.connect()) for _ in range(3)]
        for client in idle:
            assert client.ask("/a.txt").status == 200
        newcomer = stack.enter_context(running.connect())
        assert newcomer.ask("/a.txt").status == 200
        assert running.log.wait_for(CLOSED)[1] == "too many connections"
        assert is_closed(idle[0])


def test_connection_beyond_the_limit_is_refused_if_all_are_busy(site: Path) -> None:
    settings = replace(SETTINGS, max_connections=2)
    with ExitStack() as stack:
        running = stack.enter_context(running_loop(site, settings))
        for _ in range(2):
            busy = stack.enter_context(running.connect())
            busy.send(request("/huge.bin"))
            busy.head()
        newcomer = stack.enter_context(running.connect())
        newcomer.send(request("/a.txt"))
        response = newcomer.response()
        assert response.status == 503
        assert "Retry-After" in response
        assert newcomer.rest() == b""
        newcomer.close()
        assert running.log.wait_for(CLOSED)[1] == "too many connections"
        logged = running.access.wait_for(r'"GET /a.txt HTTP/1.1" 503 .* ([0-9.]+) [0-9]+ -$')
        assert float(logged[1]) < DEADLINE, "the duration is not that since the machine was booted"


def test_descriptors_for_a_connection_run_out(site: Path) -> None:
    """It waits in the backlog until there is one, and others are served meanwhile."""
    write(site / "old.txt", "old", age=3600)
    with running_loop(site) as running, running.connect() as first, socket.socket() as late:
        for _ in range(2):
            assert first.ask("/old.txt").body == b"old"
        first.send(b"GET /old.txt HTTP/1.1\r\n")
        while not running.board.column(Column.ACTIVE)[0]:
            pass  # it must be busy, or it would be given up to make room
        late.settimeout(DEADLINE)
        with descriptors_left(0):
            late.connect(("127.0.0.1", running.port))
            late.sendall(request("/old.txt", "Connection: close"))
            running.log.wait_for("cannot accept connections: Too many open files")
        first.send(b"Host: a\r\n\r\n")
        assert first.response().body == b"old"
        data = b""
        while piece := late.recv(65536):
            data += piece
        assert data.startswith(b"HTTP/1.1 200 OK\r\n")
        running.expects_errors = True


def test_descriptors_for_a_file_run_out(site: Path) -> None:
    """The response is 503 and not 404, and the connection ends."""
    with running_loop(site) as running, running.connect() as client:
        for _ in range(2):  # the second one is answered when all accepting is done
            assert client.ask("/nothing").status == 404
        with descriptors_left(0):
            response = client.ask("/a.txt")
        assert response.status == 503
        assert "Retry-After" in response
        assert client.rest() == b""
        with running.connect() as another:
            assert another.ask("/a.txt").status == 200
        running.expects_errors = True


def test_descriptors_for_a_listing_run_out(site: Path) -> None:
    """The connection ends, and those that are idle are given up to make room."""
    write(site / "folder" / "b.txt")
    with running_loop(site) as running, running.connect() as client, running.connect() as idle:
        for _ in range(2):
            assert client.ask("/nothing").status == 404
            assert idle.ask("/nothing").status == 404
        with descriptors_left(2):
            response = client.ask("/folder/")
            assert (response.status, response["Connection"]) == (503, "close")
            assert "Retry-After" in response
            assert client.rest() == b""
            assert idle.rest() == b""
        with running.connect() as another:
            assert another.ask("/folder/").status == 200
        running.log.wait_for("cannot list a directory: Too many open files")
        running.expects_errors = True


def test_descriptors_for_a_link_in_a_listing_run_out(site: Path) -> None:
    """What cannot be looked at is not left out as if it were not there."""
    write(site / "folder" / "b.txt")
    (site / "folder" / "link").symlink_to("b.txt")
    statuses = []
    for left in range(12):
        with running_loop(site) as running, running.connect() as client:
            for _ in range(2):
                assert client.ask("/nothing").status == 404
            with descriptors_left(left):
                response = client.ask("/folder/", "Accept: application/json")
            statuses.append(response.status)
            if response.status == 200:
                assert b'"link"' in response.body
            running.expects_errors = response.status != 200
    assert set(statuses) == {200, 503}


def test_descriptors_for_a_precompressed_form_run_out(site: Path) -> None:
    """The form is not taken for missing."""
    write_sparse(site / "large.txt", 200_000)
    write(site / "large.txt.gz", "gzip")
    statuses = []
    for left in range(8):
        with running_loop(site) as running, running.connect() as client:
            for _ in range(2):
                assert client.ask("/nothing").status == 404
            with descriptors_left(left):
                response = client.ask("/large.txt", "Accept-Encoding: gzip", method="HEAD")
            statuses.append(response.status)
            if response.status == 200:
                assert response["Content-Encoding"] == "gzip"
            running.expects_errors = response.status != 200
    assert set(statuses) == {200, 503}

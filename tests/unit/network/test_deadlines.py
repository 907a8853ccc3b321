"""Connections are closed when their clients do nothing for too long."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from httpd.network.send_budget import MOST
from tests.support.raw import Client, request
from tests.unit.network.running import (
    CLOSED,
    HUGE,
    SETTINGS,
    SHORT,
    running_loop,
)


def test_connection_without_a_request_is_closed(site: Path) -> None:
    """It is closed without a response: there is no request."""
    settings = replace(SETTINGS, header_timeout=SHORT)
    with running_loop(site, settings) as running, running.connect() as client:
        assert client.rest() == b""
        assert running.log.wait_for(CLOSED)[1] == "header timeout"


def test_connection_without_a_second_request_is_closed(site: Path) -> None:
    settings = replace(SETTINGS, keepalive_timeout=SHORT)
    with running_loop(site, settings) as running, running.connect() as client:
        assert client.ask("/a.txt").status == 200
        assert client.rest() == b""
        assert running.log.wait_for(CLOSED)[1] == "keep-alive timeout"


@pytest.mark.parametrize("before", [b"", request("/a.txt")], ids=["first", "second"])
def test_head_that_does_not_end_is_refused(site: Path, before: bytes) -> None:
    settings = replace(SETTINGS, header_timeout=SHORT * 10)
    with running_loop(site, settings) as running, running.connect() as client:
        client.send(before + b"GET /slow HTTP/1.1\r\nHost:")
        if before:
            assert client.response().status == 200
        response = client.response()
        assert response.status == 408
        assert response["Connection"] == "close"
        assert client.rest() == b""
        assert running.access.wait_for(" 408 ").string.split('"')[1] == "GET /slow HTTP/1.1"
        client.close()
        assert running.log.wait_for(CLOSED)[1] == "header timeout"


def test_head_deadline_is_not_extended_by_progress(site: Path) -> None:
    """A total deadline, as slow-header attacks send a little now and then."""
    settings = replace(SETTINGS, header_timeout=SHORT * 4)
    with running_loop(site, settings) as running, running.connect() as client:
        client.send(b"GET / HTTP/1.1\r\n")
        client.socket.settimeout(SHORT / 2)
        while True:
            try:
                seen = client.socket.recv(100)
                break
            except TimeoutError:
                client.send(b"X: y\r\n")
        assert seen.startswith(b"HTTP/1.1 408 ")


def test_download_whose_client_takes_nothing_is_closed(site: Path) -> None:
    settings = replace(SETTINGS, send_timeout=SHORT * 4)
    with running_loop(site, settings) as running, running.connect() as client:
        client.send(request("/huge.bin"))
        assert running.log.wait_for(CLOSED)[1] == "send timeout"
        line = running.access.wait_for("GET /huge.bin").string
        sent = int(line.split()[-2])
        assert 0 < sent < HUGE
        assert len(client.rest()) <= sent


def test_download_whose_client_takes_a_little_goes_on(site: Path) -> None:
    """It takes something all the time, though not so much that there is room for more."""
    settings = replace(SETTINGS, send_timeout=SHORT * 3)
    taken = 65536
    with (
        running_loop(site, settings) as running,
        running.connect() as other,
        Client(running.port, receive_buffer=32768) as client,
    ):
        client.send(request("/huge.bin"))
        client.head()
        for _ in range(10):
            client.body(taken)
            due = running.loop.context.now + SHORT
            while running.loop.context.now < due:
                other.ask("/a.txt")
        client.body(2 * MOST)
        assert running.log.wait_for(CLOSED)[1] == "send timeout"

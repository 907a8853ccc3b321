"""A drain finishes the requests that have arrived, and then ends."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from httpd.network import pace
from httpd.network.send_budget import MOST
from httpd.observe.scoreboard import Scoreboard
from tests.support.raw import Client, request
from tests.support.server import DEADLINE
from tests.unit.network.running import (
    CLOSED,
    SETTINGS,
    SHORT,
    RunningLoop,
    is_closed,
    running_loop,
    wait_for_connections,
)
from tests.unit.site.directories import write


def test_drain_closes_idle_connections_at_once(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        assert client.ask("/a.txt").status == 200
        released = running.drain()
        assert client.rest() == b""
        assert running.log.wait_for(CLOSED)[1] == "drain"
        assert released.wait(DEADLINE)
        running.join()


def expect_last_response(running: RunningLoop, client: Client) -> None:
    """Receive the response to a request for a.txt, after which the loop ends."""
    response = client.response()
    assert response.body == b"content of a"
    assert response["Connection"] == "close"
    assert client.rest() == b""
    client.close()
    running.join()


def test_drain_finishes_a_request_whose_head_is_arriving(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(b"GET /a.txt HTTP/1.1\r\nHo")
        wait_for_connections(running, 1)
        assert running.drain().wait(DEADLINE)
        client.send(b"st: a\r\n\r\n")
        expect_last_response(running, client)


def test_drain_finishes_a_download_and_then_ends(site: Path) -> None:
    """Also when its head has promised to keep the connection: the drain waits for no timeout."""
    content = os.urandom(30_000_000)
    write(site / "large.bin", content)
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/large.bin"))
        assert client.head().get("Connection") is None
        assert running.drain().wait(DEADLINE)
        assert client.body(len(content)) == content
        assert client.rest() == b""
        client.close()
        running.join()


def test_drain_serves_all_requests_that_were_sent(site: Path) -> None:
    """Pipelined requests were received before the drain began: they are requests in hand."""
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/huge.bin", "Range: bytes=0-20000000") + request("/a.txt"))
        client.head()
        assert running.drain().wait(DEADLINE)
        client.body(20_000_001)
        expect_last_response(running, client)


def test_drain_serves_the_backlog(site: Path) -> None:
    """What the kernel has accepted before the loop could."""
    with ExitStack() as stack:
        running = RunningLoop(site, SETTINGS, Scoreboard.create(1, 1, 1))
        clients = [stack.enter_context(running.connect()) for _ in range(200)]
        for client in clients:
            client.send(request("/a.txt"))
        released = running.drain()
        running.start()
        for client in clients:
            assert client.response().body == b"content of a"
            assert client.rest() == b""
            client.close()
        assert released.wait(DEADLINE)
        running.join()
        running.close()


def test_drain_waits_a_moment_for_a_first_request(site: Path) -> None:
    with ExitStack() as stack:
        running = RunningLoop(site, SETTINGS, Scoreboard.create(1, 1, 1))
        silent = stack.enter_context(running.connect())
        late = stack.enter_context(running.connect())
        running.drain()
        running.start()
        late.send(request("/a.txt"))
        assert late.response().status == 200
        assert silent.rest() == b""
        late.close()
        running.join()
        running.close()


def test_drain_ends_at_its_timeout(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/huge.bin"))
        client.head()
        running.drain(SHORT)
        assert running.log.wait_for(CLOSED)[1] == "drain timeout"
        running.join()
        client.rest()


def test_drain_cuts_a_download_that_is_too_slow(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "WINDOW", SHORT)
    monkeypatch.setattr(pace, "LEAST_RATE", 1 << 40)
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/huge.bin"))
        client.head()
        running.drain()
        running.log.wait_for("was cut")
        assert running.log.wait_for(CLOSED)[1] == "too slow for a drain"
        running.join()
        client.rest()


def test_drain_spares_a_download_that_moves(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "WINDOW", SHORT)
    monkeypatch.setattr(pace, "LEAST_RATE", 0)
    content = os.urandom(4 * MOST)
    write(site / "random.bin", content)
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/random.bin"))
        client.head()
        running.drain()
        assert client.body(len(content)) == content
        client.close()
        running.join()


def test_stop_closes_everything(site: Path) -> None:
    with running_loop(site) as running, running.connect() as idle, running.connect() as busy:
        idle.ask("/a.txt")
        busy.send(request("/huge.bin"))
        busy.head()
        running.loop.stop()
        reasons = {running.log.wait_for(CLOSED)[1] for _ in range(2)}
        assert reasons == {"stop"}
        running.join()
        assert is_closed(idle)


def test_stop_in_the_middle_of_a_drain_closes_everything(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/huge.bin"))
        client.head()
        assert running.drain().wait(DEADLINE)
        running.loop.stop()
        running.join()


def test_drain_after_a_stop_still_leaves_the_listeners(site: Path) -> None:
    with running_loop(site) as running:
        running.loop.stop()
        running.join()

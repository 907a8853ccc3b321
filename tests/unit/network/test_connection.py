"""Connections are served by a real loop in a thread, over loopback.

Wherever a test waits it waits for an event: bytes, a close, a line of the log.
"""

from __future__ import annotations

import inspect
import socket
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from httpd.network.connection import PIPELINED
from httpd.network.send_budget import LEAST
from httpd.observe.scoreboard import Column, Scoreboard
from tests.support.raw import Client, request
from tests.unit.guard import open_descriptors, opened_since
from tests.unit.network.bytecodes import connect, new_loop
from tests.unit.network.running import (
    CLOSED,
    SETTINGS,
    RunningLoop,
    running_loop,
)
from tests.unit.site.directories import write

# ---------------------------------------------------------------- requests


@pytest.mark.parametrize("recv", [1, 2, 3, 100, 65536])
def test_connection_gives_the_same_responses_with_any_size_of_recv(site: Path, recv: int) -> None:
    requests = [
        request("/a.txt"),
        request("/medium.bin", "Range: bytes=1000-1999"),
        b"\r\n" + request("/nothing", "X-Long: " + "x" * 2000),
        request("/", method="HEAD"),
        request("/a.txt", "Connection: close"),
    ]
    with running_loop(site, replace(SETTINGS, recv=recv)) as running, running.connect() as client:
        client.send(b"".join(requests))
        responses = [client.response(data.lstrip().split()[0].decode()) for data in requests]
        assert [response.status for response in responses] == [200, 206, 404, 200, 200]
        assert responses[0].body == b"content of a"
        assert responses[1].body == (bytes(range(256)) * 400)[1000:2000]
        assert responses[4]["Connection"] == "close"
        assert client.rest() == b""
        client.close()
        assert running.log.wait_for(CLOSED)[1] == "answered"


def test_head_cut_anywhere_is_served(site: Path) -> None:
    data = request("/a.txt")
    with running_loop(site) as running, running.connect() as client:
        for place in range(1, len(data)):
            client.send(data[:place], data[place:])
            assert client.response().body == b"content of a"


def test_head_byte_by_byte_is_served(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(*[bytes([byte]) for byte in request("/a.txt")])
        assert client.response().body == b"content of a"


@pytest.mark.parametrize("count", [1, PIPELINED - 1, PIPELINED, PIPELINED + 1, 500])
def test_pipelined_requests_get_responses_in_order(site: Path, count: int) -> None:
    for number in range(10):
        write(site / f"{number}.txt", str(number))
    with running_loop(site) as running, running.connect() as client:
        client.send(b"".join(request(f"/{number % 10}.txt") for number in range(count)))
        bodies = [client.response().body for _ in range(count)]
        assert bodies == [str(number % 10).encode() for number in range(count)]
        assert client.ask("/a.txt").status == 200


@pytest.mark.parametrize("target", ["/medium.bin", "/huge.bin"])
def test_pipelined_requests_for_a_byte_of_a_large_file_are_served(site: Path, target: str) -> None:
    """They come from the file and not from memory, and yet one ends as the next begins."""
    count = 800
    with running_loop(site) as running, running.connect() as client:
        client.send(request(target, "Range: bytes=7-7") * count)
        assert {client.response().status for _ in range(count)} == {206}


def test_pipelining_client_does_not_keep_others_waiting(site: Path) -> None:
    """It gets a bounded number of responses, then it is the other one's turn."""
    running = RunningLoop(site, SETTINGS, Scoreboard.create(1, 1, 1))
    with running.connect() as greedy, running.connect() as modest:
        greedy.send(request("/a.txt") * 600)
        modest.send(request("/index.html"))
        running.start()  # when all of this is there already
        assert modest.response().status == 200
        for _ in range(600):
            assert greedy.response().status == 200
        running.access.wait_for("GET /index.html ")
        assert len(running.access.seen) < 600
    running.close()


def test_requests_after_connection_close_get_no_response(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/a.txt", "Connection: close") + request("/index.html"))
        assert client.response().body == b"content of a"
        assert client.rest() == b""


def test_client_that_ended_sending_is_served(site: Path) -> None:
    """Half-closed: it will not send any more, but it reads."""
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/medium.bin") * 5)
        client.finish_sending()
        for _ in range(5):
            assert len(client.response().body) == 102400
        assert client.rest() == b""
        assert running.log.wait_for(CLOSED)[1] == "client closed"


def test_http_1_0_closes_unless_keep_alive_is_asked_for(site: Path) -> None:
    with running_loop(site) as running:
        with running.connect() as client:
            assert client.ask("/a.txt", version="HTTP/1.0")["Connection"] == "close"
            assert client.rest() == b""
        with running.connect() as client:
            for _ in range(3):
                response = client.ask("/a.txt", "Connection: keep-alive", version="HTTP/1.0")
                assert response["Connection"] == "keep-alive"


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 6000, 431),
        (request("/", "Expect: more"), 417),
        (request("https://localhost/"), 421),
    ],
    ids=["empty", "no-host", "version", "long-line", "long-head", "expectation", "https"],
)
def test_bad_request_ends_the_connection(site: Path, data: bytes, status: int) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(data + request("/a.txt") * 2)
        response = client.response()
        assert response.status == status
        assert response["Connection"] == "close"
        assert client.rest() == b"", "what follows is never a second request"
        client.close()
        assert running.log.wait_for(CLOSED)[1] == "bad request"


@pytest.mark.parametrize("follow", [b"", request("/second"), b"GET /half"], ids=repr)
@pytest.mark.parametrize("before", [b"", request("/a.txt")], ids=["first", "second"])
def test_bad_request_is_in_the_access_log(site: Path, before: bytes, follow: bytes) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(before + b"BAD /bad\r\n\r\n" + follow)
        if before:
            assert client.response().status == 200
        assert client.response().status == 400
        assert running.access.wait_for('" 400 ').string.split('"')[1] == "BAD /bad"


def test_last_response_reaches_a_client_that_goes_on_sending(site: Path) -> None:
    """RFC 9112 §9.6: no reset before it is read."""
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/a.txt", "Content-Length: 3000000", method="POST"))
        for _ in range(30):
            client.send(b"x" * 100_000)
        client.finish_sending()
        assert client.response().status == 413
        assert client.rest() == b""
        client.close()
        assert running.log.wait_for(CLOSED)[1] == "body too large"


def test_body_is_never_taken_for_a_request(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        body = request("/a.txt")
        client.send(request("/index.html", f"Content-Length: {len(body)}") + body)
        assert client.response().body == b"index"
        client.finish_sending()
        assert client.rest() == b""


# ---------------------------------------------------------------- clients that go


def test_client_that_closes_is_logged(site: Path) -> None:
    with running_loop(site) as running:
        running.connect().close()
        assert running.log.wait_for(CLOSED)[1] == "client closed"
        with running.connect() as client:
            client.send(b"GET / HT")
        assert running.log.wait_for(CLOSED)[1] == "client closed"


def test_client_that_resets_is_logged(site: Path) -> None:
    with running_loop(site) as running:
        client = running.connect()
        assert client.ask("/a.txt").status == 200
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert running.log.wait_for(CLOSED)[1] == "client reset"


def test_client_that_resets_while_the_kernel_holds_all_of_its_file_is_closed(site: Path) -> None:
    write(site / "held.bin", bytes(LEAST))
    with running_loop(site) as running, running.connect() as other:
        with Client(running.port, receive_buffer=32768) as client:
            client.send(request("/held.bin"))
            client.head()
            assert other.ask("/a.txt").status == 200  # the other's turn is over
        assert running.log.wait_for(CLOSED)[1] == "client reset"


def test_closed_connections_leave_nothing(site: Path) -> None:
    with running_loop(site) as running:
        with running.connect() as client:
            client.ask("/a.txt")
        running.log.wait_for(CLOSED)
        before = open_descriptors()
        for number in range(100):
            with running.connect() as client:
                client.ask(f"/{'a.txt' if number % 2 else 'nothing'}")
            running.log.wait_for(CLOSED)
        # The docroot is kept open until the next tick.
        assert set(opened_since(before)) <= {str(site)}
        assert list(running.board.column(Column.CONNECTIONS)) == [0]


def test_listing_of_a_client_that_has_gone_is_given_up_at_once(site: Path) -> None:
    """Whatever still refers to it: its directory is open."""
    write(site / "listed" / "a.txt")
    with new_loop(site) as running:
        connection, client = connect(running)
        client.sendall(request("/listed/"))
        connection.on_event()
        assert connection._pending is not None
        pending = connection._pending._response
        next(pending)
        assert inspect.getgeneratorstate(pending) == inspect.GEN_SUSPENDED
        connection.close("client closed")
        client.close()
        assert inspect.getgeneratorstate(pending) == inspect.GEN_CLOSED

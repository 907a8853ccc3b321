"""Bodies that stall, trickle, end too early, or wait for leave to come (Expect)."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.functional.configured import serve_with
from tests.functional.request_bodies.requests import (
    CHUNKED,
    LIMIT,
    check_refused,
    in_chunks,
    with_length,
)
from tests.support.raw import Client, request
from tests.support.server import Server


@pytest.mark.parametrize(
    "begin",
    [with_length(100)[:-1], in_chunks(b"5\r\nabc"), in_chunks(b"5"), in_chunks(b"0\r\nX: y\r\n")],
    ids=["length", "chunk", "size", "trailer"],
)
@pytest.mark.parametrize("before", [b"", request("/b")], ids=["first", "second"])
def test_body_that_stalls_gets_408(hasty: Server, before: bytes, begin: bytes) -> None:
    with Client(hasty.port) as client:
        client.send(before + begin)
        if before:
            assert client.response().body == b"b"
        response = client.response()
        assert (response.status, response["Connection"]) == (408, "close")
        assert client.rest() == b""
        client.close()
        hasty.out.wait_for(f"connection {client.address} closed: body timeout")
    hasty.out.wait_for('"POST /a HTTP/1.1" 408 ')


def test_body_that_trickles_does_not_put_off_the_timeout(hasty: Server) -> None:
    with Client(hasty.port) as client:
        client.send(request("/a", "Content-Length: 1000000", method="POST"))
        client.socket.settimeout(0.05)
        while True:
            try:
                data = client.socket.recv(100)
                break
            except TimeoutError:
                client.send(b"x")
        assert data.startswith(b"HTTP/1.1 408 ")


def test_body_that_stalls_holds_up_nobody(server: Server) -> None:
    with Client(server.port) as stalled, Client(server.port) as client:
        stalled.send(with_length(10)[:-1])
        for _ in range(50):
            assert client.ask("/a").body == b"a"
        stalled.send(b"x" + request("/b"))
        assert stalled.response().status == 405
        assert stalled.response().body == b"b"


@pytest.mark.parametrize("half", [True, False])
def test_body_whose_client_closes_in_the_middle_is_forgotten(server: Server, half: bool) -> None:
    with Client(server.port) as client:
        client.send(with_length(300)[:-200])
        if half:
            client.finish_sending()
            assert client.rest() == b"", "what is left of a body is no request"
        else:
            client.close()
        server.out.wait_for(f"connection {client.address} closed: client closed")
    with Client(server.port) as client:
        assert client.ask("/a").body == b"a"


def test_drain_waits_for_the_body(site: Path) -> None:
    with serve_with(site) as server, Client(server.port) as client, Client(server.port) as idle:
        assert idle.ask("/a").body == b"a"
        data = with_length(100_000)
        client.send(data[:-50_000])
        assert idle.ask("/a").body == b"a"  # so the loop has seen what came before
        server.signal(signal.SIGTERM)
        assert idle.rest() == b""
        client.send(data[-50_000:])
        response = client.response()
        assert (response.status, response["Connection"]) == (405, "close")
        assert client.rest() == b""
        client.close()
        assert server.wait() == 0


def test_expect_gets_the_final_response_instead_of_100(server: Server) -> None:
    """RFC 9110 §10.1.1: a final status comes in place of 100, and the connection ends."""
    for lines in (["Content-Length: 5"], [CHUNKED], [f"Content-Length: {LIMIT + 1}"]):
        for method, status in (("GET", 200), ("PUT", 405)):
            with Client(server.port) as client:
                client.send(request("/a", "Expect: 100-Continue", *lines, method=method))
                check_refused(client, status)


def test_expect_without_a_body_is_not_kept_waiting(server: Server) -> None:
    with Client(server.port) as client:
        for _ in range(2):
            assert client.ask("/a", "Expect: 100-continue").body == b"a"
        data = request("/b", "Expect: 100-continue", "Content-Length: 3", version="HTTP/1.0")
        client.send(data + b"abc")  # an expectation that HTTP/1.0 does not have
        assert client.response().body == b"b"


def test_expect_of_anything_else_is_refused(server: Server) -> None:
    with Client(server.port) as client:
        client.send(request("/a", "Expect: 100-continue, x", "Content-Length: 5") + b"hello")
        check_refused(client, 417)

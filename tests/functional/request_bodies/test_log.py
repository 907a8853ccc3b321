"""The access log of requests with bodies."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.functional.configured import serve_with
from tests.functional.request_bodies.requests import (
    LIMIT,
    SMUGGLED,
    WHOLE,
    in_chunks,
    with_length,
)
from tests.support.raw import Client, request
from tests.support.server import Server


def test_log_has_a_line_for_each_request_and_none_for_a_body(site: Path) -> None:
    with serve_with(site, max_body=LIMIT) as server:
        with Client(server.port) as client:
            data = [
                with_length(len(SMUGGLED), "User-Agent: one"),
                in_chunks(WHOLE),
                request("/b", "User-Agent: three"),
                with_length(50, method="GET"),
                request("/b", f"Content-Length: {LIMIT + 1}", method="PUT"),
            ]
            client.send(b"".join(data) + SMUGGLED)
            assert [client.response().status for _ in data] == [405, 405, 200, 200, 413]
            assert client.rest() == b""
        assert server.stop() == 0
        lines = [line for line in server.out.seen if 'HTTP/1.1"' in line]
    expected = [
        r'"POST /a HTTP/1.1" 405 .* "-" "one" ',
        r'"POST /a HTTP/1.1" 405 .* "-" "-" ',
        r'"GET /b HTTP/1.1" 200 1 "-" "three" ',
        r'"GET /a HTTP/1.1" 200 1 "-" "-" ',
        r'"PUT /b HTTP/1.1" 413 .* "-" "-" ',
    ]
    assert len(lines) == len(expected), lines
    for line, pattern in zip(lines, expected, strict=True):
        server_line = line.split("] ", 1)[1]
        assert re.match(pattern, server_line), line


@pytest.mark.parametrize("early", [b"\r\n", b"\r"])
def test_log_has_the_duration_of_the_request_alone(site: Path, early: bytes) -> None:
    """A blank line that came long before is not part of it, and neither is the request before."""
    with serve_with(site) as server, Client(server.port) as client:
        client.send(request("/a") + early)
        assert client.response().body == b"a"
        server.out.wait_for('"GET /a ')  # written after a while
        begin = time.monotonic()
        client.send((b"\r\n" + request("/b"))[len(early) :])
        assert client.response().body == b"b"
        elapsed = time_until_logged(server, begin)
        assert duration(server, "/b") <= elapsed


def test_log_has_a_duration_that_counts_from_the_first_byte(site: Path) -> None:
    """Also of a request of which the first piece came with the one before."""
    with serve_with(site) as server, Client(server.port) as client:
        second, third = request("/b?2"), request("/b?3")
        client.send(request("/a") + second[:9])
        assert client.response().body == b"a"
        server.out.wait_for('"GET /a ')
        begin = time.monotonic()
        client.send(second[9:] + third[:9])
        assert client.response().body == b"b"
        client.send(third[9:])
        assert client.response().body == b"b"
        elapsed = time_until_logged(server, begin)
        assert duration(server, "/b?2") > duration(server, "/b?3")
        assert float(server.out.seen[-1].split()[-3]) <= elapsed


def time_until_logged(server: Server, begin: float) -> float:
    """Wait for another response of the only loop, so that it has finished what came before."""
    with Client(server.port) as other:
        assert other.ask("/missing").status == 404
    return time.monotonic() - begin


def duration(server: Server, target: str) -> float:
    line = server.out.wait_for(f'"GET {re.escape(target)} ').string
    return float(line.split()[-3])

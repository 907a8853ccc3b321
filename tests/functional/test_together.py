"""The same requests on fresh connections, over one, and all at once: the responses are equal."""

from __future__ import annotations

import pytest

from tests.support.raw import Client, Response, pipeline, request
from tests.support.server import Server

CASES: list[tuple[str, str, list[str], int]] = [
    ("GET", "/", [], 200),
    ("HEAD", "/", [], 200),
    ("GET", "/index.html", [], 200),
    ("GET", "/?query", [], 200),
    ("GET", "/docs/", [], 200),
    ("GET", "/docs", [], 301),
    ("GET", "/docs?a=b", [], 301),
    ("HEAD", "/docs", [], 301),
    ("GET", "/docs/deep/er/", [], 200),
    ("GET", "/bare/", [], 403),
    ("GET", "/bare/file.txt", [], 200),
    ("GET", "/missing", [], 404),
    ("HEAD", "/missing", [], 404),
    ("GET", "/five.bin", [], 200),
    ("HEAD", "/five.bin", [], 200),
    ("GET", "/five.bin", ["Range: bytes=-1000"], 206),
    ("GET", "/five.bin", ["Range: bytes=5000000-"], 416),
    ("GET", "/five.bin", ["Range: bytes=1-2,3-4"], 206),
    ("GET", "/notes.txt", ["Range: bytes=0-0"], 206),
    ("GET", "/notes.txt", ["Range: bytes=9999-"], 416),
    ("HEAD", "/notes.txt", ["Range: bytes=0-0"], 200),
    ("GET", "/notes.txt", ["If-None-Match: *"], 304),
    ("HEAD", "/notes.txt", ["If-None-Match: *"], 304),
    ("GET", "/notes.txt", ['If-None-Match: "other"'], 200),
    ("GET", "/notes.txt", ['If-Match: "other"'], 412),
    ("GET", "/notes.txt", ["If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"], 304),
    ("GET", "/notes.txt", ["If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"], 412),
    ("GET", "/sizes/0.bin", [], 200),
    ("HEAD", "/sizes/0.bin", [], 200),
    ("GET", "/sizes/65536.bin", [], 200),
    ("GET", "/sizes/65537.bin", [], 200),
    ("GET", "/with%20space.txt", [], 200),
    ("GET", "http://localhost/notes.txt", [], 200),
    ("OPTIONS", "*", [], 200),
    ("OPTIONS", "/notes.txt", [], 200),
    ("POST", "/notes.txt", [], 405),
    ("PUT", "/missing", [], 405),
    ("DELETE", "/", [], 405),
    ("PATCH", "/", [], 405),
    ("TRACE", "/", [], 405),
    ("GET", "/notes.txt", ["Connection: keep-alive"], 200),
    ("GET", "/types/a.css", ["Accept-Encoding: gzip, br", "Accept: text/css"], 200),
]
"""Method, target, field lines and status; none of them ends the connection."""

REQUESTS = [(method, request(target, *lines, method=method)) for method, target, lines, _ in CASES]


@pytest.fixture(scope="module")
def fresh(server: Server) -> list[Response]:
    """The responses on fresh connections."""
    responses = []
    for method, data in REQUESTS:
        with Client(server.port) as client:
            client.send(data)
            responses.append(client.response(method).timeless())
    return responses


def test_requests_on_fresh_connections_get_equal_responses(fresh: list[Response]) -> None:
    assert [response.status for response in fresh] == [status for _, _, _, status in CASES]


def test_requests_again_over_one_connection_get_equal_responses(
    client: Client, fresh: list[Response]
) -> None:
    for (method, data), expected in zip(REQUESTS, fresh, strict=True):
        client.send(data)
        assert client.response(method).timeless() == expected, data


def test_requests_twice_over_one_connection_get_equal_responses(
    client: Client, fresh: list[Response]
) -> None:
    for (method, data), expected in zip(REQUESTS, fresh, strict=True):
        for _ in range(2):
            client.send(data)
            assert client.response(method).timeless() == expected, data


def test_requests_all_at_once_get_equal_responses(server: Server, fresh: list[Response]) -> None:
    assert [response.timeless() for response in pipeline(server.port, REQUESTS)] == fresh


def test_requests_all_at_once_backwards_get_equal_responses(
    server: Server, fresh: list[Response]
) -> None:
    responses = pipeline(server.port, reversed(REQUESTS))
    assert [response.timeless() for response in responses] == fresh[::-1]


def test_requests_on_connections_that_close_get_equal_responses(
    server: Server, fresh: list[Response]
) -> None:
    for (method, data), expected in zip(REQUESTS, fresh, strict=True):
        if b"\r\nConnection:" in data:
            continue
        with Client(server.port) as client:
            client.send(data[:-2] + b"Connection: close\r\n\r\n")
            response = client.response(method).timeless()
            assert client.rest() == b""
        others = tuple(field for field in response.fields if field != ("Connection", "close"))
        assert len(others) == len(response.fields) - 1
        assert (response.status, sorted(others)) == (expected.status, sorted(expected.fields))
        assert response.body == expected.body

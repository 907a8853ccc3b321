"""A connection goes on after every kind of response; blank lines between requests do no harm."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator

import pytest

from tests.functional.configured import serve_with
from tests.support.raw import Client, request
from tests.support.server import Server

LARGE = bytes(range(256)) * 4000
BODY = b"5\r\nhello\r\n0\r\n\r\n"
KINDS = {
    "200": ("GET", request("/a.txt"), 200),
    "200-large": ("GET", request("/large.bin"), 200),
    "200-head": ("HEAD", request("/large.bin", method="HEAD"), 200),
    "200-empty": ("GET", request("/empty"), 200),
    "200-coded": ("GET", request("/a.txt", "Accept-Encoding: gzip"), 200),
    "200-options": ("OPTIONS", request("*", method="OPTIONS"), 200),
    "200-listing": ("GET", request("/folder/"), 200),
    "200-listing-head": ("HEAD", request("/folder/", method="HEAD"), 200),
    "200-listing-json": ("GET", request("/folder/", "Accept: application/json"), 200),
    "206": ("GET", request("/large.bin", "Range: bytes=0-99999"), 206),
    "206-several": ("GET", request("/large.bin", "Range: bytes=0-9,90000-900000"), 206),
    "206-several-small": ("GET", request("/a.txt", "Range: bytes=0-0,2-2"), 206),
    "301": ("GET", request("/folder"), 301),
    "304": ("GET", request("/a.txt", "If-None-Match: *"), 304),
    "304-listing": ("GET", request("/folder/", "If-None-Match: *"), 304),
    "400-path": ("GET", request("/%2e%2e/"), 400),
    "404": ("GET", request("/missing"), 404),
    "404-head": ("HEAD", request("/missing", method="HEAD"), 404),
    "405": ("POST", request("/a.txt", method="POST"), 405),
    "405-length": ("PUT", request("/a.txt", "Content-Length: 4", method="PUT") + b"body", 405),
    "405-chunked": ("PUT", request("/", "Transfer-Encoding: chunked", method="PUT") + BODY, 405),
    "406": ("GET", request("/a.txt", "Accept-Encoding: *;q=0"), 406),
    "412": ("GET", request("/a.txt", 'If-Match: "x"'), 412),
    "412-listing": ("GET", request("/folder/", 'If-Match: "x"'), 412),
    "416": ("GET", request("/a.txt", "Range: bytes=999-"), 416),
    "417": ("GET", request("/a.txt", "Expect: x"), 417),
    "501": ("BREW", request("/a.txt", method="BREW"), 501),
    "505": ("GET", request("/a.txt", version="HTTP/2.0"), 505),
}
LAST = {400, 417, 501, 505}
KEEPING = {name: kind for name, kind in KINDS.items() if kind[2] not in LAST}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    site = tmp_path_factory.mktemp("reuse")
    (site / "folder").mkdir()
    (site / "folder" / "b.txt").write_bytes(b"b")
    (site / "empty").touch()
    (site / "large.bin").write_bytes(LARGE)
    (site / "a.txt").write_bytes(b"content")
    (site / "a.txt.gz").write_bytes(gzip.compress(b"content"))
    with serve_with(site, listing=True) as server:
        yield server


@pytest.mark.parametrize("name", KINDS)
def test_connection_goes_on_after_each_kind_of_response(server: Server, name: str) -> None:
    method, data, status = KINDS[name]
    with Client(server.port) as client:
        for _ in range(3):
            client.send(data)
            response = client.response(method)
            assert response.status == status
            assert (response.get("Connection") == "close") is (status in LAST)
            if status in LAST:
                client.send_if_open(request("/a.txt"))
                assert client.rest_or_reset() == b""
                return
            assert client.ask("/a.txt").body == b"content"


def test_connection_goes_on_after_each_kind_in_each_order(server: Server) -> None:
    """Pipelined, so that a byte too many or too few of one response breaks the next."""
    pairs = [kind for pair in itertools.product(KEEPING.values(), repeat=2) for kind in pair]
    small = [
        kind for kind in pairs if b"/large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n" not in kind[1]
    ]
    with Client(server.port) as client:
        for begin in range(0, len(small), 100):
            part = small[begin : begin + 100]
            client.send(b"".join(data for _, data, _ in part))
            for method, data, status in part:
                assert client.response(method).status == status, data
        assert client.ask("/a.txt").body == b"content"


@pytest.mark.parametrize("name", KEEPING)
def test_blank_line_before_the_next_request_is_ignored(server: Server, name: str) -> None:
    """As clients of old send it after a body (RFC 9112 §2.2)."""
    method, data, status = KEEPING[name]
    with Client(server.port) as client:
        client.send(data + b"\r\n" + data, b"\r", b"\n" + data + b"\r\n")
        for _ in range(3):
            assert client.response(method).status == status
        client.send(data)
        assert client.response(method).status == status
        client.send(b"\r\n")
        client.finish_sending()
        assert client.rest() == b"", "a blank line alone is no request"


@pytest.mark.parametrize("blank", [b"\n", b"\r\r\n", b"\r\n\r\n", b"\r\n\n", b" \r\n", b"\0\r\n"])
def test_bytes_that_are_no_blank_line_are_refused(server: Server, blank: bytes) -> None:
    with Client(server.port) as client:
        client.send(request("/a.txt") + blank + request("/a.txt") * 2)
        assert client.response().body == b"content"
        assert client.response().status == 400
        assert client.rest() == b""

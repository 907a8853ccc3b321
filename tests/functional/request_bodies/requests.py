"""Requests with bodies that look like requests themselves."""

from __future__ import annotations

from tests.support.raw import Client, request

LIMIT = 3000
"""The max_body of most servers here."""
SMUGGLED = request("/smuggled")
CHUNKED = "Transfer-Encoding: chunked"


def filling(size: int) -> bytes:
    """A body that looks like requests to a server that mistakes its length."""
    return (SMUGGLED * (size // len(SMUGGLED) + 1))[:size]


def with_length(size: int, *lines: str, method: str = "POST", target: str = "/a") -> bytes:
    return request(target, f"Content-Length: {size}", *lines, method=method) + filling(size)


def chunked(body: bytes, *sizes: int, extension: str = "", trailer: str = "") -> bytes:
    """A chunked body in chunks of these sizes, again and again."""
    pieces, number = [], 0
    while body:
        piece, body = body[: sizes[number % len(sizes)]], body[sizes[number % len(sizes)] :]
        pieces.append(b"%x%b\r\n%b\r\n" % (len(piece), extension.encode(), piece))
        number += 1
    return b"".join(pieces) + f"0{extension}\r\n{trailer}\r\n".encode()


WHOLE = chunked(SMUGGLED, len(SMUGGLED))


def in_chunks(body: bytes, method: str = "POST", target: str = "/a") -> bytes:
    """A request with an encoded body."""
    return request(target, CHUNKED, method=method) + body


def check_between_others(port: int, data: bytes, status: int = 405, method: str = "POST") -> None:
    """Assert that a request is answered, and so are those before and behind it."""
    with Client(port) as client:
        client.send(request("/a") + data + data + request("/b"))
        assert client.response().body == b"a"
        for _ in range(2):
            assert client.response(method).status == status
        assert client.response().body == b"b"
        client.send(data)
        assert client.response(method).status == status
        assert client.ask("/a").body == b"a"


def check_refused(client: Client, status: int) -> None:
    """Assert that this is the last response, although more bytes follow the request."""
    response = client.response()
    assert response.status == status
    assert response["Connection"] == "close"
    client.send_if_open(SMUGGLED * 3)
    assert client.rest_or_reset() == b""

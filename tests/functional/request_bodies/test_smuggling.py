"""A length that two readers could take differently ends the connection."""

from __future__ import annotations

import pytest

from tests.functional.request_bodies.requests import (
    CHUNKED,
    SMUGGLED,
    WHOLE,
    in_chunks,
    with_length,
)
from tests.support.raw import Client, request
from tests.support.server import Server

LENGTH = f"Content-Length: {len(SMUGGLED)}"


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ([LENGTH, CHUNKED], WHOLE),
        ([CHUNKED, LENGTH], WHOLE),
        (["Content-Length: 6", CHUNKED], b"0\r\n\r\n" + SMUGGLED),
        (["Content-Length: 4", CHUNKED], b"5c\r\n" + SMUGGLED + b"0\r\n\r\n"),
        (["Content-Length: 0", LENGTH], SMUGGLED),
        ([LENGTH, "Content-Length: 0"], SMUGGLED),
        ([f"Content-Length: 0, {len(SMUGGLED)}"], SMUGGLED),
        ([f"Content-Length: +{len(SMUGGLED)}"], SMUGGLED),
        ([f"Content-Length: 0{len(SMUGGLED)}"], SMUGGLED),
        ([f"Content-Length: {len(SMUGGLED)}\xa0"], SMUGGLED),
        ([f"Content-Length : {len(SMUGGLED)}"], SMUGGLED),
        ([f"Content-Length\t: {len(SMUGGLED)}"], SMUGGLED),
        (["X: y\n" + LENGTH], SMUGGLED),
        (["X: y\r" + LENGTH], SMUGGLED),
        (["X: y", " " + LENGTH], SMUGGLED),
        (["Transfer-Encoding : chunked"], WHOLE),
        (["Transfer-Encoding: xchunked"], WHOLE),
        (["Transfer-Encoding: \x0bchunked"], WHOLE),
        (["Transfer-Encoding: chunked\x00"], WHOLE),
        (["Transfer-Encoding: \xa0chunked"], WHOLE),
        (["Transfer-Encoding: \x85chunked"], WHOLE),
        (["Transfer-Encoding: chunked\xa0"], WHOLE),
        (['Transfer-Encoding: "chunked"'], WHOLE),
        (["Transfer-Encoding: chunked;a=b"], WHOLE),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], WHOLE),
        (["Transfer-Encoding: identity", "Transfer-Encoding: chunked"], WHOLE),
        (["Transfer-Encoding: identity"], WHOLE),
        (["Transfer-Encoding: gzip, chunked"], WHOLE),
        (["Transfer-Encoding: chunked, chunked"], WHOLE),
        (["Transfer-Encoding:"], WHOLE),
        (["Transfer-Encoding:", "Content-Length: 5"], b"hello" + SMUGGLED),
        (["Transfer-Encoding", LENGTH], SMUGGLED),
        (["Transfer-Encoding:\r\n chunked"], WHOLE),
        (["\xd4ransfer-Encoding: chunked"], WHOLE),
        (["Transfer-Encoding: chunked\r", "X: y"], WHOLE),
    ],
    ids=repr,
)
def test_doubtful_length_ends_the_connection(server: Server, lines: list[str], body: bytes) -> None:
    with Client(server.port) as client:
        client.send(request("/a", *lines, method="POST") + body + request("/b"))
        response = client.response()
        assert response.status in (400, 501)
        assert response["Connection"] == "close"
        assert client.rest() == b""


@pytest.mark.parametrize(
    "body",
    [
        b"0\n\n" + SMUGGLED,
        b"0\r\n\n" + SMUGGLED,
        b"0\r\nX: y\n\r\n" + SMUGGLED,
        b"0\r\n\r" + SMUGGLED,
        b"0\r\n \r\n" + SMUGGLED,
        b"0\r\nX : y\r\n\r\n" + SMUGGLED,
        b"1\r\nab\r\n0\r\n\r\n" + SMUGGLED,
        b"2\r\na\r\n0\r\n\r\n" + SMUGGLED,
        b"-0\r\n\r\n" + SMUGGLED,
        b"0x0\r\n\r\n" + SMUGGLED,
        b"0_0\r\n\r\n" + SMUGGLED,
        b" 0\r\n\r\n" + SMUGGLED,
        b"0 \r\n\r\n" + SMUGGLED,
        b"0\t\r\n\r\n" + SMUGGLED,
        b"0;\r\n\r\n" + SMUGGLED,
        b"0;a\n\r\n\r\n" + SMUGGLED,
        b"0;a=\r\n\r\n" + SMUGGLED,
        b'0;a="\r\n\r\n' + SMUGGLED,
        b'0;a="\r\n"\r\n\r\n' + SMUGGLED,
        b"0;a\x00\r\n\r\n" + SMUGGLED,
        b"\r\n0\r\n\r\n" + SMUGGLED,
        b"10000000000000000\r\n" + SMUGGLED,
        b"\xb2\r\n\r\n" + SMUGGLED,
        b"g\r\n" + SMUGGLED,
        SMUGGLED,
    ],
    ids=repr,
)
def test_doubtful_chunk_ends_the_connection(any_recv: Server, body: bytes) -> None:
    with Client(any_recv.port) as client:
        client.send_if_open(in_chunks(body) + request("/b"))
        response = client.response()
        assert response.status == 400
        assert response["Connection"] == "close"
        assert client.rest() == b""


def test_body_that_looks_like_a_request_is_not_served(server: Server) -> None:
    for data in (with_length(len(SMUGGLED)), in_chunks(WHOLE)):
        with Client(server.port) as client:
            for _ in range(3):
                client.send(data)
                assert client.response().status == 405
            client.finish_sending()
            assert client.rest() == b""


def test_head_without_its_body_is_remembered_apart(server: Server) -> None:
    """The key of the response cache is the head, and a body is no part of it."""
    bare = request("/a", "Content-Length: 0")
    full = request("/a", f"Content-Length: {len(SMUGGLED)}")
    with Client(server.port) as client:
        for _ in range(5):
            client.send(bare, full + SMUGGLED, bare + full, SMUGGLED, full, SMUGGLED + bare)
            assert [client.response().body for _ in range(6)] == [b"a"] * 6
        client.finish_sending()
        assert client.rest() == b""

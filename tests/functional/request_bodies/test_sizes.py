"""Bodies of every size, in every kind of pieces; those that are too large are refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.functional.configured import serve_with
from tests.functional.request_bodies.requests import (
    LIMIT,
    check_between_others,
    check_refused,
    chunked,
    filling,
    in_chunks,
    with_length,
)
from tests.functional.test_memory import MIB, proportional_size
from tests.support.raw import Client, request
from tests.support.server import Server


def test_body_of_any_length_is_dropped(any_recv: Server) -> None:
    for size in (0, 1, 2, 3, 4, 99, 100, 101, LIMIT - 1, LIMIT):
        check_between_others(any_recv.port, with_length(size))


def test_body_as_long_as_a_recv_is_dropped(site: Path) -> None:
    with serve_with(site) as server:
        for size in (65535, 65536, 65537, 131072, MIB - 1, MIB):
            check_between_others(server.port, with_length(size))
            with Client(server.port) as client:  # a head and a body that fill a recv exactly
                data = with_length(65536 - len(with_length(65536)) + 65536)
                client.send(data + request("/b"))
                assert len(data) == 65536
                assert client.response().status == 405
                assert client.response().body == b"b"


def test_chunks_of_any_size_are_dropped(any_recv: Server) -> None:
    body = filling(400)
    for sizes in [(1,), (2, 3), (100,), (99, 1, 101), (400,), (16, 255, 256)]:
        check_between_others(any_recv.port, in_chunks(chunked(body, *sizes)))
    odd = chunked(body, 7, extension=' ; a="\\"\r"'.replace("\r", "x") + ";b=c", trailer="X: y\r\n")
    check_between_others(any_recv.port, in_chunks(odd))
    for size in (0, 1):
        check_between_others(any_recv.port, in_chunks(chunked(filling(size), 1)))
    check_between_others(any_recv.port, in_chunks(b"000A\r\n0123456789\r\n00000\r\n\r\n"))


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/a", 200),
        ("HEAD", "/a", 200),
        ("GET", "/large", 200),
        ("GET", "/missing", 404),
        ("OPTIONS", "*", 200),
        ("DELETE", "/a", 405),
    ],
)
def test_body_of_any_method_is_dropped(
    server: Server, method: str, target: str, status: int
) -> None:
    data = with_length(100, method=method, target=target)
    check_between_others(server.port, data, status, method)
    data = in_chunks(chunked(filling(100), 30), method, target)
    check_between_others(server.port, data, status, method)


@pytest.mark.parametrize("seed", range(5))
def test_bodies_in_any_mix_and_pieces_are_dropped(any_recv: Server, seed: int) -> None:
    chance = random.Random(seed)
    kinds = {
        request("/a"): ("GET", 200),
        request("/b", method="HEAD"): ("HEAD", 200),
        b"\r\n" + request("/b"): ("GET", 200),
        with_length(77): ("POST", 405),
        with_length(200, method="HEAD", target="/missing"): ("HEAD", 404),
        in_chunks(chunked(filling(60), 1, 7, 30), "GET"): ("GET", 200),
        in_chunks(chunked(b"", 1, trailer="A: b\r\nC:\r\n"), "PUT"): ("PUT", 405),
        request("/large"): ("GET", 200),
    }
    chosen = chance.choices(list(kinds), k=60)
    data = b"".join(chosen)
    cuts = sorted(chance.sample(range(1, len(data)), 80))
    with Client(any_recv.port) as client:
        client.send(*[data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)])
        for kind in chosen:
            method, status = kinds[kind]
            assert client.response(method).status == status
        client.finish_sending()
        assert client.rest() == b""


def test_bodies_by_the_thousand_leave_nothing_behind(site: Path) -> None:
    with serve_with(site) as server, Client(server.port) as client:
        data = with_length(100_000) + in_chunks(chunked(filling(50_000), 999))
        before = 0
        for number in range(600):
            client.send(data)
            assert (client.response().status, client.response().status) == (405, 405)
            if number == 100:
                before = proportional_size(server.pid)
        assert proportional_size(server.pid) - before < 4 * MIB


@pytest.mark.parametrize(
    "begin",
    [
        request("/a", f"Content-Length: {LIMIT + 1}", method="POST"),
        request("/a", f"Content-Length: {10**18}", method="POST"),
        in_chunks(b"%x\r\n" % (LIMIT + 1)),
        in_chunks(b"f" * 16 + b"\r\n"),
        in_chunks(b"1\r\nx\r\n%x\r\n" % LIMIT),
        in_chunks(chunked(bytes(LIMIT), 1)[: LIMIT + 6]),
        in_chunks(b"0\r\n" + b"X: y\r\n" * (LIMIT // 6 + 1))[:-1],
    ],
    ids=["length", "huge", "chunk", "huge-chunk", "second-chunk", "small-chunks", "trailers"],
)
def test_body_that_is_too_large_is_refused_before_it_comes(any_recv: Server, begin: bytes) -> None:
    with Client(any_recv.port) as client:
        client.send(request("/b") + begin)
        assert client.response().body == b"b"
        check_refused(client, 431 if b"X: y" in begin else 413)
        client.close()
        any_recv.out.wait_for(f"connection {client.address} closed: (body too large|bad request)")


def test_refusal_reaches_a_client_that_sends_far_too_much(server: Server) -> None:
    with Client(server.port) as client:
        client.send(request("/a", f"Content-Length: {4 * MIB}", method="PUT"))
        client.send(*[bytes(65536)] * 64)
        check_refused(client, 413)

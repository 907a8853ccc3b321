"""Bodies of requests are read and dropped: the next request begins where the client says so."""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.configured import serve_with
from tests.functional.test_memory import MIB, proportional_size
from tests.support.raw import Client, request
from tests.support.server import Server

LIMIT = 3000
"""The max_body of most servers here."""
SMUGGLED = request("/smuggled")
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("bodies")
    (site / "a").write_bytes(b"a")
    (site / "b").write_bytes(b"b")
    (site / "smuggled").write_bytes(b"smuggled")
    (site / "large").write_bytes(bytes(1_000_000))
    return site


@pytest.fixture(scope="module", params=[1, 2, 3, 100, 65536])
def any_recv(site: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """Servers that take in what comes in pieces of different sizes."""
    with serve_with(site, recv=request.param, max_body=LIMIT) as server:
        yield server


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[Server]:
    with serve_with(site, max_body=LIMIT) as server:
        yield server


@pytest.fixture(scope="module")
def hasty(site: Path) -> Iterator[Server]:
    """A server that waits for no one."""
    with serve_with(site, header_timeout="1s") as server:
        yield server


def filling(size: int) -> bytes:
    """A body that anybody would take for requests who does not know where it ends."""
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


# ---------------------------------------------------------------- every size


def test_lengths(any_recv: Server) -> None:
    for size in (0, 1, 2, 3, 4, 99, 100, 101, LIMIT - 1, LIMIT):
        check_between_others(any_recv.port, with_length(size))


def test_lengths_around_that_of_a_recv(site: Path) -> None:
    with serve_with(site) as server:
        for size in (65535, 65536, 65537, 131072, MIB - 1, MIB):
            check_between_others(server.port, with_length(size))
            with Client(server.port) as client:  # a head and a body that fill a recv exactly
                data = with_length(65536 - len(with_length(65536)) + 65536)
                client.send(data + request("/b"))
                assert len(data) == 65536
                assert client.response().status == 405
                assert client.response().body == b"b"


def test_chunks(any_recv: Server) -> None:
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
def test_any_method_has_a_body(server: Server, method: str, target: str, status: int) -> None:
    data = with_length(100, method=method, target=target)
    check_between_others(server.port, data, status, method)
    data = in_chunks(chunked(filling(100), 30), method, target)
    check_between_others(server.port, data, status, method)


@pytest.mark.parametrize("seed", range(5))
def test_any_mix_in_any_pieces(any_recv: Server, seed: int) -> None:
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


def test_a_thousand_bodies_leave_nothing_behind(site: Path) -> None:
    with serve_with(site) as server, Client(server.port) as client:
        data = with_length(100_000) + in_chunks(chunked(filling(50_000), 999))
        before = 0
        for number in range(600):
            client.send(data)
            assert (client.response().status, client.response().status) == (405, 405)
            if number == 100:
                before = proportional_size(server.pid)
        assert proportional_size(server.pid) - before < 4 * MIB


# ---------------------------------------------------------------- too large


def check_refused(client: Client, status: int) -> None:
    """Assert that this is the last answer, whatever is sent behind the request."""
    response = client.response()
    assert response.status == status
    assert response["Connection"] == "close"
    client.send_if_open(SMUGGLED * 3)
    assert client.rest_or_reset() == b""


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
def test_too_large_is_said_before_the_body_came(any_recv: Server, begin: bytes) -> None:
    with Client(any_recv.port) as client:
        client.send(request("/b") + begin)
        assert client.response().body == b"b"
        check_refused(client, 431 if b"X: y" in begin else 413)
        client.close()
        any_recv.out.wait_for(f"connection {client.address} closed: (body too large|bad request)")


def test_an_answer_reaches_a_client_that_sends_far_too_much(server: Server) -> None:
    with Client(server.port) as client:
        client.send(request("/a", f"Content-Length: {4 * MIB}", method="PUT"))
        client.send(*[bytes(65536)] * 64)
        check_refused(client, 413)


# ---------------------------------------------------------------- unfinished


@pytest.mark.parametrize(
    "begin",
    [with_length(100)[:-1], in_chunks(b"5\r\nabc"), in_chunks(b"5"), in_chunks(b"0\r\nX: y\r\n")],
    ids=["length", "chunk", "size", "trailer"],
)
@pytest.mark.parametrize("before", [b"", request("/b")], ids=["first", "second"])
def test_a_body_that_stalls_is_answered_408(hasty: Server, before: bytes, begin: bytes) -> None:
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


def test_a_trickle_does_not_put_off_the_timeout(hasty: Server) -> None:
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


def test_a_stalled_body_holds_up_nobody(server: Server) -> None:
    with Client(server.port) as stalled, Client(server.port) as client:
        stalled.send(with_length(10)[:-1])
        for _ in range(50):
            assert client.ask("/a").body == b"a"
        stalled.send(b"x" + request("/b"))
        assert stalled.response().status == 405
        assert stalled.response().body == b"b"


@pytest.mark.parametrize("half", [True, False])
def test_a_client_that_closes_in_the_middle(server: Server, half: bool) -> None:
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


def test_a_drain_waits_for_the_body(site: Path) -> None:
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


# ---------------------------------------------------------------- Expect


def test_a_client_that_waits_gets_the_answer_instead(server: Server) -> None:
    """RFC 9110 §10.1.1: a final status in place of 100, and then nobody knows what comes next."""
    for lines in (["Content-Length: 5"], [CHUNKED], [f"Content-Length: {LIMIT + 1}"]):
        for method, status in (("GET", 200), ("PUT", 405)):
            with Client(server.port) as client:
                client.send(request("/a", "Expect: 100-Continue", *lines, method=method))
                check_refused(client, status)


def test_who_waits_for_nothing_is_not_kept_waiting(server: Server) -> None:
    with Client(server.port) as client:
        for _ in range(2):
            assert client.ask("/a", "Expect: 100-continue").body == b"a"
        data = request("/b", "Expect: 100-continue", "Content-Length: 3", version="HTTP/1.0")
        client.send(data + b"abc")  # an expectation that HTTP/1.0 does not have
        assert client.response().body == b"b"


def test_another_expectation(server: Server) -> None:
    with Client(server.port) as client:
        client.send(request("/a", "Expect: 100-continue, x", "Content-Length: 5") + b"hello")
        check_refused(client, 417)


# ---------------------------------------------------------------- smuggling

LENGTH = f"Content-Length: {len(SMUGGLED)}"
WHOLE = chunked(SMUGGLED, len(SMUGGLED))


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
def test_a_doubtful_length_ends_the_connection(
    server: Server, lines: list[str], body: bytes
) -> None:
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
def test_a_doubtful_chunk_ends_the_connection(any_recv: Server, body: bytes) -> None:
    with Client(any_recv.port) as client:
        client.send_if_open(in_chunks(body) + request("/b"))
        response = client.response()
        assert response.status == 400
        assert response["Connection"] == "close"
        assert client.rest() == b""


def test_a_body_that_is_a_request_is_never_answered(server: Server) -> None:
    for data in (with_length(len(SMUGGLED)), in_chunks(WHOLE)):
        with Client(server.port) as client:
            for _ in range(3):
                client.send(data)
                assert client.response().status == 405
            client.finish_sending()
            assert client.rest() == b""


def test_the_same_head_without_a_body_is_remembered_apart(server: Server) -> None:
    """What is remembered goes by the bytes of a head, and a body is not part of it."""
    bare = request("/a", "Content-Length: 0")
    full = request("/a", f"Content-Length: {len(SMUGGLED)}")
    with Client(server.port) as client:
        for _ in range(5):
            client.send(bare, full + SMUGGLED, bare + full, SMUGGLED, full, SMUGGLED + bare)
            assert [client.response().body for _ in range(6)] == [b"a"] * 6
        client.finish_sending()
        assert client.rest() == b""


# ---------------------------------------------------------------- the log


def test_a_line_for_each_request_and_none_for_a_body(site: Path) -> None:
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
        lines = [line for line in server.out.seen if "HTTP/1.1" in line]
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
def test_the_duration_is_that_of_the_request_alone(site: Path, early: bytes) -> None:
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


def test_the_duration_counts_from_the_first_byte(site: Path) -> None:
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
        assert float(server.out.seen[-1].split()[-2]) <= elapsed


def time_until_logged(server: Server, begin: float) -> float:
    """Let the only loop do something else, so that it has done with what came before."""
    with Client(server.port) as other:
        assert other.ask("/missing").status == 404
    return time.monotonic() - begin


def duration(server: Server, target: str) -> float:
    line = server.out.wait_for(f'"GET {re.escape(target)} ').string
    return float(line.split()[-2])

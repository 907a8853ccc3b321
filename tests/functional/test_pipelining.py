"""Pipelined requests are answered in their order (RFC 9112, section 9.3.2)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.functional.site import FIVE_MB, HOME, NOTES, SIZES, pattern
from tests.support.raw import Client, pipeline, request
from tests.support.server import Server, serve

LONG = SIZES[-2]
"""Bytes of the longest file that is sent from memory."""


def test_pipeline_of_sixteen_is_answered_in_order(server: Server) -> None:
    targets = [f"/notes.txt?{number}" for number in range(16)]
    requests = [
        ("GET", request(target, f"Range: bytes={number * 5}-{number * 5 + 3}"))
        for number, target in enumerate(targets)
    ]
    bodies = [response.body for response in pipeline(server.port, requests)]
    assert bodies == [b"%04d" % number for number in range(16)]


@pytest.mark.parametrize("recv", [1, 100, 65536])
def test_pipeline_of_known_and_new_requests_is_answered_in_order(docroot: Path, recv: int) -> None:
    """They are answered several at a time, but each has its response, in its place."""
    chance = random.Random(recv)
    known = ["/notes.txt", "/", "/sizes/0.bin", f"/sizes/{LONG}.bin", "/missing"]
    others = ["/notes.txt?%d", "/missing%d", "/docs?%d", "/five.bin?%d", "/%%6eotes.txt?%d"]
    options = ("--workers", "1", "--threads", "1", "--recv", str(recv))
    with serve(docroot, *options) as server, Client(server.port) as client:
        expected = {target: client.ask(target) for target in known}
        targets = []
        for number in range(150):
            targets += chance.choices(known, k=chance.randrange(6))
            targets.append(chance.choice(others) % number)
        requests = [("GET", request(target)) for target in targets]
        for target, response in zip(targets, pipeline(server.port, requests), strict=True):
            if target in known:
                assert (response.status, response.body) == (
                    expected[target].status,
                    expected[target].body,
                )
            elif "five" in target:
                assert response.body == FIVE_MB
            elif "otes" in target:
                assert response.body == NOTES
            else:
                assert response.status == (301 if "docs" in target else 404)


def test_pipeline_of_a_client_that_does_not_read_is_held_back(server: Server) -> None:
    """Bytes that do not fit into the socket wait, and none is lost or sent twice."""
    with Client(server.port, receive_buffer=4096) as client:
        client.ask(f"/sizes/{LONG}.bin")
        client.send(request(f"/sizes/{LONG}.bin") * 200, request("/notes.txt"))
        for _ in range(200):
            assert client.response().body == pattern(LONG)
        assert client.response().body == NOTES


def test_pipeline_of_mixed_methods_and_statuses_is_answered_in_order(server: Server) -> None:
    expected = [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/missing", 404),
        ("HEAD", "/missing", 404),
        ("POST", "/", 405),
        ("GET", "/docs", 301),
        ("HEAD", "/docs", 301),
        ("OPTIONS", "*", 200),
        ("GET", "/bare/", 403),
        ("HEAD", "/five.bin", 200),
        ("TRACE", "/", 405),
        ("DELETE", "/notes.txt", 405),
        ("HEAD", "/bare/", 403),
        ("GET", "/sizes/0.bin", 200),
        ("HEAD", "/sizes/0.bin", 200),
        ("GET", "/notes.txt", 200),
    ]
    requests = [(method, request(target, method=method)) for method, target, _ in expected]
    responses = list(pipeline(server.port, requests))
    assert [response.status for response in responses] == [status for _, _, status in expected]
    assert responses[0].body == HOME
    assert responses[-1].body == NOTES


def test_pipeline_of_large_and_small_files_is_answered_in_order(server: Server) -> None:
    requests = [("GET", request(target)) for target in ("/five.bin", "/", "/notes.txt")] * 3
    bodies = [response.body for response in pipeline(server.port, requests)]
    assert bodies == [FIVE_MB, HOME, NOTES] * 3


def test_pipeline_of_files_of_all_sizes_is_answered_in_order(server: Server) -> None:
    requests = [("GET", request(f"/sizes/{size}.bin")) for size in SIZES]
    responses = pipeline(server.port, requests * 2)
    for size, response in zip(SIZES * 2, responses, strict=True):
        assert response.body == pattern(size)


@pytest.mark.parametrize("target", ["/five.bin", "/", "/missing"])
def test_pipeline_ends_at_connection_close(server: Server, target: str) -> None:
    with Client(server.port) as client:
        client.send(request("/") + request(target, "Connection: close") + request("/") * 3)
        assert client.response().body == HOME
        assert client.response()["Connection"] == "close"
        assert client.rest() == b""


def test_pipeline_ends_at_a_bad_request(server: Server) -> None:
    with Client(server.port) as client:
        client.send(request("/five.bin") + b"nonsense\r\n\r\n" + request("/"))
        assert client.response().body == FIVE_MB
        assert client.response().status == 400
        assert client.rest() == b""


def test_pipeline_is_logged_with_the_bad_request_and_not_the_next(lone_loop: Server) -> None:
    with Client(lone_loop.port) as client:
        client.send(b"nonsense\r\n\r\n" + request("/after-nonsense"))
        assert client.response().status == 400
        assert client.rest() == b""
    match = lone_loop.out.wait_for('"([^"]*nonsense[^"]*)" 400 ')
    assert match[1] == "nonsense"


def test_pipeline_longer_than_a_read_is_answered_in_order(server: Server) -> None:
    requests = [("GET", request(f"/notes.txt?{number}")) for number in range(1500)]
    assert all(response.body == NOTES for response in pipeline(server.port, requests))


@pytest.mark.parametrize("depth", [1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 128, 129])
def test_pipeline_of_any_depth_that_ends_within_a_request_is_answered(
    server: Server, depth: int
) -> None:
    with Client(server.port) as client:
        requests = [request(f"/notes.txt?{number}") for number in range(depth + 1)]
        client.send(b"".join(requests)[:-7])
        for _ in range(depth):
            assert client.response().body == NOTES
        client.send(requests[-1][-7:])
        assert client.response().body == NOTES
        assert client.ask("/").body == HOME


def test_pipeline_that_goes_on_during_a_response_is_answered(server: Server) -> None:
    with Client(server.port, receive_buffer=4096) as client:
        client.send(request("/five.bin"))
        assert client.head().status == 200
        first = client.body(1000)
        client.send(request("/notes.txt"), request("/")[:20])
        assert first + client.body(len(FIVE_MB) - 1000) == FIVE_MB
        assert client.response().body == NOTES
        client.send(request("/")[20:])
        assert client.response().body == HOME

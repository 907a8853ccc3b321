"""Persistent connections: how long they last, and that one never holds up another."""

from __future__ import annotations

import hashlib
import socket
import struct
from contextlib import suppress
from pathlib import Path

import pytest

from tests.functional.site import FIVE_MB, HOME, NOTES
from tests.support.raw import Client, ask, request
from tests.support.server import Server

SPARSE = 64 * 1024 * 1024
"""More than the buffers of a connection hold."""


@pytest.fixture(scope="module")
def sparse(docroot: Path) -> str:
    """The target of a file that no connection swallows at once."""
    with (docroot / "sparse.bin").open("wb") as file:
        file.truncate(SPARSE)
    return "/sparse.bin"


def test_connection_takes_many_requests(client: Client) -> None:
    for number in range(200):
        assert client.ask("/").body == HOME
        assert client.ask(f"/missing-{number}").status == 404
        assert client.ask("/notes.txt", method="HEAD").status == 200
    assert client.ask("/five.bin").body == FIVE_MB
    assert client.ask("/").body == HOME


def test_connections_in_parallel_are_all_served(server: Server) -> None:
    clients = [Client(server.port) for _ in range(40)]
    try:
        for _ in range(5):
            for client in clients:
                client.send(request("/notes.txt"))
            for client in reversed(clients):
                assert client.response().body == NOTES
    finally:
        for client in clients:
            client.close()


def test_large_downloads_in_parallel_arrive_whole(server: Server) -> None:
    """Two browsers' worth of connections, each read a little at a time."""
    clients = [Client(server.port) for _ in range(12)]
    sums = [hashlib.sha256() for _ in clients]
    try:
        for client in clients:
            client.send(request("/five.bin"))
        for client in clients:
            assert client.head()["Content-Length"] == str(len(FIVE_MB))
        for _ in range(50):
            for client, checksum in zip(clients, sums, strict=True):
                checksum.update(client.body(len(FIVE_MB) // 50))
        expected = hashlib.sha256(FIVE_MB).hexdigest()
        assert [checksum.hexdigest() for checksum in sums] == [expected] * len(clients)
        for client in clients:
            assert client.ask("/").body == HOME
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("target", ["/", "/five.bin", "/missing", "/docs"])
def test_connection_close_is_obeyed_and_said(client: Client, target: str) -> None:
    response = client.ask(target, "Connection: close")
    assert response["Connection"] == "close"
    assert client.rest() == b""


@pytest.mark.parametrize("target", ["/", "/five.bin", "/missing", "/docs"])
def test_http_1_0_closes(client: Client, target: str) -> None:
    response = client.ask(target, version="HTTP/1.0")
    assert response["Connection"] == "close"
    assert client.rest() == b""


def test_http_1_0_keep_alive_stays_open(client: Client) -> None:
    for target in ("/", "/five.bin", "/missing", "/docs"):
        response = client.ask(target, "Connection: keep-alive", version="HTTP/1.0")
        assert response["Connection"] == "keep-alive"
    assert client.ask("/", version="HTTP/1.0").body == HOME
    assert client.rest() == b""


def test_http_1_1_has_no_connection_field(client: Client) -> None:
    for target in ("/", "/five.bin", "/missing", "/docs"):
        assert "Connection" not in client.ask(target)
    assert client.ask("/").body == HOME


def test_client_that_has_shut_its_sending_side_gets_its_responses(server: Server) -> None:
    with Client(server.port) as client:
        client.send(request("/notes.txt"), request("/five.bin"), request("/"))
        client.finish_sending()
        assert client.response().body == NOTES
        assert client.response().body == FIVE_MB
        assert client.response().body == HOME
        assert client.rest() == b""


def test_half_request_and_an_end_gets_no_page(server: Server) -> None:
    with Client(server.port) as client:
        client.send(request("/")[:-3])
        client.finish_sending()
        rest = client.rest()
        assert rest == b"" or rest.startswith(b"HTTP/1.1 400 ")


def test_connection_without_a_request_gets_nothing(server: Server) -> None:
    with Client(server.port) as client:
        client.finish_sending()
        assert client.rest() == b""


def test_half_requests_hold_up_no_one(lone_loop: Server) -> None:
    halves = [Client(lone_loop.port) for _ in range(100)]
    try:
        for number, client in enumerate(halves):
            client.send(request("/notes.txt")[: number % 40])
        assert ask(lone_loop.port, "/").body == HOME
        for number, client in enumerate(halves):
            client.send(request("/notes.txt")[number % 40 :])
        for client in halves:
            assert client.response().body == NOTES
    finally:
        for client in halves:
            client.close()


def test_client_that_does_not_read_holds_up_no_one(lone_loop: Server, sparse: str) -> None:
    with Client(lone_loop.port, receive_buffer=4096) as lazy:
        lazy.send(request(sparse))
        assert lazy.head()["Content-Length"] == str(SPARSE)
        for _ in range(3):
            assert ask(lone_loop.port, "/five.bin").body == FIVE_MB
            assert ask(lone_loop.port, "/").body == HOME


def test_client_that_sends_but_does_not_read_holds_up_no_one(lone_loop: Server) -> None:
    with Client(lone_loop.port, receive_buffer=4096) as greedy:
        greedy.socket.setblocking(False)
        sent = 0
        with suppress(BlockingIOError):  # when the server reads no further
            while sent < SPARSE:
                sent += greedy.socket.send(request("/five.bin") * 1000)
        assert sent < SPARSE, "the server takes in more and more"
        assert ask(lone_loop.port, "/").body == HOME


def test_client_that_disappears_hurts_no_one(lone_loop: Server, sparse: str) -> None:
    for _ in range(10):
        client = Client(lone_loop.port)
        client.send(request("/"), request(sparse))
        assert client.response().body == HOME
        client.head()
        reset = struct.pack("ii", 1, 0)  # linger for no time: close() sends a RST
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        client.close()
    assert ask(lone_loop.port, "/five.bin").body == FIVE_MB


def test_slow_reader_gets_every_byte(server: Server) -> None:
    with Client(server.port, receive_buffer=4096) as client:
        assert client.ask("/five.bin").body == FIVE_MB
        assert client.ask("/").body == HOME


def test_error_reaches_a_client_that_is_still_sending(server: Server) -> None:
    """RFC 9112, section 9.6: closing at once would reset the connection and lose the response."""
    with Client(server.port) as client:
        client.send(request("/", "Content-Length: 3000000", method="POST"))
        for _ in range(30):
            client.send(b"x" * 100_000)
        assert client.response().status == 413
        assert client.rest() == b""

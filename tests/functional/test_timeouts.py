"""Connections on which nothing happens are closed, each in its own way."""

from __future__ import annotations

import re
import select
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.functional.site import HOME
from tests.support.raw import Client, ask, request
from tests.support.server import DEADLINE, Server, serve

MIB = 1024 * 1024
UNREAD = 64 * MIB
"""The size of a file that no connection swallows at once."""


@pytest.fixture(scope="module")
def hasty(docroot: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with short timeouts."""
    config = tmp_path_factory.mktemp("hasty") / "phttpd.yaml"
    config.write_text(
        f"docroot: {docroot}\nkeepalive_timeout: 500ms\nheader_timeout: 500ms\nsend_timeout: 3s\n"
    )
    with (docroot / "unread.bin").open("wb") as file:
        file.truncate(UNREAD)
    with serve(docroot, "--config", str(config), "--workers", "1", "--threads", "1") as server:
        yield server


def closed(server: Server, address: str, reason: str) -> None:
    """Wait for the message that the connection from this address was closed for this reason."""
    match = server.out.wait_for(f"connection {address} closed: (?P<reason>.*)$")
    assert re.fullmatch(reason, match["reason"])


def test_idle_connection_is_closed_without_a_response(hasty: Server) -> None:
    with Client(hasty.port) as client, Client(hasty.port) as silent:
        assert client.ask("/").body == HOME
        assert client.rest() == b""
        closed(hasty, client.address, "keep-alive timeout")
        assert silent.rest() == b""
        closed(hasty, silent.address, "(keep-alive|header) timeout")


@pytest.mark.parametrize("before", [b"", request("/")], ids=["first", "second"])
def test_half_a_request_gets_408(hasty: Server, before: bytes) -> None:
    parts = [b"G", b"GET / HTTP/1.1\r\n", request("/")[:-1]]
    with ExitStack() as stack:
        clients = []
        for part in parts:
            clients.append(stack.enter_context(Client(hasty.port)))
            clients[-1].send(before + part)
        for client in clients:
            if before:
                assert client.response().body == HOME
            response = client.response()
            assert (response.status, response.reason) == (408, "Request Timeout")
            assert response["Connection"] == "close"
            assert client.rest() == b""
    addresses = "|".join(client.address for client in clients)
    for _ in clients:
        closed(hasty, f"({addresses})", "header timeout")


def test_head_that_trickles_does_not_put_off_the_timeout(hasty: Server) -> None:
    with Client(hasty.port) as client:
        client.send(b"GET / HTTP/1.1\r\nX-Slow: ")
        deadline = time.monotonic() + DEADLINE
        while not select.select([client.socket], [], [], 0.05)[0]:
            assert time.monotonic() < deadline, "the trickle was not timed out"
            client.send(b"z")
        assert client.response().status == 408


def test_client_that_does_not_read_is_cut_off(hasty: Server) -> None:
    with Client(hasty.port, receive_buffer=4096) as client:
        client.send(request("/unread.bin"))
        closed(hasty, client.address, "send timeout")


def test_client_that_reads_a_little_is_not_cut_off(hasty: Server) -> None:
    """The send timeout counts from the last progress, not from the start of the response."""
    with Client(hasty.port, receive_buffer=65536) as client:
        client.send(request("/unread.bin"))
        client.head()
        begin, size = time.monotonic(), 0
        while (
            elapsed := time.monotonic() - begin
        ) < 4.5:  # longer than the timeout and the second that it is rounded up to
            if size < elapsed * 8 * MIB:
                size += len(client.body(MIB // 4))
            else:
                assert ask(hasty.port, "/").body == HOME
        assert client.body(UNREAD - size) == bytes(UNREAD - size)

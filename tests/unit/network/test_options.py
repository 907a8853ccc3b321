"""What is done with a bare descriptor as with a socket object."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from httpd.network.options import limit_unsent

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def tcp() -> Iterator[Pair]:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as near,
        listener.accept()[0] as far,
    ):
        yield near, far


@pytest.fixture
def unix() -> Iterator[Pair]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


@pytest.fixture(params=["tcp", "unix"])
def pair(request: pytest.FixtureRequest) -> Pair:
    pair: Pair = request.getfixturevalue(request.param)
    return pair


def test_the_descriptor_stays_open(pair: Pair) -> None:
    near, far = pair
    limit_unsent(near.fileno(), 100_000)
    near.sendall(b"open")
    assert far.recv(4) == b"open"


def test_the_limit(tcp: Pair) -> None:
    limit_unsent(tcp[0].fileno(), 123_456)
    assert tcp[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 123_456

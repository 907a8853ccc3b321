"""What is done with a bare descriptor as with a socket object."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from httpd.network.socket_ops import end_sending, has_data, limit_unsent, segment_size, send_first

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
    segment_size(near.fileno())
    assert send_first(near.fileno(), b"first ") == 6
    near.sendall(b"second")
    near.shutdown(socket.SHUT_WR)
    assert far.recv(12, socket.MSG_WAITALL) == b"first second"


def test_what_is_sent_first_waits_for_what_follows(tcp: Pair) -> None:
    near, far = tcp
    near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    far.setblocking(False)
    send_first(near.fileno(), b"first ")
    with pytest.raises(BlockingIOError):
        far.recv(12)
    near.sendall(b"second")
    far.setblocking(True)
    assert far.recv(12) == b"first second"


def test_a_full_socket(pair: Pair) -> None:
    near, _ = pair
    near.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            send_first(near.fileno(), bytes(1 << 20))


def test_the_limit(tcp: Pair) -> None:
    limit_unsent(tcp[0].fileno(), 123_456)
    assert tcp[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 123_456


def test_the_segments_of_tcp(tcp: Pair) -> None:
    size = tcp[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    assert segment_size(tcp[0].fileno()) == size > 536


def test_a_unix_socket_has_no_segments(unix: Pair) -> None:
    assert segment_size(unix[0].fileno()) == 1


def test_the_end_can_be_told_and_seen(pair: Pair) -> None:
    near, far = pair
    assert not has_data(far.fileno())
    far.sendall(b"x")
    end_sending(near.fileno())
    assert far.recv(1) == b""
    assert near.recv(1) == b"x"
    assert not has_data(near.fileno())
    far.close()
    assert has_data(near.fileno())
    end_sending(near.fileno())

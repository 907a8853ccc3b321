"""A transport does with a bare descriptor what a socket object would do."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest

from httpd.network.transport import Transport

Pair = tuple[socket.socket, socket.socket]


def of(end: socket.socket) -> Transport:
    return Transport(end.fileno(), ("127.0.0.1", 1))


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


def test_transport_descriptor_stays_open(pair: Pair) -> None:
    near, far = pair
    of(near).limit_unsent(100_000)
    of(near).segment_size()
    assert of(near).send_first(b"first ") == 6
    near.sendall(b"second")
    near.shutdown(socket.SHUT_WR)
    assert far.recv(12, socket.MSG_WAITALL) == b"first second"


def test_send_first_waits_for_what_follows(tcp: Pair) -> None:
    near, far = tcp
    near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    far.setblocking(False)
    of(near).send_first(b"first ")
    with pytest.raises(BlockingIOError):
        far.recv(12)
    near.sendall(b"second")
    far.setblocking(True)
    assert far.recv(12) == b"first second"


def test_send_first_on_full_socket_blocks(pair: Pair) -> None:
    near, _ = pair
    near.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            of(near).send_first(bytes(1 << 20))


def test_send_first_to_a_broken_socket_fails(pair: Pair) -> None:
    near, far = pair
    far.close()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        while True:
            of(near).send_first(b"first")


def test_limit_unsent_sets_the_option(tcp: Pair) -> None:
    of(tcp[0]).limit_unsent(123_456)
    assert tcp[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 123_456


def test_limit_unsent_that_has_failed_is_tried_again(tcp: Pair) -> None:
    """Otherwise the socket is writable all the time while the kernel still holds a file."""
    transport = of(tcp[0])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("httpd.network.transport.set_tcp_option", _fail)
        transport.limit_unsent(1)
    transport.limit_unsent(1)
    assert tcp[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 1


def _fail(*_: object) -> None:
    raise OSError(errno.ENOMEM, "no memory")


def test_segment_size_of_tcp_is_that_of_the_kernel(tcp: Pair) -> None:
    size = tcp[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    assert of(tcp[0]).segment_size() == size > 536


def test_segment_size_of_unix_socket_is_one(unix: Pair) -> None:
    assert of(unix[0]).segment_size() == 1


def test_end_sending_is_seen_by_the_other_side(pair: Pair) -> None:
    near, far = pair
    assert not of(far).has_data()
    far.sendall(b"x")
    of(near).end_sending()
    assert far.recv(1) == b""
    assert near.recv(1) == b"x"
    assert not of(near).has_data()
    far.close()
    assert of(near).has_data()
    of(near).end_sending()

"""Listening sockets: which addresses, with which options, and what is said when it fails."""

from __future__ import annotations

import errno
import os
import random
import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from httpd.network.listener import (
    divert_newcomers,
    format_address,
    format_peer,
    open_listeners,
    set_options,
    stop_handshakes,
)
from httpd.network.settings import ListenSettings
from tests.unit.guard import open_descriptors, opened_since


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


HAS_IPV6 = has_ipv6()


def listen(
    hosts: Sequence[str], port: int, backlog: int, present: Sequence[socket.socket] = ()
) -> list[socket.socket]:
    return open_listeners(ListenSettings(host=tuple(hosts), port=port, backlog=backlog), present)


@contextmanager
def listening(hosts: Sequence[str], port: int = 0, backlog: int = 16) -> Iterator[list[int]]:
    """Open listeners for a `with` block, and yield their ports."""
    listeners = listen(hosts, port, backlog)
    try:
        yield [listener.getsockname()[1] for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


def can_connect(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError:
        return False
    return True


def test_listeners_on_every_address_accept_both_families() -> None:
    with listening(["*"]) as (port,):
        assert can_connect("127.0.0.1", port)
        assert can_connect("127.0.0.2", port)
        if HAS_IPV6:
            assert can_connect("::1", port)


@pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 here")
@pytest.mark.parametrize(
    ("host", "reached", "not_reached"),
    [
        ("127.0.0.1", "127.0.0.1", "::1"),
        ("0.0.0.0", "127.0.0.1", "::1"),
        ("::1", "::1", "127.0.0.1"),
        ("::", "::1", "127.0.0.1"),
    ],
)
def test_listener_on_one_address_accepts_no_other(
    host: str, reached: str, not_reached: str
) -> None:
    with listening([host]) as (port,):
        assert can_connect(reached, port)
        assert not can_connect(not_reached, port)


def test_listeners_on_several_addresses_accept() -> None:
    with listening(["127.0.0.2", "127.0.0.1"]) as ports:
        assert [can_connect(f"127.0.0.{2 - i}", port) for i, port in enumerate(ports)] == [True] * 2


@pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 here")
def test_listeners_of_both_families_share_a_port() -> None:
    """`::` alone must not take IPv4 as well, or 0.0.0.0 could not be had beside it."""
    address = ("", 0)  # a port that is free in both families
    with socket.create_server(address, family=socket.AF_INET6, dualstack_ipv6=True) as probe:
        port = probe.getsockname()[1]
    with listening(["::"], port), listening(["0.0.0.0"], port):
        assert can_connect("::1", port)
        assert can_connect("127.0.0.1", port)


def test_listeners_on_a_name_accept() -> None:
    with listening(["localhost"]) as ports:
        assert any(can_connect("localhost", port) for port in ports)


def test_listener_on_the_same_address_twice_is_opened_once() -> None:
    """As a list of a name and its address is; the port is not “already in use”."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with listening(["127.0.0.1", "127.0.0.1"], port):
        assert can_connect("127.0.0.1", port)


@pytest.mark.parametrize(
    "host",
    ["no-such-host.invalid", "256.256.256.256", "1.2.3.4.5", "::g", "a" * 64, "-", "..", ":::"],
)
def test_listener_on_an_unknown_host_fails(host: str) -> None:
    before = open_descriptors()
    with pytest.raises(OSError, match="no such host") as error:
        listen(["127.0.0.1", host], 0, 16)
    assert error.value.filename == host
    assert opened_since(before) == []


def test_listener_on_a_foreign_address_fails() -> None:
    """TEST-NET-1 of RFC 5737."""
    with pytest.raises(OSError) as error:
        listen(["192.0.2.1"], 0, 16)
    assert error.value.errno == errno.EADDRNOTAVAIL
    assert error.value.filename == "192.0.2.1:0"


def test_listener_on_a_taken_port_leaves_nothing_open() -> None:
    with listening(["127.0.0.1"]) as (port,):
        before = open_descriptors()
        with pytest.raises(OSError, match="in use") as error:
            listen(["127.0.0.2", "127.0.0.1"], port, 16)
        assert error.value.errno == errno.EADDRINUSE
        assert error.value.filename == f"127.0.0.1:{port}"
        assert opened_since(before) == []


def test_listener_takes_a_port_that_was_just_closed() -> None:
    """Although connections of before linger in TIME_WAIT (SO_REUSEADDR)."""
    (listener,) = listen(["127.0.0.1"], 0, 16)
    port = listener.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"x")
        listener.setblocking(True)
        connection, _ = listener.accept()
        assert (
            connection.recv(1) == b"x"
        )  # or the close would be a reset, after which nothing lingers
        connection.close()
        listener.close()
    with listening(["127.0.0.1"], port) as ports:
        assert ports == [port]


def test_listener_has_its_options() -> None:
    (listener,) = listen(["127.0.0.1"], 0, 16)
    with listener:
        assert not listener.getblocking()
        assert not os.get_inheritable(listener.fileno())
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"x")
            listener.settimeout(10)
            connection, _ = listener.accept()
            with connection:
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def passes_nodelay(listener: socket.socket) -> bool:
    """Tell whether a socket that was accepted from a listener has TCP_NODELAY."""
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"x")
        listener.settimeout(10)
        connection, _ = listener.accept()
        with connection:
            return bool(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


@pytest.mark.parametrize("tcp_nodelay", [True, False])
def test_new_listener_passes_tcp_nodelay_to_accepted_sockets(tcp_nodelay: bool) -> None:
    settings = ListenSettings(host=("127.0.0.1",), port=0, tcp_nodelay=tcp_nodelay)
    (listener,) = open_listeners(settings)
    with listener:
        assert passes_nodelay(listener) == tcp_nodelay


@pytest.mark.parametrize("tcp_nodelay", [True, False])
def test_present_listener_has_other_options_only_when_they_are_set(tcp_nodelay: bool) -> None:
    """A reload may still fail when the listeners are open."""
    before = ListenSettings(host=("127.0.0.1",), port=0, tcp_nodelay=not tcp_nodelay)
    now = replace(before, tcp_nodelay=tcp_nodelay)
    sockets = open_listeners(before)
    (listener,) = open_listeners(now, sockets)
    with listener:
        assert sockets == [listener]
        assert passes_nodelay(listener) != tcp_nodelay
        set_options(listener, now)
        assert not listener.getblocking()
        assert passes_nodelay(listener) == tcp_nodelay


def test_listener_without_handshakes_refuses_new_clients() -> None:
    """Established connections are served, later ones are not made, and none is reset."""
    (listener,) = listen(["127.0.0.1"], 0, 16)
    with listener, socket.socket() as early, socket.socket() as late:
        early.settimeout(10)
        early.connect(listener.getsockname())
        stop_handshakes(listener)
        late.setblocking(False)
        assert late.connect_ex(listener.getsockname()) == errno.EINPROGRESS
        early.sendall(b"request")
        listener.settimeout(10)
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(100) == b"request"
            connection.sendall(b"answer")
            assert early.recv(100) == b"answer"
        assert select.select([], [late], [], 0)[1] == []


def free_port() -> int:
    """Return a port that no address has, below those that the kernel gives to clients."""
    family = socket.AF_INET6 if HAS_IPV6 else socket.AF_INET
    while True:
        port = random.randint(10000, 30000)
        try:
            socket.create_server(("", port), family=family, dualstack_ipv6=HAS_IPV6).close()
        except OSError:
            continue
        return port


OVERLAPPING = [["*"], ["0.0.0.0"], ["127.0.0.1"], ["127.0.0.1", "127.0.0.2"], ["localhost"]]
if HAS_IPV6:
    OVERLAPPING += [["::"], ["::1"], ["0.0.0.0", "::"], ["::1", "127.0.0.1"]]


@pytest.mark.parametrize("before", OVERLAPPING, ids=" ".join)
@pytest.mark.parametrize("after", OVERLAPPING, ids=" ".join)
def test_listeners_of_this_server_are_used_again_or_overlapped(
    before: list[str], after: list[str]
) -> None:
    port = free_port()
    present = listen(before, port, 16)
    listeners = listen(after, port, 16, present)
    for host in {*after} & {"127.0.0.1", "127.0.0.2", "::1"}:
        assert can_connect(host, port)
    if before == after:
        assert listeners == present
    for listener in {*present, *listeners}:
        assert not listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        listener.close()


def test_listener_on_an_included_address_is_not_opened() -> None:
    (listener,) = listen(["127.0.0.1", "0.0.0.0", "127.0.0.2"], 0, 16)
    with listener:
        assert listener.getsockname()[0] == "0.0.0.0"
    (listener,) = listen(["127.0.0.1", "*"], 0, 16)
    with listener:
        assert can_connect("127.0.0.1", listener.getsockname()[1])


@pytest.mark.root
def test_listener_of_this_server_with_another_owner_is_named() -> None:
    os.seteuid(65534)
    try:
        present = listen(["127.0.0.1"], 0, 16)
    finally:
        os.seteuid(0)
    port = present[0].getsockname()[1]
    before = open_descriptors()
    with pytest.raises(OSError, match=f"phttpd itself listens .* http://127.0.0.1:{port}/"):
        listen(["*"], port, 16, present)
    assert opened_since(before) == []
    present[0].close()


def test_listeners_stay_as_they_are_when_a_foreign_socket_is_in_the_way() -> None:
    present = listen(["127.0.0.1"], 0, 16)
    address, port = present[0].getsockname()
    with socket.create_server(("127.0.0.2", port)), pytest.raises(OSError, match="in use"):
        listen(["*"], port, 16, present)
    assert can_connect(address, port)
    assert not present[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
    present[0].close()


def test_diverted_listener_still_serves_the_handshakes_under_way() -> None:
    """Also one that has said nothing yet, which the kernel keeps for a second."""
    (old,) = listen(["127.0.0.1"], 0, 16)
    address = old.getsockname()
    (new,) = listen(["0.0.0.0"], address[1], 16, [old])
    with old, new, socket.create_connection(address) as silent:
        divert_newcomers(old)
        with socket.create_connection(address) as newcomer:
            newcomer.sendall(b"new")
            new.settimeout(10)
            connection, _ = new.accept()
            with connection:
                assert connection.recv(10) == b"new"
        old.settimeout(10)
        connection, _ = old.accept()
        with connection:
            silent.sendall(b"old")
            assert connection.recv(10) == b"old"


def test_diverted_listener_without_another_one_refuses_new_clients() -> None:
    (listener,) = listen(["127.0.0.1"], 0, 16)
    with listener:
        divert_newcomers(listener)
        assert not can_connect(*listener.getsockname())


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("127.0.0.1", 80), "127.0.0.1:80"),
        (("::", 8080, 0, 0), "[::]:8080"),
        (("fe80::1", 1, 0, 2), "[fe80::1]:1"),
    ],
)
def test_format_address_is_that_of_a_url(address: tuple[str, int], text: str) -> None:
    assert format_address(address) == text


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8::ffff:1", "2001:db8::ffff:1"),
        ("::ffff:0:1.2.3.4", "::ffff:0:1.2.3.4"),  # IPv4-translated, RFC 2765
    ],
)
def test_format_peer_gives_ipv4_addresses_as_such(host: str, text: str) -> None:
    assert format_peer((host, 1, 0, 0)) == (text, 1)


@pytest.mark.parametrize("address", ["", "/run/client", b"\0client"])
def test_format_peer_of_a_unix_socket_has_no_address(address: str | bytes) -> None:
    assert format_peer(address) == ("unix:", 0)

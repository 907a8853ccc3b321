"""Listening sockets: opened by the supervisor or by whoever started it, shared by all loops."""

from __future__ import annotations

import errno
import os
import socket
import struct
from array import array
from collections.abc import Sequence

from httpd.network.shares import UNLIMITED

DEFER_ACCEPT_SECONDS = 1
"""How long the kernel waits for the first bytes before it hands over a silent connection."""


_SO_ATTACH_FILTER = 26
# Classic BPF: the flags of a TCP header are its byte 13; 0x02 is SYN and 0x10 is ACK.
_DROP_SYN = (
    (0x30, 0, 0, 13),  # A = header[13]
    (0x54, 0, 0, 0x12),  # A &= SYN | ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # then drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # else let it pass
)


def open_listeners(hosts: Sequence[str], port: int, backlog: int) -> list[socket.socket]:
    """Bind and listen.

    Args:
        hosts: addresses or names; ``*`` is every address of the machine, IPv4 and IPv6.
        port: a TCP port; 0 lets the kernel choose one.
        backlog: connections that may wait to be accepted.

    Returns:
        Non-blocking sockets, in the order of `hosts`.

    Raises:
        OSError: when a host is not known, or an address cannot be bound; `filename` says which.
    """
    listeners: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys(
            pair for host in hosts for pair in _resolve(host, port)
        ):
            listeners.append(_open_listener(family, address, backlog, dual="*" in hosts))
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


_Address = tuple[str, int] | tuple[str, int, int, int]


def _resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, _Address]]:
    if host == "*":
        if _has_ipv6():
            return [(socket.AF_INET6, ("::", port))]
        return [(socket.AF_INET, ("0.0.0.0", port))]
    try:
        # Bytes, since for text Python imports a codec; names of other alphabets come encoded.
        name = host.encode("ascii")
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise OSError(errno.EADDRNOTAVAIL, "no such host", host) from None
    return [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def _open_listener(
    family: socket.AddressFamily, address: _Address, backlog: int, *, dual: bool
) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        _tune(listener)
        listener.setblocking(False)
        listener.bind(address)
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, error.strerror, format_address(address)) from None
    return listener


def adopt_listener(listener: socket.socket) -> None:
    """Make a listening socket that somebody else opened like one of ours, as far as it can be."""
    listener.setblocking(False)
    if listener.family != socket.AF_UNIX:
        try:
            _tune(listener)
        except OSError:
            pass  # not every protocol that streams has these options


def _tune(listener: socket.socket) -> None:
    # Accepted sockets inherit this: a body's last bytes must not wait for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # So is this: what the kernel holds of a body and has not sent yet has a limit, which
    # connections lower when there are many downloads.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNLIMITED)
    # A connection is handed over together with its request, which is then served at accept.  One
    # that says nothing waits in the kernel, also for the next server at the same socket.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_ACCEPT_SECONDS)


def stop_handshakes(listener: socket.socket) -> None:
    """Let no new handshake begin, while those under way go on and can be accepted.

    Closing a listener resets whoever has just got through.  A socket filter that drops SYN segments
    comes first; who sent one tries again a second later, and is then refused (Linux, socket(7),
    SO_ATTACH_FILTER).  It belongs to the socket, so one call speaks for all processes.
    """
    program = array("Q", (_pack_bpf(*instruction) for instruction in _DROP_SYN))
    address, length = program.buffer_info()
    try:
        listener.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", length, address)
        )
    except OSError:
        pass  # without the filter, the drain is as gentle as that of other servers


def _pack_bpf(code: int, jump_true: int, jump_false: int, constant: int) -> int:
    packed = struct.pack("=HBBI", code, jump_true, jump_false, constant)
    return int(struct.unpack("=Q", packed)[0])


def format_address(address: _Address) -> str:
    """Return ``host:port`` as it stands in a URL."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def format_url(listener: socket.socket) -> str:
    """Return where clients find a listener: a URL, or ``unix:`` and a path or ``@name``.

    The host is ``*`` where it is every address, IPv4 and IPv6.
    """
    address = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return "unix:" + os.fsdecode(address).replace("\0", "@", 1)
    if address[0] == "::" and not listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        return f"http://*:{address[1]}/"
    return f"http://{format_address(address)}/"


def format_peer(address: _Address | str | bytes) -> tuple[str, int]:
    """Return host and port of a client's address, an IPv4 one as such even on a dual-stack socket;
    clients of a Unix socket have none.
    """
    if isinstance(address, str | bytes):
        return "unix", 0
    host, port = address[:2]
    mapped = host.removeprefix("::ffff:")
    return (host if ":" in mapped else mapped), port

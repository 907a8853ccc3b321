"""Listening sockets: opened by the supervisor or by whoever started it, shared by all loops."""

from __future__ import annotations

import errno
import os
import socket
import struct
from array import array
from collections.abc import Sequence
from typing import NamedTuple

from httpd.network.send_budget import UNLIMITED
from httpd.network.settings import ListenSettings

DEFER_ACCEPT_SECONDS = 1
"""How long the kernel waits for the first bytes before it hands over a silent connection."""


_SO_BINDTOIFINDEX = 62
_NO_INTERFACE = 2**31 - 1
_SO_ATTACH_FILTER = 26
# Classic BPF: the flags of a TCP header are its byte 13; 0x02 is SYN and 0x10 is ACK.
_DROP_SYN = (
    (0x30, 0, 0, 13),  # A = header[13]
    (0x54, 0, 0, 0x12),  # A &= SYN | ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # then drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # else let it pass
)


_Address = tuple[str, int] | tuple[str, int, int, int]


class _Place(NamedTuple):
    """Where a socket listens.

    Args:
        family: IPv4 or IPv6.
        address: as for bind(2).
        dual: whether an IPv6 socket takes IPv4 connections as well.
    """

    family: int
    address: _Address
    dual: bool

    @classmethod
    def of(cls, listener: socket.socket) -> _Place:
        """Return where a socket listens that is open."""
        is_dual = listener.family == socket.AF_INET6 and not listener.getsockopt(
            socket.IPPROTO_IPV6, socket.IPV6_V6ONLY
        )
        return cls(listener.family, listener.getsockname(), is_dual)

    @property
    def is_wildcard(self) -> bool:
        """Whether this is every address of the family."""
        return self.address[0] in ("0.0.0.0", "::")

    def covers(self, other: _Place) -> bool:
        """Tell whether each connection to the other place would be one to this one."""
        return self.is_wildcard and (self.dual or (self.family == other.family and not other.dual))

    def is_like(self, other: _Place) -> bool:
        """Tell whether both are the same; port 0 is any."""
        same_port = self.address[1] == other.address[1] or 0 in (self.address[1], other.address[1])
        return same_port and (self.family, self.address[0], self.address[2:], self.dual) == (
            other.family,
            other.address[0],
            other.address[2:],
            other.dual,
        )

    def overlaps(self, other: _Place) -> bool:
        """Tell whether the kernel lets only one of both listen."""
        return self.address[1] == other.address[1] and (
            self.covers(other) or other.covers(self) or self.address[0] == other.address[0]
        )


def open_listeners(
    settings: ListenSettings, present: Sequence[socket.socket] = ()
) -> list[socket.socket]:
    """Bind and listen, but where a socket of this server listens already.

    Args:
        settings: where to listen, and how.
        present: listening sockets of this server, which are no hindrance, and are not closed.

    Returns:
        Non-blocking sockets, in the order of `settings.host`; those of `present` among them.

    Raises:
        OSError: when a host is not known, or an address cannot be bound; `filename` says which.
    """
    listeners: list[socket.socket] = []
    try:
        for place in _find_places(settings.host, settings.port):
            found = [listener for listener in present if _Place.of(listener).is_like(place)]
            listeners.append(found[0] if found else _open_beside(present, place, settings.backlog))
    except OSError:
        for listener in listeners:
            if listener not in present:
                listener.close()
        raise
    for listener in listeners:
        listener.listen(settings.backlog)
    return listeners


def _find_places(hosts: Sequence[str], port: int) -> list[_Place]:
    """Return where to listen; what one place covers needs no other, and could not have one."""
    places = list(dict.fromkeys(place for host in hosts for place in _resolve(host, port)))
    return [
        place
        for place in places
        if not any(other.covers(place) for other in places if other != place)
    ]


def _resolve(host: str, port: int) -> list[_Place]:
    if host == "*":
        if _has_ipv6():
            return [_Place(socket.AF_INET6, ("::", port, 0, 0), dual=True)]
        return [_Place(socket.AF_INET, ("0.0.0.0", port), dual=False)]
    try:
        # Bytes, since for text Python imports a codec; names of other alphabets come encoded.
        name = host.encode("ascii")
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise OSError(errno.EADDRNOTAVAIL, "no such host", host) from None
    return [
        _Place(family, address, dual=False)  # type: ignore[arg-type]
        for family, _, _, _, address in found
    ]


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def _open_beside(present: Sequence[socket.socket], place: _Place, backlog: int) -> socket.socket:
    """Listen at a place that sockets of this server may overlap.

    The kernel lets ``*`` and 127.0.0.1 listen at one port only if both have SO_REUSEPORT at that
    moment, and the same owner (socket(7)).  Whatever programs the owner runs could then listen
    there as well, so the sockets have the option for that moment only.
    """
    try:
        return _open_listener(place, backlog)
    except OSError as error:
        rivals = [listener for listener in present if _Place.of(listener).overlaps(place)]
        if error.errno != errno.EADDRINUSE or not rivals:
            raise
    for rival in rivals:
        if os.fstat(rival.fileno()).st_uid != os.geteuid():
            why = f"phttpd itself listens there as another user, at {format_url(rival)}; restart it"
            raise OSError(errno.EBUSY, why, format_address(place.address))
    try:
        for rival in rivals:
            rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        return _open_listener(place, backlog, is_shared=True)
    finally:
        for rival in rivals:
            rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)


def _open_listener(place: _Place, backlog: int, *, is_shared: bool = False) -> socket.socket:
    listener = socket.socket(place.family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if place.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not place.dual)
        _tune(listener)
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, is_shared)
        listener.bind(place.address)
        listener.listen(backlog)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, error.strerror, format_address(place.address)) from None
    return listener


def divert_newcomers(listener: socket.socket) -> None:
    """Let newcomers find another listener of the same port, or be refused if there is none.

    Handshakes under way go on, and can be accepted: also that of a silent client, which the kernel
    hands over only after `DEFER_ACCEPT_SECONDS`.  The socket is bound to a network interface that
    there is not, so the kernel finds it no longer for a SYN segment (Linux, SO_BINDTOIFINDEX in
    socket(7)).  It belongs to the socket, so one call speaks for all processes.
    """
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_BINDTOIFINDEX, _NO_INTERFACE)
    except OSError:  # before Linux 5.7, without CAP_NET_RAW
        stop_handshakes(listener)


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

"""Listening sockets: opened by the supervisor, or passed to it, and shared by all loops."""

from __future__ import annotations

import errno
import os
import socket
import struct
from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

from httpd.network.send_budget import UNLIMITED
from httpd.network.settings import ListenSettings
from httpd.network.unix_listener import UnixListener, discard, is_dead, open_unix_listeners

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


class Listener(NamedTuple):
    """A listening socket, and what the clients that connect to it are served.

    Args:
        socket: which does not block.
        frontend: the role of the listener, such as a `Frontend`; equal ones share a gateway.
    """

    socket: socket.socket
    frontend: Any


class _Place(NamedTuple):
    """Where a socket listens.

    Args:
        family: IPv4 or IPv6.
        address: as for bind(2).
        dual: whether an IPv6 socket accepts IPv4 connections as well.
    """

    family: int
    address: _Address
    dual: bool

    @classmethod
    def of(cls, listener: socket.socket) -> _Place:
        """Return where an open socket listens."""
        is_dual = listener.family == socket.AF_INET6 and not listener.getsockopt(
            socket.IPPROTO_IPV6, socket.IPV6_V6ONLY
        )
        return cls(listener.family, listener.getsockname(), is_dual)

    @property
    def is_wildcard(self) -> bool:
        """Whether this is every address of the family."""
        return self.address[0] in ("0.0.0.0", "::")

    def covers(self, other: _Place) -> bool:
        """Tell whether this place includes the other one."""
        return self.is_wildcard and (self.dual or (self.family == other.family and not other.dual))

    def is_like(self, other: _Place) -> bool:
        """Tell whether both are the same, where port 0 stands for any port."""
        same_port = self.address[1] == other.address[1] or 0 in (self.address[1], other.address[1])
        return same_port and (self.family, self.address[0], self.address[2:], self.dual) == (
            other.family,
            other.address[0],
            other.address[2:],
            other.dual,
        )

    def overlaps(self, other: _Place) -> bool:
        """Tell whether the kernel lets only one of them listen."""
        return self.address[1] == other.address[1] and (
            self.covers(other) or other.covers(self) or self.address[0] == other.address[0]
        )


def open_listeners(
    settings: ListenSettings, present: Sequence[socket.socket] = ()
) -> list[socket.socket]:
    """Bind and listen, except where a socket of this server listens already.

    Args:
        settings: where to listen, and how.
        present: the listening sockets of this server, which are used again where they fit, and are
            not changed or closed.

    Returns:
        Non-blocking sockets, in the order of `settings.host` but Unix sockets last; those of
        `present` among them.

    Raises:
        OSError: a host is not known, or an address cannot be bound; `filename` says which.
    """
    listeners: list[socket.socket] = []
    internet = [one for one in present if one.family != socket.AF_UNIX]
    try:
        for place in _find_places(settings.names, settings.port):
            found = [listener for listener in internet if _Place.of(listener).is_like(place)]
            listeners.append(found[0] if found else _open_beside(internet, place, settings))
        listeners += open_unix_listeners(settings.unix_addresses, settings.backlog, present)
    except OSError:
        discard([listener for listener in listeners if listener not in present])
        raise
    return listeners


def find_conflicts(settings: ListenSettings) -> list[OSError]:
    """Return why `open_listeners` would fail, without listening; `filename` says where.

    Also where a running server of the same configuration listens.
    """
    found: list[OSError] = []
    try:
        places = _find_places(settings.names, settings.port)
    except OSError as error:
        places, found = [], [error]
    for place in places:
        try:
            _bind(place, settings).close()
        except OSError as error:
            found.append(error)
    for address in settings.unix_addresses:
        try:
            is_dead(address.unix)
        except OSError as error:
            found.append(OSError(error.errno, error.strerror, str(address)))
    return found


def _find_places(hosts: Sequence[str], port: int) -> list[_Place]:
    """Return the places to listen at, without those that another one includes."""
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
        # Bytes, since Python imports a codec for text.  International names must be encoded
        # already.
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


def _open_beside(
    present: Sequence[socket.socket], place: _Place, settings: ListenSettings
) -> socket.socket:
    """Listen at a place that may overlap with the places of `present`.

    The kernel lets ``*`` and 127.0.0.1 listen at one port only if both sockets have SO_REUSEPORT at
    that moment, and the same owner (socket(7)).  Any program of the owner could then listen there
    as well, so the sockets have the option for that moment only.
    """
    try:
        return _open_listener(place, settings)
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
        return _open_listener(place, settings, is_shared=True)
    finally:
        for rival in rivals:
            rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)


def _open_listener(
    place: _Place, settings: ListenSettings, *, is_shared: bool = False
) -> socket.socket:
    listener = _bind(place, settings, is_shared=is_shared)
    try:
        listener.listen(settings.backlog)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, error.strerror, format_address(place.address)) from None
    return listener


def _bind(place: _Place, settings: ListenSettings, *, is_shared: bool = False) -> socket.socket:
    listener = socket.socket(place.family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if place.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not place.dual)
        _tune(listener, settings)
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, is_shared)
        listener.bind(place.address)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, error.strerror, format_address(place.address)) from None
    return listener


def divert_newcomers(listener: socket.socket) -> None:
    """Divert new clients to another listener of the same port; without one, they are refused.

    Handshakes under way continue, and can be accepted: also that of a silent client, which the
    kernel hands over only after `DEFER_ACCEPT_SECONDS`.  The socket is bound to a network interface
    that does not exist, so the kernel does not find the socket for a SYN segment any more (Linux,
    SO_BINDTOIFINDEX in socket(7)).  The option belongs to the socket, so one call is enough for all
    processes.  The clients of a Unix socket find its file, which is removed.
    """
    if isinstance(listener, UnixListener):
        listener.remove_file()
        return
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_BINDTOIFINDEX, _NO_INTERFACE)
    except OSError:  # before Linux 5.7, without CAP_NET_RAW
        stop_handshakes(listener)


def set_options(listener: socket.socket, settings: ListenSettings) -> None:
    """Give an open listening socket the options of one of ours, if it has them.

    The options belong to the socket, so they hold for all processes at once.

    Raises:
        OSError: when mode or group of a Unix socket cannot be set.
    """
    listener.setblocking(False)
    if isinstance(listener, UnixListener):
        listener.is_in_force = True
        for address in settings.unix_addresses:
            if address.unix == listener.path:
                listener.set_access(address)
    elif listener.family != socket.AF_UNIX:
        try:
            _tune(listener, settings)
        except OSError:
            pass  # other stream protocols than TCP lack some of these options


def _tune(listener: socket.socket, settings: ListenSettings) -> None:
    # Accepted sockets inherit this: the last bytes of a body must not wait for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, settings.tcp_nodelay)
    # Accepted sockets inherit this as well: the limit of the bytes of a body that the kernel holds
    # and has not sent yet.  Connections lower it when there are many downloads.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNLIMITED)
    # The kernel hands over a connection together with its request, which is then served at once.  A
    # silent connection waits in the kernel, also for the next server at the same socket.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_ACCEPT_SECONDS)


def stop_handshakes(listener: socket.socket) -> None:
    """Let no new handshake begin, while those under way continue and can be accepted.

    Closing a listener resets the connections that wait to be accepted.  So a socket filter that
    drops SYN segments comes first: a client whose SYN was dropped tries again a second later, and
    is then refused (Linux, SO_ATTACH_FILTER in socket(7)).  The filter belongs to the socket, so
    one call is enough for all processes.  A Unix socket has no handshakes; its file is removed.
    """
    if isinstance(listener, UnixListener):
        listener.remove_file()
        return
    program = array("Q", (_pack_bpf(*instruction) for instruction in _DROP_SYN))
    address, length = program.buffer_info()
    try:
        listener.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", length, address)
        )
    except OSError:
        pass  # without the filter, closing may reset a few clients, as with other servers


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
    """Return host and port of a client's address.

    An IPv4 address is returned as such even if it comes from a dual-stack socket.  Clients of a
    Unix socket have no address.
    """
    if isinstance(address, str | bytes):
        return "unix:", 0
    host, port = address[:2]
    mapped = host.removeprefix("::ffff:")
    return (host if ":" in mapped else mapped), port

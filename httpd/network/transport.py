"""How bytes move between the server and one client.

Only this module reads from, writes to and closes the socket of a client.  `Transport` moves the
bytes as they are.  A transport that encrypts them is another class with the same members.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from fcntl import ioctl

from httpd.network.bare_socket import end_sending, send_more, set_tcp_option, tcp_option
from httpd.network.send_budget import UNLIMITED
from httpd.network.socket_ops import has_data

_SIOCOUTQNSD = 0x894B
"""Asks for the number of bytes that were not sent yet (linux/sockios.h)."""
_SIOCOUTQ = 0x5411
"""Asks for the number of bytes that were not acknowledged yet (tcp(7), unix(7))."""
_INT = struct.Struct("@i")


class Transport:
    """The socket of one client.

    `read`, `write`, `writev`, `sendfile` and `close_fd` are the system calls of these names, and
    take the descriptor as their first argument: every request calls some of them, and a method of
    Python would cost as much as the rest of the request.

    The socket is a bare descriptor, since a socket object costs more than most of what is done with
    it.  Unix sockets lack the options of TCP, and do without.

    Args:
        fd: a non-blocking socket.
        peer: host and port of the client; of a Unix socket, ``unix:`` and 0.
    """

    __slots__ = ("_unsent_limit", "fd", "peer")

    read = staticmethod(os.read)
    write = staticmethod(os.write)
    writev = staticmethod(os.writev)
    sendfile = staticmethod(os.sendfile)
    close_fd = staticmethod(os.close)

    def __init__(self, fd: int, peer: tuple[str, int]) -> None:
        self.fd = fd
        self.peer = peer
        self._unsent_limit = UNLIMITED

    def __str__(self) -> str:
        host, port = self.peer
        return f"{host}:{port}" if port else host

    def send_first(self, data: bytes) -> int:
        """Send data that more data will follow at once, in the same segment if it is small.

        Returns:
            The bytes that were sent.

        Raises:
            OSError: of the socket.
        """
        return send_more(self.fd, data)

    def end_sending(self) -> None:
        """Tell the client that nothing more comes, if the client is still there."""
        try:
            end_sending(self.fd)
        except OSError:
            pass  # the next read will report it

    def close(self) -> None:
        """Close the socket, which is closed afterwards whatever the kernel says (close(2))."""
        try:
            os.close(self.fd)
        except OSError:
            pass

    def has_data(self) -> bool:
        """Tell whether there is something to read: data, the end of it, or an error."""
        return has_data(self.fd)

    def count_unsent(self) -> int:
        """Return how many bytes the kernel holds that it has not sent yet; 0 if it cannot tell."""
        try:
            return int(_INT.unpack(ioctl(self.fd, _SIOCOUTQNSD, bytes(_INT.size)))[0])
        except OSError:
            return 0

    def count_unacknowledged(self) -> int:
        """Return how many bytes the client has not acknowledged yet; 0 if the kernel cannot tell.

        A Unix socket counts what the client has not read, and a little more.
        """
        count = bytearray(_INT.size)  # changed in place: faster than a result of its own
        try:
            ioctl(self.fd, _SIOCOUTQ, count)
        except OSError:
            return 0
        return int.from_bytes(count, sys.byteorder)

    def limit_unsent(self, size: int) -> None:
        """Limit the bytes that the kernel accepts before it has sent them.

        The socket becomes writable when the kernel holds less than half of them (tcp(7),
        TCP_NOTSENT_LOWAT).

        Args:
            size: bytes; `UNLIMITED`, as for new connections, leaves it to the buffer.
        """
        if size == self._unsent_limit:
            return
        try:
            set_tcp_option(self.fd, socket.TCP_NOTSENT_LOWAT, size)
            self._unsent_limit = size
        except OSError:
            pass  # the next call tries again

    def segment_size(self) -> int:
        """Return the bytes that a full segment carries now; 1 if there are no segments."""
        try:
            return tcp_option(self.fd, socket.TCP_MAXSEG)
        except OSError:
            return 1

"""What is seldom done with an accepted socket, or only by a socket object.

A connection is a bare descriptor, as an object costs more than most of what is done with it; here
one is made for a moment.  Unix sockets lack the options of TCP, and do without.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from collections.abc import Sequence
from fcntl import ioctl

_SIOCOUTQNSD = 0x894B
"""Asks for the bytes that were not sent yet (linux/sockios.h)."""
_INT = struct.Struct("@i")
NETWORK_ERRORS = frozenset(
    {
        errno.ECONNABORTED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENONET,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.EPIPE,
        errno.EPROTO,
        errno.ETIMEDOUT,
    }
)
"""Errors of one connection, and of nothing that the server owns (accept(2), “Error handling”); a
firewall says EPERM."""


def _borrow(fd: int) -> socket.socket:
    """Return a socket object, to be detached from its descriptor after use."""
    # What is told here need not be looked up; none of it matters for what is done.
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fd)


def close(fd: int) -> None:
    """Close a descriptor, which it is afterwards whatever the kernel says (close(2))."""
    try:
        os.close(fd)
    except OSError:
        pass


def send_first(fd: int, data: bytes) -> int:
    """Send what is followed by more at once, in one segment with it."""
    borrowed = _borrow(fd)
    try:
        return borrowed.send(data, socket.MSG_MORE)
    finally:
        borrowed.detach()


def end_sending(fd: int) -> None:
    """Tell the other side that nothing more comes, if it is still there."""
    borrowed = _borrow(fd)
    try:
        borrowed.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # reading will tell
    finally:
        borrowed.detach()


def has_data(fd: int) -> bool:
    """Tell whether there is something to read, be it the end, or the kernel cannot say."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    try:
        return bool(poll.poll(0))
    except OSError:
        return True


def limit_unsent(fd: int, size: int) -> None:
    """Have the kernel take no more while it holds so many bytes that it has not sent yet, and wake
    the server when it holds less than half of them.
    """
    borrowed = _borrow(fd)
    try:
        borrowed.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, size)
    except OSError:
        pass
    finally:
        borrowed.detach()


def count_unsent(fd: int) -> int:
    """Return how many bytes the kernel holds that it has not sent yet; 0 if it does not tell."""
    try:
        return int(_INT.unpack(ioctl(fd, _SIOCOUTQNSD, bytes(_INT.size)))[0])
    except OSError:
        return 0


def segment_size(fd: int) -> int:
    """Return the bytes that a full segment carries just now; 1 if there are no segments."""
    borrowed = _borrow(fd)
    try:
        return borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    except OSError:
        return 1
    finally:
        borrowed.detach()


def send_parts(fd: int, parts: Sequence[bytes]) -> int:
    """Send several pieces of memory by one system call.

    Args:
        fd: a non-blocking socket.
        parts: what is sent, in order.

    Returns:
        The bytes that the socket has taken; -1 if it is broken.
    """
    try:
        return os.writev(fd, parts)
    except BlockingIOError:
        return 0
    except OSError:
        return -1

"""What the kernel says of any socket, listening or connected."""

from __future__ import annotations

import errno
import select

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
"""Errors of one connection, and of nothing that the server owns (accept(2), “Error handling”).
EPERM comes from a firewall."""


def has_data(fd: int) -> bool:
    """Tell whether there is something to read or accept, the end of data, or an error."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    try:
        return bool(poll.poll(0))
    except OSError:
        return True

"""Listening sockets that the service manager has opened (sd_listen_fds(3)).

Called by `httpd.cli`, before anything else in the process opens or forks.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import MutableMapping

from httpd.process.errors import EX_CONFIG, StartError

FIRST_FD = 3
"""Where the descriptors begin."""
_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


def take_listeners(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """Return the sockets that were passed to this process; child programs do not inherit them.

    Args:
        environment: of this process; the variables are removed.

    Raises:
        StartError: when a descriptor was passed that is no listening stream socket.
    """
    pid, fds, names = (environment.pop(f"LISTEN_{n}", "") for n in ("PID", "FDS", "FDNAMES"))
    if pid != str(os.getpid()):
        return []
    if not re.fullmatch("[0-9]{1,4}", fds):
        raise StartError(EX_CONFIG, f"LISTEN_FDS is {fds!r}; expected a number of descriptors")
    named = dict(enumerate(names.split(":"), FIRST_FD))
    return [_take(fd, named.get(fd, "unknown")) for fd in range(FIRST_FD, FIRST_FD + int(fds))]


def _take(fd: int, name: str) -> socket.socket:
    try:
        os.set_inheritable(fd, False)
        listener = socket.socket(fileno=fd)
        kind = listener.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
        listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise _useless(fd, name, f"is none ({error.strerror})") from None
    if listener.family not in _FAMILIES or kind != socket.SOCK_STREAM:
        raise _useless(fd, name, f"is {listener.family.name} {socket.SocketKind(kind).name}")
    if not listens:
        raise _useless(fd, name, "does not listen; a phttpd.socket needs Accept=no")
    return listener


def _useless(fd: int, name: str, why: str) -> StartError:
    wanted = "a listening stream socket of TCP or Unix is expected"
    return StartError(EX_CONFIG, f"descriptor {fd} ({name}) that was passed {why}; {wanted}")

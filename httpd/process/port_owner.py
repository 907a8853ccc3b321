"""Finds the process that listens on a port which is already in use, if this user may know.

Called by `httpd.service`, when it cannot listen, and by `httpd.findings`.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Collection, Iterator
from typing import NamedTuple

from httpd.observe.log import printable
from httpd.observe.scoreboard import read_all
from httpd.process.others import user_name

_LISTEN = "0A"  # state of a socket in /proc/net/tcp (proc(5))
_EVERY_ADDRESS = ("0.0.0.0", "::")


class _Socket(NamedTuple):
    """A line of /proc/net/tcp or tcp6."""

    host: str
    port: int
    uid: int
    inode: int


class Owner(NamedTuple):
    """Who listens.

    Args:
        pid: of the process; None if this user may not know it.
        user: the name of its user.
    """

    pid: int | None
    user: str

    def describe(self) -> str:
        """Return the end of “already in use”."""
        if self.pid is not None:
            return f" by {_name_of(self.pid)} (pid {self.pid})"
        return f" by a process of the user {self.user}"


def describe_owner(address: str, ours: Collection[int] = ()) -> str:
    """Return the owner of an address, as the end of “already in use”; empty if it is not found.

    The arguments are those of `find_owner`.
    """
    owner = find_owner(address, ours)
    return owner.describe() if owner else ""


def find_owner(address: str, ours: Collection[int] = ()) -> Owner | None:
    """Return who listens at an address, or None if that is not found.

    Args:
        address: ``host:port``, with an IPv6 address in brackets; or ``unix:`` and a path.
        ours: inodes of sockets to ignore.
    """
    if address.startswith("unix:"):
        return _find_unix_server(address.removeprefix("unix:"))
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        return None
    for listener in _find_listeners(host.strip("[]"), int(port)):
        if listener.inode in ours:
            continue
        return Owner(_find_process(listener.inode), user_name(listener.uid))
    return None


def _find_listeners(host: str, port: int) -> Iterator[_Socket]:
    """Yield the sockets that conflict with a listener at an address."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as lines:
                rows = [line.split() for line in lines][1:]
        except OSError:
            continue  # without IPv6 there is no such file
        for row in rows:
            found = _parse_row(row)
            same = found.host == host or host in _EVERY_ADDRESS or found.host in _EVERY_ADDRESS
            if row[3] == _LISTEN and found.port == port and same:
                yield found


def _parse_row(row: list[str]) -> _Socket:
    address, _, port = row[1].partition(":")
    words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    # Each word is printed as a number of this machine's byte order.
    host = socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))
    return _Socket(host, int(port, 16), int(row[7]), int(row[9]))


def _find_unix_server(path: str) -> Owner | None:
    """Return the process that listens at a Unix socket (unix(7), SO_PEERCRED)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        except OSError:
            return None
    pid, uid, _ = struct.unpack("=iII", credentials)
    return Owner(pid, user_name(uid)) if pid else None


def _find_process(inode: int) -> int | None:
    """Return the process that has a socket open; of a parent and its children, the parent."""
    link = f"socket:[{inode}]"
    pids = {int(name) for name in os.listdir("/proc") if name.isdecimal()}
    owners = {pid for pid in pids if _has_open(pid, link)}
    return min((pid for pid in owners if _parent_of(pid) not in owners), default=None)


def _has_open(pid: int, link: str) -> bool:
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False  # it has ended, or belongs to another user
    return any(_read_link(f"/proc/{pid}/fd/{name}") == link for name in names)


def _read_link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""  # it has just been closed


def _parent_of(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def _name_of(pid: int) -> str:
    try:
        if read_all(pid):
            return "phttpd"
        with open(f"/proc/{pid}/comm", errors="backslashreplace") as comm:
            name = comm.read().rstrip("\n")
    except OSError:
        return "a process"
    return printable(name)

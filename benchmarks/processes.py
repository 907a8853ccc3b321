"""What /proc shows of a running server: its processes, memory, CPU time, and open files.

All of it is seen from outside, so that it means the same for every server.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")

PAGE = os.sysconf("SC_PAGE_SIZE")

PROC = Path("/proc")

# man 5 proc, "/proc/pid/fdinfo": a watched descriptor of an epoll instance, with its inode.
WATCHED = re.compile(r"^tfd:.*\bino:\s*([0-9a-f]+)", re.MULTILINE)

ESTABLISHED = "01"

Address = tuple[str, int]


def tree(root: int) -> list[int]:
    """Return the pid of a process and those of all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name: state, parent's pid and so on."""
    try:
        # The name may hold spaces and parentheses; nothing after it does.
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def name_of(pid: int) -> str:
    """Return the name of a process, or nothing when it is gone."""
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def cpu_seconds(root: int) -> float:
    """Return the user and system time of a tree of processes, children that have ended included."""
    # utime, stime, cutime and cstime are fields 14 to 17 of proc_pid_stat(5).
    return sum(sum(map(int, stat(pid)[11:15])) for pid in tree(root)) / TICKS


def pss(root: int) -> int:
    """Return the bytes of memory of a tree of processes; shared pages count once in all."""
    total = 0
    for pid in tree(root):
        try:
            text = (PROC / str(pid) / "smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if match := re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE):
            total += int(match[1]) * 1024
    return total


def tcp_memory() -> int:
    """Return the bytes that the buffers of all TCP sockets of the machine take."""
    match = re.search(r"^TCP: .* mem (\d+)", (PROC / "net/sockstat").read_text(), re.MULTILINE)
    return int(match[1]) * PAGE if match else 0


def tcp_drops() -> int:
    """Return how many received segments were dropped so far because TCP memory had run out."""
    names, values = [
        line.split()
        for line in (PROC / "net/netstat").read_text().splitlines()
        if line.startswith("TcpExt:")
    ]
    return int(dict(zip(names, values, strict=True)).get("TCPRcvQDrop", 0))


class Loop(NamedTuple):
    """An event loop: an epoll instance of a worker process."""

    pid: int
    epoll: int
    """The descriptor, or NOWHERE for a connection that no epoll instance watches just now."""


NOWHERE = -1


def targets(pid: int) -> Iterator[tuple[int, str]]:
    """Yield the open descriptors of a process and what each one is."""
    try:
        for entry in (PROC / str(pid) / "fd").iterdir():
            try:
                yield int(entry.name), os.readlink(entry)
            except FileNotFoundError:
                continue
    except FileNotFoundError:
        return


def loops(root: int) -> list[Loop]:
    """Return the event loops of all workers, which are the descendants of the root process."""
    return [
        Loop(pid, number)
        for pid in tree(root)[1:]
        for number, target in sorted(targets(pid))
        if target == "anon_inode:[eventpoll]"
    ]


def clients(port: int) -> dict[str, Address]:
    """Return the client's address of each connection to a port of ours, by the socket's inode."""
    found = {}
    for line in (PROC / "net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote, state, inode = fields[1], fields[2], fields[3], fields[9]
        if state == ESTABLISHED and int(local.partition(":")[2], 16) == port:
            host, _, number = remote.partition(":")
            # IPv4 addresses are in host order, which is little endian where this runs.
            dotted = ".".join(str(byte) for byte in reversed(bytes.fromhex(host)))
            found[inode] = (dotted, int(number, 16))
    return found


def owners(root: int, port: int) -> dict[Address, Loop]:
    """Return which loop of a server owns the connection of each client."""
    addresses = clients(port)
    found: dict[Address, Loop] = {}
    for pid in tree(root)[1:]:
        epolls = []
        for number, target in targets(pid):
            if target == "anon_inode:[eventpoll]":
                epolls.append(number)
            elif target.startswith("socket:[") and target[8:-1] in addresses:
                found[addresses[target[8:-1]]] = Loop(pid, NOWHERE)
        for number in epolls:
            for inode in WATCHED.findall((PROC / str(pid) / "fdinfo" / str(number)).read_text()):
                if (address := addresses.get(str(int(inode, 16)))) is not None:
                    found[address] = Loop(pid, number)
    return found

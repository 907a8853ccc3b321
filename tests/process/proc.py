"""What /proc says about the processes of a server."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")

ESTABLISHED, LISTEN = "01", "0A"  # states of a socket in /proc/net/tcp


def stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third (state) on, if there is one."""
    try:
        # The name may hold spaces and parentheses; nothing after it does.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def status(pid: int, key: str) -> list[str]:
    """Return the words after `key` in /proc/PID/status."""
    text = Path(f"/proc/{pid}/status").read_text()
    match = re.search(rf"^{key}:\s*(.*)$", text, re.MULTILINE)
    assert match, f"no {key} in {text}"
    return match[1].split()


def pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children(pid: int) -> list[int]:
    """Return the living children of a process."""
    found = []
    for other in pids():
        fields = stat(other)
        if fields and int(fields[1]) == pid and fields[0] not in "ZX":
            found.append(other)
    return sorted(found)


def zombies(pid: int) -> list[int]:
    """Return the children that a process has not taken leave of."""
    stats = ((other, stat(other)) for other in pids())
    return [other for other, fields in stats if fields and fields[:2] == ["Z", str(pid)]]


def marked(mark: str) -> list[int]:
    """Return the living processes that were started with `mark` in their environment."""
    found = []
    for pid in pids():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if os.fsencode(mark) in environment.split(b"\0"):
            found.append(pid)
    return found


def stopped(pid: int) -> bool:
    """Tell whether SIGSTOP has reached every thread of a process."""
    stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(text.rpartition(")")[2].split()[0] == "T" for text in stats)


def name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")


def thread_names(pid: int) -> list[str]:
    """Return the names of all threads of a process, the first one's included."""
    return [path.read_text().rstrip("\n") for path in Path(f"/proc/{pid}/task").glob("*/comm")]


def loops(pid: int) -> list[str]:
    """Return the numbers of the loops that a worker's threads are named after."""
    found = (re.search(r"loop (\d+\.\d+)$", name) for name in thread_names(pid))
    return sorted(match[1] for match in found if match)


def descriptors(pid: int) -> dict[int, str]:
    """Return the open descriptors of a process and what they lead to.

    Without that of libffi, which may keep its own file open.
    """
    found = {}
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(path.name)] = os.readlink(path)
        except FileNotFoundError:
            continue
    return {fd: to for fd, to in found.items() if "/libffi.so." not in to}


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the user and system time of these processes: fields 14 and 15 of proc_pid_stat(5)."""
    return sum(int(tick) for pid in pids for tick in stat(pid)[11:13]) / TICKS


def pss(pids: Iterable[int]) -> int:
    """Return the bytes of memory of these processes; what they share counts once."""
    total = 0
    for pid in pids:
        match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
        assert match
        total += int(match[1]) * 1024
    return total


def clients(pid: int, port: int) -> set[int]:
    """Return the client ports of the IPv4 connections to `port` that a process holds."""
    sockets = set(descriptors(pid).values())
    return {
        _port(fields[2])
        for fields in _sockets("tcp", ESTABLISHED, port)
        if f"socket:[{fields[9]}]" in sockets
    }


def listens(port: int) -> bool:
    """Tell whether any process listens on a port."""
    return any(_sockets(table, LISTEN, port) for table in ("tcp", "tcp6"))


def _sockets(table: str, state: str, port: int) -> list[list[str]]:
    """Return the rows of /proc/net/tcp or tcp6 with this state and local port."""
    path = Path("/proc/net") / table
    rows = [line.split() for line in path.read_text().splitlines()[1:]] if path.exists() else []
    return [fields for fields in rows if fields[3] == state and _port(fields[1]) == port]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def memory_files(pid: int) -> int:
    """Return the bytes of the files in memory that a process has open: memfd_create(2)."""
    sizes = {}
    for fd, target in descriptors(pid).items():
        if target.startswith("/memfd:"):
            try:
                status = os.stat(f"/proc/{pid}/fd/{fd}")
            except FileNotFoundError:
                continue
            sizes[status.st_ino] = status.st_blocks * 512
    return sum(sizes.values())

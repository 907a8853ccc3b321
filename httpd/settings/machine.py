"""How many cores and how much memory of this machine the server may use.

Containers, service managers and batch systems limit both by control groups (cgroups(7)), in version
2 or 1 of the kernel's interface: a limit holds for a group and all groups below it.  So the limits
of the own group and of every group above it count.  Inside a container, groups above the visible
hierarchy cannot be read.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator

MIB = 1024**2

Read = Callable[[str], str | None]
"""Returns the text of a file, or None where it cannot be read."""


def count_cores() -> int:
    """Return how many processors this process may keep busy: at least 1."""
    return limit_cores(len(os.sched_getaffinity(0)), _read)


def share_memory() -> int:
    """Return the bytes of memory that the cache gets unless the operator says how many."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return cache_share(limit_memory(physical, _read))


def cache_share(memory: int) -> int:
    """Return a small share of the memory: a 32nd, from 64 MiB to 1 GiB, and at most a quarter."""
    return min(max(memory // 32, 64 * MIB), 1024 * MIB, memory // 4)


def limit_cores(affinity: int, read: Read) -> int:
    """Return the smallest of the processors of the affinity mask and the CPU quotas, rounded up.

    Args:
        affinity: number of processors that the process may run on.
        read: returns the text of a file.
    """
    quotas = [
        quota
        for group in _groups(read, "cpu")
        for quota in (
            _quota_of(read(f"{group}/cpu.max")),
            _quota_of(f"{read(f'{group}/cpu.cfs_quota_us')} {read(f'{group}/cpu.cfs_period_us')}"),
        )
        if quota is not None
    ]
    return max(1, math.ceil(min([affinity, *quotas])))


def limit_memory(physical: int, read: Read) -> int:
    """Return the smallest of the physical memory and the memory limits, in bytes.

    `memory.high` is a limit as well: a group that has more is slowed down until it has less.

    Args:
        physical: bytes of memory of the machine.
        read: returns the text of a file.
    """
    names = ("memory.max", "memory.high", "memory.limit_in_bytes")
    texts = [read(f"{group}/{name}") for group in _groups(read, "memory") for name in names]
    return min([physical, *(int(text) for text in texts if text and _is_number(text))])


def _quota_of(text: str | None) -> float | None:
    """Return how many processors a quota and its period, in microseconds, are; None for no limit.

    No quota is ``max`` in version 2, and ``-1`` in version 1.
    """
    words = (text or "").split()
    if len(words) != 2 or not all(map(_is_number, words)) or not int(words[1]):
        return None
    return int(words[0]) / int(words[1])


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\s*[0-9]{1,20}\s*", text, re.ASCII) is not None


def _groups(read: Read, controller: str) -> Iterator[str]:
    """Yield the directories of the own group and of those above it, in both versions."""
    mounts = list(_mounts(read("/proc/self/mountinfo") or "", controller))
    for line in (read("/proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        is_unified = number == "0" and not controllers
        if not is_unified and controller not in controllers.split(","):
            continue
        for kind, root, mount in mounts:
            if (kind == "cgroup2") == is_unified:
                yield from _upwards(mount, _below(path, root))


def _below(path: str, root: str) -> str:
    """Return the path of a group relative to the root of a mount.

    A container without a cgroup namespace sees the host's path of its group, and has that group
    mounted in the place of the hierarchy's root.
    """
    top = root.rstrip("/")
    if path == top or path.startswith(f"{top}/"):
        path = path[len(top) :]
    return "" if ".." in path.split("/") else path.rstrip("/")


def _upwards(mount: str, path: str) -> Iterator[str]:
    while path:
        yield mount + path
        path = path.rpartition("/")[0]
    yield mount


def _mounts(mountinfo: str, controller: str) -> Iterator[tuple[str, str, str]]:
    """Yield kind, root and mount point of each hierarchy that may have a controller.

    The fields are those of proc_pid_mountinfo(5).
    """
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, system = before.split(), after.split()
        if len(fields) < 5 or not system:
            continue
        kind, options = system[0], system[-1].split(",")
        if kind == "cgroup2" or (kind == "cgroup" and controller in options):
            yield kind, _unescape(fields[3]), _unescape(fields[4])


def _unescape(path: str) -> str:
    """Return a path of mountinfo, where blanks and backslashes are octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (OSError, ValueError):
        return None

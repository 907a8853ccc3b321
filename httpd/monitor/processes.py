"""What the kernel says of the processes of a server (proc(5)).

The monitor may run as another user than they do, and then gets less.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Iterator

from httpd.monitor.metrics import Metric, Sample, gauge

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def process_metrics(pids: Iterable[int]) -> Iterator[Metric]:
    """Yield the sums over some processes; what cannot be read of one of them does not count.

    Args:
        pids: of the supervisor, the workers and the monitor.
    """
    seconds, memory, files, count = 0.0, 0, 0, 0
    for pid in pids:
        if (found := _read_stat(pid)) is None:
            continue
        count += 1
        seconds += found[0]
        memory += found[1]
        files += _count_files(pid)
    help_of_time = "CPU time of all processes, user and system."
    yield Metric("process_cpu_seconds_total", "counter", help_of_time, (Sample(seconds),))
    yield gauge(
        "process_resident_memory_bytes",
        "Memory of all processes; pages that they share count for each.",
        memory,
    )
    yield gauge("process_open_fds", "Open descriptors of all processes.", files)
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield gauge("process_max_fds", "Descriptors that all processes may open.", limit * count)


def _read_stat(pid: int) -> tuple[float, int] | None:
    """Return the CPU seconds and the resident bytes of a process, or None if it cannot be read."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            # The name, in parentheses, may have spaces; field 14 is the twelfth after it.
            fields = stat.read().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS, int(fields[21]) * _PAGE
    except (OSError, IndexError, ValueError):
        return None


def _count_files(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0

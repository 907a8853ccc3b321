"""A memory cgroup for a server under test, in version 1 or 2 of the kernel's interface."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environment import UnavailableError

ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Group:
    """A cgroup with a memory limit; a command with `prefix` before it runs inside."""

    path: Path
    peak_file: str

    @property
    def prefix(self) -> list[str]:
        # The shell enters the group and becomes the server, so that nothing else is charged.
        enter = 'echo $$ > "$0" && exec "$@"'
        return ["/bin/sh", "-c", enter, str(self.path / "cgroup.procs")]

    def peak(self) -> int:
        """Return the most memory ever charged: processes, their sockets and the page cache."""
        try:
            return int((self.path / self.peak_file).read_text())
        except FileNotFoundError:  # memory.peak of version 2 is younger than memory.max
            return 0


@contextmanager
def limited(limit: int | None) -> Iterator[Group | None]:
    """Make a cgroup with a memory limit for a `with` block; None for no limit makes none."""
    if limit is None:
        yield None
        return
    try:
        group = create(limit)
    except OSError as error:
        raise UnavailableError(
            f"no memory cgroup can be made ({error}); run as root, outside of a container"
        ) from None
    try:
        yield group
    finally:
        group.path.rmdir()


def out_of_memory_kills() -> int:
    """Return how many processes the kernel has killed for want of memory, anywhere, since boot."""
    lines = Path("/proc/vmstat").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def create(limit: int) -> Group:
    name = f"phttpd-bench-{os.getpid()}"
    if (ROOT / "memory").is_dir():
        group = Group(ROOT / "memory" / name, "memory.max_usage_in_bytes")
        limit_file = "memory.limit_in_bytes"
    else:
        controllers = ROOT / "cgroup.subtree_control"
        if "memory" not in controllers.read_text().split():
            controllers.write_text("+memory")
        group = Group(ROOT / name, "memory.peak")
        limit_file = "memory.max"
    group.path.mkdir()
    try:
        (group.path / limit_file).write_text(str(limit))
    except OSError:
        group.path.rmdir()
        raise
    return group

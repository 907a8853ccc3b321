"""Waiting for events: the exit of a process, a line in a file, a condition that becomes true.

Each wait has a generous deadline and ends with the event, not with the clock.
"""

from __future__ import annotations

import ctypes
import os
import re
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from tests.support.server import DEADLINE

T = TypeVar("T")

LIBC = ctypes.CDLL(None, use_errno=True)
CHANGES = 0x2 | 0x80 | 0x100 | 0x200  # inotify(7): IN_MODIFY, IN_MOVED_TO, IN_CREATE, IN_DELETE


def until(check: Callable[[], T | None], what: str, timeout: float = DEADLINE) -> T:
    """Return the first true result of `check`; only for facts whose change nothing announces."""
    deadline = time.monotonic() + timeout
    while not (result := check()):
        assert time.monotonic() < deadline, f"not in {timeout} s: {what}"
        select.select([], [], [], 0.005)
    return result


class Watch:
    """Tells that something in a directory was created, written to, moved there or deleted."""

    def __init__(self, directory: Path) -> None:
        self._descriptor: int = LIBC.inotify_init1(os.O_CLOEXEC)
        added = LIBC.inotify_add_watch(self._descriptor, bytes(directory), CHANGES)
        assert added >= 0, os.strerror(ctypes.get_errno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def until(self, check: Callable[[], T | None], what: str, timeout: float = DEADLINE) -> T:
        """Return the first true result of `check`, which is tried after each change."""
        deadline = time.monotonic() + timeout
        while not (result := check()):
            left = max(deadline - time.monotonic(), 0)
            ready, _, _ = select.select([self._descriptor], [], [], left)
            assert ready, f"not in {timeout} s: {what}"
            os.read(self._descriptor, 65536)
        return result


class LogFile:
    """A log file that a server writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0

    def text(self) -> str:
        return self.path.read_text(encoding="ascii") if self.path.exists() else ""

    def lines(self) -> list[str]:
        return self.text().splitlines()

    def wait_for(self, pattern: str, timeout: float = DEADLINE) -> re.Match[str]:
        """Return the next match of the pattern, after the one that was returned before."""
        with Watch(self.path.parent) as watch:
            return watch.until(lambda: self._next(pattern), f"{pattern!r} in the log", timeout)

    def _next(self, pattern: str) -> re.Match[str] | None:
        match = re.compile(pattern, re.MULTILINE).search(self.text(), self._offset)
        if match:
            self._offset = match.end()
        return match


class Process:
    """A process that is no child: a signal to it reaches this process or none."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def signal(self, number: signal.Signals) -> None:
        signal.pidfd_send_signal(self._descriptor, number)

    def ended(self, timeout: float = 0) -> bool:
        """Tell whether the process ends in the time given."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    def wait(self, timeout: float = DEADLINE) -> None:
        assert self.ended(timeout), f"process {self.pid} still runs after {timeout} s"

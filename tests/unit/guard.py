"""A guard against code that never ends, and a look at the descriptors of this process."""

from __future__ import annotations

import gc
import itertools
import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HANG_SECONDS = 10
"""What takes this long does not end; the right code needs a small fraction of a second."""


class Hang(BaseException):
    """Not an Exception, so that nothing takes it for one of its own."""


@contextmanager
def must_end(seconds: int = HANG_SECONDS) -> Iterator[None]:
    """Fail the test when the block does not end by itself."""

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise Hang(f"this has not ended in {seconds} s")

    assert threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def open_descriptors() -> dict[int, str]:
    """Return the open descriptors of this process and what they refer to."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            pass  # that of the listing itself
    return found


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Let this process open no more than `count` descriptors."""
    gc.collect()  # which could give some back later
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = open_descriptors()
    free = (fd for fd in itertools.count() if fd not in taken)
    first_refused = next(itertools.islice(free, count, None))
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_refused, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def opened_since(before: dict[int, str]) -> list[str]:
    """Return what has been opened since an earlier look, and is still open."""
    opened = [path for fd, path in open_descriptors().items() if before.get(fd) != path]
    if opened and gc.collect():  # an error may refer to the frames that it came through
        opened = [path for fd, path in open_descriptors().items() if before.get(fd) != path]
    return opened

"""Child processes of a test, that do one thing and say how it went."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def run_in_child(action: Callable[[], object]) -> str:
    """Return what `action` returned in a child process, as text, or what it raised."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_fd)
        _finish(action, write_fd)
    os.close(write_fd)
    with open(read_fd, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(pid, 0)
    return text


@contextmanager
def child_doing(action: Callable[[], object]) -> Iterator[int]:
    """A child that has done `action` and lives until the end of the block; its pid."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_fd)
        try:
            text = str(action())
        except BaseException:
            text = traceback.format_exc()
        os.write(write_fd, text.encode())
        os.close(write_fd)
        while True:
            signal.pause()
    os.close(write_fd)
    with open(read_fd, "rb") as pipe:
        text = pipe.read().decode()
    try:
        assert "Traceback" not in text, text
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _finish(action: Callable[[], object], fd: int) -> None:
    try:
        text = str(action())
    except BaseException as error:
        text = f"{type(error).__name__}: {error}"
    os.write(fd, text.encode())
    os._exit(0)

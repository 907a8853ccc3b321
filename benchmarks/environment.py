"""What a benchmark needs of the machine: programs, file descriptors, cores, a directory for
files.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SPARE_FILES = 256
"""Descriptors that a process needs besides its connections."""

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

MB = 1_000_000


class UnavailableError(Exception):
    """Something that the benchmark needs is not there; the text says what to do."""


class MeasurementError(Exception):
    """The server did something that makes the figures worthless."""


def size(text: str) -> int:
    """Parse `100G`, `64KiB` or `4096` (units are powers of 1024) for argparse."""
    number = text.upper().removesuffix("IB").removesuffix("B")
    unit = number[-1:] if not number[-1:].isdigit() else ""
    try:
        return int(float(number.removesuffix(unit)) * UNITS[unit])
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 512M or 64KiB") from None


def program(name: str, package: str) -> str:
    """Return the path of a program, or say which Debian package has it."""
    # Debian keeps daemons in sbin, which is not in everyone's PATH.
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        raise UnavailableError(f"{name} is not installed; apt-get install {package}")
    return path


def allow_files(connections: int) -> None:
    """Let this process, and the servers it starts, hold so many connections each."""
    needed = connections + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, max(needed, hard)))
    except (OSError, ValueError):
        raise UnavailableError(
            f"{needed} open files are needed and the limit is {hard}; raise it (ulimit -Hn)"
        ) from None


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Run this thread, and what it starts meanwhile, on one core."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {core})
    except OSError:
        raise UnavailableError(f"core {core} is not there or not ours: {sorted(before)}") from None
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def directory(parent: str | None) -> Iterator[Path]:
    """Make a temporary directory that any user can enter, as a server may drop its privileges."""
    with tempfile.TemporaryDirectory(prefix="phttpd-bench-", dir=parent) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def write_sparse(path: Path, length: int) -> None:
    """Make a file of a given length that takes no space on the disk."""
    with path.open("wb") as file:
        file.truncate(length)

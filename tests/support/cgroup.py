"""A control group for processes of a test, below the test's own, in version 1 or 2 (cgroups(7))."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def limited(controller: str, **limits: str) -> Iterator[list[str]]:
    """Make a group for a `with` block, and return the prefix of a command that runs in it.

    Args:
        controller: ``cpu`` or ``memory``.
        limits: what to write to which file, by its name with two underscores for its dot; what
            the version in use does not have is left out.
    """
    group = _own_group(controller) / f"phttpd-test-{os.getpid()}"
    try:
        _make(group, {name.replace("__", "."): text for name, text in limits.items()})
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        # The shell enters the group and becomes the command.
        enter = 'echo $$ > "$0" && exec "$@"'
        yield ["/bin/sh", "-c", enter, str(group / "cgroup.procs")]
    finally:
        group.rmdir()


def _make(group: Path, limits: Mapping[str, str]) -> None:
    group.mkdir()
    try:
        written = [
            (group / name).write_text(text)
            for name, text in limits.items()
            if (group / name).exists()
        ]
        if not written:
            raise FileNotFoundError(f"{group} has none of {', '.join(limits)}")
    except OSError:
        group.rmdir()
        raise


def _own_group(controller: str) -> Path:
    """Return the group of this process that a controller looks at."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, names, path = line.split(":", 2)
        if controller in names.split(","):
            return Path(f"/sys/fs/cgroup/{names}{path}")
        if number == "0" and (top := Path("/sys/fs/cgroup/cgroup.controllers")).exists():
            assert controller in top.read_text().split()
            return Path(f"/sys/fs/cgroup{path}")
    pytest.skip(f"no control groups with {controller} here")

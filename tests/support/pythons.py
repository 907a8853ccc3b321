"""Finds the Pythons on this machine that phttpd runs on: those in PATH and those of pyenv.

`python -m tests.support.pythons` prints version and path of each other version than its own, oldest
first.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

OLDEST = (3, 11)

ASK = (
    "import sys; assert sys.implementation.name == 'cpython';"
    "print(sys.executable, *sys.version_info[:3])"
)


class Python(NamedTuple):
    """An interpreter that was started once to ask for its version."""

    path: str
    version: tuple[int, int, int]

    @property
    def minor(self) -> tuple[int, int]:
        """The part of the version that decides about bytecodes and syntax."""
        return self.version[:2]


@functools.cache
def installed() -> tuple[Python, ...]:
    """Return one interpreter for each version; the one that runs this is preferred."""
    found: dict[tuple[int, int, int], Python] = {}
    for path in dict.fromkeys(_candidates()):
        python = _ask(path)
        if python and python.minor >= OLDEST:
            found.setdefault(python.version, python)
    return tuple(sorted(found.values(), key=lambda python: python.version))


def others() -> list[Python]:
    """Return one interpreter for each version but that of the interpreter which runs this.

    Two versions that differ in their last number only do not behave alike either: Debian's 3.11.2
    lacks repairs of `re` that 3.11.7 has.
    """
    return [python for python in installed() if python.version != sys.version_info[:3]]


def _candidates() -> Iterator[str]:
    yield sys.executable
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    directories = [*root.glob("versions/3.*/bin")]
    directories += [Path(each) for each in os.get_exec_path() if Path(each) != root / "shims"]
    for directory in directories:
        if directory.is_dir():
            names = [name for name in os.listdir(directory) if re.fullmatch(r"python3\.\d+", name)]
            yield from (str((directory / name).resolve()) for name in sorted(names))


def _ask(path: str) -> Python | None:
    """Return None where there is no interpreter that starts."""
    try:
        done = subprocess.run(
            [path, "-I", "-c", ASK], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    *_, major, minor, micro = done.stdout.rsplit(maxsplit=3)
    return Python(path, (int(major), int(minor), int(micro)))


if __name__ == "__main__":
    for each in others():
        print("{}.{}.{}".format(*each.version), each.path)

"""Docroots for tests, and the user that root becomes to be refused something."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

from httpd.files.docroot import Docroot, OpenResult

NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    """Have no privileges for a `with` block; whoever is not root has none anyway."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@contextmanager
def open_directory() -> Iterator[Path]:
    """A directory that everybody may enter, unlike those of pytest."""
    directory = Path(tempfile.mkdtemp(prefix="phttpd-"))
    directory.chmod(0o755)
    try:
        yield directory.resolve()
    finally:
        shutil.rmtree(directory)


def write(path: Path, content: bytes | str = b"", *, age: float = 0.0) -> Path:
    """Write a file, with the directories above it; `age` is in seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    if age:
        modified = path.stat().st_mtime_ns - int(age * 1e9)
        os.utime(path, ns=(modified, modified))
    return path


def write_sparse(path: Path, size: int) -> Path:
    """Make a file of `size` zeros that takes no space."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
    return path


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass, so that what there is now was changed long ago."""
    later = time.time_ns() + 10_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)


def note_asked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list that gets the names that `os.access` is asked for."""
    asked = []
    access = os.access

    def note(name: bytes, *arguments: Any, **options: Any) -> bool:
        asked.append(name)
        return access(name, *arguments, **options)

    monkeypatch.setattr(os, "access", note)
    return asked


def open_path(docroot: Docroot, path: bytes) -> OpenResult:
    """Open the file that a decoded path leads to."""
    opened = docroot.open(path)
    assert isinstance(opened, OpenResult)
    return opened

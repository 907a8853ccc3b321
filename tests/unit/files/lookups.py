"""A lookup of files, and how a test asks it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from httpd.files.docroot import Docroot
from httpd.files.faults import FileSystemError
from httpd.files.file_cache import CachedFile, FileCache
from httpd.files.lookup import FileLookup
from httpd.files.open_file import SMALL_FILE, OpenFile
from httpd.protocol.messages import HTTPError

LARGE = SMALL_FILE + 1

BUDGET = 1024 * 1024

OLD = 3600.0
"""Seconds: an age at which a modification time is settled."""


def make(root: Path, budget: int = BUDGET, index: tuple[str, ...] = ("index.html",)) -> FileLookup:
    lookup = FileLookup(Docroot(str(root), index), FileCache(budget), precompressed=True)
    tick(lookup, 1)
    return lookup


def tick(lookup: FileLookup, now: int) -> None:
    lookup.begin_second(now, int(time.time()))
    lookup._file_cache.begin_second(now)


def find(lookup: FileLookup, path: str | bytes) -> OpenFile:
    """Return what the second request finds: the file is cached from then on."""
    path = path.encode() if isinstance(path, str) else path
    lookup.find(path)
    cached = lookup.find(path)
    assert isinstance(cached, CachedFile)
    return cached.original


def stays(lookup: FileLookup, path: str, open_file: OpenFile, now: int = 2) -> bool:
    """Tell whether a request of the next second finds the same open_file."""
    tick(lookup, now)
    try:
        cached = lookup.find(path.encode())
        return isinstance(cached, CachedFile) and cached.original is open_file
    except HTTPError:
        return False


def status_of(lookup: FileLookup, path: str) -> int:
    with pytest.raises((HTTPError, FileSystemError)) as error:
        lookup.find(path.encode())
    raised = error.value
    shown = raised.http_error if isinstance(raised, FileSystemError) else raised
    assert isinstance(shown, HTTPError)
    return shown.status


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")

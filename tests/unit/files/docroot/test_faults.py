"""Errors of the system."""

from __future__ import annotations

import errno
import gc
import os
from pathlib import Path

import pytest

from httpd.files.docroot import Docroot
from httpd.files.faults import FileSystemError, OutOfDescriptorsError, UnreadableError, explain
from httpd.protocol.messages import HTTPError
from tests.unit.guard import open_descriptors, opened_since
from tests.unit.site.directories import write


@pytest.mark.parametrize("calls", range(6))
def test_failing_fstat_leaves_no_descriptor_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """As after a restart of an NFS server: its file handles are stale."""
    write(tmp_path / "folder" / "a.txt", "a")
    docroot = Docroot(str(tmp_path), ())
    name = os.fsencode(tmp_path / "folder" / "a.txt")
    gc.collect()
    before = open_descriptors()
    made = 0

    def fail(fd: int) -> os.stat_result:
        nonlocal made
        made += 1
        if made > calls:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return os.stat(fd)

    monkeypatch.setattr("os.fstat", fail)
    for look in (docroot.revalidate, docroot.directory_state, docroot.stat):
        look(name)
    docroot.names_beside(name, 10)
    docroot.release()
    monkeypatch.undo()
    assert opened_since(before) == []


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOMEM, OutOfDescriptorsError, "has no memory left"),
        (errno.EMFILE, OutOfDescriptorsError, "has too many open files"),
        (errno.EIO, UnreadableError, "cannot be read: Input/output error"),
        (errno.ESTALE, UnreadableError, "cannot be read: Stale file handle"),
    ],
)
def test_system_error_is_named_by_its_reason(
    number: int, kind: type[OutOfDescriptorsError | UnreadableError], words: str
) -> None:
    error = explain(OSError(number, ""))
    assert isinstance(error, kind)
    assert error.reason == os.strerror(number)
    assert words in error.http_error.detail


def test_system_fault_is_no_http_error() -> None:
    """So no `except HTTPError` takes it for a response to the client."""
    assert not issubclass(FileSystemError, HTTPError)
    assert isinstance(explain(OSError(errno.EMFILE, "")), FileSystemError)
    assert isinstance(explain(OSError(errno.ENOENT, "")), HTTPError)

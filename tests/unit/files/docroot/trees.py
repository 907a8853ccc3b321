"""A docroot with every kind of file and link, and functions that look into it."""

from __future__ import annotations

import os

import pytest

from httpd.files.docroot import Docroot, FoundDirectory
from httpd.files.faults import FileSystemError
from httpd.protocol.messages import HTTPError
from httpd.protocol.target import decode_path

CANARY = "what nobody outside may read"

Found = str | int | None


def forbid_the_direct_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a docroot ask where a name leads, as if the path left the docroot."""
    for name in (
        "resolver.pin_without_links",
        "docroot.open_without_links",
        "resolver.open_beneath",
    ):
        monkeypatch.setattr(f"httpd.files.{name}", lambda name, directory: None)


def look_up(docroot: Docroot, path: str | bytes) -> Found:
    """Return the content of a file, the status of an error, or None for a directory without
    slash; 403 for a directory without index, as where nothing is listed.
    """
    raw = path.encode("latin-1") if isinstance(path, str) else path
    try:
        opened = docroot.open(decode_path(raw))
    except HTTPError as error:
        return error.status
    except FileSystemError as error:
        return error.http_error.status
    if isinstance(opened, FoundDirectory):
        return None if opened.lacks_slash else 403
    with open(opened.fd, "rb") as file:
        assert not os.get_inheritable(opened.fd)
        return file.read().decode()


MISSING = [
    "/nothing",
    "/sub/nothing",
    "/nothing/",
    "/nothing/nothing",
    "/a.txt/",
    "/a.txt/b",
    "/a.txt/index.html",
    "/A.txt",
    "/.hidden",
    "/%2ehidden",
    "/.hidden/",
    "/.git/",
    "/.git/config",
    "/sub/.htpasswd",
    "/.well-known/.hidden",
    "/.well-known2",
    "/sub/.well-known/security.txt",
    "/to-folder/.well-known/security.txt",
    "/to-other-well-known/security.txt",
    "/itself/.well-known/security.txt",
    "/to-well-known/.hidden",
    "/to-hidden",
    "/to-hidden-absolute",
    "/to-hidden-chain",
    "/to-hidden-out-and-in",
    "/to-git/",
    "/to-git/config",
    "/to-git-config",
    "/..data/volume.txt",
    "/...",
    "/..a",
    "/.git%2Fconfig",
    "/sub%2F.htpasswd",
    "/sub/../.hidden",
    "/%2Fetc%2Fpasswd",
    "/out-file",
    "/out-folder",
    "/out-folder/",
    "/out-folder/secret",
    "/out-folder/nothing",
    "/out-folder/back/a.txt/",
    "/out-absolute",
    "/out-chain",
    "/out-fifo",
    "/out-prefix",
    "/out-parent",
    "/out-parent/",
    "/out-parent/beside",
    "/out-root",
    "/out-root/",
    "/out-root/etc/passwd",
    "/out-proc",
    "/out-null",
    "/fifo",
    "/fifo/",
    "/to-fifo",
    "/socket",
    "/device",
    "/loop-1",
    "/loop-1/",
    "/self",
    "/self/a",
    "/dangling",
    "/dangling/",
    "/" + "a" * 256,
    "/" + "a/" * 3000,
    "/" + "sub/" * 2000 + "a",
]


def list_names(docroot: Docroot, path: str) -> list[str] | int:
    """Return the names in a directory, or the status of an error."""
    try:
        directory = docroot.open_directory(FoundDirectory(decode_path(path.encode())))
    except HTTPError as error:
        return error.status
    except FileSystemError as error:
        return error.http_error.status
    try:
        assert not os.get_inheritable(directory)
        return sorted(os.listdir(directory))
    finally:
        os.close(directory)

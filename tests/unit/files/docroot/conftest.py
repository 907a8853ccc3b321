"""Fixtures of these tests."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from httpd.files.docroot import Docroot
from tests.unit.files.docroot.trees import CANARY
from tests.unit.site.directories import write


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A docroot with every kind of file and link, and secrets around it."""
    root = tmp_path / "site"
    outside = tmp_path / "outside"
    write(outside / "secret", CANARY)
    write(outside / "index.html", CANARY)
    write(tmp_path / "site-2" / "secret", CANARY)
    write(tmp_path / ".." / tmp_path.name / "beside", CANARY)
    write(root / "index.html", "index")
    write(root / "a.txt", "a")
    write(root / "two words.txt", "two words")
    write(root / "Ωμέγα.txt", "omega")
    write(root / os.fsdecode(b"raw-\xff\xfe\n"), "raw")
    write(root / "sub" / "index.html", "sub index")
    write(root / "sub" / "b.txt", "b")
    write(root / "sub" / "deep" / "c.txt", "c")
    write(root / "bare" / "d.txt", "d")
    write(root / "folder-index" / "index.html" / "e.txt", "e")
    write(root / ".hidden", "hidden")
    write(root / ".git" / "config", "config")
    write(root / "sub" / ".htpasswd", "password")
    write(root / ".well-known" / "security.txt", "well-known")
    write(root / ".well-known" / ".hidden", "hidden")
    write(root / "sub" / ".well-known" / "security.txt", "not at the root")
    write(root / "..data" / "volume.txt", "volume")
    (root / "empty").mkdir()
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(root / "socket"))
    if os.geteuid() == 0:
        os.mknod(root / "device", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mkfifo(outside / "fifo")
    links = {
        "to-file": "a.txt",
        "to-folder": "sub",
        "to-deep": "sub/deep/c.txt",
        "up-and-back": "../site/a.txt",
        "absolute": str(root / "a.txt"),
        "chain-1": "chain-2",
        "chain-2": "to-file",
        "round-trip": "../outside/back/a.txt",
        "to-hidden": ".hidden",
        "to-hidden-absolute": str(root / ".hidden"),
        "to-hidden-chain": "to-hidden",
        "to-hidden-out-and-in": "../outside/back/.hidden",
        "to-git": ".git",
        "to-git-config": "to-git/config",
        "to-well-known": ".well-known",
        "to-other-well-known": "sub/.well-known",
        "through-hidden": ".git/../a.txt",
        "volume.txt": "..data/volume.txt",
        "itself": ".",
        "to-fifo": "fifo",
        "loop-1": "loop-2",
        "loop-2": "loop-1",
        "self": "self",
        "dangling": "nowhere",
        "out-file": "../outside/secret",
        "out-folder": "../outside",
        "out-absolute": str(outside / "secret"),
        "out-chain": "out-file",
        "out-fifo": "../outside/fifo",
        "out-prefix": "../site-2/secret",
        "out-parent": "..",
        "out-root": "/",
        "out-proc": "/proc/self/cmdline",
        "out-null": "/dev/null",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    (outside / "back").symlink_to("../site")
    return root


@pytest.fixture
def docroot(site: Path) -> Docroot:
    return Docroot(str(site), ("index.html",))

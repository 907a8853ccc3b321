"""The files that the corpus asks for."""

from __future__ import annotations

import os
from pathlib import Path

MTIME = 1577836800
"""When every file was last modified: Wed, 01 Jan 2020 00:00:00 GMT."""

HOME = b"<!doctype html><title>Home</title>\n"
PLAIN = b"0123456789abcdefghij"
SUB = b"<!doctype html><title>Sub</title>\n"
FOLLOW = b"the next one\n"
LARGE = bytes(range(256)) * 800
SECRET = b"must never leave this machine"

FILES = {
    "index.html": HOME,
    "plain.txt": PLAIN,
    "follow.txt": FOLLOW,
    "large.bin": LARGE,
    "zero.txt": b"",
    "sub/index.html": SUB,
    "sub/page.html": b"page",
    "bare/file.txt": b"in a directory without an index",
    "a b.txt": b"space",
    "a+b.txt": b"plus",
    "100%.txt": b"percent",
    "q?.txt": b"question mark",
    "hash#.txt": b"hash",
    "semi;colon.txt": b"semicolon",
    "quote'\".txt": b"quotes",
    "back\\slash.txt": b"backslash",
    "grün.txt": b"utf-8",
    "~tilde.txt": b"tilde",
    "grün/index.html": b"green",
    ".hidden.txt": SECRET,
    ".git/config": SECRET,
    "sub/.hidden": SECRET,
    ".well-known/security.txt": b"Contact: mailto:a@example.com\n",
}


def build(parent: Path) -> Path:
    """Make the site in `parent` with a secret beside it and return the directory to serve."""
    docroot = parent / "site"
    for name, content in FILES.items():
        path = docroot / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    Path(os.fsdecode(os.fsencode(docroot) + b"/latin-\xff.txt")).write_bytes(b"latin-1")
    (docroot / "empty").mkdir()
    (parent / "secret.txt").write_bytes(SECRET)
    (parent / "site-secret").mkdir()
    (parent / "site-secret" / "secret.txt").write_bytes(SECRET)
    for directory, _, names in os.walk(docroot):
        for name in names:
            os.utime(Path(directory, name), (MTIME, MTIME))
    (docroot / "inside.txt").symlink_to("plain.txt")
    (docroot / "outside.txt").symlink_to(parent / "secret.txt")
    (docroot / "outside").symlink_to(parent)
    os.mkfifo(docroot / "fifo")
    return docroot

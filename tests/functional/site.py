"""The site that most functional tests ask for, and the contents of its files."""

from __future__ import annotations

import random
from pathlib import Path

KIB = 1024

HOME = b"<!doctype html><title>Home</title><p>Welcome.\n"
GUIDE = b"<!doctype html><title>Guide</title>\n"
NOTES = b"".join(b"%04d\n" % number for number in range(200))
FIVE_MB = random.Random(5).randbytes(5_000_000)

SIZES = (0, 1, 2, 4 * KIB, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 128 * KIB, KIB * KIB + 1)

NAMES = {
    "with space.txt": "/with%20space.txt",
    "ünïcode 日本.txt": "/%C3%BCn%C3%AFcode%20%E6%97%A5%E6%9C%AC.txt",
    "🙂.txt": "/%F0%9F%99%82.txt",
    "100%.txt": "/100%25.txt",
    "%41.txt": "/%2541.txt",
    "a+b.txt": "/a+b.txt",
    "'single'.txt": "/'single'.txt",
    '"double".txt': "/%22double%22.txt",
    "what?.txt": "/what%3F.txt",
    "#1.txt": "/%231.txt",
    "a&b=c;d.txt": "/a&b=c;d.txt",
    "<b>.txt": "/%3Cb%3E.txt",
    "back\\slash.txt": "/back%5Cslash.txt",
    "new\nline.txt": "/new%0Aline.txt",
    "(a)[b]{c}.txt": "/(a)%5Bb%5D%7Bc%7D.txt",
    "two..dots.txt": "/two..dots.txt",
    "end.": "/end.",
    "-o": "/-o",
    "~user": "/~user",
    "a" * 251 + ".txt": "/" + "a" * 251 + ".txt",
}
"""Names that files have, and how one asks for them; each file holds its own name."""

TYPES = {
    "a.html": "text/html; charset=utf-8",
    "a.htm": "text/html; charset=utf-8",
    "A.HTML": "text/html; charset=utf-8",
    "a.css": "text/css; charset=utf-8",
    "a.js": "text/javascript; charset=utf-8",
    "a.mjs": "text/javascript; charset=utf-8",
    "a.txt": "text/plain; charset=utf-8",
    "a.csv": "text/csv; charset=utf-8",
    "a.md": "text/markdown; charset=utf-8",
    "a.json": "application/json",
    "a.xml": "application/xml",
    "a.svg": r"image/svg\+xml",
    "a.png": "image/png",
    "a.PNG": "image/png",
    "a.jpg": "image/jpeg",
    "a.jpeg": "image/jpeg",
    "a.gif": "image/gif",
    "a.webp": "image/webp",
    "a.avif": "image/avif",
    "a.ico": "image/(x-icon|vnd.microsoft.icon)",
    "a.woff2": "font/woff2",
    "a.wasm": "application/wasm",
    "a.pdf": "application/pdf",
    "a.zip": "application/zip",
    "a.gz": "application/gzip",
    "a.tar.gz": "application/gzip",
    "a.html.gz": "application/gzip",
    "a.mp3": "audio/mpeg",
    "a.mp4": "video/mp4",
    "a.webm": "video/webm",
    "a.strange": "application/octet-stream",
    "a": "application/octet-stream",
    "a.ts": "text/plain; charset=utf-8",
    "README": "text/plain; charset=utf-8",
    "html": "application/octet-stream",
}
"""Patterns of the media types that files are served as."""


def pattern(size: int) -> bytes:
    """Return bytes that are nowhere the same as at another place nearby."""
    return b"".join(b"%08x" % place for place in range(0, size, 8))[:size]


def build(docroot: Path) -> None:
    """Write the site into an empty directory."""
    files = {
        "index.html": HOME,
        "docs/guide.html": GUIDE,
        "docs/index.html": b"docs",
        "docs/deep/er/index.html": b"deeper",
        "a b/index.html": b"spaced",
        "grün/index.html": b"green",
        "bare/file.txt": b"bare",
        "notes.txt": NOTES,
        "five.bin": FIVE_MB,
        **{f"sizes/{size}.bin": pattern(size) for size in SIZES},
        **{name: name.encode() for name in NAMES},
        **{f"types/{name}": b"x" for name in TYPES},
    }
    for name, content in files.items():
        path = docroot / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

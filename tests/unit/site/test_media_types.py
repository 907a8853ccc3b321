"""Media types by name: the same on every host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from httpd.site.media_types import guess_media_type

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("index.htm", "text/html; charset=utf-8"),
        ("INDEX.HTML", "text/html; charset=utf-8"),
        ("site.css", "text/css; charset=utf-8"),
        ("start.js", "text/javascript; charset=utf-8"),
        ("module.mjs", "text/javascript; charset=utf-8"),
        ("notes.txt", "text/plain; charset=utf-8"),
        ("table.csv", "text/csv; charset=utf-8"),
        ("README.md", "text/markdown; charset=utf-8"),
        ("mark.svg", "image/svg+xml; charset=utf-8"),
        ("feed.xml", "application/xml; charset=utf-8"),
        ("page.xhtml", "application/xhtml+xml; charset=utf-8"),
        ("data.json", "application/json"),
        ("app.webmanifest", "application/manifest+json"),
        ("a.png", "image/png"),
        ("a.jpg", "image/jpeg"),
        ("a.jpeg", "image/jpeg"),
        ("a.gif", "image/gif"),
        ("a.webp", "image/webp"),
        ("a.avif", "image/avif"),
        ("favicon.ico", "image/x-icon"),
        ("a.woff2", "font/woff2"),
        ("a.mp4", "video/mp4"),
        ("a.webm", "video/webm"),
        ("a.mp3", "audio/mpeg"),
        ("a.pdf", "application/pdf"),
        ("a.zip", "application/zip"),
        ("a.wasm", "application/wasm"),
        ("hello.txt.gz", "application/gzip"),
        ("site.tar.gz", "application/gzip"),
        ("site.tgz", "application/gzip"),
        ("a.html.bak", "application/octet-stream"),
        ("large.bin", "application/octet-stream"),
        ("no-extension", "application/octet-stream"),
        ("", "application/octet-stream"),
        (".", "application/octet-stream"),
        (".html", "application/octet-stream"),
        ("html", "application/octet-stream"),
        ("a.", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
        ("a.html ", "application/octet-stream"),
        ("a.html;x.png", "image/png"),
        ("a b.html", "text/html; charset=utf-8"),
        ("Ωμέγα.png", "image/png"),
    ],
)
def test_by_name(name: str, media_type: str) -> None:
    assert guess_media_type(name.encode()) == media_type


def test_any_bytes_have_a_type() -> None:
    for byte in range(256):
        assert guess_media_type(b"a.%c" % byte)
        assert guess_media_type(b"a.\xff%c.png" % byte) == "image/png"


PROBE = """
import mimetypes, sys
mimetypes.knownfiles[:] = sys.argv[1:]
mimetypes.init()
assert mimetypes.guess_type("a.html")[0] == "x/host", "the host's table is not in use"
mimetypes.add_type("x/added", ".css")
from httpd.site.media_types import guess_media_type
names = ["a.html", "a.css", "a.png", "a.hostonly", "a.gz", "a.mp2", "a.sgml"]
print([guess_media_type(name.encode()) for name in names])
"""


def test_the_table_of_the_host_has_no_say(tmp_path: Path) -> None:
    table = tmp_path / "mime.types"
    table.write_text("x/host html png hostonly gz mp2 sgml\n")
    command = [sys.executable, "-c", PROBE, str(table)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = ["a.html", "a.css", "a.png", "a.hostonly", "a.gz", "a.mp2", "a.sgml"]
    assert done.stdout.strip() == str([guess_media_type(name.encode()) for name in names])
    assert "x/" not in done.stdout.replace("audio/x-", "")

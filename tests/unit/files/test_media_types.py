"""Media types by name: the same on every host."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from httpd.files.media_types import (
    BUILT_IN,
    MPEG_TS,
    MPEG_TS_HEAD,
    UNDECIDED_TS,
    UNKNOWN,
    MediaTypes,
    check_ts,
    content_types,
    content_types_by_extension,
    is_compressible,
)

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("index.html", "text/html"),
        ("index.htm", "text/html"),
        ("INDEX.HTML", "text/html"),
        ("site.css", "text/css"),
        ("start.js", "text/javascript"),
        ("module.mjs", "text/javascript"),
        ("notes.txt", "text/plain"),
        ("table.csv", "text/csv"),
        ("README.md", "text/markdown"),
        ("mark.svg", "image/svg+xml"),
        ("feed.xml", "application/xml"),
        ("page.xhtml", "application/xhtml+xml"),
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
        ("module.cjs", "text/javascript"),
        ("App.tsx", "text/plain"),
        ("App.vue", "text/plain"),
        ("rows.jsonl", "application/jsonl"),
        ("lab.ipynb", "application/x-ipynb+json"),
        ("scene.glb", "model/gltf-binary"),
        ("scene.gltf", "model/gltf+json"),
        ("scene.usdz", "model/vnd.usdz+zip"),
        ("part.m4s", "video/iso.segment"),
        ("stream.mpd", "application/dash+xml"),
        ("stream.m3u8", "application/vnd.apple.mpegurl"),
        ("map.geojson", "application/geo+json"),
        ("7.pbf", "application/x-protobuf"),
        ("a.ttc", "font/collection"),
        ("a.eot", "application/vnd.ms-fontobject"),
        ("a.apk", "application/vnd.android.package-archive"),
        ("a.mobileconfig", "application/x-apple-aspen-config"),
        ("a.jxl", "image/jxl"),
        ("stream.ts", UNDECIDED_TS),
        ("README", "text/plain"),
        ("readme", "text/plain"),
        ("LICENSE", "text/plain"),
        ("COPYING", "text/plain"),
        ("CHANGELOG", "text/plain"),
        ("Makefile", "text/plain"),
        ("Dockerfile", "text/plain"),
        ("SHA256SUMS", "text/plain"),
        ("InRelease", "text/plain"),
        ("LICENSE.bin", "application/octet-stream"),
        ("READMES", "application/octet-stream"),
        ("", "application/octet-stream"),
        (".", "application/octet-stream"),
        (".html", "application/octet-stream"),
        ("html", "application/octet-stream"),
        ("a.", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
        ("a.html ", "application/octet-stream"),
        ("a.html;x.png", "image/png"),
        ("a b.html", "text/html"),
        ("Ωμέγα.png", "image/png"),
    ],
)
def test_media_type_follows_from_the_name(name: str, media_type: str) -> None:
    assert BUILT_IN.of_name(name.encode()) == media_type


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1"])
def test_charset_is_only_for_text(charset: str) -> None:
    types = content_types(BUILT_IN, charset)
    for media_type, content_type in types.items():
        is_text = media_type.startswith("text/")
        assert content_type == (f"{media_type}; charset={charset}" if is_text else media_type)
    for media_type in ("application/xml", "application/xhtml+xml", "image/svg+xml"):
        assert types[media_type] == media_type


def test_xml_type_is_no_text_type() -> None:
    assert not [name for name in content_types(BUILT_IN, None) if re.search("^text/.*x[mu]l", name)]


def test_charset_of_null_is_left_out() -> None:
    assert all(media_type == same for media_type, same in content_types(BUILT_IN, None).items())


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("drawing.svgz", "image/svg+xml"),
        ("DRAWING.SVGZ", "image/svg+xml"),
        ("Build.wasm.br", "application/wasm"),
        ("Build.framework.js.gz", "text/javascript"),
        ("Build.data.zst", "application/octet-stream"),
        ("7.pbf", "application/x-protobuf"),
        ("site.tgz", "application/x-tar"),
        ("README.gz", "text/plain"),
        ("code.ts.gz", "text/plain"),
        ("code.ts", "text/plain"),
        (".gz", "application/octet-stream"),
        ("gz", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_media_type_of_a_coded_file_is_that_of_its_inner_name(name: str, media_type: str) -> None:
    assert BUILT_IN.of_decoded(name.encode()) == media_type
    assert media_type in content_types(BUILT_IN, None)


PACKET = b"G" + bytes(187)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (PACKET * 3, MPEG_TS),
        (PACKET + b"G", MPEG_TS),
        (PACKET, "text/plain"),
        (PACKET + b"g", "text/plain"),
        (b"g" + PACKET[1:] + b"G", "text/plain"),
        (b"G", "text/plain"),
        (b"", "text/plain"),
        (b"export const a = 1;\n" * 20, "text/plain"),
    ],
)
def test_media_type_of_ts_tells_a_stream_from_typescript(content: bytes, media_type: str) -> None:
    assert check_ts(content[:MPEG_TS_HEAD]) == media_type


def test_compressible_types_are_those_of_text_and_the_like() -> None:
    names = "a.html a.js a.json a.xml a.svg a.ttf a.otf a.wasm a.md README a.geojson a.ipynb a.eot"
    assert {BUILT_IN.of_name(name.encode()) for name in names.split()} <= BUILT_IN.compressible
    names = (
        "a.tar a.gz a.zip a.png a.jpg a.mp4 a.ts a.pdf a.woff a.woff2 a.deb a.bin a a.docx a.iso"
    )
    assert not {BUILT_IN.of_name(name.encode()) for name in names.split()} & BUILT_IN.compressible


def test_name_of_any_bytes_has_a_media_type() -> None:
    for byte in range(256):
        assert BUILT_IN.of_name(b"a.%c" % byte) in content_types(BUILT_IN, None)
        assert BUILT_IN.of_name(b"a.\xff%c.png" % byte) == "image/png"


PROBE = """
import mimetypes, sys
mimetypes.knownfiles[:] = sys.argv[1:]
mimetypes.init()
assert mimetypes.guess_type("a.html")[0] == "x/host", "the host's table is not in use"
mimetypes.add_type("x/added", ".css")
from httpd.files.media_types import BUILT_IN
names = ["a.html", "a.css", "a.png", "a.hostonly", "a.gz", "a.mp2", "a.sgml"]
print([BUILT_IN.of_name(name.encode()) for name in names])
"""


def test_media_type_does_not_depend_on_the_table_of_the_host(tmp_path: Path) -> None:
    table = tmp_path / "mime.types"
    table.write_text("x/host html png hostonly gz mp2 sgml\n")
    command = [sys.executable, "-c", PROBE, str(table)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = ["a.html", "a.css", "a.png", "a.hostonly", "a.gz", "a.mp2", "a.sgml"]
    assert done.stdout.strip() == str([BUILT_IN.of_name(name.encode()) for name in names])
    assert "x/" not in done.stdout.replace("audio/x-", "")


OWN = MediaTypes(
    (
        (".rkt", "text/x-racket"),
        (".zst", "application/x-zst"),
        (".pkg.tar.zst", "application/x-pkg"),
        (".DATA", "application/x-data"),
        (".html", "text/html; charset=iso-8859-1"),
        (".svgz", "image/x-drawing"),
        (".gz", "application/x-gz"),
        (".data.br", "application/x-coded"),
        (".ts", "text/typescript"),
        (".stream", MPEG_TS),
        ("Composer.lock", "application/json"),
        ("README", "text/x-readme"),
        ("Käse", "text/x-käse"),
    ),
    "text/x-unknown",
)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.rkt", "text/x-racket"),
        ("A.RKT", "text/x-racket"),
        ("a.b.rkt", "text/x-racket"),
        ("a.data", "application/x-data"),
        ("a.html", "text/html; charset=iso-8859-1"),
        ("a.htm", "text/html"),
        ("a.zst", "application/x-zst"),
        ("a.tar.zst", "application/x-zst"),
        ("a.pkg.tar.zst", "application/x-pkg"),
        ("a-1.0.PKG.tar.zst", "application/x-pkg"),
        ("pkg.tar.zst", "application/x-zst"),
        ("composer.lock", "application/json"),
        ("a.composer.lock", "text/x-unknown"),
        ("other.lock", "text/x-unknown"),
        ("readme", "text/x-readme"),
        ("README.txt", "text/plain"),
        ("a.readme", "text/x-unknown"),
        ("LICENSE", "text/plain"),
        ("Käse", "text/x-käse"),
        ("a.ts", "text/typescript"),
        ("a.stream", MPEG_TS),
        ("a.exe", UNKNOWN),
        ("a.unknown", "text/x-unknown"),
        ("rkt", "text/x-unknown"),
        ("a.", "text/x-unknown"),
        ("", "text/x-unknown"),
    ],
)
def test_own_media_type_is_that_of_the_name_or_of_its_longest_end(
    name: str, media_type: str
) -> None:
    assert OWN.of_name(name.encode()) == media_type


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.rkt.gz", "text/x-racket"),
        ("a.svgz", "image/x-drawing"),
        ("a.gz", "text/x-unknown"),
        ("a.data.br", "application/x-coded"),
        ("a.data.zst", "application/x-data"),
        ("a.js.br", "text/javascript"),
        ("a.ts.gz", "text/typescript"),
        ("a.rkt", "text/x-racket"),
    ],
)
def test_own_media_type_of_a_coded_file_is_that_of_its_content(name: str, media_type: str) -> None:
    assert OWN.of_decoded(name.encode()) == media_type


def test_own_media_type_is_compressible_as_others_are() -> None:
    types = ["text/x-racket", "text/x-unknown", "text/html; charset=iso-8859-1"]
    assert OWN.compressible >= {*BUILT_IN.compressible, *types}
    assert not OWN.compressible & {"application/x-data", MPEG_TS}
    assert is_compressible("application/x-own+json; a=b")


@pytest.mark.parametrize(
    ("media_type", "charset", "sent"),
    [
        ("text/x-own", "utf-8", "text/x-own; charset=utf-8"),
        ("text/x-own", None, "text/x-own"),
        ("text/x-own; a=b", "utf-8", "text/x-own; a=b; charset=utf-8"),
        ("text/x-own; charset=iso-8859-1", "utf-8", "text/x-own; charset=iso-8859-1"),
        ('text/x-own;a=b;Charset="utf-16"', "utf-8", 'text/x-own;a=b;Charset="utf-16"'),
        ("text/x-own; x-charset=a", "utf-8", "text/x-own; x-charset=a; charset=utf-8"),
        ("application/x-own", "utf-8", "application/x-own"),
    ],
)
def test_media_type_gets_a_charset_unless_it_has_one(
    media_type: str, charset: str | None, sent: str
) -> None:
    types = MediaTypes(((".own", media_type),))
    assert content_types(types, charset)[media_type] == sent
    assert content_types_by_extension(types, charset)[b"own"] == sent.encode()


def test_extension_alone_tells_the_media_type_unless_more_of_a_name_may() -> None:
    types = OWN.by_extension()
    assert not types.keys() & {b"zst", b"lock", b"readme", b"br", b"unknown", b""}
    assert "ts" not in map(bytes.decode, BUILT_IN.by_extension())
    for extension, media_type in types.items():
        assert OWN.of_name(b"a.b." + extension) == media_type
    assert {types[b"rkt"], types[b"ts"]} == {"text/x-racket", "text/typescript"}

"""The media type of a file by its name: a table of our own, the same on every host.

`mimetypes` gives the long tail from its built-in table; what matters on the web is listed here,
since that table differs between versions of Python and the host's ``/etc/mime.types`` between
hosts.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping

_COMMON = """
    application/atom+xml            atom
    application/epub+zip            epub
    application/gzip                gz tgz
    application/java-archive        jar
    application/json                json map
    application/ld+json             jsonld
    application/manifest+json       webmanifest
    application/msword              doc
    application/ogg                 ogx
    application/pdf                 pdf
    application/rss+xml             rss
    application/rtf                 rtf
    application/vnd.debian.binary-package deb
    application/vnd.ms-excel        xls
    application/vnd.ms-powerpoint   ppt
    application/vnd.openxmlformats-officedocument.presentationml.presentation pptx
    application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx
    application/vnd.openxmlformats-officedocument.wordprocessingml.document docx
    application/vnd.oasis.opendocument.text odt
    application/vnd.oasis.opendocument.spreadsheet ods
    application/wasm                wasm
    application/x-7z-compressed     7z
    application/x-bzip2             bz2
    application/x-iso9660-image     iso
    application/x-rar-compressed    rar
    application/x-rpm               rpm
    application/x-sh                sh
    application/x-tar               tar
    application/x-xz                xz
    application/xhtml+xml           xhtml
    application/xml                 xml xsl
    application/zip                 zip
    application/zstd                zst
    application/octet-stream        bin exe dll dmg img msi so
    audio/aac                       aac
    audio/flac                      flac
    audio/midi                      mid midi
    audio/mp4                       m4a
    audio/mpeg                      mp3
    audio/ogg                       oga ogg opus
    audio/wav                       wav
    audio/webm                      weba
    font/otf                        otf
    font/ttf                        ttf
    font/woff                       woff
    font/woff2                      woff2
    image/apng                      apng
    image/avif                      avif
    image/bmp                       bmp
    image/gif                       gif
    image/jpeg                      jpg jpeg jpe
    image/jxl                       jxl
    image/png                       png
    image/svg+xml                   svg
    image/tiff                      tif tiff
    image/webp                      webp
    image/x-icon                    ico
    text/calendar                   ics
    text/css                        css
    text/csv                        csv
    text/html                       html htm
    text/javascript                 js mjs
    text/markdown                   md markdown
    text/plain                      txt text log conf cfg ini py c h cc cpp hpp rs go java toml
    text/vcard                      vcf
    text/vtt                        vtt
    text/yaml                       yaml yml
    video/mp4                       mp4 m4v
    video/mpeg                      mpeg mpg
    video/ogg                       ogv
    video/quicktime                 mov
    video/webm                      webm
    video/x-matroska                mkv
    video/x-msvideo                 avi
"""

_UNKNOWN = "application/octet-stream"
_UTF_8_TYPES = frozenset({"application/xml", "application/xhtml+xml", "image/svg+xml"})


def _build_table() -> Mapping[bytes, str]:
    table = {ext[1:]: kind for ext, kind in mimetypes.MimeTypes(filenames=()).types_map[1].items()}
    for line in _COMMON.strip().splitlines():
        kind, *extensions = line.split()
        table.update(dict.fromkeys(extensions, kind))
    return {extension.encode(): _with_charset(kind) for extension, kind in table.items()}


def _with_charset(kind: str) -> str:
    is_text = kind.startswith("text/") or kind in _UTF_8_TYPES
    return f"{kind}; charset=utf-8" if is_text else kind


_TABLE = _build_table()


def guess_media_type(name: bytes) -> str:
    """Return the Content-Type for a file name; text comes with its charset, which is UTF-8."""
    stem, dot, extension = name.rpartition(b".")
    return _TABLE.get(extension.lower(), _UNKNOWN) if dot and stem else _UNKNOWN

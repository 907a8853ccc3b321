"""The media type of a file by its name: a table of our own, the same on every host.

The table of `mimetypes` differs between versions of Python, and ``/etc/mime.types`` between hosts.
The rare types are those of `mimetypes` in Python 3.11.  A site may have more types of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from httpd.protocol.target import PCHAR

_COMMON = """
    application/atom+xml            atom
    application/dash+xml            mpd
    application/epub+zip            epub
    application/geo+json            geojson
    application/gpx+xml             gpx
    application/gzip                gz tgz
    application/java-archive        jar
    application/json                json map topojson
    application/jsonl               jsonl
    application/ld+json             jsonld
    application/manifest+json       webmanifest
    application/metalink4+xml       meta4
    application/msword              doc
    application/ogg                 ogx
    application/pdf                 pdf
    application/rss+xml             rss
    application/rtf                 rtf
    application/vnd.android.package-archive apk
    application/vnd.apple.mpegurl   m3u m3u8
    application/vnd.debian.binary-package deb
    application/vnd.google-earth.kml+xml kml
    application/vnd.google-earth.kmz kmz
    application/vnd.mapbox-vector-tile mvt
    application/vnd.mozilla.xul+xml xul
    application/vnd.ms-excel        xls
    application/vnd.ms-fontobject   eot
    application/vnd.ms-powerpoint   ppt
    application/vnd.openxmlformats-officedocument.presentationml.presentation pptx
    application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx
    application/vnd.openxmlformats-officedocument.wordprocessingml.document docx
    application/vnd.oasis.opendocument.text odt
    application/vnd.oasis.opendocument.spreadsheet ods
    application/wasm                wasm
    application/x-7z-compressed     7z
    application/x-apple-aspen-config mobileconfig
    application/x-bittorrent        torrent
    application/x-bzip2             bz2
    application/x-ipynb+json        ipynb
    application/x-iso9660-image     iso
    application/x-ndjson            ndjson
    application/x-protobuf          pbf
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
    font/collection                 ttc otc
    font/otf                        otf
    font/ttf                        ttf
    font/woff                       woff
    font/woff2                      woff2
    image/apng                      apng
    image/avif                      avif
    image/bmp                       bmp
    image/gif                       gif
    image/heic                      heic
    image/heif                      heif
    image/jpeg                      jpg jpeg jpe
    image/jxl                       jxl
    image/png                       png
    image/svg+xml                   svg
    image/tiff                      tif tiff
    image/webp                      webp
    image/x-icon                    ico
    model/3mf                       3mf
    model/gltf+json                 gltf
    model/gltf-binary               glb
    model/obj                       obj
    model/stl                       stl
    model/vnd.usdz+zip              usdz
    text/calendar                   ics
    text/css                        css
    text/csv                        csv
    text/html                       html htm
    text/javascript                 js mjs cjs
    text/markdown                   md markdown
    text/plain                      txt text log conf cfg ini toml diff patch
    text/plain                      md5 sha1 sha256 sha512
    text/plain                      bat c cc clj cpp cs cxx dart erl ex exs f90 go h hpp hs java jl
    text/plain                      jsx kt less lua ml php pl proto py r rb rs sass scala scss sql
    text/plain                      svelte swift tsx vue zig
    text/vcard                      vcf
    text/vtt                        vtt
    text/x-rst                      rst
    text/yaml                       yaml yml
    video/iso.segment               m4s
    video/mp4                       mp4 m4v
    video/mpeg                      mpeg mpg
    video/ogg                       ogv
    video/quicktime                 mov
    video/webm                      webm
    video/x-matroska                mkv
    video/x-msvideo                 avi
"""

_RARE = """
    application/msword              dot wiz
    application/n-quads             nq
    application/n-triples           nt
    application/octet-stream        a o
    application/oda                 oda
    application/pkcs7-mime          p7c
    application/postscript          ai eps ps
    application/trig                trig
    application/vnd.ms-excel        xlb
    application/vnd.ms-powerpoint   pot ppa pps pwz
    application/x-bcpio             bcpio
    application/x-cpio              cpio
    application/x-csh               csh
    application/x-dvi               dvi
    application/x-gtar              gtar
    application/x-hdf               hdf
    application/x-hdf5              h5
    application/x-latex             latex
    application/x-mif               mif
    application/x-netcdf            cdf nc
    application/x-pkcs12            p12 pfx
    application/x-pn-realaudio      ram
    application/x-python-code       pyc pyo
    application/x-shar              shar
    application/x-shockwave-flash   swf
    application/x-sv4cpio           sv4cpio
    application/x-sv4crc            sv4crc
    application/x-tcl               tcl
    application/x-tex               tex
    application/x-texinfo           texi texinfo
    application/x-troff             roff t tr
    application/x-troff-man         man
    application/x-troff-me          me
    application/x-troff-ms          ms
    application/x-ustar             ustar
    application/x-wais-source       src
    application/xml                 rdf wsdl xpdl
    audio/3gpp                      3gp 3gpp
    audio/3gpp2                     3g2 3gpp2
    audio/aac                       adts ass loas
    audio/basic                     au snd
    audio/mpeg                      mp2
    audio/x-aiff                    aif aifc aiff
    audio/x-pn-realaudio            ra
    image/ief                       ief
    image/x-cmu-raster              ras
    image/x-portable-anymap         pnm
    image/x-portable-bitmap         pbm
    image/x-portable-graymap        pgm
    image/x-portable-pixmap         ppm
    image/x-rgb                     rgb
    image/x-xbitmap                 xbm
    image/x-xpixmap                 xpm
    image/x-xwindowdump             xwd
    message/rfc822                  eml mht mhtml nws
    text/n3                         n3
    text/plain                      ksh srt
    text/richtext                   rtx
    text/tab-separated-values       tsv
    text/x-setext                   etx
    text/x-sgml                     sgm sgml
    video/mpeg                      m1v mpa mpe
    video/quicktime                 qt
    video/x-sgi-movie               movie
"""

_TEXTS = """
    authors bugs changelog changes codeowners containerfile contributing contributors
    copying copyright credits dockerfile gemfile gnumakefile history inrelease install jenkinsfile
    license license-apache license-mit licence maintainers makefile manifest md5sums news notice
    packages procfile rakefile readme release sha1sums sha256sums sha512sums sources thanks todo
    vagrantfile version
"""
"""Names without an extension that text files have by custom, in lower case."""

_COMPRESSIBLE = """
    application/json application/jsonl application/n-quads application/n-triples
    application/postscript application/rtf application/trig application/vnd.apple.mpegurl
    application/vnd.mapbox-vector-tile application/vnd.ms-fontobject application/wasm
    application/x-latex application/x-ndjson application/x-protobuf application/x-sh
    application/x-tex application/xml font/collection font/otf font/ttf image/bmp image/x-icon
    model/gltf-binary model/obj model/stl
"""
"""Types that compress well, in addition to text and the types in ``+json`` and ``+xml``."""

_INNER_EXTENSIONS: Mapping[bytes, bytes] = {
    **dict.fromkeys((b"br", b"gz", b"z", b"zst"), b""),
    b"emz": b".emf",
    b"svgz": b".svg",
    b"tgz": b".tar",
    b"wmz": b".wmf",
}
"""For an extension that implies a content coding: the extension of the decoded file."""

UNKNOWN = "application/octet-stream"
"""The media type of a name of which nothing else is known (RFC 2046 §4.5.1)."""
MPEG_TS = "video/mp2t"
UNDECIDED_TS = f"{MPEG_TS} or text/plain"
"""In place of the media type of a name in ``.ts``, which video and TypeScript share; `check_ts`
tells them apart."""
MPEG_TS_HEAD = 189
"""Bytes from the beginning of a file by which `check_ts` knows it."""
_SYNC_BYTE, _PACKET = 0x47, 188
_CHARSET = re.compile(r";[ \t]*charset=", re.IGNORECASE)


def is_compressible(media_type: str) -> bool:
    """Tell whether files of a type become much smaller by compression.

    Precompressed forms of them are made.  A ``.gz`` beside another one, such as an archive, is a
    file of its own.

    Args:
        media_type: with or without parameters.
    """
    essence = without_parameters(media_type)
    is_text = essence.startswith("text/") or essence.endswith(("+json", "+xml"))
    return is_text or essence in _COMPRESSIBLE.split()


def without_parameters(media_type: str) -> str:
    """Return a media type without its parameters (RFC 9110 §8.3.1)."""
    return media_type.partition(";")[0].rstrip()


def _build_table() -> Mapping[bytes, str]:
    table = {b"ts": UNDECIDED_TS}
    for line in (_COMMON + _RARE).split("\n"):
        kind, *extensions = line.split() or [""]
        for extension in extensions:
            table[extension.encode()] = kind
    return table


TYPES_BY_EXTENSION = _build_table()
"""The media types by extension, in lower case and without the dot."""
_TEXT_NAMES = frozenset(name.encode() for name in _TEXTS.split())


class MediaTypes:
    """The media types of the files of a site.

    Args:
        own: media types that come before those of the table, by the end of the name with its first
            dot, such as ``.tar.zst``, or by the whole name.  They may have parameters.
        unknown: the media type of a name of which nothing else is known.

    Attributes:
        all: every media type that a file can have.
        compressible: those for which `is_compressible` is true.
    """

    __slots__ = ("_own", "_unknown", "all", "compressible")

    def __init__(self, own: tuple[tuple[str, str], ...] = (), unknown: str = UNKNOWN) -> None:
        self._own = {name.encode().lower(): media_type for name, media_type in own}
        self._unknown = unknown
        known = {*TYPES_BY_EXTENSION.values(), MPEG_TS, "text/plain"} - {UNDECIDED_TS}
        self.all = frozenset({*known, *self._own.values(), unknown})
        self.compressible = frozenset(filter(is_compressible, self.all))

    def of_name(self, name: bytes) -> str:
        """Return the media type for a file name; see `UNDECIDED_TS` for ``.ts``."""
        if self._own and (key := self._find_own(name.lower())):
            return self._own[key]
        stem, _, extension = name.rpartition(b".")
        if stem:
            return TYPES_BY_EXTENSION.get(extension.lower(), self._unknown)
        return "text/plain" if name.lower() in _TEXT_NAMES else self._unknown

    def of_decoded(self, name: bytes) -> str:
        """Return the media type of the decoded content of a file with a content coding.

        A type of the site's own for the name of the coded file comes first, unless it is for all
        files of that coding: ``.svgz``, but not ``.gz``.
        """
        stem, _, extension = name.rpartition(b".")
        inner = _INNER_EXTENSIONS.get(extension.lower())
        if inner is not None and stem:
            key = self._find_own(name.lower())
            if key and (inner or key != b"." + extension.lower()):
                return self._own[key]
            name = stem + inner
        media_type = self.of_name(name)
        return media_type if media_type != UNDECIDED_TS else check_ts(b"")

    def _find_own(self, name: bytes) -> bytes | None:
        """Return the longest end of a name that has a type of its own: the whole name, if it has.

        Args:
            name: in lower case.
        """
        start, end = 0, name
        while end not in self._own:
            start = name.find(b".", start + 1)
            if start < 0:
                return None
            end = name[start:]
        return end

    def by_extension(self) -> Mapping[bytes, str]:
        """Return the media types by extension, of the extensions that alone tell the media type.

        Nothing else in a name that ends in one of them makes a difference, except its case.  No
        character of them is encoded in the path of a request.
        """
        types = {name: kind for name, kind in TYPES_BY_EXTENSION.items() if kind != UNDECIDED_TS}
        for name in sorted(self._own, key=len):  # a longer name takes the extension away again
            stem, dot, extension = name.rpartition(b".")
            if stem:
                types.pop(extension, None)
            elif dot and not extension.strip(PCHAR):
                types[extension] = self._own[name]
        return types


@cache
def media_types(own: tuple[tuple[str, str], ...], unknown: str) -> MediaTypes:
    """Return the media types of the sites with these settings; see `MediaTypes`."""
    return MediaTypes(own, unknown)


BUILT_IN = media_types((), UNKNOWN)
"""The media types of a site that has none of its own."""


def check_ts(head: bytes) -> str:
    """Return the media type of a file with a name in ``.ts``.

    A transport stream is packets of 188 bytes, each of which begins with 0x47 (ISO/IEC 13818-1
    §2.4.3.2); anything else is taken for TypeScript.

    Args:
        head: the first `MPEG_TS_HEAD` bytes of the file, or all of a shorter one.
    """
    is_stream = len(head) > _PACKET and head[0] == head[_PACKET] == _SYNC_BYTE
    return MPEG_TS if is_stream else "text/plain"


def content_type(media_type: str, charset: str | None) -> str:
    """Return the Content-Type for a media type, which may have a charset of its own.

    XML tells its encoding itself, which a charset would overrule (RFC 7303 §3.1), and JSON has only
    one (RFC 8259 §8.1).

    Args:
        media_type: with or without parameters.
        charset: of text; None to leave it out.
    """
    if charset is None or not media_type.startswith("text/") or _CHARSET.search(media_type):
        return media_type
    return f"{media_type}; charset={charset}"


@cache
def content_types(types: MediaTypes, charset: str | None) -> Mapping[str, str]:
    """Return the Content-Type for each media type that a file can have.

    Args:
        types: of the site.
        charset: of text; None to leave it out.
    """
    return {media_type: content_type(media_type, charset) for media_type in types.all}


@cache
def content_types_by_extension(types: MediaTypes, charset: str | None) -> Mapping[bytes, bytes]:
    """Return the Content-Type for each extension in lower case that alone tells the media type.

    Args:
        types: of the site.
        charset: of text; None to leave it out.
    """
    return {
        extension: content_type(media_type, charset).encode()
        for extension, media_type in types.by_extension().items()
    }

"""Where the fuzzer begins: what the corpus of requests has to say to each target."""

from __future__ import annotations

import re
from pathlib import Path

from tests.corpus.replay import CASES

MAX_SIZE = 4096
"""Bytes; longer cases are about limits, and slow the fuzzer down."""

# What the first byte of an input says, in those targets that it says something to.
_CHUNKED, _LENGTH_5, _SIZE_20 = b"\x00", b"\x85", b"\x02"

_CONDITIONS = (
    b"If-Match",
    b"If-Unmodified-Since",
    b"If-None-Match",
    b"If-Modified-Since",
    b"If-Range",
)
_BODIES = (b'5;a="b"\r\nhello\r\n0\r\nA: b\r\n\r\n',)
_PATTERNS = (b"/a", b"/a/**", b"/**/b", b"*.html", b"/*/a?c*d", b"**", b"/**/a*b/**/c*d/*e*f")
_PATHS = (b"a/b/c.html", b"", b"ab/x/a1b/c/", b"a/\xff/\n")
_LISTING = (
    b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    b'application/json;charset="a,b";q=0.5, text/*;q=0.3',
    b"sort=size&order=desc",
)
_CODINGS = (b"gzip, deflate, br, zstd", b"x-gzip;q=0.5, *;q=0", b"identity;q=0, br;q=0.001")
_RANGES = (b"bytes=0-1,5-6,-1", b"bytes=99999999999999999999-", b"BYTES=,0-,\t3-5 ,")
_DATES = (b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994")


def make_seeds() -> dict[str, list[bytes]]:
    """Return the inputs that each target begins with."""
    requests = [case.request for case in CASES.values() if len(case.request) <= MAX_SIZE]
    bodies = [request.partition(b"\r\n\r\n")[2] for request in requests]
    paths = [re.match(rb"[A-Z]+ /([!-~]*) ", request) for request in requests]
    return {
        "parser": requests,
        "body": [_CHUNKED + body for body in (*_BODIES, *bodies)] + [_LENGTH_5 + b"hello"],
        "ranges": [_SIZE_20 + text for text in (*_RANGES, *_values(requests, b"Range"))],
        "conditional": [
            b"\n" * line + text
            for line, name in enumerate(_CONDITIONS)
            for text in _values(requests, name)
        ],
        "dates": [*_DATES, *_values(requests, b"If-Modified-Since")],
        "negotiation": list(_CODINGS),
        "rules": [pattern + b"\n" + path for pattern in _PATTERNS for path in _PATHS],
        "listing": list(_LISTING),
        "access_log": requests,
        "path": [match[1] for match in paths if match],
        "answer": requests,
        "pages": requests,
    }


def write_seeds(name: str, directory: Path) -> None:
    """Write the inputs that a target begins with into a directory, each once."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(dict.fromkeys(make_seeds()[name])):
        (directory / f"seed-{number:03}").write_bytes(data)


def _values(requests: list[bytes], field: bytes) -> list[bytes]:
    """Return the values that a field has in some requests."""
    return re.findall(rb"\r\n%b:[ \t]*([^\r\n]*)" % field, b"".join(requests))

"""What a line of the access log looks like: the Combined Log Format, JSON, or a short one.

Used by `httpd.observe.access_log`; nothing that a client sends can break a line or its quotes.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from httpd.observe.terminal import allows_colours

_MAX_TARGET = 2000
_MAX_FIELD = 600

SHORT = "short"
_DEFAULT = b"\x1b[m"
_COLOURS = {2: b"\x1b[32m", 3: b"\x1b[36m", 4: b"\x1b[33m", 5: b"\x1b[31m"}
"""Green, cyan, yellow and red (console_codes(4)), by the first digit of the status."""
_UNSAFE = re.compile(rb'[\x00-\x1f"\\\x7f-\xff]')
_CUT_ESCAPE = re.compile(rb"\\(?:x[0-9a-f]?)?\Z")
_REFERER = re.compile(rb"\r\nreferer:[ \t]*([^\r\n]*)", re.IGNORECASE)
_USER_AGENT = re.compile(rb"\r\nuser-agent:[ \t]*([^\r\n]*)", re.IGNORECASE)


class Format(NamedTuple):
    """One format.

    Args:
        line: takes peer, time, the first of two parts, seconds, and the other part.
        format_time: returns the time of day, to the second, with what is around it.
        describe: returns the two parts of a line that are the same for the same request and
            response, from the head of the request (any bytes, if they could not be parsed), the
            status, how many bytes of the body were sent, how many bytes in all, and the name of
            the site, which needs no quotes.
    """

    line: bytes
    format_time: Callable[[], bytes]
    describe: Callable[[bytes, int, int, int, str], tuple[bytes, bytes]]


def quote(text: bytes, limit: int) -> bytes:
    r"""Make bytes that a client sent safe inside of quotes: ``\xHH`` for what is not plain
    ASCII.
    """
    safe = _UNSAFE.sub(lambda match: b"\\x%02x" % match[0][0], text[:limit])
    return _CUT_ESCAPE.sub(b"", safe[:limit]) or b"-"


def quote_json(text: bytes, limit: int) -> bytes:
    r"""Return a JSON string of ASCII; a byte that is not UTF-8 is ``\xHH`` in it."""
    characters = text[:limit].decode("utf-8", "backslashreplace")
    while len(quoted := json.dumps(characters)) > limit:
        characters = characters[: (len(characters) - 1) * limit // len(quoted)]
    return quoted.encode()


def describe_combined(
    head: bytes, status: int, body: int, sent: int, site: str
) -> tuple[bytes, bytes]:
    """See `Format`; a field that is not there is ``-``."""
    line = quote(_request_line(head), _MAX_TARGET)
    referer, agent = (
        quote(_find(field, head) or b"", _MAX_FIELD) for field in (_REFERER, _USER_AGENT)
    )
    first = b'"%b" %d %d "%b" "%b" ' % (line, status, body, referer, agent)
    return first, b" %d %b\n" % (sent, site.encode())


def describe_json(head: bytes, status: int, body: int, sent: int, site: str) -> tuple[bytes, bytes]:
    """See `Format`; a field that is not there is null."""
    line = quote_json(_request_line(head), _MAX_TARGET)
    referer, agent = (
        b"null" if (value := _find(field, head)) is None else quote_json(value, _MAX_FIELD)
        for field in (_REFERER, _USER_AGENT)
    )
    response = b'"site":"%b","request":%b,"status":%d,"body":%d' % (
        site.encode(),
        line,
        status,
        body,
    )
    client = b'"referer":%b,"user_agent":%b' % (referer, agent)
    return b'%b,%b,"duration":' % (response, client), b',"sent":%d}\n' % sent


def describe_short(
    head: bytes, status: int, body: int, _sent: int, _site: str
) -> tuple[bytes, bytes]:
    """See `Format`: for a person who watches."""
    return b"%d %b " % (status, _name_short(head)), b" s, %b\n" % _format_size(body)


def describe_coloured(
    head: bytes, status: int, body: int, _sent: int, _site: str
) -> tuple[bytes, bytes]:
    """See `Format`: the same with the status in a colour of its class."""
    colour = _COLOURS.get(status // 100, _DEFAULT)
    first = b"%b%d%b %b " % (colour, status, _DEFAULT, _name_short(head))
    return first, b" s, %b\n" % _format_size(body)


def _name_short(head: bytes) -> bytes:
    """Return method and target."""
    words = _request_line(head).split(b" ")
    return quote(b" ".join(words[:2]), _MAX_TARGET)


def _format_size(size: int) -> bytes:
    """Return a number of bytes as listings show it."""
    for unit, name in ((10**9, b"GB"), (10**6, b"MB"), (10**3, b"kB")):
        if size >= unit:
            return b"%.1f %b" % (size / unit, name)
    return b"%d bytes" % size


def choose_format(name: str, fds: Iterable[int]) -> Format:
    """Return a format by its name: the short one in colours on a terminal that may have them.

    Args:
        name: a key of `FORMATS`.
        fds: where the lines go.
    """
    if name == SHORT and allows_colours() and all(map(os.isatty, fds)):
        return FORMATS[SHORT]._replace(describe=describe_coloured)
    return FORMATS[name]


def _request_line(head: bytes) -> bytes:
    return head.lstrip(b"\r\n").partition(b"\n")[0].rstrip(b"\r")


def _find(field: re.Pattern[bytes], head: bytes) -> bytes | None:
    match = field.search(head)
    return match[1].rstrip(b" \t") if match else None


FORMATS: Mapping[str, Format] = {
    "combined": Format(
        b"%b%b%b%.6f%b",
        lambda: time.strftime(" - - [%d/%b/%Y:%H:%M:%S %z] ").encode(),
        describe_combined,
    ),
    "json": Format(
        b'{"peer":"%b%b%b%.6f%b',
        lambda: time.strftime('","time":"%Y-%m-%dT%H:%M:%SZ",', time.gmtime()).encode(),
        describe_json,
    ),
    SHORT: Format(
        b"%b%b%b%.3f%b",
        lambda: time.strftime(" %H:%M:%S ").encode(),
        describe_short,
    ),
}

r"""How the names in a directory are written: as references, as HTML, and as plain text.

A name may be any bytes.  Its reference leads to the file in any case, and is the one thing to rely
on.  In text, a byte that is not UTF-8 is written ``\xHH``.  HTML does so, in a style of its own,
with every character that is invisible or that changes how others are displayed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import groupby

from httpd.site.listing.entries import Entry
from httpd.site.markup import escape

_JOINERS = "\u200c\u200d"
"""Invisible, but part of how some languages, and many emoji, are written."""
_UNRESERVED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
_ENCODED = tuple(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in range(256))


def refer_to(entry: Entry) -> str:
    """Return a relative reference to an entry of the directory."""
    return f"{encode_name(entry.name)}{'/' if entry.is_directory else ''}"


def encode_name(name: bytes) -> str:
    """Percent-encode all but the unreserved characters of a name (RFC 3986 §2.3).

    A path may contain more characters.  But programs that look for links by simple means fail at a
    colon, which might end a scheme, or at an apostrophe.
    """
    return "".join([_ENCODED[byte] for byte in name])


def _split(name: bytes) -> Iterator[tuple[bool, str]]:
    """Split a name into parts that can be shown as they are (True), and escaped parts (False)."""
    text = name.decode("utf-8", "surrogateescape")
    if text.isprintable() and text == text.strip():
        yield True, text
        return
    last = len(text) - 1

    def is_clear(item: tuple[int, str]) -> bool:
        position, character = item
        if character == " ":  # at an end it would be invisible
            return 0 < position < last
        return character.isprintable() or character in _JOINERS

    for clear, items in groupby(enumerate(text), is_clear):
        part = "".join(character for _, character in items)
        yield clear, part if clear else "".join(map(_escape, part))


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte, as “surrogateescape” decodes it
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def name_to_html(name: bytes) -> str:
    """Return a name for HTML, with escapes in a style of their own."""
    return "".join(
        escape(part) if clear else f"<code>{part}</code>" for clear, part in _split(name)
    )


def name_to_text(name: bytes) -> str:
    """Return a name for HTML that can have no markup, such as a title."""
    return escape("".join(part for _, part in _split(name)))


def format_time(seconds: int) -> str:
    """Return seconds since the epoch as RFC 3339 writes them.

    `time.strftime` would not pad the year with zeros.
    """
    year, month, day, hour, minute, second = time.gmtime(seconds)[:6]
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"

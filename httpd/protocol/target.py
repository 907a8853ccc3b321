"""Request targets: their four forms and the path inside (RFC 9112 §3.2, RFC 3986)."""

from __future__ import annotations

from codecs import unicode_escape_decode
from typing import NamedTuple

from httpd.protocol import grammar
from httpd.protocol.messages import HTTPError

TARGET_CHARACTERS = bytes(byte for byte in range(0x21, 0x7F) if byte != ord("#"))
"""What paths and queries are made of, as far as they are not refused; see
`httpd.protocol.grammar`.
"""
# With `in`, Python looks for a number in bytes at once; for other bytes, only after it has tried to
# take them for a number, which costs more than the search (`find` does not try).
PERCENT = ord("%")
QUESTION_MARK = ord("?")


class Target(NamedTuple):
    """A request target taken apart; `authority` is None where the form has none."""

    path: bytes
    query: bytes
    authority: bytes | None


def parse_target(method: bytes, target: bytes) -> Target:
    """Take a request target apart.

    Args:
        method: the request method; CONNECT and OPTIONS have forms of their own.
        target: visible ASCII, as it stood in the request line.

    Raises:
        HTTPError: 400 when `target` has none of the forms of RFC 9112 §3.2, 421 for https.
    """
    if method == b"CONNECT":  # authority-form
        return Target(b"", b"", target)
    if target == b"*" and method == b"OPTIONS":  # asterisk-form
        return Target(b"", b"", None)
    if match := grammar.ORIGIN_FORM.fullmatch(target):
        return Target(match[1], match[2] or b"", None)
    if match := grammar.ABSOLUTE_FORM.fullmatch(target):
        is_secure, authority, path, query = match.groups()
        if is_secure:  # RFC 9110 §7.4; there is no TLS here
            raise HTTPError(421, "This server does not speak for https.")
        if authority[:1] in (b"", b":"):
            raise HTTPError(400, "The request target is a URL without a host.")
        return Target(path or b"/", query or b"", authority)
    raise HTTPError(400, "The request target is neither a path nor a URL.")


def decode_segments(path: bytes) -> list[bytes]:
    """Split an absolute path at its slashes and percent-decode each segment.

    The split comes first: an encoded slash is a character of a name and never a separator.  Empty
    segments are dropped, except that the last item is empty when the path ends in a slash.

    Raises:
        HTTPError: 400 for a malformed percent-encoding, a NUL, or a ``..`` segment.
    """
    segments = path.removeprefix(b"/").split(b"/")
    if PERCENT in path:
        segments = [_decode(segment) if PERCENT in segment else segment for segment in segments]
    if b"" in segments[:-1]:
        segments = [*filter(None, segments[:-1]), segments[-1]]
    if b".." in segments:
        raise HTTPError(400, "The path has a “..” segment.")
    return segments


def _decode(text: bytes) -> bytes:
    try:
        # ``%HH`` means what ``\xHH`` does in Python, whose own decoder is by far the quickest (but
        # to find it by its name takes longer than to decode).
        escaped = text.replace(b"\\", rb"\x5c").replace(b"%", rb"\x")
        decoded = unicode_escape_decode(escaped)[0].encode("latin-1")
    except UnicodeDecodeError:
        decoded = b"\0"
    if 0 in decoded:
        raise HTTPError(400, "The path has a malformed percent-encoding or an encoded NUL.")
    return decoded


def canonical_path(path: bytes) -> bytes | None:
    """Return the one spelling that all spellings of a path share (RFC 3986 §6.2.2).

    It has no empty segments, and is percent-encoded only where it has to be.

    Args:
        path: any bytes.

    Returns:
        None where characters are no path's, or percent-encoding is malformed or hides a slash or a
        NUL.
    """
    decoded = _decode_path(path) if PERCENT in path else path
    if decoded is None:
        return None
    while decoded.find(b"//") >= 0:
        decoded = decoded.replace(b"//", b"/")
    if not decoded.translate(None, _PCHAR):
        return decoded
    return None if path.translate(None, TARGET_CHARACTERS) else encode_path(decoded).encode()


def plain_path(target: bytes) -> bytes | None:
    """Return the path in a target without its query and percent-encoding.

    Targets with the same plain path ask for the same, if that is a canonical path.

    Args:
        target: any bytes.

    Returns:
        None where characters are no query's, or percent-encoding is malformed or hides a slash or a
        NUL.
    """
    path, _, query = target.partition(b"?")
    if query and query.translate(None, TARGET_CHARACTERS):
        return None
    return _decode_path(path) if PERCENT in path else path


def _decode_path(path: bytes) -> bytes | None:
    try:
        decoded = _decode(path)
    except HTTPError:
        return None
    return decoded if decoded.count(b"/") == path.count(b"/") else None


_PCHAR = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/"
_ENCODED = tuple(chr(byte) if byte in _PCHAR else f"%{byte:02X}" for byte in range(256))


def encode_path(path: bytes) -> str:
    """Percent-encode all of `path` but slashes and the characters of RFC 3986's pchar."""
    return "".join([_ENCODED[byte] for byte in path])

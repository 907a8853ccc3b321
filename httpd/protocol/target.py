"""Request targets: their four forms and the path inside (RFC 9112 §3.2, RFC 3986)."""

from __future__ import annotations

from typing import NamedTuple

from httpd.protocol import grammar
from httpd.protocol.messages import HTTPError


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
    *middle, last = (_decode(segment) for segment in path.split(b"/"))
    segments = [segment for segment in middle if segment]
    segments.append(last)
    if b".." in segments:
        raise HTTPError(400, "The path has a “..” segment.")
    return segments


def _decode(segment: bytes) -> bytes:
    if b"%" not in segment:
        return segment
    decoded = grammar.PERCENT.sub(
        lambda match: bytes.fromhex((match[1] or b"00").decode()), segment
    )
    if b"\0" in decoded:  # also what a malformed percent-encoding was turned into
        raise HTTPError(400, "The path has a malformed percent-encoding or an encoded NUL.")
    return decoded


_PCHAR = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/"
)
_ENCODED = tuple(chr(byte) if byte in _PCHAR else f"%{byte:02X}" for byte in range(256))


def encode_path(path: bytes) -> str:
    """Percent-encode all of `path` but slashes and the characters of RFC 3986's pchar."""
    return "".join([_ENCODED[byte] for byte in path])

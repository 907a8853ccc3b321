"""Request targets: their four forms and the path inside (RFC 9112 §3.2, RFC 3986)."""

from __future__ import annotations

import re
from codecs import unicode_escape_decode
from typing import NamedTuple

from httpd.protocol import grammar
from httpd.protocol.messages import HTTPError

TARGET_CHARACTERS = bytes(byte for byte in range(0x21, 0x100) if byte not in b"#\x7f")
"""The bytes that may be in a path or a query; see `httpd.protocol.grammar`."""
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
        target: as it stood in the request line, see `grammar.REQUEST_LINE`.

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
            raise HTTPError(421, "This server does not serve https URLs.")
        if authority[:1] in (b"", b":"):
            raise HTTPError(400, "The request target is a URL without a host.")
        return Target(path or b"/", query or b"", authority)
    raise HTTPError(400, "The request target is neither a path nor a URL.")


def decode_path(path: bytes) -> bytes:
    """Return the decoded path, which every policy and the file system get.

    The path is percent-decoded, then its dot segments are removed (RFC 3986 §5.2.4, §6.2.2.3), then
    its empty segments.  An encoded slash counts as a slash, since no file name can contain one.  So
    a dot segment or a hidden name is recognised in every spelling.

    Args:
        path: the path of a request, percent-encoded.

    Returns:
        A path that begins with a slash.  It ends with a slash if `path` ends with a slash or with a
        dot segment.

    Raises:
        HTTPError: 400 for a malformed percent-encoding, a NUL, or a path that leads above the root.
    """
    if is_literal_path(path):
        return path
    decoded = _normalise(_decode(path) if PERCENT in path else path)
    if decoded is None:
        raise HTTPError(400, "The path leads above the root.")
    return decoded if decoded.startswith(b"/") else b"/" + decoded


def has_straight_slashes(path: bytes, decoded: bytes) -> bool:
    """Tell whether each slash of a path, as it was sent, stands between two of its segments.

    Only then do relative references lead where they would from the path's usual spelling: no slash
    of it is percent-encoded, and no segment is empty or a dot segment.

    Args:
        path: as it was sent.
        decoded: the result of `decode_path` for it.
    """
    spelled = _decode(path) if PERCENT in path else path
    return spelled == decoded and path.count(b"/") == decoded.count(b"/")


def _normalise(decoded: bytes) -> bytes | None:
    """Return a decoded path without dot segments and empty ones.

    Returns:
        None where the dot segments lead above the root, or the path does not begin there.
    """
    path: bytes | None = decoded
    if decoded.find(b"/.") >= 0:
        path = _remove_dot_segments(decoded)
    while path is not None and path.find(b"//") >= 0:
        path = path.replace(b"//", b"/")
    return path


def _remove_dot_segments(path: bytes) -> bytes | None:
    """Follow RFC 3986 §5.2.4 through a decoded path; see `_normalise`."""
    names: list[bytes] = []
    root, *segments = path.split(b"/")
    for segment in segments:
        if segment == b"..":
            if not names:
                return None
            names.pop()
        elif segment != b".":
            names.append(segment)
    if segments[-1] in (b".", b".."):
        names.append(b"")
    return None if root else b"/" + b"/".join(names)


def _decode(text: bytes) -> bytes:
    try:
        # ``%HH`` means the same as ``\xHH`` in Python, whose decoder is by far the quickest (but to
        # look it up by its name takes longer than to decode).
        escaped = text.replace(b"\\", rb"\x5c").replace(b"%", rb"\x")
        decoded = unicode_escape_decode(escaped)[0].encode("latin-1")
    except UnicodeDecodeError:
        decoded = b"\0"
    if 0 in decoded:
        raise HTTPError(400, "The path has a malformed percent-encoding or an encoded NUL.")
    return decoded


def canonical_path(path: bytes) -> bytes | None:
    """Return the one spelling that all spellings of a path share (RFC 3986 §6.2.2).

    It has no dot segments and no empty ones, and is percent-encoded only where it has to be.

    Args:
        path: any bytes.

    Returns:
        None where characters are no path's, the path leads above the root, or percent-encoding is
        malformed or hides a NUL.
    """
    if is_literal_path(path):
        return path
    decoded = _decode_or_none(path) if PERCENT in path else path
    decoded = None if decoded is None else _normalise(decoded)
    if decoded is None:
        return None
    if not decoded.translate(None, PCHAR):
        return decoded
    return None if path.translate(None, TARGET_CHARACTERS) else encode_path(decoded).encode()


def decode_target_path(target: bytes) -> bytes | None:
    """Return the path in a target without its query and percent-encoding.

    Targets with the same decoded path ask for the same file, if that path is canonical.

    Args:
        target: any bytes.

    Returns:
        None where characters are no query's, or percent-encoding is malformed or hides a NUL.
    """
    path, _, query = target.partition(b"?")
    if query and query.translate(None, TARGET_CHARACTERS):
        return None
    return _decode_or_none(path) if PERCENT in path else path


def _decode_or_none(path: bytes) -> bytes | None:
    if not path.startswith(b"/"):  # an encoded slash at the beginning does not make a path
        return None
    try:
        return _decode(path)
    except HTTPError:
        return None


PCHAR = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/"
_SEGMENT = rb"(?!\.)[%b]++" % re.escape(PCHAR.removesuffix(b"/"))
is_literal_path = re.compile(rb"(?=/)(?:/%b)*/?" % _SEGMENT).fullmatch
"""Matches a path that decodes to itself, as most do: nothing is percent-encoded, and no segment is
empty or begins with a dot.  Such a path is canonical."""
_ENCODED = tuple(chr(byte) if byte in PCHAR else f"%{byte:02X}" for byte in range(256))


def encode_path(path: bytes) -> str:
    """Percent-encode all of `path` but slashes and the characters of RFC 3986's pchar."""
    return "".join([_ENCODED[byte] for byte in path])


def encode_query(query: bytes) -> str:
    """Percent-encode the bytes of a query, as it was sent, that are not ASCII."""
    return "".join([chr(byte) if byte < 0x80 else _ENCODED[byte] for byte in query])


def relative_with_slash(path: bytes, query: bytes) -> str:
    """Return a relative reference to a path with a slash at its end, with the query kept.

    The reference is right also behind a proxy that strips a prefix of the path.  Nothing in it is
    taken for a host or a scheme (RFC 3986 §4.2), even by a client that drops the ``./``.

    Args:
        path: as it was sent, with a name behind its last slash.
        query: as it was sent, with its question mark.
    """
    name = path[path.rfind(b"/") + 1 :]
    # Percent-encoding stays; characters that the client should have encoded are encoded.
    spelled = "".join([chr(byte) if byte == PERCENT else _ENCODED[byte] for byte in name])
    return f"./{spelled.replace(':', '%3A')}/{encode_query(query)}"


def relative_to_sibling(name: bytes, query: bytes) -> str:
    """Return a relative reference to another name in the same directory, with the query kept.

    Args:
        name: decoded; empty for the directory itself.
        query: see `relative_with_slash`, which also tells what the reference is safe from.
    """
    return f"./{encode_path(name).replace(':', '%3A')}{encode_query(query)}"

"""From the bytes of a request head to a `Request` (RFC 9112 §2 to §7).

The invariant: any bytes give a `Request`, "need more", or an `HTTPError`.  They never give another
exception, and never take more than linear time.  The result does not depend on how the bytes were
cut into pieces on their way.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Protocol

from httpd.protocol import grammar
from httpd.protocol.conditional import CONDITIONS
from httpd.protocol.messages import Header, HTTPError, Request
from httpd.protocol.target import Target, parse_target

MAX_REQUEST_LINE = 8 * 1024
"""Bytes of a request line without its CRLF (RFC 9112 §3 asks for at least 8000)."""
MAX_HEAD = 32 * 1024
"""Bytes of a whole head with its empty line."""
MAX_FIELDS = 100
"""Field lines in a head."""
_LONGEST_LINE = 2 + MAX_REQUEST_LINE + 2
"""Bytes of the longest request line, with an empty line before it and a CRLF behind it."""
_BEGINNING = 256
"""Bytes of an incomplete request line that are looked at before it ends."""
_TLS = b"\x16"
"""The first byte of a TLS connection: the type of a handshake record (RFC 8446 §5.1)."""
VERSION = b" HTTP/1."
"""Separates method and target from the rest of a head, which is the same in many heads."""
_OVERHEAD = 2000
_FRAMING = frozenset({"content-length", "expect", "transfer-encoding"})
"""The fields that announce a body (RFC 9112 §6, RFC 9110 §10.1.1)."""
_NOT_PLAIN = CONDITIONS | {"if-range", "range"}
"""The fields that can lead to another response than the whole file (RFC 9110 §13.1, §14.2)."""


def find_head_end(buffer: bytes | bytearray, start: int) -> int:
    """Return the length of the head that `buffer` begins with, or 0 when more bytes are needed.

    Args:
        buffer: the received bytes that were not used yet.
        start: the number of these bytes that an earlier call has seen.

    Raises:
        HTTPError: 414 or 431 when the head is over its limits, complete or not; 400, 421 or 505
            when no further bytes can make a request of the buffer.
    """
    # The end of a head takes three bytes at most, so two of them may have been seen before.
    match = grammar.HEAD_END.search(buffer, max(0, start - 2))
    end = match.end() if match else 0
    if 0 < end <= MAX_REQUEST_LINE:
        return end
    check_beginning(buffer, start)
    if (end or len(buffer)) > MAX_HEAD:
        raise HTTPError(431, f"The request head is larger than {MAX_HEAD} bytes.")
    return end


def check_beginning(buffer: bytes | bytearray, start: int = 0) -> None:
    """Refuse bytes that cannot become a request, however many follow.

    The request line is checked as soon as it is complete, and before that by its first bytes: a
    client of another protocol may wait for a response and send nothing more.

    Args:
        buffer: the beginning of a head.
        start: the number of bytes that an earlier call has accepted.

    Raises:
        HTTPError: 400, 414, 421 or 505.
    """
    first = 2 if buffer.startswith(b"\r\n") else 0  # after an empty line
    end = buffer.find(b"\n", first, _LONGEST_LINE) + 1
    if end > start:
        _parse_request_line(bytes(buffer[first:end]))
    elif not end:
        if start < _BEGINNING and not grammar.REQUEST_BEGINNING.fullmatch(buffer, 0, _BEGINNING):
            raise _malformed(buffer)
        if len(buffer) >= _LONGEST_LINE:
            raise _too_long()


class SiteOfHost(Protocol):
    """What a parser has to know of a site."""

    @property
    def variant_fields(self) -> Iterable[str]:
        """The request header fields that cached responses depend on, in lower case, in order."""


class AllSites(Protocol):
    """The sites of all hosts."""

    @property
    def only(self) -> SiteOfHost | None:
        """The site, if it is that of every host; else None."""

    def find(self, host: str | None) -> SiteOfHost:
        """Return the site of a valid Host or authority; None or empty if a request has none."""


def parse_head(head: bytes, sites: AllSites | None = None) -> Request:
    """Parse a complete request head, from its request line to its empty line.

    Args:
        head: the head.
        sites: the sites of all hosts; None where that does not matter, and no variant key either.

    Raises:
        HTTPError: 400, 414, 417, 421, 431, 501 or 505, where RFC 9112 does not allow the head.
    """
    # The request line comes first, as `check_beginning` may see it before the rest is there.
    head = head.removeprefix(b"\r\n")  # an empty line is tolerated (RFC 9112 §2.2)
    end = head.find(b"\n") + 1
    method, (path, query, authority), minor_version = _parse_request_line(head[:end])
    fields = _parse_fields(_split_lines(head[end:]))
    _check_host(fields, authority, minor_version)
    host = fields.get("host") if authority is None else authority.decode("latin-1")
    header = _make_header(fields, minor_version, sites, host)
    return Request(method.decode(), path, query, header, authority)


def read_common_section(rest: bytes, sites: AllSites | None) -> Header | None:
    """Parse a header section of the common kind, as `parse_head` does, and quicker.

    A section of that kind has neither repeated fields, nor a body, nor an unusual Host.  The result
    is valid for each head that has this section and a valid request line.

    Args:
        rest: the bytes of a head after `VERSION`; any bytes.
        sites: see `parse_head`.

    Returns:
        None where the section is malformed or less common; `parse_head` tells which.
    """
    text = rest.decode("latin-1")
    if grammar.COMMON_SECTION.fullmatch(text) is None:
        return None
    lines = grammar.COMMON_FIELD.findall(text, 3)  # behind the minor version and its CRLF
    fields: dict[str, str] = {}
    for name, value in lines:
        fields[name.lower()] = value
    if (
        len(fields) < len(lines)
        or len(lines) > MAX_FIELDS
        or not _FRAMING.isdisjoint(fields)
        or (host := fields.get("host")) is None
        or grammar.COMMON_HOST.fullmatch(host) is None
    ):
        return None
    return _make_header(fields, int(text[0]), sites, host)


def read_common_request(line: bytes, header: Header) -> Request | None:
    """Return the request of a head whose header section is parsed already.

    Args:
        line: the request line without its version; any bytes.
        header: the parsed version and header section.

    Returns:
        None where the line is malformed or less common; `parse_head` tells which.
    """
    match = grammar.COMMON_REQUEST_LINE.fullmatch(line)
    if match is None:
        return None
    method, path, query = match.groups(b"")
    return Request(method.decode(), path, query, header)


class Parser:
    """Parses as `parse_head` does, with a cache of parsed header sections.

    A client sends the same header section with each request.  Its meaning does not depend on the
    target.

    Args:
        budget: bytes that the cached header sections may take.
        sites: see `parse_head`.
    """

    def __init__(self, budget: int, sites: AllSites | None = None) -> None:
        self._sites = sites
        self._known: dict[bytes, Header] = {}
        self._aging: dict[bytes, Header] = {}
        self._room = self._half = budget // 2

    def split(self, head: bytes) -> tuple[bytes, Header] | None:
        """Return the request line without its version, and the parsed rest of a head.

        Args:
            head: any bytes.

        Returns:
            None if the header section is not cached.  Otherwise, `head` is exactly one whole head,
            provided that its request line is valid.
        """
        line, _, rest = head.partition(VERSION)
        header = self.recall(rest)
        # A head of this size is far below all limits, so that none needs a check.
        return (line, header) if header and len(head) < MAX_REQUEST_LINE else None

    def recall(self, rest: bytes) -> Header | None:
        """Return a cached header section, parsed.

        Args:
            rest: the bytes of a head after `VERSION`; any bytes.
        """
        header = self._known.get(rest)
        if header is None and (header := self._aging.get(rest)):
            self._remember(rest, header)
        return header

    def learn(self, rest: bytes) -> Header | None:
        """Parse a header section that is not cached, and cache it; see `read_common_section`.

        Args:
            rest: the bytes of a head after `VERSION`; any bytes.
        """
        header = read_common_section(rest, self._sites)
        if header is not None:
            self._remember(rest, header)
        return header

    def parse(self, head: bytes) -> Request:
        """Parse a complete request head; see `parse_head`."""
        if (known := self.split(head)) and (request := read_common_request(*known)):
            return request
        request = parse_head(head, self._sites)
        # The authority of a target decides about the site, and is not in the header section.
        if request.authority is None:
            self._remember(head.partition(VERSION)[2], request.header)
        return request

    def _remember(self, rest: bytes, header: Header) -> None:
        cost = _OVERHEAD + 4 * len(rest)
        if cost > self._half:
            return
        if cost > self._room:
            self._known, self._aging = {}, self._known
            self._room = self._half
        self._room -= cost
        self._known[rest] = header


def _make_header(
    fields: dict[str, str], minor_version: int, sites: AllSites | None, host: str | None
) -> Header:
    """Raises: HTTPError: 400, 417 or 501."""
    body_length: int | None = 0
    expects_continue = False
    if not _FRAMING.isdisjoint(fields):
        body_length = _measure_body(fields, minor_version)
        expectations = _split_list(fields.get("expect", ""))
        if not expectations <= {"100-continue"}:
            raise HTTPError(417, "The only expectation that is understood is 100-continue.")
        # An HTTP/1.0 client cannot wait (RFC 9110 §10.1.1).
        expects_continue = bool(expectations) and minor_version >= 1 and body_length != 0
    connection = fields.get("connection")
    keep_alive = minor_version >= 1 if not connection else _keeps_alive(connection, minor_version)
    site = None if sites is None else sites.only or sites.find(host)
    if body_length == 0 and site is not None:
        read = map(fields.get, site.variant_fields)
        variant_key = repr((minor_version == 0, keep_alive, *read)).encode()
    else:
        variant_key = b""
    is_plain = _NOT_PLAIN.isdisjoint(fields)
    keeps = keep_alive and minor_version >= 1 and body_length == 0
    # In the order of its fields, as arguments with names cost more.
    return Header(
        minor_version,
        fields,
        keep_alive,
        body_length,
        expects_continue,
        is_plain,
        variant_key,
        site,
        # A coding is refused by a weight only.
        is_plain and keeps and ";" not in fields.get("accept-encoding", ""),
    )


def _split_lines(section: bytes) -> list[bytes]:
    """Return the lines of a header section that ends with its empty line."""
    lines = section.split(b"\r\n")
    if lines[-2:] != [b"", b""]:
        raise HTTPError(400, "A line of the request does not end in CRLF.")
    return lines[:-2]


def _parse_request_line(line: bytes) -> tuple[bytes, Target, int]:
    """Return the method, the target and the minor version in a line that has its CRLF."""
    match = grammar.REQUEST_LINE.fullmatch(line)
    if not match:
        raise _malformed(line)
    if len(line) > MAX_REQUEST_LINE + 2:
        raise _too_long()
    method, target, major, minor = match.groups()
    if major != b"1":
        raise HTTPError(505, "This server speaks HTTP/1.1 and HTTP/1.0.")
    return method, parse_target(method, target), int(minor)


def _malformed(line: bytes | bytearray) -> HTTPError:
    if line.startswith(_TLS):
        detail = "This port speaks HTTP and not TLS: its addresses begin with http://."
        return HTTPError(400, detail, close_reason="TLS on a plain port")
    return HTTPError(400, "The request line is not a method, a target and a version.")


def _too_long() -> HTTPError:
    return HTTPError(414, f"The request line is longer than {MAX_REQUEST_LINE} bytes.")


def _parse_fields(lines: list[bytes]) -> dict[str, str]:
    if len(lines) > MAX_FIELDS:
        raise HTTPError(431, f"The request has more than {MAX_FIELDS} header fields.")
    fields: dict[str, str] = {}
    for line in lines:
        match = grammar.FIELD_LINE.fullmatch(line)
        if not match:
            raise HTTPError(400, "A header line is not a name, a colon and a value.")
        name = match[1].decode().lower()
        value = match[2].strip(b" \t").decode("latin-1")
        if name not in fields:
            fields[name] = value
        elif name == "host":
            raise HTTPError(400, "The request has more than one Host field.")
        else:
            fields[name] += ", " + value
    return fields


def _check_host(fields: dict[str, str], authority: bytes | None, minor_version: int) -> None:
    """Require exactly one valid Host in HTTP/1.1 (RFC 9112 §3.2).

    The authority of an absolute target takes the place of the Host field's value.
    """
    host = fields.get("host")
    if not host:
        if minor_version >= 1:
            fault = "no Host field" if host is None else "an empty Host field"
            raise HTTPError(400, f"The request has {fault}.")
    elif not _is_host(host.encode("latin-1")):
        raise HTTPError(400, "The Host field is not a host name with an optional port.")
    if authority is not None and not _is_host(authority):
        raise HTTPError(400, "The request target does not name a valid host.")


def _is_host(host: bytes) -> bool:
    match = grammar.HOST.fullmatch(host)
    if match is None or match[1] is None:
        return match is not None
    try:
        ipaddress.IPv6Address(match[1].decode())
    except ValueError:
        return False
    return True


def _split_list(text: str) -> set[str]:
    """Return the elements of a list in lower case; empty ones do not count (RFC 9110 §5.6.1.2)."""
    if not text:
        return set()
    return {element.strip(" \t").lower() for element in text.split(",")} - {""}


def _keeps_alive(connection: str, minor_version: int) -> bool:
    """Tell whether the connection may persist after the response (RFC 9112 §9.3)."""
    if connection == "keep-alive":  # the value that nearly all clients send, if they send one
        return True
    options = _split_list(connection)
    if "close" in options:
        return False
    return minor_version >= 1 or "keep-alive" in options


def _measure_body(fields: dict[str, str], minor_version: int) -> int | None:
    """Return the length of the body, or None where it is chunked (RFC 9112 §6.3).

    A message in which two readers could see two different lengths is refused.
    """
    length = fields.get("content-length")
    coding = fields.get("transfer-encoding")
    if length is not None and not grammar.CONTENT_LENGTH.fullmatch(length):
        raise HTTPError(400, "The Content-Length is not one decimal number.")
    if coding is None:
        return int(length or 0)
    if length is not None:
        raise HTTPError(400, "The request has both Content-Length and Transfer-Encoding.")
    if minor_version == 0:
        raise HTTPError(400, "HTTP/1.0 has no Transfer-Encoding.")
    *others, last = (name.strip(" \t").lower() for name in coding.split(","))
    if last != "chunked" or "chunked" in others:
        raise HTTPError(
            400, "The length of the body is unknown: chunked is not its last transfer coding."
        )
    if others:
        raise HTTPError(501, "The only transfer coding that is understood is chunked.")
    return None

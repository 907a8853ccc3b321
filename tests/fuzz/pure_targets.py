"""Fuzz targets that are functions of bytes alone: the protocol, patterns, listings' requests, the
log.

Each takes any bytes, and raises when something comes out that must not.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from zlib import crc32

from httpd.observe.access_formats import describe_combined, describe_json, quote
from httpd.protocol.body import Body
from httpd.protocol.conditional import evaluate, range_applies
from httpd.protocol.dates import format_date, parse_date
from httpd.protocol.messages import STATUSES, HTTPError, Request
from httpd.protocol.negotiation import IDENTITY, parse_weights, rank_codings
from httpd.protocol.parser import find_head_end, parse_head
from httpd.protocol.ranges import MAX_RANGES, parse_ranges
from httpd.site.listing.accept import wants_json
from httpd.site.listing.order import parse_order
from httpd.site.patterns import check_pattern
from httpd.site.rules import Rule, Rules

Target = Callable[[bytes], None]

THIS_YEAR = 2026
FIRST, LAST = -62_135_596_800, 253_402_300_799  # the years 1 to 9999
ETAG = '"18a-5"'
MODIFIED, NOW = 784111777, 1_800_000_000
CODINGS = ("br", "zstd", "gzip")
CONDITIONS = ("if-match", "if-unmodified-since", "if-none-match", "if-modified-since", "if-range")
SIZES = (0, 1, 20, 2**31, 2**63, 2**64 + 1)
MAX_PATTERN = 60
SAFE = re.compile(rb"(?:[ !#-\[\]-~]|\\x[0-9a-f]{2})+")
DESCRIBED = re.compile(rb'"%b" 400 0 "%b" "%b" \| 0 -\n' % (3 * (SAFE.pattern,)))


def ways(data: bytes) -> Iterator[list[bytes]]:
    """Yield some ways in which bytes can arrive: whole, cut at random, byte by byte if few."""
    cuts = sorted(random.Random(crc32(data)).choices(range(len(data) + 1), k=3))
    yield [data]
    yield [data[i:j] for i, j in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    if len(data) <= 60:
        yield [data[i : i + 1] for i in range(len(data))]


def error_status(error: HTTPError) -> int:
    """Return the status of an error, which is one that a client may be told."""
    assert 400 <= error.status < 600
    assert error.status in STATUSES
    assert error.detail
    return error.status


def check_parser(data: bytes) -> None:
    """A request, an error or the wish for more bytes: the same however the bytes arrive."""
    first, *others = map(_parse, ways(data))
    assert all(other == first for other in others), (first, others)
    try:  # it is given a whole head, but does not rely on that
        parse_head(data)
    except HTTPError as error:
        error_status(error)


def _parse(pieces: list[bytes]) -> Request | int | None:
    buffer = bytearray()
    for piece in pieces:
        seen = len(buffer)
        buffer += piece
        try:
            if end := find_head_end(buffer, seen):
                return parse_head(bytes(buffer[:end]))
        except HTTPError as error:
            return error_status(error)
    return None


def check_body(data: bytes) -> None:
    """The first byte says how the body is framed; where it ends does not depend on the cuts."""
    kind, wire = data[:1], data[1:]
    length = None if kind < b"\x80" else kind[0] & 0x7F
    limit = 1 << 20 if kind < b"\x40" else 100
    first, *others = (_skip_body(pieces, length, limit) for pieces in ways(wire))
    assert all(other == first for other in others), (first, others)
    assert first in (None, 400, 413, 431) or (isinstance(first, bytes) and wire.endswith(first))


def _skip_body(pieces: list[bytes], length: int | None, limit: int) -> bytes | int | None:
    """Return what is left behind the body, the status of an error, or None to go on."""
    buffer = bytearray()
    body = Body(buffer, length, limit)
    for number, piece in enumerate([b"", *pieces]):
        buffer += piece
        try:
            while not (is_complete := body.is_complete()) and body.is_paused:
                pass
            if is_complete:
                return bytes(buffer) + b"".join(pieces[number:])
        except HTTPError as error:
            return error_status(error)
    return None


def check_ranges(data: bytes) -> None:
    """The first byte chooses a size; what comes out lies inside of it, in order and apart."""
    size = SIZES[data[0] % len(SIZES)] if data else 0
    try:
        found = parse_ranges(data[1:].decode("latin-1"), size)
    except HTTPError as error:
        assert error_status(error) == 416
        return
    if found is not None:
        assert 0 < len(found) <= MAX_RANGES
        assert all(0 <= part.start < part.stop <= size for part in found)
        in_order = sorted(found, key=lambda part: part.start)
        assert all(a.stop < b.start for a, b in pairwise(in_order))


def check_conditional(data: bytes) -> None:
    """Each line is one of the conditions, in the order of `CONDITIONS`, or empty for none."""
    lines = data.decode("latin-1").split("\n", len(CONDITIONS) - 1)
    fields = {name: line for name, line in zip(CONDITIONS, lines, strict=False) if line}
    for modified in (None, MODIFIED):
        status = evaluate(fields, ETAG, modified, THIS_YEAR)
        allowed = {200}
        allowed |= {304} if fields.keys() & {"if-none-match", "if-modified-since"} else set()
        allowed |= {412} if fields.keys() & {"if-match", "if-unmodified-since"} else set()
        assert status in allowed
    if range_applies(fields, ETAG, MODIFIED, NOW, THIS_YEAR):
        condition = fields.get("if-range", ETAG)
        assert condition == ETAG or parse_date(condition, THIS_YEAR) == MODIFIED


def check_dates(data: bytes) -> None:
    """A moment in the years that HTTP can name, or none; written again, it is the same."""
    seconds = parse_date(data.decode("latin-1"), THIS_YEAR)
    if seconds is not None:
        assert FIRST <= seconds <= LAST + 1  # with the leap second
        assert seconds > LAST or parse_date(format_date(seconds), THIS_YEAR) == seconds


def check_negotiation(data: bytes) -> None:
    """Nothing is chosen that was refused."""
    accept = data.decode("latin-1")
    weights = parse_weights(accept)
    assert all(0 <= weight <= 1000 for weight in weights.values())
    available = CODINGS[len(data) % 4 :]
    ranked = rank_codings(accept, available)
    assert set(ranked) <= {*available, IDENTITY}
    assert not any(weights.get(coding) == 0 for coding in ranked)
    assert IDENTITY in ranked or weights.get(IDENTITY, weights.get("*")) == 0


def check_rules(data: bytes) -> None:
    """A pattern, up to the first line's end, and a path: whatever is a pattern can be asked."""
    text, _, path = data.partition(b"\n")
    pattern = text.decode("utf-8", "replace")[:MAX_PATTERN]
    if check_pattern(pattern):
        assert Rules((Rule((pattern,), 1),)).find(b"/" + path).expires in (None, 1)
        if "*" not in pattern and "?" not in pattern:
            itself = pattern if pattern.startswith("/") else f"/{pattern}"
            assert Rules((Rule((pattern,), 1),)).find(itself.encode()).expires == 1


def check_listing(data: bytes) -> None:
    """Any Accept and any query lead to a listing of some kind, in some order."""
    wants_json(data.decode("latin-1"))
    assert parse_order(b"?" + data).key in ("name", "size", "modified")


def check_access_log(data: bytes) -> None:
    """A client cannot leave the quotes that its words are written in, nor begin a line."""
    limit = 1 + (data[0] if data else 0)
    quoted = quote(data, limit)
    assert SAFE.fullmatch(quoted)
    assert len(quoted) <= limit
    assert DESCRIBED.fullmatch(b"%b|%b" % describe_combined(data, 400, 0, 0, "-"))
    line = b"{%b0%b" % describe_json(data, 400, 0, 0, "-")
    assert len(line) < 4000
    assert line.isascii()
    assert len(json.loads(line)) == 8


PURE: dict[str, Target] = {
    "parser": check_parser,
    "body": check_body,
    "ranges": check_ranges,
    "conditional": check_conditional,
    "dates": check_dates,
    "negotiation": check_negotiation,
    "rules": check_rules,
    "listing": check_listing,
    "access_log": check_access_log,
}

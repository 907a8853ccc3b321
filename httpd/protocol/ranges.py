"""Byte ranges (RFC 9110 §14)."""

from __future__ import annotations

from httpd.protocol import grammar
from httpd.protocol.messages import HTTPError

MAX_RANGES = 256
"""The most ranges in one request; with more, the Range is ignored (RFC 9110 §14.2, §17.15).

zchunk asks for up to 256.
"""

FEW_RANGES = 16
"""Ranges up to which it does not matter how small they are."""
LEAST_RANGE = 32
"""Bytes that the ranges of one request have on average at the least, if they are many."""
_FRAMING = 128
"""Bytes that a part of a multipart body takes beside its content, or nearly so."""
_DIGITS = 18
"""Digits of a number that takes no time to convert."""


def parse_ranges(text: str, size: int) -> list[range] | None:
    """Return the offsets that a Range field asks for, or None when the whole is to be sent.

    The field is ignored, as RFC 9110 §14.2 allows, for another unit, a malformed value or too many
    ranges.  It is ignored for an empty representation: a client that splits a file of unknown size
    gets the empty file and no error.  It is ignored for many ranges that are tiny, or whose
    multipart body is larger than the representation (§15.3.7.2, §17.15).  Ranges that overlap or
    touch are sent as one; others are in the order of the request.

    Args:
        text: the value of the Range field.
        size: bytes of the representation.

    Raises:
        HTTPError: 416 when all ranges lie wholly outside of the representation.
    """
    match = grammar.BYTE_RANGES.fullmatch(text)
    if not match or not size:
        return None
    specs = [spec for element in match[1].split(",") if (spec := element.strip(" \t"))]
    if not specs or len(specs) > MAX_RANGES:
        return None
    ranges = []
    for spec in specs:
        part = _parse_spec(spec, size)
        if part is None:
            return None
        if part:
            ranges.append(part)
    if not ranges:
        raise HTTPError(
            416,
            f"The file has {size} bytes, and none of them is in the range asked for.",
            (("Content-Range", f"bytes */{size}"),),
        )
    ranges = _coalesce(ranges)
    return None if _are_wasteful(ranges, size) else ranges


def _are_wasteful(ranges: list[range], size: int) -> bool:
    count = len(ranges)
    if count <= FEW_RANGES:
        return False
    wanted = sum(map(len, ranges))
    return wanted < count * LEAST_RANGE or wanted + count * _FRAMING > size


def _parse_spec(spec: str, size: int) -> range | None:
    """Return the offsets of one range, which are none if it is unsatisfiable; None to ignore the
    field.
    """
    match = grammar.RANGE_SPEC.fullmatch(spec)
    if not match:
        return None
    first_text, last_text, suffix_text = match.groups()
    if suffix_text is not None:
        suffix = _bounded(suffix_text, size)
        return range(size - suffix, size)
    if not last_text:
        return range(_bounded(first_text, size), size)
    if _is_less(last_text, first_text):
        return None
    return range(_bounded(first_text, size), min(_bounded(last_text, size) + 1, size))


def _coalesce(ranges: list[range]) -> list[range]:
    merged: list[range] = []
    for part in sorted(ranges, key=lambda part: part.start):
        if merged and part.start <= merged[-1].stop:
            merged[-1] = range(merged[-1].start, max(merged[-1].stop, part.stop))
        else:
            merged.append(part)
    return merged if len(merged) < len(ranges) else ranges


def _bounded(digits: str, limit: int) -> int:
    """Return the lesser of a decimal number of any length and `limit`, in linear time."""
    if len(digits) <= _DIGITS:
        return min(int(digits), limit)
    digits = digits.lstrip("0") or "0"
    return limit if len(digits) > len(str(limit)) else min(int(digits), limit)


def _is_less(digits: str, other: str) -> bool:
    """Compare two decimal numbers of any length, in linear time."""
    if len(digits) <= _DIGITS and len(other) <= _DIGITS:
        return int(digits) < int(other)
    digits, other = digits.lstrip("0"), other.lstrip("0")
    return (len(digits), digits) < (len(other), other)

"""Byte ranges (RFC 9110 §14)."""

from __future__ import annotations

from httpd.protocol import grammar
from httpd.protocol.messages import HTTPError


def parse_range(text: str, size: int) -> range | None:
    """Return the offsets that a Range field asks for, or None when the whole is to be sent.

    Several ranges, other units and malformed values are ignored, as RFC 9110 §14.2 allows.

    Args:
        text: the value of the Range field.
        size: bytes of the representation.

    Raises:
        HTTPError: 416 when the range lies wholly outside of the representation.
    """
    match = grammar.ONE_BYTE_RANGE.fullmatch(text)
    if not match:
        return None
    first_text, last_text, suffix_text = match.groups()
    if suffix_text is not None:
        suffix = _bounded(suffix_text, size)
        if not size and suffix_text.strip("0"):
            return None  # satisfiable (§14.1.2), but Content-Range cannot say “no byte”
        first, last = size - suffix, size - 1
    else:
        first, last = _bounded(first_text, size), size - 1
        if last_text:
            if _is_less(last_text, first_text):
                return None
            last = min(_bounded(last_text, size), last)
    if first > last:
        raise HTTPError(
            416,
            f"The file has {size} bytes, and none of them is in the range asked for.",
            (("Content-Range", f"bytes */{size}"),),
        )
    return range(first, last + 1)


def _bounded(digits: str, limit: int) -> int:
    """Return the lesser of a decimal number of any length and `limit`, in linear time."""
    digits = digits.lstrip("0") or "0"
    return limit if len(digits) > len(str(limit)) else min(int(digits), limit)


def _is_less(digits: str, other: str) -> bool:
    """Compare two decimal numbers of any length, in linear time."""
    digits, other = digits.lstrip("0"), other.lstrip("0")
    return (len(digits), digits) < (len(other), other)

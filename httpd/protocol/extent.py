"""What a response with content says of it: how large the representation is, which part is sent.

It is read from the header fields (RFC 9110 §8.6, §14.4), as clients do.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from httpd.protocol.response import Response

_LENGTH = re.compile(rb"(?i)^Content-Length: (\d+)\r$", re.MULTILINE)
_RANGE = re.compile(rb"(?i)^Content-Range: bytes (\d+)-(\d+)/(\d+)\r$", re.MULTILINE)
_VALIDATOR = re.compile(rb"(?i)^(?:ETag|Last-Modified): (.*)\r$", re.MULTILINE)


class Extent(NamedTuple):
    """What a body is of the representation that it is taken from.

    Args:
        size: bytes of the representation.
        ranges: the parts that are sent, in their order: place in the body, first byte in the
            representation and the one after the last.
        validator: the entity tag, or else the date of the last change; empty for neither.
    """

    size: int
    ranges: tuple[tuple[int, int, int], ...]
    validator: bytes


def find_extent(response: Response) -> Extent:
    """Return the extent of a response to GET, of status 200 or 206.

    Several ranges in a small body, which is in memory, are not told apart: `ranges` is empty.
    """
    fields = response.fields
    found = _VALIDATOR.findall(fields)
    validator = next((value for value in found if b'"' in value), found[0] if found else b"")
    if response.status == 206:
        return _find_parts(response, validator)
    length = _LENGTH.search(fields)
    size = int(length[1]) if length else 0
    return Extent(size, ((0, 0, size),), validator)


def _find_parts(response: Response, validator: bytes) -> Extent:
    if part := _RANGE.search(response.fields):
        first, last, size = map(int, part.groups())
        return Extent(size, ((0, first, last + 1),), validator)
    size, place, ranges = 0, 0, []
    for segment in response.body.segments:
        if isinstance(segment, range):
            ranges.append((place, segment.start, segment.stop))
        elif not size and (part := _RANGE.search(segment)):
            size = int(part[3])
        place += len(segment)
    return Extent(size, tuple(ranges), validator)

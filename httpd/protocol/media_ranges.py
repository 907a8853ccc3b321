"""Which of two media types a client prefers (RFC 9110 §12.5.1)."""

from __future__ import annotations

import re

from httpd.protocol.negotiation import MAX_ELEMENTS

# quoted-string (RFC 9110 §5.6.4); one without an end goes on to the end of the field.
_QUOTED = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*"?')
# qvalue (RFC 9110 §12.4.2)
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


def prefers(accept: str | None, wanted: str, other: str) -> bool:
    """Tell whether a client prefers a media type to another one.

    Among equal weights, the type is preferred only if the field names it more precisely than the
    other one.  Malformed elements are ignored, and so are parameters other than the weight.

    Args:
        accept: the value of the Accept field; None without the field.
        wanted: a media type.
        other: the one that a client gets who has no preference.
    """
    ranges: dict[str, float] = {}
    for element in _QUOTED.sub("", accept or "").lower().split(",", MAX_ELEMENTS)[:MAX_ELEMENTS]:
        media_range, *parameters = (part.strip(" \t") for part in element.split(";"))
        quality = "1"
        for parameter in parameters:
            if parameter.startswith("q="):
                quality = parameter[2:]
        if _QUALITY.fullmatch(quality):
            ranges[media_range] = max(float(quality), ranges.get(media_range, 0.0))
    found = _preference(ranges, wanted)
    return found[0] > 0 and found > _preference(ranges, other)


def _preference(ranges: dict[str, float], media_type: str) -> tuple[float, int]:
    """Return the weight of the most precise media range that is present, and how precise it is."""
    names = "*/*", f"{media_type.partition('/')[0]}/*", media_type
    known = [(ranges[name], precision) for precision, name in enumerate(names) if name in ranges]
    return known[-1] if known else (0.0, -1)

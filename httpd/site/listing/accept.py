"""Whether a listing is sent as HTML or as JSON."""

from __future__ import annotations

from httpd.protocol.media_ranges import prefers


def wants_json(accept: str | None) -> bool:
    """Tell whether a client prefers JSON to HTML.

    Args:
        accept: the value of the Accept field; None without the field.
    """
    return prefers(accept, "application/json", "text/html")

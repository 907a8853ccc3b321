"""Origins, as the rule key `cors` lists them and as browsers send them (RFC 6454 §6).

A browser sends an origin in one form only, which `read_origin` returns.  So the two are compared
byte by byte, as the Fetch standard does.
"""

from __future__ import annotations

import ipaddress
import re

Origins = frozenset[str]

ANY = "*"
"""In place of an origin: every one of them."""
ANY_ORIGIN: Origins = frozenset({ANY})
_LABEL = "[0-9A-Za-z_-]{1,63}"
ORIGIN = (
    rf"[A-Za-z][0-9A-Za-z+.-]*://({_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])"
    r"(:[1-9][0-9]{0,4})?"
)
"""The regular expression of an origin in the configuration."""
ALLOWED = (
    "“*” in quotes for every origin, or an origin such as https://a.example, or a list of these"
)
_PARTS = re.compile(r"([^:]+)://(\[.*\]|[^:]*)(?::([0-9]+))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def read_origin(text: object) -> str:
    """Return an origin of the configuration as browsers send it.

    Raises:
        ValueError: with what is allowed instead.
    """
    if not isinstance(text, str):
        raise ValueError(ALLOWED)
    if text == ANY:
        raise ValueError(f"an origin; “{ANY}” is every one, so it stands alone and not in a list")
    if text == "null":
        raise ValueError("an origin; “null” is that of every sandboxed page and local file")
    if not re.fullmatch(ORIGIN, text):
        raise ValueError(f"{ALLOWED}{_suggest(text)}")
    origin = _normalise(text)
    if origin is None:
        raise ValueError(ALLOWED)
    return origin


def _normalise(text: str) -> str | None:
    """Return an origin in lower case, without the default port of its scheme.

    Args:
        text: matches `ORIGIN`.

    Returns:
        None for an address or a port that does not exist.
    """
    match = _PARTS.fullmatch(text.lower())
    assert match is not None
    scheme, host, port = match.groups()
    if host.startswith("["):
        try:
            host = f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
        except ValueError:
            return None
    if port is None or int(port) == _DEFAULT_PORTS.get(scheme):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port}" if int(port) < 1 << 16 else None


def _suggest(text: str) -> str:
    """Return the end of a problem: the origin of a URL, or of a host without a scheme."""
    for url in (text, f"https://{text}"):
        match = re.match(rf"({ORIGIN})\.?([/?#]|$)", url)
        if match and "." in match[2] and (origin := _normalise(match[1])):
            return f"; did you mean {origin}?"
    return ""

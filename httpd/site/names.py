"""The names of sites: which are right, and which site a name leads to."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

from httpd.protocol.host import host_name

MAX_NAME = 253
"""Characters of the longest name (RFC 1035 §2.3.4); a request may name a longer one."""
NAMES_ALLOWED = "a host name such as example.com or “*.example.com” in quotes, or a list of these"
_LABEL = "[0-9A-Za-z_-]{1,63}"
NAME = rf"(\*\.)?{_LABEL}(\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\]"
"""The regular expression of a name in the configuration."""
_ADDRESS = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*")
_WITH_PORT = re.compile(r"[^:]+:[0-9]*|\[.*\]:[0-9]*")
_DOTS = "[.\u3002\uff0e\uff61]"
"""What separates the labels of an international name (RFC 3490 §3.1)."""
_DIRECTORY = re.compile("[a-z0-9-]+")


class Match(NamedTuple):
    """The site that a name leads to.

    Args:
        site: the number of the site.
        star: what the star of its name stands for; empty for a name without a star.
    """

    site: int
    star: str = ""


class NameTable:
    """Finds the site of a name: an exact name first, then the longest wildcard.

    ``*.x`` stands for one or more labels before ``.x``, and not for ``x``.

    Args:
        sites: their numbers by name, as `read_name` returns it.
    """

    __slots__ = ("_exact", "_wild")

    def __init__(self, sites: Mapping[str, int]) -> None:
        self._exact = {name: Match(site) for name, site in sites.items() if name[0] != "*"}
        self._wild = {name[1:]: site for name, site in sites.items() if name[0] == "*"}

    def find(self, name: str) -> Match | None:
        """Return the match for a name; None if no site has the name.

        Args:
            name: the result of `host_name`.
        """
        if found := self._exact.get(name):
            return found
        # Each suffix is copied, so the length bounds the time.  No label is empty.
        if not self._wild or len(name) > MAX_NAME or ".." in name or name.startswith("."):
            return None
        dot = name.find(".")
        while dot > 0:
            site = self._wild.get(name[dot:])
            if site is not None:
                return Match(site, name[:dot])
            dot = name.find(".", dot + 1)
        return None


def is_directory_name(star: str) -> bool:
    """Tell whether what a star stands for may name a directory: one label of few characters."""
    return _DIRECTORY.fullmatch(star) is not None


def read_name(text: Any) -> str:
    """Return a name of the configuration as `host_name` returns that of a request.

    Raises:
        ValueError: with what is allowed instead.
    """
    if not isinstance(text, str):
        raise ValueError(NAMES_ALLOWED)
    if not text.isascii():
        raise ValueError(f"its ASCII form, {_to_ascii(text)}")
    if text == "*":
        raise ValueError("a host name; for all other names, set docroot at the top of the file")
    if _ADDRESS.fullmatch(text):
        raise ValueError('an IPv6 address in brackets and quotes, such as "[2001:db8::1]"')
    if _WITH_PORT.fullmatch(text):
        raise ValueError("a name without a port, since a site is served at every port")
    if "*" in text.removeprefix("*."):
        raise ValueError("no star but in “*.” at the beginning, for one or more labels")
    if len(text) > MAX_NAME or not re.fullmatch(NAME, text) or not _is_address(text):
        raise ValueError(NAMES_ALLOWED)
    return host_name(text)


def _is_address(text: str) -> bool:
    """Tell whether brackets, if there are any, are around an IPv6 address."""
    try:
        return not text.startswith("[") or bool(ipaddress.IPv6Address(text[1:-1]))
    except ValueError:
        return False


def _to_ascii(name: str) -> str:
    """Return the ASCII form of an international name (RFC 5890 §2.3.2.1)."""
    labels = re.split(_DOTS, unicodedata.normalize("NFC", name.lower()))
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in labels
    )

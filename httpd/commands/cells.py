"""Texts in columns of a terminal: how many cells a text takes, and cutting it to fit.

Called by `httpd.commands.view`.
"""

from __future__ import annotations

import unicodedata

from httpd.settings.errors import escape

ELLIPSIS = "…"


def visible(text: bytes) -> str:
    """Return bytes of a client or a file as text that no terminal obeys."""
    return escape(text.decode("utf-8", "backslashreplace"))


def width_of(text: str) -> int:
    """Return how many cells a text takes, whose characters are printable."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0  # combines with the character before
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Return a text in exactly so many cells, padded, or without its middle.

    Args:
        text: printable characters.
        width: cells.
        right: whether a shorter text is aligned to the right.
    """
    if (missing := width - width_of(text)) >= 0:
        return " " * missing + text if right else text + " " * missing
    if width < 1:
        return ""
    tail = (width - 1) * 2 // 3  # the name of a file says more than the way to it
    last = _take(text[::-1], tail)[::-1]
    while last and not _width(last[0]):
        last = last[1:]  # what it combined with is gone
    first = _take(text, width - 1 - width_of(last))
    cut = f"{first}{ELLIPSIS}{last}"
    return cut + " " * (width - width_of(cut))


def _take(text: str, width: int) -> str:
    """Return the beginning of a text, of so many cells at the most."""
    used = 0
    for place, character in enumerate(text):
        used += _width(character)
        if used > width:
            return text[:place]
    return text

"""The order in which people look for names: ``data-9`` before ``data-10``, and ``É`` beside ``e``.

Pure: a name in, the bytes to sort it by out.  Used by `httpd.site.listing.entries`.
"""

from __future__ import annotations

import re
import unicodedata

_NUMBER = re.compile("[0-9]+")
_LONGEST = 255
"""Digits of a number that count: a file name has no more bytes (NAME_MAX of limits.h(0p))."""


def natural_key(name: bytes) -> bytes:
    """Return what a name is sorted by: case and accents do not count, and digits are numbers.

    Names with the same key are left to be told apart by their bytes.

    Args:
        name: of a file, without a NUL.

    Returns:
        Bytes without a NUL.
    """
    text = name.decode("utf-8", "surrogateescape")
    if text.isascii():
        text = text.lower()
    else:
        decomposed = unicodedata.normalize("NFKD", text.casefold())
        text = "".join(filter(_is_base, decomposed))
    return _NUMBER.sub(_count_digits, text).encode("utf-8", "surrogatepass")


def _is_base(character: str) -> bool:
    return not unicodedata.combining(character)


def _count_digits(number: re.Match[str]) -> str:
    """Put the number of digits before them, so that the shorter number comes first.

    Both begin with ``0``, so that numbers stay between the punctuation and the letters of ASCII.
    """
    digits = number[0].lstrip("0")[:_LONGEST]
    return f"0{chr(len(digits) + 1)}{digits}"

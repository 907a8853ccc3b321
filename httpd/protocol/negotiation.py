"""Content negotiation: the preferences of a client (RFC 9110 §12)."""

from __future__ import annotations

from collections.abc import Iterable

from httpd.protocol import grammar

IDENTITY = "identity"
MAX_ELEMENTS = 50
"""Elements of a list that are looked at; no client has that many preferences."""
_ALIASES = {"x-gzip": "gzip"}  # RFC 9110 §8.4.1.3


def parse_weights(text: str) -> dict[str, int]:
    """Return the elements of a field such as Accept-Encoding, with their weights in thousandths.

    Names are in lower case, malformed elements are left out, and of two that are equal the first
    counts.

    Args:
        text: the value of the field.
    """
    weights: dict[str, int] = {}
    for element in text.split(",", MAX_ELEMENTS)[:MAX_ELEMENTS]:
        if match := grammar.WEIGHTED.fullmatch(element.strip(" \t")):
            weight = int(float(match[2]) * 1000 + 0.5) if match[2] else 1000
            weights.setdefault(match[1].lower(), weight)
    return weights


def rank_codings(accept: str | None, available: Iterable[str]) -> list[str]:
    """Return the content codings that a client accepts, the best one first (RFC 9110 §12.5.3).

    A coding beats no coding, unless the client prefers `IDENTITY`.

    Args:
        accept: the value of Accept-Encoding; None without that field: then any coding is
            acceptable, and `IDENTITY` is the first choice.
        available: the codings that exist, the best one first; the content without a coding always
            exists.
    """
    if accept is None:
        return [IDENTITY, *available]
    weights = parse_weights(accept)
    for alias, name in _ALIASES.items():
        if alias in weights:
            weights.setdefault(name, weights[alias])
    others = weights.get("*", 0)
    found = {coding: weights.get(coding, others) for coding in available}
    # Without a weight of its own, identity is acceptable, and the last choice.
    found[IDENTITY] = weights.get(IDENTITY, others if "*" in weights else 1)
    return sorted(filter(found.get, found), key=found.__getitem__, reverse=True)

"""Content negotiation: what a client would rather have (RFC 9110 §12)."""

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

    A coding beats no coding unless the client says that it would rather have `IDENTITY`.

    Args:
        accept: the value of Accept-Encoding; None if there is none, which takes anything, but says
            nothing for a coding either.
        available: the codings that there are, the best one first; the content is there without a
            coding as well.
    """
    if accept is None:
        return [IDENTITY, *available]
    weights = parse_weights(accept)
    for alias, name in _ALIASES.items():
        if alias in weights:
            weights.setdefault(name, weights[alias])
    others = weights.get("*", 0)
    found = {coding: weights.get(coding, others) for coding in available}
    # What is not said of identity: it is acceptable, and nobody's favourite.
    found[IDENTITY] = weights.get(IDENTITY, others if "*" in weights else 1)
    return sorted(filter(found.get, found), key=found.__getitem__, reverse=True)

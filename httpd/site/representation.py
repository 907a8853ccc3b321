"""Which representation of a file a request gets (RFC 9110 §12).

Called by `httpd.site.responder`.
"""

from __future__ import annotations

from collections.abc import Mapping

from httpd.protocol.conditional import matches
from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.negotiation import IDENTITY, rank_codings
from httpd.site.resource import Resource
from httpd.site.rules import Fields
from httpd.site.store import Variants

_VARY: Fields = (("Vary", "Accept-Encoding"),)
_NAMING_FIELDS = ("if-range", "if-match", "if-none-match")
"""Fields by whose entity tag a request for ranges names a representation."""


def choose(request: Request, variants: Variants) -> tuple[Resource, Fields]:
    """Return the representation that a client likes best, and what is said of the choice.

    Args:
        request: a GET or HEAD.
        variants: what there is at its path.

    Raises:
        HTTPError: 406 when the client accepts none.
    """
    fields = request.header.fields
    accept = fields.get("accept-encoding")
    coded = variants.coded
    if not coded and (accept is None or ";" not in accept):  # nothing is refused without a weight
        return variants.original, ()
    vary = _VARY if coded else ()
    ranked = rank_codings(accept, coded)
    if not ranked:
        names = ", ".join((IDENTITY, *coded))
        raise HTTPError(406, f"The file is there in these content codings: {names}.", vary)
    coding = ranked[0]
    if coded and request.method == "GET" and "range" in fields:
        coding = _choose_for_range(fields, variants, ranked)
    return variants.original if coding == IDENTITY else coded[coding], vary


def _choose_for_range(fields: Mapping[str, str], variants: Variants, ranked: list[str]) -> str:
    """Return the coding of the representation of which a client wants a part.

    That is the one that it names by an entity tag, as one does who goes on with a download.  Who
    names none wants a part of the file: a part of a coded form is of no use alone.  An If-Range
    that names none is answered with the whole of what the client likes best.

    Args:
        fields: of a GET with a Range.
        variants: what there is at its path.
        ranked: acceptable codings, the best one first.
    """
    tags = {coding: resource.etag for coding, resource in variants.coded.items()}
    tags[IDENTITY] = variants.original.etag
    plain_first = sorted(ranked, key=lambda coding: coding != IDENTITY)  # of what “*” names
    for name in _NAMING_FIELDS:
        if (named := fields.get(name)) is not None:
            for coding in plain_first:
                if matches(named, tags[coding], weak=True):
                    return coding
    return ranked[0] if "if-range" in fields else plain_first[0]

"""Which representation of a file a request gets (RFC 9110 §12).

Called by `httpd.site.file_handler`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from httpd.files.file_cache import CachedFile
from httpd.files.media_types import MediaTypes
from httpd.files.open_file import OpenFile
from httpd.protocol.conditional import matches
from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.negotiation import IDENTITY, rank_codings
from httpd.site.rules import NO_POLICY, PathPolicy

_VARY = "Vary: Accept-Encoding\r\n"
_NAMING_FIELDS = ("if-range", "if-match", "if-none-match")
"""Fields by whose entity tag a request for ranges names a representation."""
READ_FOR_CHOICE = frozenset({"accept-encoding", "range", *_NAMING_FIELDS})
"""The request header fields that `choose` reads."""


class Representation(NamedTuple):
    """A representation of a file.

    Args:
        file: where its content is.
        coding: its content coding, or `IDENTITY`.
        etag: its entity tag.
        media_type: the media type of the content without the coding, which may have parameters.
        vary: the header line Vary, if the choice depends on the request.
    """

    file: OpenFile
    coding: str
    etag: str
    media_type: str
    vary: str = ""


def choose(
    request: Request, cached: CachedFile, policy: PathPolicy, media_types: MediaTypes
) -> Representation:
    """Return the representation that the client prefers.

    Args:
        request: a GET or HEAD.
        cached: the file at the path of the request.
        policy: the rules for the path.
        media_types: of the site.

    Raises:
        HTTPError: 406 when the client accepts none.
    """
    fields = request.header.fields
    accept = fields.get("accept-encoding")
    original, coded = cached.original, cached.coded
    if policy is not NO_POLICY and (ruled := policy.coding) is not None:
        if ruled != IDENTITY:
            return _of_rule(original, ruled, media_types)
        coded = {}
    if not coded and (accept is None or ";" not in accept):  # nothing is refused without a weight
        return Representation(original, IDENTITY, original.etag, original.media_type)
    vary = _VARY if coded else ""
    ranked = rank_codings(accept, coded)
    if not ranked:
        names = ", ".join((IDENTITY, *coded))
        detail = f"The file is available in these content codings: {names}."
        raise HTTPError(406, detail, (("Vary", "Accept-Encoding"),) if coded else ())
    coding = ranked[0]
    if coded and request.method == "GET" and "range" in fields:
        tags = {} if "etag" in policy.removed else _tags_of(cached)
        coding = _choose_for_range(fields, tags, ranked)
    file = original if coding == IDENTITY else coded[coding]
    return Representation(file, coding, file.etag, file.media_type, vary)


def _of_rule(original: OpenFile, coding: str, media_types: MediaTypes) -> Representation:
    """Return the only representation of a file that is coded according to a rule.

    It is sent whatever the client accepts (RFC 9110 §12.4.1 allows that), as other servers do: a
    client that accepts no coding downloads the coded bytes.  The entity tag differs from the one
    without the rule, since the same bytes then have another meaning.
    """
    etag = f'{original.etag[:-1]}-{coding}"'
    media_type = media_types.of_decoded(original.name.rpartition(b"/")[2])
    return Representation(original, coding, etag, media_type)


def _tags_of(cached: CachedFile) -> dict[str, str]:
    tags = {coding: file.etag for coding, file in cached.coded.items()}
    return {**tags, IDENTITY: cached.original.etag}


def _choose_for_range(fields: Mapping[str, str], tags: Mapping[str, str], ranked: list[str]) -> str:
    """Return the coding of the representation of which the client requests a part.

    A client that resumes a download names the representation by its entity tag.  A client that
    names none gets a part of the file without coding, since a part of a coded form is useless
    alone.  If the entity tag in If-Range matches no representation, the client gets the whole of
    the representation that it prefers.

    Args:
        fields: of a GET with a Range.
        tags: of all representations by their codings; empty if a rule removes the field ETag.
        ranked: acceptable codings, the best one first.
    """
    plain_first = sorted(ranked, key=lambda coding: coding != IDENTITY)  # “*” matches any of them
    for name in _NAMING_FIELDS:
        if (named := fields.get(name)) is not None:
            for coding in plain_first:
                if matches(named, tags.get(coding), weak=True):
                    return coding
    return ranked[0] if "if-range" in fields else plain_first[0]

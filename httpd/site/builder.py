"""What an answer says, before it is known how the connection goes on.

Called by `httpd.site.site`, which decides what to say.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from httpd import __version__
from httpd.files.file_cache import CachedFile
from httpd.files.memory import UNCLAIMED, Claim, ClaimMemory
from httpd.files.open_file import SMALL_FILE, OpenFile
from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.response import Response
from httpd.protocol.target import relative_with_slash
from httpd.site.error_pages import POLICY, render_page
from httpd.site.listing.listing import Listing
from httpd.site.rules import NO_POLICY, Fields, PathPolicy, merge

_COMMON_FIELDS: Fields = (
    ("Server", f"phttpd/{__version__}"),
    ("X-Content-Type-Options", "nosniff"),
)


class ResponseBuilder(NamedTuple):
    """What an answer says.

    Args:
        status: a key of `STATUSES`.
        fields: without those that every answer has.
        policy: what the rules say about them.
        segments: of the body: bytes, and ranges of what `source` contains; None for no body, not
            even an empty one.
        source: a file or listing.
        cached: what a file was chosen from, if the answer is good as long as that stays.
        expires: seconds that clients may keep it, or None.
        claim: to the memory that many segments take, or None.
    """

    status: int
    fields: Fields
    policy: PathPolicy = NO_POLICY
    segments: tuple[bytes | range, ...] | None = ()
    source: OpenFile | Listing | None = None
    cached: CachedFile | None = None
    expires: int | None = None
    claim: Claim | None = None

    def finish(self, connection: Fields, claim_memory: ClaimMemory, *, head_only: bool) -> Response:
        """Make the answer.

        Args:
            connection: the fields that are about the connection.
            claim_memory: for a body that is read or copied into memory.
            head_only: whether to leave out the body that the head tells of.
        """
        fields = connection + merge(_COMMON_FIELDS + self.fields, self.policy)
        segments = self.segments or ()
        length = sum(map(len, segments))
        if self.segments is not None:
            fields += (("Content-Length", str(length)),)
        lines = "\r\n".join([*map(": ".join, fields), "", ""])
        response = Response(
            status=self.status,
            fields=lines.encode("latin-1"),
            expires=None if "expires" in self.policy.removed else self.expires,
            is_of_file=self.cached is not None,
        )
        if head_only:
            return response
        body, response.claim = self._read_body(segments, length, claim_memory)
        if body is None:
            response.segments, response.length, response.claim = segments, length, self.claim
        else:
            response.body = body
        if body is None or (self.source and self.source.content is not None):
            response.source = self.source
        return response

    def _read_body(
        self, segments: tuple[bytes | range, ...], length: int, claim_memory: ClaimMemory
    ) -> tuple[bytes | None, Claim | None]:
        """Return a body that fits into memory, and the claim to what it takes beside its source.

        Returns:
            None for a body that is to be sent from its source, be that a file or what it contains.
        """
        source = self.source
        content = b"" if source is None else source.content
        if content is None and (length > SMALL_FILE or not isinstance(source, OpenFile)):
            return None, None
        claim = None
        if length > UNCLAIMED and (content is None or segments != (range(len(content)),)):
            claim = claim_memory(length)
            if claim is None:
                return None, None
        if content is None:
            assert isinstance(source, OpenFile)
            return source.read(segments), claim
        parts = [
            content[part.start : part.stop] if isinstance(part, range) else part
            for part in segments
        ]
        return b"".join(parts), claim


def page_builder(
    status: int, detail: str, fields: Fields, policy: PathPolicy, path: bytes
) -> ResponseBuilder:
    """Return a page of the server's own, which is not to be kept.

    Args:
        status: a key of `STATUSES`.
        detail: a sentence for the person who reads it.
        fields: more fields.
        policy: what the rules say about the path.
        path: of the request; empty where there is none.
    """
    own: Fields = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", POLICY),
    )
    page = render_page(status, detail, path)
    return ResponseBuilder(status, own + fields, policy.for_page(), (page,))


def error_builder(error: HTTPError, policy: PathPolicy, path: bytes = b"") -> ResponseBuilder:
    """Return the page that tells of an error; see `page_builder`."""
    return page_builder(error.status, error.detail, error.fields, policy, path)


def redirect_builder(request: Request, policy: PathPolicy) -> ResponseBuilder:
    """Send the client to the same path with a slash at its end (RFC 9110 §15.4.2)."""
    location = ("Location", relative_with_slash(request.path, request.query))
    detail = "This is a directory; its address ends in a slash."
    return page_builder(301, detail, (location,), policy, request.path)


def file_builder(
    cached: CachedFile,
    resource: OpenFile,
    media_type: str,
    ranges: list[range] | None,
    fields: Fields,
    policy: PathPolicy,
    expires: int,
) -> ResponseBuilder:
    """Return a file, or some ranges of it (RFC 9110 §14).

    Args:
        cached: what the file was chosen from.
        resource: the file.
        media_type: the Content-Type of the file.
        ranges: what is to be sent, or None for the whole.
        fields: about the file, but for its type.
        policy: what the rules say about the path.
        expires: seconds that clients may keep it.
    """
    size = resource.size
    rest = resource, cached, expires
    if ranges is None:
        fields = (("Content-Type", media_type), *fields)
        return ResponseBuilder(200, fields, policy, (range(size),), *rest)
    if len(ranges) == 1:
        where = ("Content-Range", _content_range(ranges[0], size))
        fields = (("Content-Type", media_type), where, *fields)
        return ResponseBuilder(206, fields, policy, tuple(ranges), *rest)
    # A new one each time: nobody can put it into the file (RFC 2046 §5.1.1).
    boundary = os.urandom(15).hex()
    lines = f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: bytes "
    before = lines.encode("latin-1")
    segments: list[bytes | range] = []
    for part in ranges:
        segments += (b"%b%d-%d/%d\r\n\r\n" % (before, part.start, part.stop - 1, size), part)
    segments[0] = bytes(segments[0])[2:]  # a CRLF comes before each boundary but the first
    segments.append(f"\r\n--{boundary}--\r\n".encode())
    fields = (("Content-Type", f"multipart/byteranges; boundary={boundary}"), *fields)
    return ResponseBuilder(206, fields, policy.without_type(), tuple(segments), *rest)


def _content_range(part: range, size: int) -> str:
    return f"bytes {part.start}-{part.stop - 1}/{size}"

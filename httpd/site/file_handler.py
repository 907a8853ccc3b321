"""Serves files: chooses a representation, evaluates conditions, and takes ranges out of it."""

from __future__ import annotations

import os

from httpd.files.file_cache import CachedFile, FileCache
from httpd.files.media_types import MediaTypes, content_types
from httpd.files.open_file import OpenFile
from httpd.protocol.conditional import CONDITIONS, is_unmodified, range_applies
from httpd.protocol.messages import Request
from httpd.protocol.negotiation import IDENTITY
from httpd.protocol.ranges import FEW_RANGES, parse_ranges
from httpd.protocol.response import Cacheability
from httpd.site.builder import ResponseBuilder
from httpd.site.representation import READ_FOR_CHOICE, Representation, choose
from httpd.site.rules import NO_POLICY, PathPolicy
from httpd.site.steps import Clock, Found

_RANGE_COST = 400
"""Bytes that a part of a multipart body takes in memory beside its content."""


class FileHandler:
    """Responds with a file, or a part of it (RFC 9110 §12, §13, §14).

    Args:
        file_cache: claims memory.
        expires: seconds from now for which clients may cache files, where no rule says otherwise.
        charset: of text files; None to leave it out.
        media_types: of the site.
        clock: of the site.
    """

    reads = READ_FOR_CHOICE | CONDITIONS | {"range", "if-range"}

    def __init__(
        self,
        file_cache: FileCache,
        expires: int,
        charset: str | None,
        media_types: MediaTypes,
        clock: Clock,
    ) -> None:
        self._claim_memory = file_cache.claim
        self._expires = expires
        self._content_types = content_types(media_types, charset)
        self._media_types = media_types
        self._clock = clock

    def handle(self, request: Request, found: Found, policy: PathPolicy) -> ResponseBuilder | None:
        """Respond with a file; see `Step.handle`."""
        if not isinstance(found, CachedFile):
            return None
        expires = self._expires if policy.expires is None else policy.expires
        accept = request.header.fields.get("accept-encoding")
        if policy is NO_POLICY and not found.coded and (accept is None or ";" not in accept):
            file, coding, vary = found.original, IDENTITY, ""  # the same as `choose` returns
            etag, media_type = file.etag, file.media_type
        else:
            file, coding, etag, media_type, vary = choose(request, found, policy, self._media_types)
        if request.header.is_plain:
            ranges = None
        else:
            chosen = Representation(file, coding, etag, media_type, vary)
            made = self._evaluate(request, found, policy, chosen, expires)
            if isinstance(made, ResponseBuilder):
                return made
            ranges = made
        content_type = self._content_types[media_type]
        if policy is not NO_POLICY:
            content_type = policy.get("content-type") or content_type
        lines = (
            f"ETag: {etag}\r\nCache-Control: max-age={expires}\r\n{vary}"
            f"Last-Modified: {file.last_modified}\r\nAccept-Ranges: bytes\r\n"
        )
        if coding != IDENTITY:
            lines += f"Content-Encoding: {coding}\r\n"
        if ranges is None:
            lines = f"Content-Type: {content_type}\r\n{lines}"
            whole = (range(file.size),)
            return ResponseBuilder(
                200, lines, Cacheability.FILE, policy, whole, file, found, expires
            )
        return self._partial(found, file, content_type, ranges, lines, policy, expires)

    def _evaluate(
        self,
        request: Request,
        found: CachedFile,
        policy: PathPolicy,
        chosen: Representation,
        expires: int,
    ) -> ResponseBuilder | list[range] | None:
        """Evaluate the conditions of a request, and then its Range.

        Returns:
            A 304, or the requested ranges, or None for the whole file.

        Raises:
            HTTPError: 412.
        """
        fields = request.header.fields
        etag, modified = policy.keep_validators(chosen.etag, chosen.file.modified)
        if is_unmodified(fields, etag, modified, self._clock.this_year):
            lines = f"ETag: {chosen.etag}\r\nCache-Control: max-age={expires}\r\n{chosen.vary}"
            policy = policy.for_not_modified()
            return ResponseBuilder(
                304, lines, Cacheability.FILE, policy, None, None, found, expires
            )
        text = fields.get("range") if request.method == "GET" else None
        return None if text is None else self._find_ranges(request, text, chosen, etag, modified)

    def _find_ranges(
        self,
        request: Request,
        text: str,
        chosen: Representation,
        etag: str | None,
        modified: int | None,
    ) -> list[range] | None:
        """Return the ranges that the Range field of a GET requests (RFC 9110 §14.2).

        A coded file is sent as one range or whole, since Content-Encoding would mean that all of a
        multipart body is coded.  A precompressed form may have the same date as the file, and the
        client could mix the two, so If-Range with a date does not match a precompressed form.

        Returns:
            None for the whole file.
        """
        if chosen.file.coding != IDENTITY:
            modified = None
        date, this_year = self._clock.date, self._clock.this_year
        if not range_applies(request.header.fields, etag, modified, date, this_year):
            return None
        ranges = parse_ranges(text, chosen.file.size)
        if ranges and len(ranges) > 1 and chosen.coding != IDENTITY:
            return None
        return ranges

    def _partial(
        self,
        found: CachedFile,
        file: OpenFile,
        content_type: str,
        ranges: list[range],
        lines: str,
        policy: PathPolicy,
        expires: int,
    ) -> ResponseBuilder:
        """Return one range of a file, or several; the whole where there is no memory for these."""
        size = file.size
        if len(ranges) == 1:
            lines = (
                f"Content-Type: {content_type}\r\n"
                f"Content-Range: bytes {ranges[0].start}-{ranges[0].stop - 1}/{size}\r\n{lines}"
            )
            return ResponseBuilder(
                206, lines, Cacheability.FILE, policy, tuple(ranges), file, found, expires
            )
        claim = None
        if len(ranges) > FEW_RANGES:
            claim = self._claim_memory(len(ranges) * _RANGE_COST)
            if claim is None:
                lines = f"Content-Type: {content_type}\r\n{lines}"
                whole = (range(size),)
                return ResponseBuilder(
                    200, lines, Cacheability.FILE, policy, whole, file, found, expires
                )
        # The boundary is random, so that no file can contain it on purpose (RFC 2046 §5.1.1).  So
        # the response is not cacheable.
        boundary = os.urandom(15).hex()
        lines = f"Content-Type: multipart/byteranges; boundary={boundary}\r\n{lines}"
        segments = _multipart(boundary, content_type, ranges, size)
        return ResponseBuilder(
            206,
            lines,
            Cacheability.NEVER,
            policy.without_type(),
            segments,
            file,
            expires=expires,
            claim=claim,
        )


def _multipart(
    boundary: str, content_type: str, ranges: list[range], size: int
) -> tuple[bytes | range, ...]:
    """Return the segments of a multipart body (RFC 9110 §14.6)."""
    before = f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: bytes ".encode(
        "latin-1"
    )
    segments: list[bytes | range] = []
    for part in ranges:
        segments += (b"%b%d-%d/%d\r\n\r\n" % (before, part.start, part.stop - 1, size), part)
    segments[0] = bytes(segments[0])[2:]  # a CRLF comes before each boundary but the first
    segments.append(f"\r\n--{boundary}--\r\n".encode())
    return tuple(segments)

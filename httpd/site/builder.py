"""Builders of responses.

The steps of a site make a `ResponseBuilder`; the gateway makes the response of it, once it knows
whether the connection stays open.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from httpd.files.file_cache import CachedFile
from httpd.files.memory import UNCLAIMED, Claim, ClaimMemory
from httpd.files.open_file import SMALL_FILE, OpenFile
from httpd.protocol.messages import HTTPError
from httpd.protocol.response import (
    NO_BODY,
    Body,
    Cacheability,
    DateHeaders,
    Pause,
    Response,
)
from httpd.protocol.tally import SiteTallies
from httpd.site.error_pages import POLICY, render_page
from httpd.site.listing.listing import Listing
from httpd.site.rules import NO_POLICY, Fields, PathPolicy, merge

_PAGE_LINES = (
    "Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n"
    f"Content-Security-Policy: {POLICY}\r\n"
)


Segments = tuple[bytes | range, ...]


class ResponseBuilder(NamedTuple):
    """A response without the fields that depend on the connection and the time.

    Args:
        status: a key of `STATUSES`.
        lines: the header lines, each with its CRLF, without those that every response has.
        cacheability: where the response may be cached.
        policy: the rules for the header fields.
        segments: of the body: bytes, and ranges of the content of `source`; None for no body, not
            even an empty one.
        source: the file or listing that the ranges are of.
        cached: the cached file, for a response that is cacheable with it.
        expires: seconds for which clients may cache the response, or None.
        claim: to the memory that many segments take, or None.
    """

    status: int
    lines: str
    cacheability: Cacheability
    policy: PathPolicy = NO_POLICY
    segments: Segments | None = ()
    source: OpenFile | Listing | None = None
    cached: CachedFile | None = None
    expires: int | None = None
    claim: Claim | None = None

    def finish(
        self,
        first_lines: str,
        dates: DateHeaders,
        claim_memory: ClaimMemory,
        tallies: SiteTallies,
        *,
        head_only: bool,
        keep_alive: bool,
        lingers: bool,
        is_cacheable: bool,
    ) -> Response:
        """Make the response.

        Args:
            first_lines: the Connection field, if there is one, and the header lines that every
                response of the site has, each with its CRLF.
            dates: of this second.
            claim_memory: for a body that is read or copied into memory.
            tallies: of the site.
            head_only: whether to leave out the body that the head describes.
            keep_alive: see `Response`.
            lingers: see `Response`.
            is_cacheable: false for a request that must not get a cached response.
        """
        policy = self.policy
        lines = first_lines + self.lines
        expires = self.expires
        if policy is not NO_POLICY:
            lines = apply_policy(policy, lines)
            if "expires" in policy.removed:
                expires = None
        segments = self.segments
        body = NO_BODY
        if segments is None:
            lines = f"{lines}\r\n"
        else:
            size = sum(map(len, segments))
            lines = f"{lines}Content-Length: {size}\r\n\r\n"
            if not head_only and segments:
                source = self.source
                content = None if source is None else source.content
                if content is not None and segments == (range(len(content)),):
                    body = Body(content, (), source)
                else:
                    body = self._body(segments, size, claim_memory)
        status = self.status
        return Response(
            tallies.by_status.get(status) or tallies.find(status),
            lines.encode("latin-1"),
            dates,
            body,
            keep_alive,
            lingers,
            self.cacheability if is_cacheable else Cacheability.NEVER,
            expires,
        )

    def _body(self, segments: Segments, size: int, claim_memory: ClaimMemory) -> Body:
        """Return a body of so many bytes, in memory where it fits."""
        source = self.source
        content = b"" if source is None else source.content
        from_source = Body(b"", segments, source, self.claim)
        if content is None and (size > SMALL_FILE or not isinstance(source, OpenFile)):
            return from_source
        claim = None
        if size > UNCLAIMED:
            claim = claim_memory(size)
            if claim is None:
                return from_source
        if content is None:
            assert isinstance(source, OpenFile)
            body = source.read(segments)
            return from_source if body is None else Body(body, (), None, claim)
        parts = [
            content[part.start : part.stop] if isinstance(part, range) else part
            for part in segments
        ]
        return Body(b"".join(parts), (), source, claim)


PendingBuilder = Generator[Pause | None, None, ResponseBuilder]
"""A builder that takes several turns of a loop to make, such as one of a listing."""


def apply_policy(policy: PathPolicy, lines: str) -> str:
    """Return header lines with the rules applied.

    Args:
        policy: the rules for the path.
        lines: of the response without rules, each with its CRLF.
    """
    fields = tuple(tuple(line.split(": ", 1)) for line in lines.split("\r\n")[:-1])
    return to_lines(merge(fields, policy))  # type: ignore[arg-type]


def to_lines(fields: Fields) -> str:
    """Return header fields as lines, each with its CRLF."""
    return "".join([f"{name}: {value}\r\n" for name, value in fields])


def error_cacheability(status: int) -> Cacheability:
    """Return where the page for a status may be cached: for 5xx, the next request may succeed."""
    return Cacheability.NEVER if status >= 500 else Cacheability.HEAD


def page_builder(
    status: int, detail: str, fields: Fields, policy: PathPolicy, path: bytes
) -> ResponseBuilder:
    """Return a page of the server's own, which clients must not cache.

    Args:
        status: a key of `STATUSES`.
        detail: a sentence that explains the status.
        fields: more fields.
        policy: the rules for the path.
        path: of the request; empty where there is none.
    """
    return ResponseBuilder(
        status,
        _PAGE_LINES + to_lines(fields),
        error_cacheability(status),
        policy.for_page(),
        (render_page(status, detail, path),),
    )


def error_builder(error: HTTPError, policy: PathPolicy, path: bytes = b"") -> ResponseBuilder:
    """Return the page for an error; see `page_builder`."""
    return page_builder(error.status, error.detail, error.fields, policy, path)

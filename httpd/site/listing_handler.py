"""Lists directories that have no index file."""

from __future__ import annotations

from functools import partial

from httpd.files.docroot import Docroot, FoundDirectory
from httpd.protocol.conditional import CONDITIONS, is_unmodified
from httpd.protocol.messages import Request
from httpd.protocol.response import Cacheability
from httpd.site.builder import PendingBuilder, ResponseBuilder
from httpd.site.listing.accept import wants_json
from httpd.site.listing.listing_cache import ListingCache
from httpd.site.listing.order import parse_order
from httpd.site.listing.template import POLICY
from httpd.site.rules import PathPolicy
from httpd.site.slash_redirect import redirect_builder
from httpd.site.steps import Clock, Found


class ListingHandler:
    """Responds with the listing of a directory, made in steps.

    Args:
        listings: of the loop.
        docroot: of the site.
        clock: of the site.
    """

    reads = CONDITIONS | {"accept"}

    def __init__(self, listings: ListingCache, docroot: Docroot, clock: Clock) -> None:
        self._listings = listings
        self._docroot = docroot
        self._clock = clock

    def handle(
        self, request: Request, found: Found, policy: PathPolicy
    ) -> ResponseBuilder | PendingBuilder | None:
        """List a directory; see `Step.handle`."""
        if not isinstance(found, FoundDirectory):
            return None
        if not request.path.endswith(b"/"):
            # An encoded slash or a dot segment is no base for the relative links of the listing.
            return redirect_builder(request, policy)
        return self._list(found, request, policy)

    def _list(
        self, directory: FoundDirectory, request: Request, policy: PathPolicy
    ) -> PendingBuilder:
        fields = request.header.fields
        listing = yield from self._listings.make(
            self._docroot,
            directory,
            request.path,
            parse_order(request.query),
            as_json=wants_json(fields.get("accept")),
            is_unmodified=partial(
                is_unmodified, fields, modified=None, this_year=self._clock.this_year
            ),
        )
        never, policy = Cacheability.NEVER, policy.for_page()
        etag = listing if isinstance(listing, str) else listing.etag
        lines = f"ETag: {etag}\r\nCache-Control: no-cache\r\nVary: Accept\r\n"
        if isinstance(listing, str):
            return ResponseBuilder(304, lines, never, policy, None)
        lines += f"Content-Type: {listing.media_type}\r\nContent-Security-Policy: {POLICY}\r\n"
        return ResponseBuilder(200, lines, never, policy, (range(listing.size),), listing)

"""What a site means: from a request to its response.  One site object serves one loop."""

from __future__ import annotations

import time
from collections.abc import Generator

from httpd.files.docroot import Docroot, FoundDirectory
from httpd.files.faults import NoDocrootError, OutOfDescriptorsError
from httpd.files.file_cache import CachedFile, FileCache
from httpd.files.lookup import FileLookup
from httpd.files.media_types import content_types
from httpd.protocol import conditional
from httpd.protocol.messages import CLOSING, Header, HTTPError, Request
from httpd.protocol.negotiation import IDENTITY
from httpd.protocol.ranges import FEW_RANGES, parse_ranges
from httpd.protocol.response import DateHeaders, PendingResponse, Response
from httpd.protocol.target import QUESTION_MARK, TARGET_CHARACTERS, canonical_path, decode_path
from httpd.site.builder import ResponseBuilder, error_builder, file_builder, redirect_builder
from httpd.site.listing.accept import wants_json
from httpd.site.listing.listing_cache import ListingCache
from httpd.site.listing.order import parse_order
from httpd.site.listing.template import POLICY
from httpd.site.representation import Representation, choose
from httpd.site.rules import NO_POLICY, Fields, PathPolicy, Rules
from httpd.site.settings import SiteSettings

_ALLOW = "GET, HEAD, OPTIONS"
_KNOWN_METHODS = frozenset({"POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"})
_HEAD = b"HEAD "

_RANGE_COST = 400
"""Bytes that a part of a multipart body takes in memory beside its content."""


class Site:
    """Answers requests from the files below a docroot.

    Args:
        settings: what the operator says about the site.
        file_cache: that of the worker.
    """

    def __init__(self, settings: SiteSettings, file_cache: FileCache) -> None:
        docroot = Docroot(settings.docroot, settings.index)
        self._file_cache = file_cache
        self.invalidate_root = docroot.invalidate_root
        """See `Docroot.invalidate_root`."""
        self._lookup = FileLookup(docroot, file_cache, precompressed=settings.precompressed)
        self._listings = None
        if settings.listing:
            self._listings = ListingCache(docroot, settings.cache // 16, file_cache.claim)
        self._rules = Rules(settings.rules) if settings.rules else None
        self._expires = settings.expires
        self._content_types = content_types(settings.charset)
        self.docroot_fault: OSError | None = None
        """Why the docroot could not be read for the last request that failed for it."""
        self.tick(0)

    def tick(self, now: int) -> None:
        """Begin a second; `now` is the monotonic clock's."""
        self._date = int(time.time())
        self._stamp = DateHeaders(now, self._date)
        self._this_year = time.gmtime(self._date).tm_year
        self._lookup.begin_second(now, self._date)
        if self._listings:
            self._listings.begin_second()

    def release(self) -> None:
        """Close the files that nobody downloads."""
        self._lookup.release()
        if self._listings:
            self._listings.begin_second()

    def respond(self, request: Request, *, may_keep_alive: bool) -> Response | PendingResponse:
        """Return the answer to a request; errors are answers too, but for faults of the system.

        Args:
            request: what the parser made of the head.
            may_keep_alive: false to close the connection after this answer in any case.

        Returns:
            The answer, or the work that makes it, a step at a time.

        Raises:
            OutOfDescriptorsError: the caller may free some and try again.
            FileSystemError: the operator should know.
        """
        policy = self._find_policy(self._rules, request) if self._rules else NO_POLICY
        try:
            builder = self._dispatch(request, policy)
        except HTTPError as error:
            if isinstance(error, NoDocrootError):
                self.docroot_fault = error.fault
            builder = error_builder(error, policy, request.path)
        if isinstance(builder, FoundDirectory):
            directory = builder
            if directory.lacks_slash:
                builder = redirect_builder(request, policy)
            elif self._listings is None:
                builder = error_builder(_no_index(), policy, request.path)
            elif request.path.endswith(b"/"):
                return self._list(
                    self._listings, directory, request, policy, may_keep_alive=may_keep_alive
                )
            else:  # an encoded slash, or a dot segment: no base for the listing's relative links
                builder = redirect_builder(request, policy)
        return self._finish(builder, request, may_keep_alive=may_keep_alive)

    def refuse(self, error: HTTPError, *, head_only: bool = False) -> Response:
        """Return the answer to bytes that are no request, or to a client that is not served.

        Args:
            error: what is wrong.
            head_only: the bytes look like a HEAD request, whose answer has no body.
        """
        builder = error_builder(error, NO_POLICY)
        response = builder.finish(
            (("Connection", "close"),), self._file_cache.claim, head_only=head_only
        )
        response.lingers = True
        return response.stamp(self._stamp)

    def recall(self, line: bytes, header: Header) -> Response | None:
        """Return the answer to a request for a file that has been answered before.

        Args:
            line: a request line without its version; any bytes.
            header: what the rest of the head means.

        Returns:
            None where it takes `respond` to tell.
        """
        variant_key = header.variant_key
        if not variant_key:
            return None
        if QUESTION_MARK in line:
            line, _, query = line.partition(b"?")
            if query.translate(None, TARGET_CHARACTERS):
                return None
        if line.startswith(b"GET "):
            path = line[4:]
        elif line.startswith(_HEAD):
            path = line[5:]
            variant_key = _HEAD + variant_key
        else:
            return None
        kept = (
            self._file_cache.by_path
        )  # by canonical paths, so what is found at once needs no decoding
        cached = kept.get(path) or kept.get(canonical_path(path) or b"")
        try:
            cached = self._lookup.revalidate(cached) if cached else None
            response = cached.responses.get(variant_key) if cached else None
            if cached is None or response is None:
                return None
            # A download is finished with the version that it begins with: the newest one.
            if response.length and not cached.is_in_place():
                return None
        except OutOfDescriptorsError:
            return None
        # Not back to the second before, when this loop is late: others send the same answer.
        if response.second < self._stamp.second:
            response.stamp(self._stamp)
        return response

    def _find_policy(self, rules: Rules, request: Request) -> PathPolicy:
        """Return what the rules say, which is nothing about a path that makes no sense."""
        try:
            return rules.find(decode_path(request.path))
        except HTTPError:
            return NO_POLICY

    def _finish(
        self, builder: ResponseBuilder, request: Request, *, may_keep_alive: bool
    ) -> Response:
        # Whether a client that was not asked for its body will send it cannot be known.
        header = request.header
        keep_alive = (
            may_keep_alive
            and header.keep_alive
            and not header.expects_continue
            and builder.status not in CLOSING
        )
        connection: Fields = ()
        if not keep_alive:
            connection = (("Connection", "close"),)
        elif header.minor_version == 0:
            connection = (("Connection", "keep-alive"),)
        head_only = request.method == "HEAD"
        response = builder.finish(connection, self._file_cache.claim, head_only=head_only)
        response.keep_alive = keep_alive
        # A client that did not ask for the close may be sending its next request.
        response.lingers = header.expects_continue or header.keep_alive
        response.stamp(self._stamp)
        cached = builder.cached
        if cached and cached.was_admitted and may_keep_alive:  # so the next one will be like this
            self._remember(request, builder, cached, response)
        return response

    def _remember(
        self, request: Request, builder: ResponseBuilder, cached: CachedFile, response: Response
    ) -> None:
        """Keep an answer with the file that it was made of.

        One of several ranges is not kept: the next one gets a boundary of its own.
        """
        variant_key = request.header.variant_key
        is_multipart = builder.segments is not None and len(builder.segments) > 1
        if variant_key and not is_multipart:
            if request.method == "HEAD":
                variant_key = _HEAD + variant_key
            self._file_cache.add_response(cached, variant_key, response)

    # ---------------------------------------------------------------- methods

    def _dispatch(self, request: Request, policy: PathPolicy) -> ResponseBuilder | FoundDirectory:
        if request.method in ("GET", "HEAD"):
            return self._get(request, policy)
        if request.method == "OPTIONS":
            return ResponseBuilder(200, (("Allow", _ALLOW),), policy.for_page())
        if request.method in _KNOWN_METHODS:
            raise HTTPError(405, "Files here can be read, not changed.", (("Allow", _ALLOW),))
        raise HTTPError(501, "The server does not know this method.")

    def _get(self, request: Request, policy: PathPolicy) -> ResponseBuilder | FoundDirectory:
        """Choose a representation and what is to be sent of it (RFC 9110 §12, §13, §14)."""
        cached = self._lookup.find(request.path)
        if isinstance(cached, FoundDirectory):
            return cached
        header = request.header
        chosen = choose(request, cached, policy)
        resource = chosen.resource
        expires = self._expires if policy.expires is None else policy.expires
        fields: Fields = (
            ("ETag", chosen.etag),
            ("Cache-Control", f"max-age={expires}"),
            *chosen.vary,
        )
        ranges = None
        if not header.is_plain:
            etag, modified = policy.keep_validators(chosen.etag, resource.modified)
            if self._is_unmodified(request, etag, modified):
                bare = policy.for_not_modified()
                return ResponseBuilder(304, fields, bare, None, None, cached, expires)
            ranges = self._find_ranges(request, chosen, etag, modified)
        claim = None
        if ranges and len(ranges) > FEW_RANGES:
            claim = self._file_cache.claim(len(ranges) * _RANGE_COST)
            ranges = ranges if claim else None
        fields += (("Last-Modified", resource.last_modified), ("Accept-Ranges", "bytes"))
        if chosen.coding != IDENTITY:
            fields += (("Content-Encoding", chosen.coding),)
        media_type = self._content_types[chosen.media_type]
        if policy is not NO_POLICY:
            media_type = policy.get("content-type") or media_type
        builder = file_builder(cached, resource, media_type, ranges, fields, policy, expires)
        return builder if claim is None else builder._replace(claim=claim)

    def _is_unmodified(self, request: Request, etag: str | None, modified: int | None) -> bool:
        """Tell whether a 304 is the answer; a condition that is not met is a 412."""
        status = conditional.evaluate(request.fields, etag, modified, self._this_year)
        if status == 412:
            raise HTTPError(412, "The file is not in the state that the request asks for.")
        return status == 304

    def _find_ranges(
        self, request: Request, chosen: Representation, etag: str | None, modified: int | None
    ) -> list[range] | None:
        """Return what a Range field asks for, which only GET can do (RFC 9110 §14.2).

        Of a coded file that is one range or the whole: Content-Encoding would say of a multipart
        body that all of it is coded.  The date of a precompressed form may be that of the file as
        well, so that the client could mix both: it does not count.
        """
        text = request.fields.get("range") if request.method == "GET" else None
        if chosen.resource.coding != IDENTITY:
            modified = None
        if text is None or not conditional.range_applies(
            request.fields, etag, modified, self._date, self._this_year
        ):
            return None
        ranges = parse_ranges(text, chosen.resource.size)
        if ranges and len(ranges) > 1 and chosen.coding != IDENTITY:
            return None
        return ranges

    # ---------------------------------------------------------------- listings

    def _list(
        self,
        listings: ListingCache,
        directory: FoundDirectory,
        request: Request,
        policy: PathPolicy,
        *,
        may_keep_alive: bool,
    ) -> PendingResponse:
        try:
            builder = yield from self._listing_builder(listings, directory, request, policy)
        except HTTPError as error:
            builder = error_builder(error, policy, request.path)
        return self._finish(builder, request, may_keep_alive=may_keep_alive)

    def _listing_builder(
        self,
        listings: ListingCache,
        directory: FoundDirectory,
        request: Request,
        policy: PathPolicy,
    ) -> Generator[None, None, ResponseBuilder]:
        as_json = wants_json(request.fields.get("accept"))
        order = parse_order(request.query)
        listing = yield from listings.make(
            directory,
            request.path,
            order,
            as_json=as_json,
            is_unmodified=lambda etag: self._is_unmodified(request, etag, None),
        )
        fields: Fields = (
            ("ETag", listing if isinstance(listing, str) else listing.etag),
            ("Cache-Control", "no-cache"),
            ("Vary", "Accept"),
        )
        if isinstance(listing, str):
            return ResponseBuilder(304, fields, policy.for_page(), segments=None)
        fields += (("Content-Type", listing.media_type), ("Content-Security-Policy", POLICY))
        return ResponseBuilder(200, fields, policy.for_page(), (range(listing.size),), listing)


def _no_index() -> HTTPError:
    return HTTPError(403, "This directory has no index page, and its files are not listed.")

"""From a request to its answer.  One responder serves one loop."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass

from httpd.protocol import conditional
from httpd.protocol.messages import Header, HTTPError, Request
from httpd.protocol.negotiation import IDENTITY
from httpd.protocol.ranges import FEW_RANGES, parse_ranges
from httpd.protocol.target import TARGET_CHARACTERS, canonical_path, decode_segments
from httpd.site.answer import Answer, Stamp
from httpd.site.docroot import (
    Docroot,
    NoDocrootError,
    NoIndexError,
    OutOfDescriptorsError,
    UnreadableError,
)
from httpd.site.draft import Draft, draft_error, draft_file, draft_redirect
from httpd.site.entries import parse_order
from httpd.site.finder import Finder
from httpd.site.listing import Listings, wants_json
from httpd.site.listing_formats import POLICY
from httpd.site.media_types import content_types
from httpd.site.representation import Representation, choose
from httpd.site.rules import NO_TREATMENT, Fields, Rule, Rules, Treatment
from httpd.site.store import Store, Variants

_ALLOW = "GET, HEAD, OPTIONS"
_KNOWN_METHODS = frozenset({"POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"})
_HEAD = b"HEAD "
_CLOSING_STATUSES = frozenset({400, 408, 413, 414, 431, 500, 501, 503, 505})

_RANGE_COST = 400
"""Bytes that a part of a multipart body takes in memory beside its content."""

Work = Generator[None, None, Answer]
"""An answer that takes several turns of a loop to make."""


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """What the operator says about the site.

    Args:
        docroot: absolute path of the folder to serve.
        index: names of index files.
        expires: seconds from now that clients may keep what they got.
        cache: bytes that a worker may use for files and answers.
        precompressed: whether to send precompressed forms of files.
        charset: of text files; None to say nothing of it.
        listing: whether to list folders without an index file.
        rules: about fields and lifetimes by path.
    """

    docroot: str
    index: tuple[str, ...]
    expires: int
    cache: int
    precompressed: bool = True
    charset: str | None = "utf-8"
    listing: bool = False
    rules: tuple[Rule, ...] = ()


class Responder:
    """Answers requests from the files below a docroot.

    Args:
        settings: what the operator says about the site.
        store: that of the worker.
    """

    def __init__(self, settings: SiteSettings, store: Store) -> None:
        docroot = Docroot(settings.docroot, settings.index)
        self._store = store
        self.look_anew = docroot.look_anew
        """See `Docroot.look_anew`."""
        self._finder = Finder(docroot, store, precompressed=settings.precompressed)
        self._listings = None
        if settings.listing:
            self._listings = Listings(docroot, settings.cache // 16, store.claim)
        self._rules = Rules(settings.rules) if settings.rules else None
        self._expires = settings.expires
        self._content_types = content_types(settings.charset)
        self.docroot_fault: OSError | None = None
        """Why the docroot could not be read for the last request that failed for it."""
        self.tick(0)

    def tick(self, now: int) -> None:
        """Begin a second; `now` is the monotonic clock's."""
        self._date = int(time.time())
        self._stamp = Stamp(now, self._date)
        self._this_year = time.gmtime(self._date).tm_year
        self._finder.tick(now, self._date)
        if self._listings:
            self._listings.tick()

    def release(self) -> None:
        """Close the files that nobody downloads."""
        self._finder.release()
        if self._listings:
            self._listings.tick()

    def respond(self, request: Request, *, may_keep_alive: bool) -> Answer | Work:
        """Return the answer to a request; errors are answers too, but for two.

        Args:
            request: what the parser made of the head.
            may_keep_alive: false to close the connection after this answer in any case.

        Returns:
            The answer, or the work that makes it, a step at a time.

        Raises:
            OutOfDescriptorsError: the caller may give some back and try again.
            UnreadableError: the operator should know.
        """
        treatment = self._treat(self._rules, request) if self._rules else NO_TREATMENT
        try:
            draft = self._dispatch(request, treatment)
        except (OutOfDescriptorsError, UnreadableError):
            raise
        except HTTPError as error:
            if isinstance(error, NoDocrootError):
                self.docroot_fault = error.fault
            if not isinstance(error, NoIndexError) or self._listings is None:
                draft = draft_error(error, treatment, request.path)
            elif request.path.endswith(b"/"):
                return self._list(self._listings, request, treatment, may_keep_alive=may_keep_alive)
            else:  # an encoded slash, or a dot segment: no base for the listing's relative links
                draft = draft_redirect(request, treatment)
        return self._finish(draft, request, may_keep_alive=may_keep_alive)

    def refuse(self, error: HTTPError, *, head_only: bool = False) -> Answer:
        """Return the answer to bytes that are no request, or to a client that is not served.

        Args:
            error: what is wrong.
            head_only: the bytes look like a HEAD request, whose answer has no body.
        """
        draft = draft_error(error, NO_TREATMENT)
        answer = draft.finish((("Connection", "close"),), self._store.claim, head_only=head_only)
        answer.lingers = True
        return answer.stamp(self._stamp)

    def recall(self, line: bytes, header: Header) -> Answer | None:
        """Return the answer to a request for a file that has been answered before.

        Args:
            line: a request line without its version; any bytes.
            header: what the rest of the head means.

        Returns:
            None where it takes `respond` to tell.
        """
        selector = header.selector
        line, _, query = line.partition(b"?")
        if not selector or (query and query.translate(None, TARGET_CHARACTERS)):
            return None
        if line.startswith(b"GET "):
            path = line[4:]
        elif line.startswith(_HEAD):
            path = line[5:]
            selector = _HEAD + selector
        else:
            return None
        kept = self._store.kept  # by canonical paths, so what is found at once needs no decoding
        variants = kept.get(path) or kept.get(canonical_path(path) or b"")
        try:
            variants = self._finder.check(variants) if variants else None
            answer = variants.answers.get(selector) if variants else None
            if variants is None or answer is None:
                return None
            # A download is finished with the version that it begins with: the newest one.
            if answer.length and not variants.is_in_place():
                return None
        except OutOfDescriptorsError:
            return None
        # Not back to the second before, when this loop is late: others send the same answer.
        if answer.second < self._stamp.second:
            answer.stamp(self._stamp)
        return answer

    def _treat(self, rules: Rules, request: Request) -> Treatment:
        """Return what the rules say, which is nothing about a path that makes no sense."""
        try:
            return rules.find(b"/" + b"/".join(decode_segments(request.path)))
        except HTTPError:
            return NO_TREATMENT

    def _finish(self, draft: Draft, request: Request, *, may_keep_alive: bool) -> Answer:
        # Whether a client that was not asked for its body will send it cannot be known.
        header = request.header
        keep_alive = may_keep_alive and header.keep_alive and not header.expects_continue
        keep_alive = keep_alive and draft.status not in _CLOSING_STATUSES
        connection: Fields = ()
        if not keep_alive:
            connection = (("Connection", "close"),)
        elif header.minor_version == 0:
            connection = (("Connection", "keep-alive"),)
        head_only = request.method == "HEAD"
        answer = draft.finish(connection, self._store.claim, head_only=head_only)
        answer.keep_alive = keep_alive
        # A client that did not ask for the close may be sending its next request.
        answer.lingers = header.expects_continue or header.keep_alive
        answer.stamp(self._stamp)
        variants = draft.variants
        if variants and variants.is_kept and may_keep_alive:  # so the next one will be like this
            self._remember(request, draft, variants, answer)
        return answer

    def _remember(self, request: Request, draft: Draft, variants: Variants, answer: Answer) -> None:
        """Keep an answer with the file that it was made of.

        One of several ranges is not kept: the next one gets a boundary of its own.
        """
        selector = request.header.selector
        is_multipart = draft.segments is not None and len(draft.segments) > 1
        if selector and not is_multipart:
            if request.method == "HEAD":
                selector = _HEAD + selector
            self._store.remember(variants, selector, answer)

    # ---------------------------------------------------------------- methods

    def _dispatch(self, request: Request, treatment: Treatment) -> Draft:
        if request.method in ("GET", "HEAD"):
            return self._get(request, treatment)
        if request.method == "OPTIONS":
            return Draft(200, (("Allow", _ALLOW),), treatment.for_page())
        if request.method in _KNOWN_METHODS:
            raise HTTPError(405, "Files here can be read, not changed.", (("Allow", _ALLOW),))
        raise HTTPError(501, "The server does not know this method.")

    def _get(self, request: Request, treatment: Treatment) -> Draft:
        """Choose a representation and what is to be sent of it (RFC 9110 §12, §13, §14)."""
        variants = self._finder.find(request.path)
        if variants is None:
            return draft_redirect(request, treatment)
        header = request.header
        chosen = choose(request, variants, treatment)
        resource = chosen.resource
        expires = self._expires if treatment.expires is None else treatment.expires
        fields: Fields = (
            ("ETag", chosen.etag),
            ("Cache-Control", f"max-age={expires}"),
            *chosen.vary,
        )
        ranges = None
        if not header.is_plain:
            etag, modified = treatment.keep_validators(chosen.etag, resource.modified)
            if self._is_unmodified(request, etag, modified):
                bare = treatment.for_not_modified()
                return Draft(304, fields, bare, None, None, variants, expires)
            ranges = self._find_ranges(request, chosen, etag, modified)
        claim = None
        if ranges and len(ranges) > FEW_RANGES:
            claim = self._store.claim(len(ranges) * _RANGE_COST)
            ranges = ranges if claim else None
        fields += (("Last-Modified", resource.last_modified), ("Accept-Ranges", "bytes"))
        if chosen.coding != IDENTITY:
            fields += (("Content-Encoding", chosen.coding),)
        media_type = self._content_types[chosen.media_type]
        if treatment is not NO_TREATMENT:
            media_type = treatment.get("content-type") or media_type
        draft = draft_file(variants, resource, media_type, ranges, fields, treatment, expires)
        return draft if claim is None else draft._replace(claim=claim)

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
        self, listings: Listings, request: Request, treatment: Treatment, *, may_keep_alive: bool
    ) -> Work:
        try:
            draft = yield from self._draft_listing(listings, request, treatment)
        except (OutOfDescriptorsError, UnreadableError):
            raise
        except HTTPError as error:
            draft = draft_error(error, treatment, request.path)
        return self._finish(draft, request, may_keep_alive=may_keep_alive)

    def _draft_listing(
        self, listings: Listings, request: Request, treatment: Treatment
    ) -> Generator[None, None, Draft]:
        as_json = wants_json(request.fields.get("accept"))
        order = parse_order(request.query)
        listing = yield from listings.make(
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
            return Draft(304, fields, treatment.for_page(), segments=None)
        fields += (("Content-Type", listing.media_type), ("Content-Security-Policy", POLICY))
        return Draft(200, fields, treatment.for_page(), (range(listing.size),), listing)

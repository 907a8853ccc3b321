"""A site: from a request to the builder of its response.  One site object serves one loop.

A site is a sequence of steps, built once from its settings; a step that no setting enables does not
exist.  The first step that returns a builder decides, and an HTTPError becomes an error page.
"""

from __future__ import annotations

from collections.abc import Callable

from httpd import __version__
from httpd.files.docroot import Docroot
from httpd.files.faults import NoDocrootError
from httpd.files.file_cache import FileCache
from httpd.files.lookup import FileLookup
from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.response import Cacheability
from httpd.protocol.target import decode_path, is_literal_path
from httpd.site.builder import PendingBuilder, ResponseBuilder, error_builder, to_lines
from httpd.site.file_handler import FileHandler
from httpd.site.listing.listing_cache import ListingCache
from httpd.site.listing_handler import ListingHandler
from httpd.site.live_reload import LiveReload
from httpd.site.rules import NO_POLICY, PathPolicy, Rules
from httpd.site.settings import SiteSettings
from httpd.site.slash_redirect import SlashRedirect
from httpd.site.steps import Clock, Found, Step

_ALLOW = (("Allow", "GET, HEAD, OPTIONS"),)
_OTHER_METHODS = frozenset({"POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"})
_LISTINGS_SHARE = 16
"""Listings may take this part of the budget of the file cache, for each loop."""


class Site:
    """Responds to requests from the files below a docroot.

    Args:
        settings: of the site.
        file_cache: of the worker.

    Attributes:
        common_lines: the header lines that every response has, each with its CRLF.
        lookup: finds the files.
        find: `FileLookup.find`, or the same with paths of the site's own.
        reads: the request header fields that the cached responses of a file depend on.
        invalidate_root: see `Docroot.invalidate_root`.
        docroot_fault: why the docroot could not be read for the last request that failed for that.
    """

    __slots__ = (
        "_clock",
        "_listings",
        "_rules",
        "common_lines",
        "docroot_fault",
        "find",
        "invalidate_root",
        "lookup",
        "reads",
        "steps",
    )

    def __init__(self, settings: SiteSettings, file_cache: FileCache) -> None:
        server = f"phttpd/{__version__}" if settings.server_version else "phttpd"
        self.common_lines = f"Server: {server}\r\nX-Content-Type-Options: nosniff\r\n"
        docroot = Docroot(settings.docroot, settings.index)
        self.invalidate_root = docroot.invalidate_root
        self.lookup = FileLookup(docroot, file_cache, precompressed=settings.precompressed)
        self._rules = Rules(settings.rules) if settings.rules else None
        self._clock = clock = Clock()
        files = FileHandler(file_cache, settings.expires, settings.charset, clock)
        self.steps: list[Step] = [files]
        # Responses of later steps are not cached with a file, so their `reads` do not count.
        self.reads = frozenset[str]().union(*(step.reads for step in self.steps))
        self.find: Callable[[bytes], Found] = self.lookup.find
        if settings.changes is not None:
            live_reload = LiveReload(settings.changes, settings.expires, settings.charset, clock)
            self.find = live_reload.wrap(self.find)
            self.steps.insert(0, live_reload)
        self.steps.append(SlashRedirect())
        self._listings = None
        if settings.listing:
            budget = settings.cache // _LISTINGS_SHARE
            self._listings = ListingCache(docroot, budget, file_cache.claim)
            self.steps.append(ListingHandler(self._listings, clock))
        self.docroot_fault: OSError | None = None
        self.begin_second(0, 0)

    def begin_second(self, second: int, date: int) -> None:
        """Begin a second: every cached file is validated again before its next use.

        Args:
            second: of the monotonic clock.
            date: seconds since the epoch.
        """
        self._clock.set(date)
        self.lookup.begin_second(second, date)
        if self._listings:
            self._listings.begin_second()

    def release(self) -> None:
        """Close the files that no client is being sent."""
        self.lookup.release()
        if self._listings:
            self._listings.begin_second()

    def respond(self, request: Request) -> ResponseBuilder | PendingBuilder:
        """Return the builder of the response to a request; an HTTPError becomes an error page.

        Args:
            request: the parsed request.

        Returns:
            A builder, or the steps that make one.

        Raises:
            OutOfDescriptorsError: the caller may free descriptors and try again.
            FileSystemError: a fault that belongs in the log.
        """
        path, rules = request.path, self._rules
        if rules is None:
            policy = NO_POLICY
        else:  # a literal path needs no decoding
            policy = rules.find(path) if is_literal_path(path) else find_policy(rules, path)
        try:
            if request.method not in ("GET", "HEAD"):
                return _respond_to_other_method(request.method, policy)
            found = self.find(path)
            for step in self.steps:
                made = step.handle(request, found, policy)
                if made is not None:
                    if isinstance(made, ResponseBuilder):
                        return made
                    return _with_error_pages(made, policy, path)
            raise HTTPError(403, "This directory has no index page, and its files are not listed.")
        except HTTPError as error:
            if isinstance(error, NoDocrootError):
                self.docroot_fault = error.fault
            return error_builder(error, policy, path)


def find_policy(rules: Rules, path: bytes) -> PathPolicy:
    """Return the policy for the path of a request; none if the path cannot be decoded."""
    try:
        return rules.find(decode_path(path))
    except HTTPError:
        return NO_POLICY


def _respond_to_other_method(method: str, policy: PathPolicy) -> ResponseBuilder:
    """Respond to a method other than GET and HEAD (RFC 9110 §9.1)."""
    if method == "OPTIONS":
        return ResponseBuilder(200, to_lines(_ALLOW), Cacheability.HEAD, policy.for_page())
    if method in _OTHER_METHODS:
        raise HTTPError(405, "Files here can be read, not changed.", _ALLOW)
    raise HTTPError(501, "The server does not know this method.")


def _with_error_pages(pending: PendingBuilder, policy: PathPolicy, path: bytes) -> PendingBuilder:
    """Return the same steps, with a page for an error in one of them.

    The page is not cacheable: the steps may have begun in an earlier second.
    """
    try:
        return (yield from pending)
    except HTTPError as error:
        return error_builder(error, policy, path)._replace(cacheability=Cacheability.NEVER)

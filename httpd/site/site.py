"""A site: from a request to the builder of its response.  One site object serves one gateway.

A site is a sequence of steps, built once from its settings; a step that no setting enables does not
exist.  Early steps need no file and come before the path is looked up.  The first step that returns
a builder decides, and an HTTPError becomes an error page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from httpd.files.clean_urls import CleanUrls
from httpd.files.docroot import Docroot, LookedUp
from httpd.files.faults import NoDocrootError
from httpd.files.lookup import FileLookup
from httpd.files.media_types import media_types
from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.response import Cacheability
from httpd.protocol.tally import NO_NAME
from httpd.protocol.target import decode_path, is_literal_path
from httpd.site.builder import PendingBuilder, ResponseBuilder, error_builder, to_lines
from httpd.site.clean_redirect import CleanRedirect
from httpd.site.cors import Preflight
from httpd.site.custom_errors import make_custom_errors
from httpd.site.fallback import NoIndexError, make_fallback
from httpd.site.file_handler import FileHandler
from httpd.site.listing_handler import ListingHandler
from httpd.site.live_reload import LiveReload
from httpd.site.quick import (
    AnyQuickBuilder,
    QuickBuilder,
    SelectiveQuickBuilder,
    may_be_quick,
)
from httpd.site.redirect_step import RedirectStep
from httpd.site.rules import NO_POLICY, PathPolicy, Rules
from httpd.site.settings import SiteSettings
from httpd.site.shared import Shared
from httpd.site.slash_redirect import SlashRedirect
from httpd.site.steps import EarlyStep, Found, Step

_ALLOW = (("Allow", "GET, HEAD, OPTIONS"),)
_FILE_METHODS = frozenset({"GET", "HEAD"})
_OTHER_METHODS = frozenset({"POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"})


class Identity(NamedTuple):
    """What tells a site apart from the others of its gateway.

    Args:
        key: of its files, see `FileCache`.
        name: for messages; empty for the site of all other names.
        label: what messages call the docroot.
        counted: what the access log and the counters call the site.
    """

    key: bytes = b""
    name: str = ""
    label: str = ""
    counted: str = NO_NAME


class Compiled(NamedTuple):
    """What is made of the settings of a site once, for all directories that have these settings.

    Args:
        rules: None if there are none.
        early_steps: in the order of their turn.
    """

    rules: Rules | None
    early_steps: Sequence[EarlyStep]


def compile_settings(settings: SiteSettings) -> Compiled:
    """Return what is made of the settings of a site once."""
    early_steps: list[EarlyStep] = []
    if any(rule.cors for rule in settings.rules):
        early_steps.append(Preflight())
    if settings.redirects:
        early_steps.append(RedirectStep(settings.redirects))
    return Compiled(Rules(settings.rules) if settings.rules else None, early_steps)


class Site:
    """Responds to requests from the files below a docroot.

    Args:
        settings: of the site.
        compiled: the result of `compile_settings` for the settings.
        docroot: of the site.
        shared: by all sites of the gateway.
        identity: what tells the site apart from the others.

    Attributes:
        key: see `Identity`.
        lookup: finds the files.
        find: `FileLookup.find`, or the same with paths of the site's own.
        name: see `Identity`.
        early_steps: asked before the method is checked and the path is looked up.
        quick: the quick way to most first responses; None where it would bypass something.
        steps: asked for the result of the lookup.
        tallies: of the responses.
        variant_fields: the request header fields that the cached responses of a file depend on, in
            order.
    """

    __slots__ = (
        "__weakref__",
        "_custom_errors",
        "_direct_methods",
        "_fallback",
        "_label",
        "_rules",
        "_shared",
        "early_steps",
        "find",
        "key",
        "lookup",
        "name",
        "quick",
        "steps",
        "tallies",
        "variant_fields",
    )

    def __init__(
        self,
        settings: SiteSettings,
        compiled: Compiled,
        docroot: Docroot,
        shared: Shared,
        identity: Identity,
    ) -> None:
        self.key, self.name, self._label, counted = identity
        self.tallies = shared.tallies.find(counted)
        self._shared = shared
        self._rules, self.early_steps = compiled
        file_cache, clock = shared.file_cache, shared.clock
        expires, charset = settings.expires, settings.charset
        types = media_types(settings.types, settings.default_type)
        self.lookup = FileLookup(
            docroot,
            file_cache,
            precompressed=settings.precompressed,
            key=self.key,
            media_types=types,
            open_path=CleanUrls(docroot, settings.index).open if settings.clean_urls else None,
        )
        files = FileHandler(file_cache, expires, charset, types, clock)
        self.steps: list[Step] = [files]
        # Responses of later steps are not cached with a file, so their `reads` do not count.
        reads = frozenset[str]().union(*(step.reads for step in self.steps))
        if self._rules is not None:
            reads |= self._rules.reads
        self.variant_fields = tuple(sorted(reads))
        self.find: Callable[[bytes], Found] = self.lookup.find
        if settings.changes is not None:
            live_reload = LiveReload(settings.changes, expires, charset, types, clock)
            self.find = live_reload.wrap(self.find)
            self.steps.insert(0, live_reload)
        self._fallback = make_fallback(settings, self.find, self.steps, self._rules)
        self._custom_errors = make_custom_errors(settings, self.find, types)
        if settings.clean_urls:
            self.steps.append(CleanRedirect())
        self.steps.append(SlashRedirect())
        if settings.listing:
            self.steps.append(ListingHandler(shared.listings, docroot, clock))
        # One look tells that neither an early step nor the method stands before the lookup.
        self._direct_methods = frozenset() if self.early_steps else _FILE_METHODS
        self.quick: AnyQuickBuilder | None = None
        if may_be_quick(settings, self.steps):
            quick = QuickBuilder(
                self.lookup, file_cache, self.key, settings, types, self.tallies, self._rules
            )
            is_alone = not self.early_steps
            self.quick = quick if is_alone else SelectiveQuickBuilder(quick, self.early_steps)
        self.begin_second(shared.second, clock.date)

    def begin_second(self, second: int, date: int) -> None:
        """Begin a second: every cached file is validated again before its next use.

        Args:
            second: of the monotonic clock.
            date: seconds since the epoch.
        """
        self.lookup.begin_second(second, date)
        if self._custom_errors is not None:
            self._custom_errors.begin_second()

    def release(self) -> None:
        """Close the directories that are open."""
        self.lookup.release()

    def respond(
        self, request: Request, looked_up: LookedUp = None
    ) -> ResponseBuilder | PendingBuilder:
        """Return the builder of the response to a request; an HTTPError becomes an error page.

        Args:
            request: the parsed request.
            looked_up: what the path of the request led to just now.

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
            if policy.cors:
                policy = policy.for_origin(request.header.fields.get("origin"))
        try:
            if request.method not in self._direct_methods:
                responded = self._respond_without_file(request, policy)
                if responded is not None:
                    return responded
            found = self.find(path) if looked_up is None else self.lookup.find(path, looked_up)
            for step in self.steps:
                made = step.handle(request, found, policy)
                if isinstance(made, ResponseBuilder):
                    return made
                if made is not None:
                    return self._with_error_pages(made, request, policy)
            raise NoIndexError
        except HTTPError as error:
            return self._respond_to_error(error, request, policy)

    def _respond_without_file(self, request: Request, policy: PathPolicy) -> ResponseBuilder | None:
        """Respond to a request that needs no file; return None for any other.

        Raises:
            HTTPError: the response is an error page.
        """
        for step in self.early_steps:
            if (made := step.handle(request, policy)) is not None:
                return made
        if request.method in _FILE_METHODS:
            return None
        return _respond_to_other_method(request.method, policy)

    def respond_to_error(self, error: HTTPError, request: Request) -> ResponseBuilder:
        """Return the builder of the response to a request that is refused before any step.

        Args:
            error: the reason.
            request: of the client.

        Raises:
            FileSystemError: see `respond`.
        """
        policy = NO_POLICY
        if self._rules is not None:
            origin = request.header.fields.get("origin")
            policy = find_policy(self._rules, request.path).for_origin(origin)
        return self._respond_to_error(error, request, policy)

    def _respond_to_error(
        self, error: HTTPError, request: Request, policy: PathPolicy
    ) -> ResponseBuilder:
        """Return the response to a request that ended in an error, which may be a file after all.

        Args:
            error: of the lookup or of a step.
            request: of the client.
            policy: the rules for its path.
        """
        if isinstance(error, NoDocrootError):
            self._shared.faults[self._label] = error.fault
        if self._fallback is not None:
            try:
                if (made := self._fallback.respond(error, request)) is not None:
                    return made
            except HTTPError as other:
                error = other
        made = None
        if self._custom_errors is not None:
            made = self._custom_errors.respond(error, policy)
        return made or error_builder(error, policy, request.path)

    def _with_error_pages(
        self, pending: PendingBuilder, request: Request, policy: PathPolicy
    ) -> PendingBuilder:
        """Return the same steps, with a response for an error in one of them.

        The response is not cacheable: the steps may have begun in an earlier second.
        """
        try:
            return (yield from pending)
        except HTTPError as error:
            made = self._respond_to_error(error, request, policy)
            return made._replace(cacheability=Cacheability.NEVER)


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

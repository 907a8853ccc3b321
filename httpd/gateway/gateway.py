"""The gateway: from the bytes of a request head to the response, through four levels.

    1  exact        the bytes of the head                       for one second   `Gateway.exact`
    2  normalised   the head without query and spelling         for one second   `ResponseCache`
    3  variant      site, path and variant key, once a second    for one minute   `FileCache`,
                    validated; or the bytes of the head          one more second  `ResponseCache`
    4  build        `Site.respond`

A response is a function of the request head and of the disk within this second.  So each level may
return a response that an earlier request got, as long as head and disk are the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from httpd import __version__
from httpd.files.docroot import LookedUp
from httpd.files.faults import FileSystemError, OutOfDescriptorsError
from httpd.files.file_cache import CachedFile
from httpd.gateway.caches import Caches
from httpd.gateway.frontend import Frontend
from httpd.gateway.interface import AnyGateway, Hooks
from httpd.gateway.response_cache import ResponseCache
from httpd.protocol.messages import CLOSING, Header, HTTPError, Request
from httpd.protocol.parser import MAX_REQUEST_LINE, VERSION, Parser, read_common_request
from httpd.protocol.response import (
    Cacheability,
    DateHeaders,
    Part,
    Pause,
    PendingResponse,
    Response,
)
from httpd.protocol.tally import NO_NAME, SiteTallies
from httpd.protocol.target import (
    PERCENT,
    QUESTION_MARK,
    TARGET_CHARACTERS,
    canonical_path,
    is_literal_path,
)
from httpd.site.builder import PendingBuilder, ResponseBuilder, error_builder
from httpd.site.paused_site import PausedSite
from httpd.site.quick import AnyQuickBuilder
from httpd.site.rules import NO_POLICY
from httpd.site.site import Site
from httpd.site.sites import Sites

HEADERS = 1024 * 1024
"""Bytes that the cached header sections of a gateway may take."""
_LISTINGS_SHARE = 16
"""Listings may take this part of the budget of the file cache, for each loop."""
_FILE, _OF_HEAD = Cacheability.FILE, Cacheability.HEAD  # a look into the class takes longer
_GET = b"GET /"
_HEAD = b"HEAD "
_CLOSING_PAUSED = CLOSING - {503}
_CLOSE = "Connection: close\r\n"
_KEEP_ALIVE = "Connection: keep-alive\r\n"


class Gateway:
    """The one entrance for the request heads that a loop receives.

    Args:
        frontend: whose clients it serves.
        caches: of the worker.
        hooks: of the loop.

    Attributes:
        exact: exact-match lookup in the response cache, given any bytes.  Bound to `dict.get`
            because it is on the hot path.  On a miss, call `respond`.
        for_client: see `AnyGateway`.
        invalidate_roots: to be called before a request is served that was sent after the last call.
    """

    __slots__ = (
        "_bypasses_caches",
        "_caches",
        "_close_lines",
        "_closing",
        "_common_lines",
        "_dates",
        "_files",
        "_hooks",
        "_is_draining",
        "_is_paused",
        "_keep_alive_lines",
        "_parser",
        "_previous",
        "_quick_lines",
        "_responses",
        "_sites",
        "exact",
        "for_client",
        "invalidate_roots",
    )

    admits = None

    def __init__(self, frontend: Frontend, caches: Caches, hooks: Hooks) -> None:
        settings = frontend.gateway
        budget = settings.cache // _LISTINGS_SHARE
        self._sites = sites = Sites(
            frontend.site, settings.sites, caches.files, budget, caches.tallies
        )
        server = f"phttpd/{__version__}" if settings.server_version else "phttpd"
        self._common_lines = f"Server: {server}\r\nX-Content-Type-Options: nosniff\r\n"
        self._quick_lines = self._common_lines.encode("latin-1")
        self._keep_alive_lines = _KEEP_ALIVE + self._common_lines
        self._close_lines = _CLOSE + self._common_lines
        self._caches = caches
        self._files = caches.files
        self._hooks = hooks
        self._parser = Parser(HEADERS, sites)
        self._is_draining = False
        self.set_paused(False)
        self._dates = DateHeaders(0, 0)
        self.invalidate_roots = sites.invalidate_roots
        self.for_client: Callable[[str], AnyGateway | None] | None = None
        self._use(ResponseCache(0))

    def _use(self, responses: ResponseCache) -> None:
        self._responses = responses
        self.exact: Callable[[bytes], Response | None] = responses.responses.get
        self._previous: Callable[[bytes], Response | None] = responses.previous.get

    # ---------------------------------------------------------------- time

    def begin_second(self, second: int) -> None:
        """Begin a second: every cached file is validated again before its next use.

        Args:
            second: of the monotonic clock.
        """
        date = int(time.time())
        self._dates = DateHeaders(second, date)
        self._sites.begin_second(second, date)
        self._use(ResponseCache(0) if self._bypasses_caches else self._caches.responses(second))

    def set_paused(self, is_paused: bool) -> None:
        """Respond to every request with 503, or serve, from the beginning of the next second on.

        Args:
            is_paused: whether the server is paused.
        """
        self._is_paused = is_paused
        # No new connection could avoid a pause, as it might another reason for 503.
        self._closing = _CLOSING_PAUSED if is_paused else CLOSING
        self._bypasses_caches = is_paused or self._is_draining

    @property
    def is_paused(self) -> bool:
        """Whether every request gets 503; see `set_paused`."""
        return self._is_paused

    def drain(self) -> None:
        """Have every response close its connection from now on, so that no cached one is used."""
        self._is_draining = self._bypasses_caches = True
        self._use(ResponseCache(0))

    def release(self) -> None:
        """Close the files that no client is being sent, to free descriptors."""
        self._sites.release()

    def take_docroot_faults(self) -> dict[str, OSError]:
        """Return the errors of requests since the last call that found no docroot, by docroot."""
        return self._sites.take_faults()

    # ---------------------------------------------------------------- responses

    def recall(self, head: bytes) -> Response | None:
        """Return the cached response to a head, of levels 1 to 3.

        No validation is needed here: bytes that are not a request head cannot be a cache key.

        Args:
            head: any bytes.
        """
        if response := self.exact(head) or self._renew(head, self._previous(head)):
            return response
        # A head of this size is far below all limits, so that none needs a check.
        if len(head) >= MAX_REQUEST_LINE or self._bypasses_caches:
            return None
        line, _, rest = head.partition(VERSION)
        if (QUESTION_MARK in line or PERCENT in line) and (
            response := self._responses.find(line, rest)
        ):
            return response
        header = self._parser.recall(rest)
        return self._recall_variant(head, line, header) if header else None

    def respond(self, head: bytes) -> Response | PendingResponse | None:
        """Return the response to a head that arrived alone and in one piece, as most do.

        Call it after `exact`: it asks each of the other levels once.

        Args:
            head: any bytes.

        Returns:
            None while draining or paused, and for anything but a whole head of the common kind
            without a body: then call `parse` and `respond_to`.

        Raises:
            HTTPError: an internal error, or a failure of the disk.
        """
        known = self._previous(head)
        if known is not None and (response := self._renew(head, known)):
            return response
        if len(head) >= MAX_REQUEST_LINE or self._bypasses_caches:
            return None
        line, _, rest = head.partition(VERSION)
        if (QUESTION_MARK in line or PERCENT in line) and (
            response := self._responses.find(line, rest)
        ):
            return response
        header = self._parser.recall(rest)
        if header is None and (header := self._parser.learn(rest)) is None:
            return None
        looked_up: LookedUp = None
        quick = header.site.quick
        if quick is not None and header.is_usual and line[:5] == _GET:
            path = line[4:]
            cached = self._files.by_path.get(header.site.key + path)
            made = (
                self._build_quickly(quick, path)
                if cached is None
                else self._validate(head, header.site, cached, header.variant_key)
            )
            if isinstance(made, Response):
                return made
            looked_up = made
        if (response := self._recall_variant(head, line, header)) or header.body_length != 0:
            return response
        request = read_common_request(line, header)
        return None if request is None else self._build(head, request, looked_up)

    def parse(self, head: bytes) -> Request:
        """Parse a complete request head; see `parse_head`."""
        return self._parser.parse(head)

    def respond_to(self, head: bytes, request: Request) -> Response | PendingResponse:
        """Return the response to a request that has arrived whole.

        Args:
            head: of the request.
            request: the result of `parse` for the head.

        Raises:
            HTTPError: an internal error, or a failure of the disk.
        """
        if not self._bypasses_caches:
            # Another loop may have made the response meanwhile.
            line = head.partition(VERSION)[0]
            if response := self._recall_variant(head, line, request.header):
                return response
        elif self._is_paused:
            header = request.header
            request = request._replace(header=header._replace(site=PausedSite(header.site)))
        return self._build(head, request)

    def resume(self, pending: PendingResponse) -> Response | Part | Pause | None:
        """Take a step of a pending response; return the response after the last step.

        Returns:
            None to take the next step in the next turn, or what to wait for or to send before.

        Raises:
            HTTPError: an internal error, or a failure of the disk.
        """
        self._hooks.before_blocking()
        try:
            return next(pending)
        except StopIteration as end:
            response: Response = end.value
            return response
        except FileSystemError as error:
            self._hooks.complain(f"cannot list a directory: {error.reason}")
            if isinstance(error, OutOfDescriptorsError):
                self._hooks.free_descriptors()
            raise error.http_error from None
        except Exception:
            raise self._internal_error() from None

    def refuse(self, error: HTTPError, *, head_only: bool) -> Response:
        """Return the last response of a connection, whose request is refused.

        Args:
            error: the reason.
            head_only: whether the request looks like a HEAD request, whose response has no body.
        """
        tallies = self._caches.tallies.find(NO_NAME)
        return self.finish_last(error_builder(error, NO_POLICY), tallies, head_only=head_only)

    def finish_last(
        self, builder: ResponseBuilder, tallies: SiteTallies, *, head_only: bool
    ) -> Response:
        """Return a response that closes its connection, and that no cache gets.

        Args:
            builder: of the response.
            tallies: in which the response is counted.
            head_only: see `refuse`.
        """
        return builder.finish(
            self._close_lines,
            self._dates,
            self._files.claim,
            tallies,
            head_only=head_only,
            keep_alive=False,
            lingers=True,
            is_cacheable=False,
        )

    def level_of(self, head: bytes) -> str:
        """Return the name of the level that has the response to a head, without making one.

        Args:
            head: any bytes.

        Returns:
            ``exact``, ``normalised`` or ``variant`` for a cached response, ``file`` for a new one
            of a cached file, and ``built`` for any other.
        """
        if self.exact(head):
            return "exact"
        if self._is_paused:
            return "built"
        line, _, rest = head.partition(VERSION)
        if self._responses.find(line, rest):
            return "normalised"
        method, _, target = line.partition(b" ")
        path = canonical_path(target.partition(b"?")[0])
        header = self._parser.recall(rest) or self._parser.learn(rest)
        if header is None or not path or not path.startswith(b"/"):
            return "built"
        cached = self._caches.files.by_path.get(header.site.key + path)
        if cached is None or method not in (b"GET", b"HEAD"):
            return "built"
        variant_key = header.variant_key
        if method == b"HEAD" and variant_key:
            variant_key = _HEAD + variant_key
        is_cached = variant_key in cached.responses and not self._bypasses_caches
        return "variant" if is_cached else "file"

    # ---------------------------------------------------------------- the levels

    def _renew(self, head: bytes, response: Response | None) -> Response | None:
        """Return the response to the same head in the second before, if its file is unchanged."""
        if response is None or (owner := response.owner) is None:
            return None
        site = self._sites.only or self._sites.of_file(owner)
        try:
            if site is None or site.lookup.revalidate(owner) is not owner:
                return None
        except OutOfDescriptorsError:
            return None
        # When this loop is late, another loop may have given the response a newer date already.
        if response.second < self._dates.second:
            response.set_dates(self._dates)
        self._responses.renew(head, response)
        return response

    def _recall_variant(self, head: bytes, line: bytes, header: Header) -> Response | None:
        """Return the response of level 3: of a cached file, to an earlier request.

        Args:
            head: the whole head.
            line: its request line without the version; any bytes.
            header: the parsed version and header section of the head.
        """
        variant_key = header.variant_key
        if not variant_key:
            return None
        if QUESTION_MARK in line:
            line, _, query = line.partition(b"?")
            if query.translate(None, TARGET_CHARACTERS):
                return None
        # No path of an absolute target begins here, whose host could be that of another site.
        if line[:5] == _GET:
            path = line[4:]
        elif line.startswith(b"HEAD /"):
            path = line[5:]
            variant_key = _HEAD + variant_key
        else:
            return None
        cached = self._files.by_path.get(header.site.key + path)
        if cached is None:
            if is_literal_path(path) or not (canonical := canonical_path(path)):
                return None
            cached = self._files.by_path.get(header.site.key + canonical)
            if cached is None:
                return None
        return self._validate(head, header.site, cached, variant_key)

    def _validate(
        self, head: bytes, site: Site, cached: CachedFile, variant_key: bytes
    ) -> Response | None:
        """Return the response of level 3 if its file is unchanged on the disk in this second."""
        try:
            current = site.lookup.revalidate(cached)
            if current is None:
                return None
            response = current.responses.get(variant_key)
            if response is None:
                return None
            # A download is of one version from beginning to end, so it begins with the newest.
            if response.body.segments and not current.is_in_place():
                return None
        except OutOfDescriptorsError:
            return None
        # When this loop is late, another loop may have a newer date in the response already.
        if response.second < self._dates.second:
            response.set_dates(self._dates)
        self._responses.remember(head, response)
        return response

    def _build_quickly(self, quick: AnyQuickBuilder, path: bytes) -> Response | LookedUp:
        """Return a new response of level 4, if the quick way makes one."""
        try:
            return quick.respond(path, self._quick_lines, self._dates, self._hooks.before_blocking)
        except Exception:
            raise self._internal_error() from None

    def _build(
        self, head: bytes, request: Request, looked_up: LookedUp = None
    ) -> Response | PendingResponse:
        """Return a new response, of level 4."""
        self._hooks.before_blocking()
        try:
            try:
                builder = request.header.site.respond(request, looked_up)
            except OutOfDescriptorsError:
                self._hooks.free_descriptors()
                builder = request.header.site.respond(request)
            if isinstance(builder, ResponseBuilder):
                return self._finish(head, request, builder, self._is_draining)
            return self._finish_later(head, request, builder, self._is_draining)
        except FileSystemError as error:
            path = os.fsdecode(request.path)
            if name := request.header.site.name:
                path = f"{path} of {name}"
            self._hooks.complain(f"cannot read {path}: {error.reason}")
            raise error.http_error from None
        except Exception:
            raise self._internal_error() from None

    def _finish_later(
        self, head: bytes, request: Request, pending: PendingBuilder, is_last: bool
    ) -> PendingResponse:
        return self._finish(head, request, (yield from pending), is_last)

    def _finish(
        self, head: bytes, request: Request, builder: ResponseBuilder, is_last: bool
    ) -> Response:
        """Return the response, and cache it where its builder says so.

        Args:
            head: of the request.
            request: the parsed head.
            builder: of the response.
            is_last: whether a drain had begun when the request arrived, so that the response closes
                the connection.  If a drain begins later, the requests that the client has pipelined
                are still to be served.
        """
        header = request.header
        # A client that waits for 100 (Continue) may still send its body or not: nothing tells.
        keep_alive = (
            header.keep_alive
            and not is_last
            and not header.expects_continue
            and builder.status not in self._closing
        )
        is_head = request.method == "HEAD"
        response = builder.finish(
            self._close_lines
            if not keep_alive
            else self._common_lines
            if header.minor_version
            else self._keep_alive_lines,
            self._dates,
            self._files.claim,
            header.site.tallies,
            head_only=is_head,
            keep_alive=keep_alive,
            # A client that wants to keep the connection may be sending its next request.
            lingers=header.keep_alive or header.expects_continue,
            # The head of a request with a body does not determine the response.
            is_cacheable=header.body_length == 0 and not is_last,
        )
        if response.cacheability is _FILE:
            cached = builder.cached
            if cached is not None and cached.was_admitted:
                variant_key = header.variant_key
                variant_key = _HEAD + variant_key if is_head else variant_key
                self._files.add_response(cached, variant_key, response)
        elif response.cacheability is _OF_HEAD:
            self._responses.remember(head, response)
        return response

    def _internal_error(self) -> HTTPError:
        self._hooks.log_exception()
        return HTTPError(500, "Internal server error. The error log has the details.")

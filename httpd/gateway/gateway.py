"""The gateway: from the bytes of a request head to the response, through four levels.

    1  exact        the bytes of the head                       for one second   `Gateway.exact`
    2  normalised   the head without query and spelling         for one second   `ResponseCache`
    3  variant      path and variant key, validated each second  for one minute   `FileCache`
    4  build        `Site.respond`

A response is a function of the request head and of the disk within this second.  Whatever the
levels may do follows from that.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from httpd.files.faults import FileSystemError, OutOfDescriptorsError
from httpd.gateway.caches import Caches
from httpd.gateway.response_cache import ResponseCache
from httpd.protocol.messages import Header, HTTPError, Request
from httpd.protocol.parser import MAX_REQUEST_LINE, VERSION, Parser, read_plain
from httpd.protocol.response import PendingResponse, Response
from httpd.protocol.target import PERCENT, QUESTION_MARK
from httpd.site.site import Site

HEADERS = 1024 * 1024
"""Bytes that the parsed header sections may take that a gateway remembers."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a gateway asks of the loop that it serves.

    Args:
        before_blocking: called before a disk may keep the loop waiting.
        free_descriptors: called when descriptors or memory have run out, before one more try.
        complain: logs an error that may come with each request.
        log_exception: logs the exception that is being handled.
    """

    before_blocking: Callable[[], None]
    free_descriptors: Callable[[], None]
    complain: Callable[[str], None]
    log_exception: Callable[[], None]


class Gateway:
    """The one entrance for the request heads that a loop receives.

    Args:
        site: what is served.
        caches: those of the worker.
        hooks: of the loop.
    """

    __slots__ = (
        "_caches",
        "_hooks",
        "_is_draining",
        "_parser",
        "_responses",
        "_site",
        "exact",
        "invalidate_root",
    )

    def __init__(self, site: Site, caches: Caches, hooks: Hooks) -> None:
        self._site = site
        self._caches = caches
        self._hooks = hooks
        self._parser = Parser(HEADERS)
        self.invalidate_root = site.invalidate_root
        """To be called before a request is served that was sent after the last call."""
        self._is_draining = False
        self._use(ResponseCache(0))

    def _use(self, responses: ResponseCache) -> None:
        self._responses = responses
        self.exact: Callable[[bytes], Response | None] = responses.responses.get
        """Exact-match lookup in the response cache, given any bytes.

        Bound to `dict.get` because it is on the hot path.  On a miss, call `respond`.
        """

    # ---------------------------------------------------------------- time

    def begin_second(self, second: int) -> None:
        """Begin a second: everything is to be validated again.

        Args:
            second: of the monotonic clock.
        """
        self._site.tick(second)
        if not self._is_draining:
            self._use(self._caches.responses(second))

    def drain(self) -> None:
        """Let every response close its connection from now on, so that none is like before."""
        self._is_draining = True
        self._use(ResponseCache(0))

    def release(self) -> None:
        """Close the files that nobody downloads, to free descriptors."""
        self._site.release()

    def take_docroot_fault(self) -> OSError | None:
        """Return why a request since the last call met no docroot, or None."""
        fault, self._site.docroot_fault = self._site.docroot_fault, None
        return fault

    # ---------------------------------------------------------------- responses

    def recall(self, head: bytes) -> Response | None:
        """Return the cached response to a head, of levels 1 to 3.

        No validation is needed here: bytes that are not a request head cannot be a cache key.

        Args:
            head: any bytes.
        """
        if response := self.exact(head):
            return response
        line, _, rest = head.partition(VERSION)
        if len(head) >= MAX_REQUEST_LINE or self._is_draining:
            return None
        if (QUESTION_MARK in line or PERCENT in line) and (
            response := self._responses.find(line, rest)
        ):
            return response
        header = self._parser.recall(rest)
        return self._recall(head, line, header) if header else None

    def respond(self, head: bytes) -> Response | PendingResponse | None:
        """Return the response to a head that arrived alone and in one piece, as most do.

        To be called after `exact`; asks each of the other levels once.

        Args:
            head: any bytes.

        Returns:
            None while draining, and for anything but a whole head without a body whose header
            section is known: then `parse` and `respond_to` are the way.

        Raises:
            HTTPError: when something is wrong on our side.
        """
        line, _, rest = head.partition(VERSION)
        # This is far below all limits for heads, so that they need not be looked at.
        if len(head) >= MAX_REQUEST_LINE or self._is_draining:
            return None
        if (QUESTION_MARK in line or PERCENT in line) and (
            response := self._responses.find(line, rest)
        ):
            return response
        header = self._parser.recall(rest)
        if header is None:
            return None
        if (response := self._recall(head, line, header)) or header.body_length != 0:
            return response
        request = read_plain(line, header)
        if request is None:
            return None
        made = self._build(request)
        if isinstance(made, Response) and not made.is_of_file:
            self._remember(head, made)
        return made

    def parse(self, head: bytes) -> Request:
        """Parse a complete request head; see `parse_head`."""
        return self._parser.parse(head)

    def respond_to(self, head: bytes, request: Request) -> Response | PendingResponse:
        """Return the response to a request that has arrived wholly.

        Args:
            head: its head, to remember the response by.
            request: what `parse` made of the head.

        Raises:
            HTTPError: when something is wrong on our side.
        """
        # The header section is known by now, and another loop may have made the response.
        if not self._is_draining and (
            response := self._recall(head, head.partition(VERSION)[0], request.header)
        ):
            return response
        made = self._build(request)
        if isinstance(made, Response) and not request.has_body:
            self._remember(head, made)
        return made

    def resume(self, pending: PendingResponse) -> Response | None:
        """Take a step of a pending response; return the response after the last one.

        Raises:
            HTTPError: when something is wrong on our side.
        """
        self._hooks.before_blocking()
        try:
            next(pending)
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
        return None

    def refuse(self, error: HTTPError, *, head_only: bool) -> Response:
        """Return the last response to a connection that is not served.

        Args:
            error: what is wrong.
            head_only: whether the bytes look like a HEAD request, whose response has no body.
        """
        return self._site.refuse(error, head_only=head_only)

    # ---------------------------------------------------------------- the levels

    def _recall(self, head: bytes, line: bytes, header: Header) -> Response | None:
        """Return the response of level 3; not to be called while draining."""
        response = self._site.recall(line, header)
        if response is not None:
            self._responses.remember(head, response)
        return response

    def _build(self, request: Request) -> Response | PendingResponse:
        """Return a new response, of level 4."""
        may_keep_alive = not self._is_draining
        self._hooks.before_blocking()
        try:
            try:
                return self._site.respond(request, may_keep_alive=may_keep_alive)
            except OutOfDescriptorsError:
                self._hooks.free_descriptors()
                return self._site.respond(request, may_keep_alive=may_keep_alive)
        except FileSystemError as error:
            path = os.fsdecode(request.path)
            self._hooks.complain(f"cannot read {path}: {error.reason}")
            raise error.http_error from None
        except Exception:
            raise self._internal_error() from None

    def _remember(self, head: bytes, response: Response) -> None:
        """Remember a new response by its head, but for one that level 3 is to remember."""
        if not response.is_of_file and response.status < 500:
            self._responses.remember(head, response)

    def _internal_error(self) -> HTTPError:
        self._hooks.log_exception()
        return HTTPError(500, "The server made a mistake, which its log tells of.")

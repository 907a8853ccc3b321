"""The gateway of the monitor: from request heads to its responses, none of which is cached.

It has the interface of `httpd.gateway.interface.AnyGateway`, so that loops and connections serve it
as they serve sites.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from httpd.gateway.interface import Hooks
from httpd.protocol.host import host_name, is_address, is_own_name
from httpd.protocol.messages import CLOSING, HTTPError, Request
from httpd.protocol.parser import parse_head
from httpd.protocol.response import (
    Cacheability,
    DateHeaders,
    Part,
    Pause,
    PendingResponse,
    Response,
)
from httpd.protocol.tally import NO_NAME, SiteTallies
from httpd.settings.networks import Network
from httpd.site.builder import ResponseBuilder, error_builder
from httpd.site.rules import NO_POLICY


class Stream(NamedTuple):
    """A response that is sent as it is made, and whose end is that of the connection.

    Args:
        builder: of its head.
        begin: returns the response, given the head; raises HTTPError.
    """

    builder: ResponseBuilder
    begin: Callable[[bytes], PendingResponse]


Make = Callable[[Request], ResponseBuilder | Stream]
"""Makes the response to a request for a path."""
_CLOSE = "Connection: close\r\n"
_KEEP_ALIVE = "Connection: keep-alive\r\n"
_EVERY_RESPONSE = (
    "Server: phttpd\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
)
_METHODS = (("Allow", "GET, HEAD"),)


def text_builder(
    text: str, content_type: str = "text/plain; charset=utf-8", status: int = 200, more: str = ""
) -> ResponseBuilder:
    """Return a response with a text, which clients must not cache.

    Args:
        text: the body.
        content_type: of the body.
        status: a key of `STATUSES`.
        more: header lines, each with its CRLF.
    """
    policy = "" if "Content-Security-Policy" in more else _NO_CONTENT
    lines = f"Content-Type: {content_type}\r\nCache-Control: no-store\r\n{policy}{more}"
    return ResponseBuilder(status, lines, Cacheability.NEVER, segments=(text.encode(),))


_NO_CONTENT = "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"


class MonitorGateway:
    """The responses of the monitor.

    Args:
        pages: make the responses, by path.
        name: the name or address by which the operator calls the monitor; None if clients may
            use any, as those of a Unix socket may.
        admits: tells whether a client is served, given its address; None for all clients.
        hooks: of the loop.
        on_second: called at the beginning of each second.
    """

    for_client = None

    def __init__(
        self,
        pages: Mapping[bytes, Make],
        name: str | None,
        admits: Callable[[str], bool] | None,
        hooks: Hooks,
        on_second: Callable[[int], None],
    ) -> None:
        self.admits = admits
        self._pages = pages
        self._name = name
        self._hooks = hooks
        self._on_second = on_second
        self._is_draining = False
        self._tallies = SiteTallies(NO_NAME)
        self._dates = DateHeaders(0, int(time.time()))

    # ---------------------------------------------------------------- what is not cached

    def invalidate_roots(self) -> None:
        """There are none."""

    def exact(self, _head: bytes) -> Response | None:
        """Return None: no response is cached."""
        return None

    def recall(self, _head: bytes) -> Response | None:
        """Return None: no response is cached."""
        return None

    def respond(self, _head: bytes) -> Response | PendingResponse | None:
        """Return None: `parse` and `respond_to` are to be called."""
        return None

    def release(self) -> None:
        """There is nothing to release."""

    def take_docroot_faults(self) -> Mapping[str, OSError]:
        """Return no faults, since there are no docroots."""
        return {}

    # ---------------------------------------------------------------- responses

    def begin_second(self, second: int) -> None:
        """Begin a second of the monotonic clock."""
        self._dates = DateHeaders(second, int(time.time()))
        try:
            self._on_second(second)
        except Exception:  # the loop has more to do each second
            self._hooks.log_exception()

    def drain(self) -> None:
        """Have every response close its connection from now on."""
        self._is_draining = True

    def set_paused(self, is_paused: bool, /) -> None:
        """Go on: the monitor shows that the sites are paused."""

    def parse(self, head: bytes) -> Request:
        """Parse a complete request head; see `parse_head`."""
        return parse_head(head)

    def respond_to(self, _head: bytes, request: Request) -> Response | PendingResponse:
        """Return the response to a request that has arrived whole.

        Raises:
            HTTPError: an internal error.
        """
        try:
            try:
                made = self._build(request)
                if isinstance(made, Stream):
                    head = self._finish(made.builder, request, is_last=True)
                    return head if request.method == "HEAD" else made.begin(head.head)
            except HTTPError as error:
                made = error_builder(error, NO_POLICY, request.path)
            return self._finish(made, request, is_last=self._is_draining)
        except Exception:
            self._hooks.log_exception()
            text = "Internal server error. The error log has the details."
            raise HTTPError(500, text) from None

    def _build(self, request: Request) -> ResponseBuilder | Stream:
        self._check_host(request)
        if request.method not in ("GET", "HEAD"):
            raise HTTPError(405, "The monitor can be read, and nothing else.", _METHODS)
        make = self._pages.get(request.path)
        if make is None:
            raise HTTPError(404, f"The monitor has {self._list_pages()}.")
        return make(request)

    def _list_pages(self) -> str:
        return ", ".join(path.decode() for path in self._pages)

    def _check_host(self, request: Request) -> None:
        """Refuse a name that another machine could have given to this address.

        A page of another site could read the monitor if a name of that site led here (“DNS
        rebinding”).

        Raises:
            HTTPError: 421.
        """
        if self._name is None:
            return
        host = request.fields.get("host", "")
        if request.authority is not None:
            host = request.authority.decode("latin-1")
        if host and not is_own_name(host_name(host), (self._name.lower(),)):
            raise HTTPError(421, "The monitor is found by its address, localhost or its own name.")

    def _finish(self, builder: ResponseBuilder, request: Request, *, is_last: bool) -> Response:
        header = request.header
        keep_alive = (
            header.keep_alive
            and not is_last
            and not header.expects_continue
            and builder.status not in CLOSING
        )
        connection = "" if header.minor_version else _KEEP_ALIVE
        return builder.finish(
            (connection if keep_alive else _CLOSE) + _EVERY_RESPONSE,
            self._dates,
            lambda _: None,
            self._tallies,
            head_only=request.method == "HEAD",
            keep_alive=keep_alive,
            lingers=header.keep_alive or header.expects_continue,
            is_cacheable=False,
        )

    def resume(self, pending: PendingResponse) -> Response | Part | Pause | None:
        """Take a step of a pending response; see `AnyGateway.resume`."""
        return next(pending)

    def refuse(self, error: HTTPError, *, head_only: bool) -> Response:
        """Return the last response of a connection, whose request is refused."""
        return error_builder(error, NO_POLICY).finish(
            _CLOSE + _EVERY_RESPONSE,
            self._dates,
            lambda _: None,
            self._tallies,
            head_only=head_only,
            keep_alive=False,
            lingers=True,
            is_cacheable=False,
        )


def admit(networks: Collection[Network]) -> Callable[[str], bool]:
    """Return a function that tells whether a client is served.

    Args:
        networks: of the clients, beside this machine.
    """

    def admits(address: str) -> bool:
        if not is_address(address):
            return True  # of a Unix socket, whose mode decides
        client = ipaddress.ip_address(address)
        return client.is_loopback or any(client in network for network in networks)

    return admits

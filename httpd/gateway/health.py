"""Health checks: a path of each site whose responses tell a balancer whether the server is ready.

`HealthGateway` takes the place of the gateway where `health` is set, so that other servers do
without it.  A hit costs nothing more, and a miss a comparison.  A health check is no request to a
site: it is neither counted nor logged, its response is in no cache, and its connection is closed.
"""

from __future__ import annotations

from collections.abc import Callable

from httpd.gateway.gateway import Gateway
from httpd.gateway.interface import AnyGateway
from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.response import Cacheability, PendingResponse, Response
from httpd.protocol.tally import NO_NAME, SiteTallies
from httpd.site.builder import ResponseBuilder

_READY = "ready\n"
_LINES = "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n"


class HealthCheck(HTTPError):  # noqa: N818 - no error, but refused by the site
    """A health check, in place of a request to a site.

    Args:
        why_not: why the server is not ready, as lines; empty if it is ready.
    """

    is_silent = True

    def __init__(self, why_not: str) -> None:
        super().__init__(503 if why_not else 200, why_not or _READY, (), "health check")


class HealthGateway:
    """A gateway that responds to health checks, and has all other responses from another one.

    Args:
        gateway: has the other responses.
        path: of health checks.
        find_why_not: returns why the server is not ready, as lines; empty if it is ready.

    Attributes:
        exact: that of the other gateway, of which hits are.
        for_client: see `AnyGateway`.
    """

    admits = None
    __slots__ = (
        "_find_why_not",
        "_finish_last",
        "_gateway",
        "_lines",
        "_recall",
        "_respond",
        "_tallies",
        "exact",
        "for_client",
        "invalidate_roots",
        "parse",
        "release",
        "resume",
        "set_paused",
        "take_docroot_faults",
    )

    def __init__(self, gateway: Gateway, path: str, find_why_not: Callable[[], str]) -> None:
        self._gateway = gateway
        self._finish_last = gateway.finish_last
        self._lines = (f"GET {path} ".encode(), f"HEAD {path} ".encode())
        self._find_why_not = find_why_not
        self._tallies = SiteTallies(NO_NAME)  # which nobody adds up
        self._recall = gateway.recall
        self._respond = gateway.respond
        self.exact: Callable[[bytes], Response | None] = gateway.exact
        self.for_client: Callable[[str], AnyGateway | None] | None = None
        self.invalidate_roots = gateway.invalidate_roots
        self.parse = gateway.parse
        self.release = gateway.release
        self.resume = gateway.resume
        self.set_paused = gateway.set_paused
        self.take_docroot_faults = gateway.take_docroot_faults

    def begin_second(self, second: int) -> None:
        """See `Gateway.begin_second`."""
        self._gateway.begin_second(second)
        self.exact = self._gateway.exact

    def drain(self) -> None:
        """See `Gateway.drain`."""
        self._gateway.drain()
        self.exact = self._gateway.exact

    def recall(self, head: bytes) -> Response | None:
        """See `Gateway.recall`."""
        return None if head.startswith(self._lines) else self._recall(head)

    def respond(self, head: bytes) -> Response | PendingResponse | None:
        """See `Gateway.respond`; a health check is to be parsed, as it may not be whole."""
        return None if head.startswith(self._lines) else self._respond(head)

    def respond_to(self, head: bytes, request: Request) -> Response | PendingResponse:
        """See `Gateway.respond_to`.

        Raises:
            HealthCheck: the response is that of `refuse`.
        """
        if head.startswith(self._lines):
            raise HealthCheck(self._find_why_not())
        return self._gateway.respond_to(head, request)

    def refuse(self, error: HTTPError, *, head_only: bool) -> Response:
        """See `Gateway.refuse`."""
        if isinstance(error, HealthCheck):
            text = (error.detail.encode(),)
            builder = ResponseBuilder(error.status, _LINES, Cacheability.NEVER, segments=text)
            return self._finish_last(builder, self._tallies, head_only=head_only)
        return self._gateway.refuse(error, head_only=head_only)

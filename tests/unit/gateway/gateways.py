"""Gateways without a loop, and what a client gets from them."""

from __future__ import annotations

from collections.abc import Sequence

from httpd.gateway.caches import Caches
from httpd.gateway.frontend import Frontend
from httpd.gateway.gateway import Gateway
from httpd.gateway.interface import Hooks
from httpd.gateway.settings import GatewaySettings
from httpd.protocol.response import PendingResponse, Response
from httpd.site.settings import SiteSettings
from httpd.site.sites_syntax import NamedSite


def make_gateway(
    settings: SiteSettings, budget: int = 1 << 20, sites: Sequence[NamedSite] = ()
) -> Gateway:
    """Return a gateway that does nothing before a disk may block, and raises internal errors."""
    caches = Caches(budget)
    hooks = Hooks(
        before_blocking=lambda: None,
        free_descriptors=lambda: None,
        complain=lambda _: None,
        log_exception=_raise,
    )
    frontend = Frontend(settings, GatewaySettings(sites=tuple(sites), cache=budget))
    gateway = Gateway(frontend, caches, hooks)
    gateway.begin_second(1)
    return gateway


def _raise() -> None:
    raise  # noqa: PLE0704 - the exception that is being handled


def respond(gateway: Gateway, head: bytes) -> Response:
    """Return the response to a whole head, after all of its steps.

    Raises:
        HTTPError: the head is wrong, or something is wrong on the side of the server.
    """
    return done(gateway.respond_to(head, gateway.parse(head)))


def done(response: Response | PendingResponse) -> Response:
    """Return a response, after all of its steps."""
    if isinstance(response, Response):
        return response
    while True:
        try:
            next(response)
        except StopIteration as end:
            assert isinstance(end.value, Response)
            return end.value

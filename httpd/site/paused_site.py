"""In place of a site while the server is paused: a page that says so, to every request."""

from __future__ import annotations

from httpd.protocol.messages import HTTPError, Request
from httpd.site.builder import ResponseBuilder
from httpd.site.no_site import NoSite
from httpd.site.site import Site

RETRY_AFTER = 60
"""Seconds after which clients may try again (RFC 9110 §10.2.3): nobody knows a better number."""


class PausedSite:
    """Responds to every request with 503.

    Args:
        site: for the error page.

    Attributes:
        name: see `Site`.
        tallies: see `Site`.
    """

    __slots__ = ("_site", "name", "tallies")

    def __init__(self, site: Site | NoSite) -> None:
        self._site = site
        self.name = site.name
        self.tallies = site.tallies

    def respond(self, request: Request, _: object = None) -> ResponseBuilder:
        """Return the builder of the response; see `Site.respond`."""
        error = HTTPError(
            503,
            "This site is down for maintenance. Please try again later.",
            (("Retry-After", str(RETRY_AFTER)),),
        )
        return self._site.respond_to_error(error, request)

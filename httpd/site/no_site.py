"""In place of a site: the response to requests for a name that has none."""

from __future__ import annotations

from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.tally import SiteTallies
from httpd.site.builder import ResponseBuilder, error_builder
from httpd.site.rules import NO_POLICY


class NoSite:
    """Responds to every request with the same error.

    Args:
        status: of the error.
        detail: a sentence for the person who reads the error page.
        tallies: of the responses.

    Attributes:
        key: of the files of no site.
        name: for messages; empty.
        quick: None, see `Site`.
        variant_fields: none, since no response is cached with a file.
    """

    __slots__ = ("_detail", "_status", "key", "name", "quick", "tallies", "variant_fields")

    def __init__(self, status: int, detail: str, tallies: SiteTallies) -> None:
        self.tallies = tallies
        self._status = status
        self._detail = detail
        self.key = b"-"
        self.name = ""
        self.quick = None
        self.variant_fields: tuple[str, ...] = ()

    def respond(self, request: Request, _: object = None) -> ResponseBuilder:
        """Return the builder of the response; see `Site.respond`."""
        return self.respond_to_error(HTTPError(self._status, self._detail), request)

    def respond_to_error(self, error: HTTPError, request: Request) -> ResponseBuilder:
        """Return the builder of the response; see `Site.respond_to_error`."""
        return error_builder(error, NO_POLICY, request.path)

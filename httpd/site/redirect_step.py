"""The step that redirects, as the operator says."""

from __future__ import annotations

from collections.abc import Sequence

from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.target import decode_path, is_literal_path
from httpd.site.builder import ResponseBuilder, page_builder
from httpd.site.redirects import GONE, Destination, Redirect, RedirectTable
from httpd.site.rules import PathPolicy


class RedirectStep:
    """Redirects every method but OPTIONS.

    OPTIONS asks about the server.  A browser that asks so before a request to another origin fails
    at a redirect, but follows the redirect of the request itself.

    Args:
        redirects: in the order of the operator.
    """

    reads: frozenset[str] = frozenset()

    def __init__(self, redirects: Sequence[Redirect]) -> None:
        self._table = RedirectTable(redirects)
        self._targets = [(one.status, Destination(one.to) if one.to else None) for one in redirects]

    def concerns(self, path: bytes) -> bool:
        """Tell whether a GET may be redirected; see `EarlyStep.concerns`."""
        return not is_literal_path(path) or self._table.find(path) is not None

    def find(self, path: bytes) -> Redirect | None:
        """Return the redirect of a decoded path, if it has one."""
        match = self._table.find(path)
        return None if match is None else self._table.redirects[match.number]

    def handle(self, request: Request, policy: PathPolicy) -> ResponseBuilder | None:
        """Redirect; see `EarlyStep.handle`."""
        path = request.path
        if not path or request.method == "OPTIONS":
            return None
        match = self._table.find(decode_path(path))
        if match is None:
            return None
        status, destination = self._targets[match.number]
        if destination is None:
            raise HTTPError(GONE, "This page was removed, and will not come back.")
        location = ("Location", destination.location(match.captures, request.query))
        detail = "This page has another address now."
        return page_builder(status, detail, (location,), policy, path)

"""Preflight requests of browsers: may a page of another origin send a request? (Fetch standard)

The rule key `cors` names the origins.  `PathPolicy.for_origin` adds the fields by which a browser
shows a page the response; this module responds to the request that may come before.
"""

from __future__ import annotations

from httpd.protocol.messages import Request
from httpd.protocol.response import Cacheability
from httpd.site.builder import ResponseBuilder, to_lines
from httpd.site.rules import PathPolicy

_LINES = to_lines(
    (
        ("Access-Control-Allow-Methods", "GET, HEAD"),
        (
            "Access-Control-Allow-Headers",
            "Cache-Control, If-Match, If-Modified-Since, If-None-Match, If-Range,"
            " If-Unmodified-Since, Range",
        ),
        ("Access-Control-Max-Age", "86400"),
    )
)
"""What a page may send.  These fields but a simple Range need a preflight (Fetch §2.2.2)."""


class Preflight:
    """Responds to preflight requests for paths that are open to the origin of the page."""

    reads = frozenset({"access-control-request-method", "origin"})

    def concerns(self, path: bytes) -> bool:  # noqa: ARG002
        """Tell that no GET is a preflight request."""
        return False

    def handle(self, request: Request, policy: PathPolicy) -> ResponseBuilder | None:
        """Respond to a preflight request; see `EarlyStep.handle`."""
        fields = request.header.fields
        if (
            request.method != "OPTIONS"
            or not policy.is_open_to(fields.get("origin"))
            or "access-control-request-method" not in fields
        ):
            return None
        return ResponseBuilder(204, _LINES, Cacheability.HEAD, policy.for_page(), None)

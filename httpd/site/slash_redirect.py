"""Redirects from the path of a directory without a slash at its end to the path with it."""

from __future__ import annotations

from httpd.files.docroot import FoundDirectory
from httpd.protocol.messages import Request
from httpd.protocol.target import relative_with_slash
from httpd.site.builder import ResponseBuilder, page_builder
from httpd.site.rules import PathPolicy
from httpd.site.steps import Found


class SlashRedirect:
    """Redirects from a directory whose path lacks its slash (RFC 9110 §15.4.2).

    Relative links in an index page or a listing would lead elsewhere without the slash.
    """

    reads: frozenset[str] = frozenset()

    def handle(self, request: Request, found: Found, policy: PathPolicy) -> ResponseBuilder | None:
        """Redirect; see `Step.handle`."""
        if isinstance(found, FoundDirectory) and found.lacks_slash:
            return redirect_builder(request, policy)
        return None


def redirect_builder(request: Request, policy: PathPolicy) -> ResponseBuilder:
    """Return a redirect to the path of a request with a slash at its end.

    Args:
        request: its path may end in an encoded slash or a dot segment.
        policy: the rules for the path.
    """
    location = ("Location", relative_with_slash(request.path, request.query))
    detail = "This is a directory; its address ends in a slash."
    return page_builder(301, detail, (location,), policy, request.path)

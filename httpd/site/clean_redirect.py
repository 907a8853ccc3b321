"""Redirects from another path of a file to its address: from ``/about.html`` to ``/about``."""

from __future__ import annotations

from httpd.files.docroot import FoundElsewhere
from httpd.protocol.messages import Request
from httpd.protocol.target import (
    decode_path,
    encode_path,
    has_straight_slashes,
    relative_to_sibling,
)
from httpd.site.builder import ResponseBuilder, page_builder
from httpd.site.rules import PathPolicy
from httpd.site.steps import Found


class CleanRedirect:
    """Redirects to the address of a file (RFC 9110 §15.4.2); see `httpd.files.clean_urls`."""

    reads: frozenset[str] = frozenset()

    def handle(self, request: Request, found: Found, policy: PathPolicy) -> ResponseBuilder | None:
        """Redirect; see `Step.handle`."""
        if not isinstance(found, FoundElsewhere):
            return None
        location = ("Location", _find_location(request, found.path))
        detail = "This page has a shorter address."
        return page_builder(301, detail, (location,), policy, request.path)


def _find_location(request: Request, address: bytes) -> str:
    """Return a reference to an address in the same directory, with the query kept.

    The reference is relative, so that it is right also behind a proxy that strips a prefix of the
    path, unless a client would resolve it to another directory than the file is in.
    """
    name = address[address.rfind(b"/") + 1 :]
    sibling = relative_to_sibling(name, request.query)
    path = request.path
    if has_straight_slashes(path, decode_path(path)):
        return sibling
    return encode_path(address[: len(address) - len(name)]) + sibling.removeprefix("./")

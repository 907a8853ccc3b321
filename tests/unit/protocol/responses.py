"""Responses of a given size, made by hand."""

from __future__ import annotations

from httpd.protocol.response import NO_BODY, Body, Cacheability, DateHeaders, Response
from httpd.protocol.tally import NO_NAME, Tally

DATES = DateHeaders(1, 1_000_000_000)
_LEAST = len(Response(Tally(NO_NAME, 200), b"", DATES).head)


def in_memory(response: Response) -> bytes:
    """Return what is sent of a response before any segments."""
    return response.head + (response.body.content if response.after_head else b"")


def make_response(
    size: int = _LEAST,
    body: Body = NO_BODY,
    *,
    cacheability: Cacheability = Cacheability.HEAD,
    keep_alive: bool = True,
) -> Response:
    """Return a response whose head takes so many bytes, or the fewest that it can take."""
    fields = bytes(max(0, size - _LEAST))
    return Response(
        Tally(NO_NAME, 200), fields, DATES, body, keep_alive=keep_alive, cacheability=cacheability
    )

"""The line of the access log for a response."""

from __future__ import annotations

import time

from httpd.network.transport import Transport
from httpd.observe.access_log import AccessLog
from httpd.protocol.response import Response

LONGEST_LOGGED = 8192
"""Bytes of a bad request that the access log gets."""


def log_response(
    log: AccessLog | None,
    transport: Transport,
    head: bytes,
    response: Response,
    unsent: int,
    started: float,
) -> None:
    """Add a line to the access log.

    Args:
        log: which gets the line, if there is one.
        transport: to the client.
        head: of the request.
        response: which was sent.
        unsent: bytes of the response that were not sent.
        started: when the request began to arrive, by the monotonic clock.
    """
    if log is None:
        return
    sent = len(response.head) + response.after_head - unsent
    body = max(0, (len(response.body.content) or response.after_head) - unsent)
    duration = time.monotonic() - started
    peer = transport.peer[0].encode()
    log.add(peer, head, response.status, body, duration, sent, response.tally.site)

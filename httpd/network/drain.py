"""How long a drain waits for a connection without a request."""

from __future__ import annotations

BUSY_SECONDS = 1.0
"""A client is expected to send a request if it connected, or got a response, so long before a
drain."""
NEXT_REQUEST_SECONDS = 0.2
"""How long a drain waits for the request of such a client."""


def expects_request(now: float, started: float, idle_since: float) -> bool:
    """Tell whether an idle client is expected to send a request.

    The request is probably on its way, and would be lost if the connection were closed at once.
    Clients that were idle for longer are expected to retry (RFC 9110 §9.2.2, RFC 9112 §9.3.1).

    Args:
        now: the monotonic clock, in seconds; likewise the others.
        started: when the drain began.
        idle_since: when the client connected or got a response.
    """
    is_busy = idle_since >= started - BUSY_SECONDS
    return is_busy and now < max(started, idle_since) + NEXT_REQUEST_SECONDS

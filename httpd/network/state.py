"""The states of a connection, as data: what it waits for in each of them, and for how long.

`httpd.network.connection` has the transitions between them, and what each does at an event and at
its deadline.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from httpd.network.settings import LoopSettings

STALL_SECONDS = 10.0
"""How long a client may send nothing in the middle of a request."""
SUSPEND_SECONDS = 60.0
"""How long a pending response may wait for something else than the client."""
LINGER_SECONDS = 2.0
"""How long a client may go on sending after its last response (RFC 9112 §9.6)."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What a connection is doing.

    Args:
        name: for people.
        interest: the event of epoll(7) that the connection waits for.
        timeout: returns the seconds from the beginning of the state to its deadline.
        receives: whether what arrives belongs to a request.
    """

    name: str
    interest: int
    timeout: Callable[[LoopSettings], float]
    receives: bool = False


IDLE = State("idle", select.EPOLLIN, attrgetter("keepalive_timeout"), receives=True)
"""Waiting for a request.  The first one may take as long as a request head."""
READING_HEAD = State("reading head", select.EPOLLIN, attrgetter("header_timeout"), receives=True)
"""In the middle of a request head.  Progress does not extend the deadline, but a stall of
`STALL_SECONDS` ends it earlier; likewise in a body."""
READING_BODY = State("reading body", select.EPOLLIN, attrgetter("header_timeout"), receives=True)
"""In the middle of a request body."""
WAITING = State("waiting", select.EPOLLOUT, attrgetter("send_timeout"))
"""Waiting for the next turn, to continue with a pending response, pipelined requests or a body."""
SUSPENDED = State("suspended", select.EPOLLRDHUP, lambda _: SUSPEND_SECONDS)
"""Until a pending response is to be continued that waits for something else than the client."""
SENDING = State("sending", select.EPOLLOUT, attrgetter("send_timeout"))
"""In the middle of a response, or with one in the queue of the loop."""
LINGERING = State("lingering", select.EPOLLIN, lambda _: LINGER_SECONDS)
"""After the last response: what the client still sends is discarded."""
CLOSED = State("closed", 0, lambda _: 0.0)

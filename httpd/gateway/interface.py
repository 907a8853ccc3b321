"""What a loop and its connections call of a gateway, and what a gateway calls of its loop.

`httpd.gateway.gateway` has the gateway of sites.  Anything else that has these methods can be
served by the same loops and connections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.response import Part, Pause, PendingResponse, Response


@dataclass(frozen=True, slots=True)
class Hooks:
    """The calls from a gateway to its loop.

    Args:
        before_blocking: called before a disk access that may block the loop.
        free_descriptors: called when descriptors or memory have run out, before one more try.
        complain: logs an error that may come with each request.
        log_exception: logs the exception that is being handled.
    """

    before_blocking: Callable[[], None]
    free_descriptors: Callable[[], None]
    complain: Callable[[str], None]
    log_exception: Callable[[], None]


class AnyGateway(Protocol):
    """From request heads to responses; see `httpd.gateway.gateway.Gateway`."""

    @property
    def admits(self) -> Callable[[str], bool] | None:
        """Tells whether a client is served, given its address; None if every client is."""

    @property
    def for_client(self) -> Callable[[str], AnyGateway | None] | None:
        """Returns the gateway that a client gets in place of this one, given its address, or None;
        None if every client gets this one.
        """

    @property
    def invalidate_roots(self) -> Callable[[], None]:
        """To be called before a request is served that was sent after the last call."""

    @property
    def exact(self) -> Callable[[bytes], Response | None]:
        """Returns the cached response to exactly these bytes, if there is one."""

    def recall(self, head: bytes, /) -> Response | None:
        """Return the cached response to a head, given any bytes."""

    def respond(self, head: bytes, /) -> Response | PendingResponse | None:
        """Return the response to a head that arrived alone and in one piece.

        Returns:
            None for anything else, and where `parse` and `respond_to` are to be called.

        Raises:
            HTTPError: the request is refused.
        """

    def parse(self, head: bytes, /) -> Request:
        """Parse a complete request head; see `httpd.protocol.parser.parse_head`."""

    def respond_to(self, head: bytes, request: Request, /) -> Response | PendingResponse:
        """Return the response to a request that has arrived whole.

        Raises:
            HTTPError: the request is refused.
        """

    def resume(self, pending: PendingResponse, /) -> Response | Part | Pause | None:
        """Take a step of a pending response; return the response after the last step.

        Returns:
            None to take the next step in the next turn, or what to wait for or to send before.

        Raises:
            HTTPError: the request is refused.
        """

    def refuse(self, error: HTTPError, /, *, head_only: bool) -> Response:
        """Return the last response of a connection, whose request is refused."""

    def begin_second(self, second: int, /) -> None:
        """Begin a second of the monotonic clock."""

    def set_paused(self, is_paused: bool, /) -> None:
        """Respond to every request with 503 from the beginning of the next second on, or serve."""

    def drain(self) -> None:
        """Have every response close its connection from now on."""

    def release(self) -> None:
        """Close what no client is being sent, to free descriptors."""

    def take_docroot_faults(self) -> Mapping[str, OSError]:
        """Return the errors of requests since the last call that found no docroot, by docroot."""

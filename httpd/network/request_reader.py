"""Requests that did not arrive whole and alone: their bytes, from the first to the end of the body.

Called by `httpd.network.connection`.
"""

from __future__ import annotations

from httpd.gateway.interface import AnyGateway
from httpd.network.pipelining import take_cached
from httpd.network.state import IDLE, READING_BODY, READING_HEAD
from httpd.protocol.body import Body
from httpd.protocol.messages import Request
from httpd.protocol.parser import find_head_end
from httpd.protocol.response import PendingResponse, Response


class RequestReader:
    """The bytes that a client has sent and that were not used yet.

    Args:
        gateway: has the responses.
        max_body: the most bytes of a request body.
        data: what was received.
        now: when, by the monotonic clock.
    """

    __slots__ = (
        "_body",
        "_gateway",
        "_max_body",
        "_request",
        "arrived",
        "buffer",
        "head",
        "started",
        "state",
    )

    def __init__(self, gateway: AnyGateway, max_body: int, data: bytes, now: float) -> None:
        self._gateway = gateway
        self._max_body = max_body
        self._request: Request | None = None  # whose body is being received
        self._body: Body | None = None
        self.buffer = bytearray(data)
        """The bytes."""
        self.arrived = now
        """When the last of them was received."""
        self.started = now
        """When the running request began to arrive."""
        self.head = b""
        """The running request's, once it is complete."""
        self.state = IDLE
        """`READING_HEAD` or `READING_BODY` in the middle of a request."""

    def add(self, data: bytes, now: float) -> None:
        """Append what was received.

        Args:
            data: bytes.
            now: when, by the monotonic clock.
        """
        self.buffer += data
        self.arrived = now

    def is_empty(self) -> bool:
        """Tell whether there is no part of a request."""
        return not self.buffer and self._body is None

    def is_paused(self) -> bool:
        """Tell whether a body is being received, and is continued without more bytes."""
        return self._body is not None and self._body.is_paused

    def take_cached(self, most: int) -> list[tuple[bytes, Response]]:
        """Take the requests that the buffer begins with and that have cached responses.

        Only to be called between requests.

        Args:
            most: the most requests to take.

        Returns:
            Their heads and responses: none unless there are several.
        """
        if not self.buffer:
            return []
        self.started = self.arrived
        return take_cached(self.buffer, self._gateway.recall, most)

    def put_back(self, heads: list[bytes]) -> None:
        """Return requests to the buffer that were taken by `take_cached`."""
        self.buffer[:0] = b"".join(heads)

    def take(self, seen: int) -> Response | PendingResponse | None:
        """Take the next request from the buffer.

        Args:
            seen: bytes of the buffer in which no head ends.

        Returns:
            The response; None if more of the request is needed.

        Raises:
            HTTPError: the request is refused.
        """
        gateway = self._gateway
        if self._body is None:
            if not self._take_head(seen):
                return None
            if response := gateway.recall(self.head):
                self.state = IDLE
                return response
            self._request = gateway.parse(self.head)
            self._expect_body(self._request)
        if self._body is not None:
            if not self._body.is_complete():
                return None
            self._body = None
        request, self._request = self._request, None
        assert request is not None
        self.state = IDLE
        return gateway.respond_to(self.head, request)

    def _take_head(self, seen: int) -> bool:
        """Move the next head from the buffer to `head`, and tell whether it was there."""
        buffer = self.buffer
        if self.state is IDLE:
            self.head = b""
            if b"\r\n".startswith(bytes(buffer[:3])):  # an empty line does not begin a request
                return False
            self.started = self.arrived  # nothing of what is here arrived earlier
            self.state = READING_HEAD
        end = find_head_end(buffer, seen)
        self.head = bytes(buffer[:end])
        del buffer[:end]
        return end > 0

    def _expect_body(self, request: Request) -> None:
        """Receive the body of a request, unless its client waits to be asked for the body.

        Such a client gets a response at once (RFC 9110 §10.1.1).
        """
        if request.has_body and not request.header.expects_continue:
            self._body = Body(self.buffer, request.header.body_length, self._max_body)
            self.state = READING_BODY


def may_be_head(data: bytes) -> bool:
    """Tell whether the method of a request is HEAD, as far as it has arrived.

    Args:
        data: the beginning of the request.
    """
    method = data.lstrip(b"\r\n")[:5]
    return method != b"" and b"HEAD ".startswith(method)

"""Requests that have arrived together and that have cached responses.

All the responses go out by one system call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from httpd.network.transport import Transport
from httpd.protocol.response import Response

TOGETHER = 256 * 1024
"""When the responses to be sent together have this number of bytes, no further one is added."""
_HEAD_END = b"\r\n\r\n"


def take_cached(
    buffer: bytearray, recall: Callable[[bytes], Response | None], most: int
) -> list[tuple[bytes, Response]]:
    """Take requests with cached responses from the beginning of a buffer, up to the first without.

    No validation is needed here: bytes that are not a request head cannot be a cache key.  A
    request for a download is not taken, nor any request after the last response of a connection.

    Args:
        buffer: what was received; what is taken is deleted from it.
        recall: returns the cached response to a head, if there is one, given any bytes.
        most: the most requests to take.

    Returns:
        Heads and responses: none unless there are several.
    """
    cached: list[tuple[bytes, Response]] = []
    start = size = 0
    while len(cached) < most and size < TOGETHER:
        end = buffer.find(_HEAD_END, start) + len(_HEAD_END)
        if end < len(_HEAD_END) or (end == len(buffer) and not cached):
            break
        head = bytes(buffer[start:end])
        response = recall(head)
        if response is None or response.body.segments:
            break
        cached.append((head, response))
        start = end
        size += len(response.head) + response.after_head
        if not response.keep_alive:
            break
    if len(cached) < 2:
        return []
    del buffer[:start]
    return cached


def parts_of(responses: Sequence[Response]) -> list[bytes]:
    """Return the pieces of memory of responses that are no downloads: two for each."""
    return [
        part
        for response in responses
        for part in (response.head, response.body.content if response.after_head else b"")
    ]


def send_parts(transport: Transport, parts: Sequence[bytes]) -> int:
    """Send several pieces of memory by one system call.

    Args:
        transport: to the client.
        parts: what is sent, in order.

    Returns:
        The bytes that the socket accepted; -1 if it is broken.
    """
    try:
        return transport.writev(transport.fd, parts)
    except BlockingIOError:
        return 0
    except OSError:
        return -1

"""Requests that have come together and that the loop knows the answers to.

Called by `httpd.network.connection`, which sends them by one system call.
"""

from __future__ import annotations

from collections.abc import Callable

from httpd.protocol.response import Response

TOGETHER = 256 * 1024
"""Bytes of answers from which on no more are put together."""
_HEAD_END = b"\r\n\r\n"


def take_known(
    buffer: bytearray, recall: Callable[[bytes], Response | None], most: int
) -> list[tuple[bytes, Response]]:
    """Take the known requests that a buffer begins with, up to the first that is none.

    What is no head is known to nobody, so it need not be told from one here.  A download is left
    alone, and so is what comes after the last answer of a connection.

    Args:
        buffer: what was received; what is taken is deleted from it.
        recall: returns the answer to a head that is known, given any bytes.
        most: requests to take.

    Returns:
        Heads and answers: none unless there are several.
    """
    known: list[tuple[bytes, Response]] = []
    start = size = 0
    while len(known) < most and size < TOGETHER:
        end = buffer.find(_HEAD_END, start) + len(_HEAD_END)
        if end < len(_HEAD_END) or (end == len(buffer) and not known):
            break
        head = bytes(buffer[start:end])
        response = recall(head)
        if response is None or response.length:
            break
        known.append((head, response))
        start = end
        size += len(response.wire) + len(response.behind)
        if not response.keep_alive:
            break
    if len(known) < 2:
        return []
    del buffer[:start]
    return known

"""The response cache of a worker: from the exact bytes of a request head to its response, for one
second.

The meaning of a head is a pure function of its bytes, and clients send the same bytes again and
again.  Only a query, which means nothing for a file, and needless percent-encoding may be new each
time: a head that has one of these is found without.  What is not cached here is looked up in the
file cache, which costs a microsecond more.  So a flood of distinct heads can fill this cache, and
do no more than that.
"""

from __future__ import annotations

from httpd.protocol.parser import VERSION
from httpd.protocol.response import Cacheability, Response
from httpd.protocol.target import PERCENT, QUESTION_MARK, canonical_path, plain_path

_OVERHEAD = 800
_FILE_OVERHEAD = 250
_GET = b"GET "


class ResponseCache:
    """The responses of one second, shared by the loops of a worker.

    Loops take no lock: the worst that comes of that is a head that is counted twice.

    Args:
        budget: bytes that it may take beside what the file cache holds anyway.
    """

    __slots__ = ("_room", "responses")

    def __init__(self, budget: int) -> None:
        self.responses: dict[bytes | tuple[bytes | None, bytes], Response] = {}
        """By the whole head, or by its path and what follows the target."""
        self._room = budget

    def find(self, line: bytes, rest: bytes) -> Response | None:
        """Return the response to a head that was remembered with another query or spelling.

        Args:
            line: a request line up to its version, with a query or percent-encoding; any bytes.
            rest: what follows the version in a head of less than `MAX_REQUEST_LINE` bytes.
        """
        if not line.startswith(_GET):
            return None
        return self.responses.get((plain_path(line[4:]), rest))

    def remember(self, head: bytes, response: Response) -> None:
        """Let `response` be the response to `head`, if there is room for it.

        A response of cacheability FILE is to be one that the file cache holds, so that only the
        head takes room.

        Args:
            head: of a request.
            response: one that is cacheable.  It is not remembered if it holds a file open: a
                download is to be of the version that the file has when it begins.
        """
        is_of_file = response.cacheability is Cacheability.FILE
        cost = len(head)
        if is_of_file:
            cost += _FILE_OVERHEAD
        else:
            cost += len(response.head) + response.after_head + _OVERHEAD
        if cost <= self._room and not response.body.segments:
            key = _make_key(head) if is_of_file else head
            if key is not None and key not in self.responses:
                self._room -= cost
                self.responses[key] = response

    def close(self) -> None:
        """Drop everything, and take nothing in any more."""
        self._room = 0
        self.responses.clear()


def _make_key(head: bytes) -> bytes | tuple[bytes, bytes] | None:
    """Return the key for a head that asks for a file; None if it cannot be cached."""
    line, _, rest = head.partition(VERSION)
    if QUESTION_MARK not in line and PERCENT not in line:
        return head
    path = plain_path(line[4:]) if line.startswith(_GET) else None
    # What is no path at all could look like one that is not canonical.
    return (path, rest) if path is not None and path == canonical_path(path) else None

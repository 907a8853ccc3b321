"""The response cache of a worker: from the exact bytes of a request head to its response, for one
second.

The meaning of a head is a pure function of its bytes, and clients send the same bytes repeatedly.
Only a query, which a file ignores, and needless percent-encoding may differ each time: the key of
such a head leaves them out.  On a miss, the response is looked up in the file cache, which costs a
microsecond more.  So a flood of distinct heads can fill this cache, and has no other effect.

The responses of the second before stay for one more second if they belong to a cached file.  The
response to a head that comes again is taken from there once the file is validated, and the head
need not be split.
"""

from __future__ import annotations

from httpd.protocol.parser import VERSION
from httpd.protocol.response import Cacheability, Response
from httpd.protocol.target import PERCENT, QUESTION_MARK, canonical_path, decode_target_path

_FILE = Cacheability.FILE  # looking it up in the class takes more than the rest of a comparison
_OVERHEAD = 800
_FILE_OVERHEAD = 250
_GET = b"GET "


Responses = dict[bytes | tuple[bytes | None, bytes], Response]
"""By the whole head, or by its decoded path and the rest of the head after the target."""


class ResponseCache:
    """The responses of one second, shared by the loops of a worker.

    Loops take no lock: at worst, a head is counted twice.

    Args:
        budget: bytes that the cache may take, in addition to the file cache.
        previous: the responses of the second before that belong to a cached file.
    """

    __slots__ = ("_room", "previous", "responses")

    def __init__(self, budget: int, previous: Responses | None = None) -> None:
        self.responses: Responses = {}
        self.previous: Responses = {} if previous is None else previous
        self._room = budget

    def find(self, line: bytes, rest: bytes) -> Response | None:
        """Return the response to a head that was cached with another query or spelling.

        Args:
            line: a request line up to its version, with a query or percent-encoding; any bytes.
            rest: the bytes after `VERSION`, in a head of less than `MAX_REQUEST_LINE` bytes.
        """
        if not line.startswith(_GET):
            return None
        return self.responses.get((decode_target_path(line[4:]), rest))

    def remember(self, head: bytes, response: Response) -> None:
        """Cache the response to a head, if there is room.

        The file cache must hold a response of cacheability FILE already, so that only the head
        takes room.

        Args:
            head: of a request.
            response: a cacheable response.  One that holds a file open is not cached, since each
                download begins with the newest version of the file.
        """
        is_of_file = response.cacheability is _FILE
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

    def renew(self, head: bytes, response: Response) -> None:
        """Cache a response of `previous` for this second as well, if there is room.

        Args:
            head: its key.
            response: of a file.
        """
        cost = len(head) + _FILE_OVERHEAD
        if cost <= self._room:
            self._room -= cost
            self.responses[head] = response

    def close(self) -> None:
        """Drop all responses, and cache no further ones."""
        self._room = 0
        self.responses.clear()
        self.previous.clear()


def _make_key(head: bytes) -> bytes | tuple[bytes, bytes] | None:
    """Return the key for a head that asks for a file; None if it cannot be cached."""
    line, _, rest = head.partition(VERSION)
    if QUESTION_MARK not in line and PERCENT not in line:
        return head
    path = decode_target_path(line[4:]) if line.startswith(_GET) else None
    # Without this check, a malformed target could share the key of a path that is not canonical.
    return (path, rest) if path is not None and path == canonical_path(path) else None

"""What the loops of a worker share: opened files, the responses of this second, and the tallies."""

from __future__ import annotations

import threading

from httpd.files.file_cache import FileCache
from httpd.gateway.response_cache import ResponseCache
from httpd.protocol.tally import Tallies

_SHARE = 32
"""The responses of each of two seconds may take this part of the budget, in addition to the file
cache."""


class Caches:
    """The file cache of a worker, and the response cache of the current second.

    Args:
        budget: bytes that the file cache may take.
        tallies: of the worker; None for new ones.
    """

    __slots__ = ("_current", "_evicted", "_limit", "_lock", "_second", "files", "tallies")

    def __init__(self, budget: int, tallies: Tallies | None = None) -> None:
        self.tallies = Tallies() if tallies is None else tallies
        self.files = FileCache(budget, self._on_evicted)
        self._limit = budget // _SHARE
        self._second = -1
        self._current = ResponseCache(0)
        self._evicted = 0  # bytes that the file cache has evicted in this second
        self._lock = threading.Lock()

    def responses(self, second: int) -> ResponseCache:
        """Return the response cache of a second.

        A loop that is late gets a cache of no size, since its validations are of an earlier second.

        Args:
            second: of the monotonic clock.
        """
        with self._lock:
            if second > self._second:
                self._second = second
                before = self._current.responses.copy()  # late loops may still add to it
                renewable = {head: known for head, known in before.items() if known.owner}
                self._current = ResponseCache(self._limit, renewable)
                self._evicted = 0
            return self._current if second == self._second else ResponseCache(0)

    def _on_evicted(self, size: int) -> None:
        """Close the response cache when the file cache has evicted much.

        The responses in it may refer to evicted files, whose memory would not be free otherwise.
        """
        with self._lock:
            self._evicted += size
            if self._evicted > self._limit:
                self._current.close()

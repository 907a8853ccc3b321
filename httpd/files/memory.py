"""How much memory the responses of a worker hold, whether they are cached or not.

Evicting a file frees nothing as long as a slow client is being sent the file.  So whatever holds
many bytes has a claim to them.  The bytes count until the claim itself is gone: with the last
reference to its holder, such as an open file, a listing or a response.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

UNCLAIMED = 8 * 1024
"""Bytes of memory that a response may hold without a claim: so much for each connection."""


class Claim:
    """A number of bytes, which are free when nothing refers to the claim any more.

    Args:
        size: bytes.
        given_back: where to put the size in the end.
    """

    __slots__ = ("_given_back", "size")

    def __init__(self, size: int, given_back: deque[int]) -> None:
        self.size = size
        self._given_back = given_back

    def __del__(self) -> None:
        # May come at any moment and in any thread, even within `Claims.total`: so it takes no lock.
        self._given_back.append(self.size)


ClaimMemory = Callable[[int], Claim | None]
"""Claims a number of bytes; returns None if there is no memory left, and none may be used."""

ClaimMoreMemory = Callable[[int, int], Claim | None]
"""Claims a number of bytes for what cannot be sent otherwise, and has claimed a number of bytes
already."""


def grant(size: int, own: int = -1) -> Claim:  # noqa: ARG001
    """Return a claim that counts nowhere."""
    return Claim(0, deque())


class Claims:
    """All claims of a worker that anything refers to.

    `make` and `total` are for one thread at a time; claims may end in any thread.
    """

    __slots__ = ("_given_back", "_total")

    def __init__(self) -> None:
        self._given_back: deque[int] = deque()
        self._total = 0

    def make(self, size: int) -> Claim:
        """Return a new claim to a number of bytes."""
        claim = Claim(size, self._given_back)
        self._total += size
        return claim

    def total(self) -> int:
        """Return the bytes of all claims."""
        given_back = self._given_back
        while given_back:
            self._total -= given_back.popleft()
        return self._total

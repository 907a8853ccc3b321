"""How much memory the responses of a worker hold, be they kept for more requests or not.

Evicting a file frees nothing as long as a slow client is being sent it.  So whatever holds many
bytes has a claim to them, and they count until the claim itself is gone: with the last reference
that anything has to its holder, such as an open file, a listing or a response.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

UNCLAIMED = 8 * 1024
"""Bytes up to which a response may hold memory without a claim: so much for each connection."""


class Claim:
    """A number of bytes, which are free when nothing refers to the claim any more."""

    __slots__ = ("_given_back", "size")

    def __init__(self, size: int, given_back: deque[int]) -> None:
        self.size = size
        self._given_back = given_back

    def __del__(self) -> None:
        # May come at any moment and in any thread, even within `Claims.total`: so it takes no lock.
        self._given_back.append(self.size)


Hold = Callable[[int], Claim | None]
"""Claims a number of bytes; None if they are not to be had, and must not be used."""

HoldMore = Callable[[int, int], Claim | None]
"""Does the same for what has claimed a number of bytes already, and cannot be sent without."""


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
        """Return a new claim to so many bytes."""
        claim = Claim(size, self._given_back)
        self._total += size
        return claim

    def total(self) -> int:
        """Return the bytes of all claims."""
        given_back = self._given_back
        while given_back:
            self._total -= given_back.popleft()
        return self._total

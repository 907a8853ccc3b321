"""What one loop counts of its connections: how many it has accepted, refused and closed.

A client that gets a cached response and a close at once never has a `Connection`, and counting it
would cost as much as a good part of its response.  Their number follows from the others.
"""

from __future__ import annotations

from collections import Counter

from httpd.observe.counts import ACCEPTED, CLOSE_REASONS, CLOSED, OTHER, REFUSED, Key


class ConnectionCounts:
    """The counts of a loop, which alone reads and changes them.

    Attributes:
        connected: the accepted clients that have got a `Connection`.
        closed: of these, the ones that were closed, by reason.
        refused: the clients that were not served, by reason.
    """

    __slots__ = ("_answered", "_taken", "closed", "connected", "refused")

    def __init__(self) -> None:
        self.connected = 0
        self.closed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._answered = 0  # clients that never had a connection
        self._taken: Counter[Key] = Counter()

    def take(self, accepted: int) -> Counter[Key]:
        """Return what was counted since the last time; only between two batches of accepts.

        Args:
            accepted: the clients that the loop has accepted.
        """
        self._answered = max(self._answered, accepted - self.connected)
        counts: Counter[Key] = Counter(
            {(ACCEPTED,): accepted, (CLOSED, "answered"): self._answered}
        )
        for reason, count in self.closed.items():
            counts[CLOSED, reason if reason in CLOSE_REASONS else OTHER] += count
        for reason, count in self.refused.items():
            counts[REFUSED, reason] += count
        new = counts - self._taken
        self._taken = counts
        return new

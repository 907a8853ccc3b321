"""How many connections the whole server may have open, and how many of them each loop closes.

Each loop publishes how many connections it has open, and how many of them were idle at its last
tick.  A loop without an idle connection accepts a client beyond the limit if another loop has one:
at the next tick, each loop closes its part of the excess.
"""

from __future__ import annotations

from httpd.observe.scoreboard import Column, Scoreboard


class Room:
    """The limit of connections, as one loop sees it.

    Args:
        board: where all loops publish their numbers.
        most: the limit of the whole server.
    """

    def __init__(self, board: Scoreboard, most: int) -> None:
        self._counts = board.column(Column.CONNECTIONS)
        self._spare = board.column(Column.SPARE)
        self._most = most
        self.margin = max(len(self._counts), most // 8)
        """Connections beyond the limit: those that got a 503 and may still be sending, and those
        for which another loop will close one."""

    def excess(self) -> int:
        """Return how many connections there are beyond the limit, negative if there are fewer."""
        return sum(self._counts) - self._most

    def is_full(self) -> bool:
        """Tell whether the limit is reached."""
        return self.excess() >= 0

    def may_exceed(self) -> bool:
        """Tell whether one more is accepted beyond the limit, since idle ones will be closed."""
        return self.excess() < min(sum(self._spare), self.margin)

    def may_linger(self) -> bool:
        """Tell whether a connection may stay open after its last response."""
        return self.excess() < self.margin

    def take_spare(self, loop: int) -> None:
        """Count one idle connection less of a loop."""
        self._spare[loop] = max(0, self._spare[loop] - 1)

    def share(self, mine: int) -> int:
        """Return how many idle connections a loop has to close for the excess.

        Args:
            mine: how many idle connections it has.
        """
        excess, spare = self.excess(), sum(self._spare)
        return min(mine, -(-excess * mine // spare)) if excess > 0 and spare else 0

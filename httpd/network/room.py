"""How many connections the whole server may have open, and which loop closes some for others.

All loops know how many each of them has open, and how many it had idle at its last tick, which
are those without a request.  A loop that has none to close lets a client in beyond the limit if
another one has: at the next tick, each loop closes its part of what is too much.
"""

from __future__ import annotations

from httpd.observe.scoreboard import Column, Scoreboard


class Room:
    """The limit of connections, as one loop sees it.

    Args:
        board: where all loops say what they have.
        most: connections of the whole server.
    """

    def __init__(self, board: Scoreboard, most: int) -> None:
        self._counts = board.column(Column.CONNECTIONS)
        self._spare = board.column(Column.SPARE)
        self._most = most
        self.margin = max(len(self._counts), most // 8)
        """Connections beyond the limit: those that have been answered 503 and may still be sending,
        and those in whose place another loop closes one."""

    def excess(self) -> int:
        """Return how many connections there are beyond the limit; negative if there is room."""
        return sum(self._counts) - self._most

    def is_full(self) -> bool:
        """Tell whether there are as many connections as there may be."""
        return self.excess() >= 0

    def may_exceed(self) -> bool:
        """Tell whether a client may come in beyond the limit, as others will soon leave."""
        return self.excess() < min(sum(self._spare), self.margin)

    def may_linger(self) -> bool:
        """Tell whether a connection may stay open after its last response."""
        return self.excess() < self.margin

    def take_spare(self, loop: int) -> None:
        """Take note that a loop has closed one of its idle connections."""
        self._spare[loop] = max(0, self._spare[loop] - 1)

    def share(self, mine: int) -> int:
        """Return how many connections a loop has to close.

        Args:
            mine: how many it can close.
        """
        excess, spare = self.excess(), sum(self._spare)
        return min(mine, -(-excess * mine // spare)) if excess > 0 and spare else 0

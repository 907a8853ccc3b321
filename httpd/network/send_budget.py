"""How much of each download the kernel may hold: much if there are few, little if there are many.

What the kernel holds goes out as the client acknowledges what it has, without waking the server:
the more of it, the fewer turns a download takes.  But it takes memory, and long turns keep other
clients waiting.  So the downloads of a server share a fixed number of bytes.
"""

from __future__ import annotations

TOTAL = 256 << 20
"""Bytes that the kernel holds of all downloads of a server together, roughly, as long as that is
between `LEAST` and `MOST` for each."""
MOST = 4 << 20
"""The most bytes for one download, however few there are: as much as a socket holds by default
(tcp(7), tcp_wmem)."""
UNLIMITED = 2 * MOST
"""The limit of unsent bytes of a socket where the size of its buffer is limit enough.

A socket becomes writable when half of this limit is free, but already at a third of its buffer.  So
the server comes before the socket has run empty, and the kernel sends what the server brings while
it receives acknowledgements.
"""
LEAST = 512 << 10
"""The fewest bytes for one download, however many there are: fewer would cost wake-ups."""
PIECE = 512 << 10
"""Bytes of a slice that are given to the kernel at a time where downloads are few.

The acknowledgements that arrive meanwhile are left to the core of the server, and do not occupy the
core that they come from.  Where downloads are many, those of other downloads arrive meanwhile.
"""
FEW = 48
"""Up to this number, the downloads of a server are few."""


class SendBudget:
    """The share of each download of a loop, as if each loop had as many: connections spread evenly.

    Args:
        loops: number of loops of the whole server.
    """

    def __init__(self, loops: int) -> None:
        self._loops = loops
        self._downloads = 0
        self.each = MOST
        """Bytes that the kernel may hold of each download."""
        self.slice = MOST // 2
        """Bytes of a download that are sent in one turn: half of its share, so that the kernel
        still holds the other half while the download waits for its next turn."""
        self.limit = UNLIMITED
        """The limit of unsent bytes that the socket gets."""
        self.piece = PIECE
        """Bytes that the kernel is given at a time."""
        self._divide()

    def begin(self) -> None:
        """Count one more download."""
        self._downloads += 1
        self._divide()

    def end(self) -> None:
        """Count one download less."""
        self._downloads -= 1
        self._divide()

    def _divide(self) -> None:
        share = TOTAL // (self._loops * max(1, self._downloads))
        # The nearest power of two: it does not change with each download that begins or ends, and
        # is not halved because one loop has a few more downloads than the others.
        self.each = max(LEAST, min(MOST, 1 << (share * 4 // 3).bit_length() - 1))
        self.slice = self.each // 2
        self.limit = self.each if self.each < MOST else UNLIMITED
        self.piece = PIECE if self._loops * self._downloads <= FEW else MOST

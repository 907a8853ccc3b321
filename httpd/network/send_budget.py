"""How much of a download the kernel holds: much where there are few, and little of each of many.

What waits in the kernel goes out as the client's acknowledgements come in, without waking the
server: the more of it, the fewer turns a download takes.  But it takes memory, and long turns keep
others waiting.  So the downloads of a server share a fixed amount.
"""

from __future__ import annotations

TOTAL = 256 << 20
"""Bytes that wait in the kernel for all downloads of a server, by and large, as long as that is
between `LEAST` and `MOST` each."""
MOST = 4 << 20
"""For each download, however few there are: what a socket holds at the most by default (tcp(7),
tcp_wmem)."""
UNLIMITED = 2 * MOST
"""What a socket may hold of data that were not sent where its buffer is limit enough.

The kernel says that there is room when half of a limit is free, but already at a third of the
buffer: so the server comes before the socket has run empty, and what it brings is sent by whoever
receives, as acknowledgements come in.
"""
LEAST = 512 << 10
"""For each download, however many there are: less costs wake-ups."""
PIECE = 512 << 10
"""Bytes of a slice that are given to the kernel at a time where downloads are few.

What acknowledgements come in meanwhile is left to the server's core, and not to the one that they
come from.  Where downloads are many, those of the others come meanwhile.
"""
FEW = 48
"""Downloads of a server up to which they are few."""


class SendBudget:
    """The shares of a loop's downloads, as if all loops had as many: connections spread evenly.

    Args:
        loops: of the whole server.
    """

    def __init__(self, loops: int) -> None:
        self._loops = loops
        self._downloads = 0
        self.each = MOST
        """Bytes that the kernel may hold of each download; a slice is half of that."""
        self.limit = UNLIMITED
        """What the kernel is told."""
        self.piece = PIECE
        """Bytes that the kernel is given at a time."""
        self._divide()

    def begin(self) -> None:
        """Count one more download."""
        self._downloads += 1
        self._divide()

    def end(self) -> None:
        """Count one less."""
        self._downloads -= 1
        self._divide()

    def _divide(self) -> None:
        share = TOTAL // (self._loops * max(1, self._downloads))
        # The nearest power of two: it does not change whenever one comes or goes, nor halve because
        # one loop has a few more than the others.
        self.each = max(LEAST, min(MOST, 1 << (share * 4 // 3).bit_length() - 1))
        self.limit = self.each if self.each < MOST else UNLIMITED
        self.piece = PIECE if self._loops * self._downloads <= FEW else MOST

"""Whether a download that a drain waits for still makes progress.

Called by `httpd.network.connection`, with the clock and the number of bytes that are left.
"""

from __future__ import annotations

WINDOW = 60.0
"""Seconds over which a download is judged, so that a short stall of a network does not count."""
LEAST_RATE = 1024
"""Bytes per second below which a download makes no progress."""


class Pace:
    """The progress of one download.

    Args:
        left: bytes that the client has still to take.
        now: the monotonic clock, in seconds.
    """

    __slots__ = ("_due", "_left")

    def __init__(self, left: int, now: float) -> None:
        self._left = left
        self._due = now + WINDOW

    def is_due(self, now: float) -> bool:
        """Tell whether the window is over."""
        return now >= self._due

    def suffices(self, left: int, now: float) -> bool:
        """Tell whether the client took enough in the window that is over, and begin the next one.

        Args:
            left: bytes that the client has still to take.
            now: the monotonic clock, in seconds.
        """
        seconds = now - self._due + WINDOW
        taken, self._left = self._left - left, left
        self._due = now + WINDOW
        return taken >= LEAST_RATE * seconds

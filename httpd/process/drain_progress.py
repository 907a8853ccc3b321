"""The progress of a drain: in words, on the terminal, and as a reason to ask for more time.

Called by `httpd.process.service_status`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from httpd.observe import terminal
from httpd.observe.scoreboard import Column, Scoreboard, total
from httpd.process.status_text import describe_drain

EXTRA_SECONDS = 5.0
"""How much longer than a client that takes nothing a drain may be without progress."""
TERMINAL_DELAY = 0.5
"""Seconds before a drain shows on a terminal: most are over by then."""


class DrainProgress:
    """How far the drain of the whole server is.

    Args:
        now: when the drain began, by the monotonic clock.
    """

    def __init__(self, now: float) -> None:
        self._patience = 0.0
        self._serves_until = now
        self._ends_at = now
        self._progress: tuple[int, int] | None = None
        self._most_remaining = 0
        self._shows_from = now + TERMINAL_DELAY if terminal.is_terminal() else math.inf
        self._shown = ""

    def set_limits(self, send_timeout: float, ends_at: float) -> None:
        """Set what the drain may take.

        Args:
            send_timeout: seconds for which a client may take nothing.
            ends_at: when the drain is ended, by the monotonic clock.
        """
        self._patience = send_timeout + EXTRA_SECONDS
        self._ends_at = ends_at

    def set_delay(self, until: float) -> None:
        """Set until when the server serves as before, by the monotonic clock."""
        self._serves_until = until

    def is_shown(self) -> bool:
        """Tell whether the progress is shown on a terminal."""
        return self._shows_from < math.inf

    def describe(self, boards: Sequence[Scoreboard]) -> str:
        """Return how far the drain is, for the status of the service manager."""
        if (delay := math.ceil(self._serves_until - time.monotonic())) > 0:
            return f"not ready, draining in {delay} s"
        remaining = total(boards, Column.REMAINING)
        self._most_remaining = most = max(self._most_remaining, remaining)
        done = f" ({100 - math.ceil(100 * remaining / most)} % done)" if most else ""
        return f"draining: {describe_drain(total(boards, Column.ACTIVE), remaining)}{done}"

    def show(self, boards: Sequence[Scoreboard], now: float) -> None:
        """Write on the terminal what the drain waits for, if that has changed."""
        active = total(boards, Column.ACTIVE)
        is_delayed = now < self._serves_until
        if now < self._shows_from or not (active or is_delayed):
            return
        text = describe_drain(active, total(boards, Column.REMAINING))
        what = f"{text}; a second Ctrl-C stops at once"
        if is_delayed:
            what = "not ready, and serves until drain_delay is over; a second Ctrl-C drains now"
        if what != self._shown:
            self._shown = what
            terminal.say(f"phttpd: {what}")

    def forget(self) -> None:
        """Ask for time at the next beat in any case: the service manager did not listen so far."""
        self._progress = None

    def time_needed(self, boards: Sequence[Scoreboard], now: float) -> float:
        """Return for how many seconds the service manager has to wait (`TimeoutStopSec=`).

        It is asked again at each beat with progress, and never for longer than the drain may take.

        Returns:
            0 if nothing was sent since the last call, unless the drain is delayed.
        """
        sent, remaining = total(boards, Column.SENT), total(boards, Column.REMAINING)
        before, self._progress = self._progress, (sent, remaining)
        if now < self._serves_until:
            return min(self._serves_until - now + self._patience, self._ends_at - now)
        has_progress = before is None or sent > before[0] or remaining < before[1]
        return max(0.0, min(self._patience, self._ends_at - now)) if has_progress else 0.0

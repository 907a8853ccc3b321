"""Signals as events: the handler records a signal, and the main loop acts on it later."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping
from types import FrameType

from httpd.observe.scoreboard import Mode


def reset_signals() -> None:
    """Undo ignored and blocked signals of the parent process (nohup and some shells leave some)."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)


class SignalInbox:
    """Signals that have arrived; `fileno` is readable while there are any.

    Args:
        numbers: signals to record.
        ignored: signals to ignore.
    """

    def __init__(self, numbers: Iterable[int], ignored: Iterable[int]) -> None:
        self._numbers = tuple(numbers)
        self._arrived: list[int] = []
        self._read_fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        for number in self._numbers:
            signal.signal(number, self._record)

    def _record(self, number: int, _frame: FrameType | None) -> None:
        self._arrived.append(number)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._read_fd

    def take(self) -> list[int]:
        """Return the signals that have arrived since the last call, in their order.

        It never fails: the caller may be about to act on an event that happens only once, such as
        the end of a child.  If the pipe could not be read, it wakes the main loop once more.
        """
        try:
            os.read(self._read_fd, 4096)
        except OSError:
            pass
        arrived, self._arrived = self._arrived, []
        return arrived

    def ignore_all(self) -> None:
        """Ignore all signals from now on: the process is about to end."""
        for number in self._numbers:
            signal.signal(number, signal.SIG_IGN)

    def close(self) -> None:
        """Close the pipe: for a child that has an inbox of its own."""
        signal.set_wakeup_fd(-1)
        os.close(self._read_fd)
        os.close(self._write_fd)


STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
"""All mean a drain.  INT is Ctrl-C; QUIT is how nginx and containers made for it are stopped."""
CHANGES = (signal.SIGHUP, signal.SIGUSR2)
"""Reload and upgrade."""
SWITCHES: Mapping[int, tuple[Mode, bool]] = {
    signal.SIGRTMIN + 1: (Mode.PAUSED, True),
    signal.SIGRTMIN + 2: (Mode.PAUSED, False),
    signal.SIGRTMIN + 3: (Mode.UNREADY, True),
    signal.SIGRTMIN + 4: (Mode.UNREADY, False),
}
"""The signals that begin or end a mode.  Without a handler, they would end the process."""


def make_inbox() -> SignalInbox:
    """Return an inbox for the signals that a supervisor obeys."""
    return SignalInbox((*STOPS, signal.SIGUSR1, signal.SIGCHLD, *CHANGES, *SWITCHES), ignored=[])

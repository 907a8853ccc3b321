"""Signals as events: the handler only takes note, and a main loop acts when it gets to it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from types import FrameType


def reset_signals() -> None:
    """Undo what whoever started us has ignored or blocked (as nohup and some shells do)."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)


class SignalInbox:
    """Signals that have arrived; `fileno` is readable while there are any.

    Args:
        numbers: signals to take note of.
        ignored: signals to ignore.
    """

    def __init__(
        self, numbers: Iterable[signal.Signals], ignored: Iterable[signal.Signals]
    ) -> None:
        self._numbers = tuple(numbers)
        self._arrived: list[signal.Signals] = []
        self._read_fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        for number in self._numbers:
            signal.signal(number, self._take_note)

    def _take_note(self, number: int, _frame: FrameType | None) -> None:
        self._arrived.append(signal.Signals(number))

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._read_fd

    def take(self) -> list[signal.Signals]:
        """Return the signals that have arrived, in their order, and forget them.

        It never fails: a caller may be about to act on something that cannot be asked for again,
        such as the end of a child.  What could not be read wakes the main loop once more.
        """
        try:
            os.read(self._read_fd, 4096)
        except OSError:
            pass
        arrived, self._arrived = self._arrived, []
        return arrived

    def ignore_all(self) -> None:
        """Obey no signal any more: the process is about to end, in its own way."""
        for number in self._numbers:
            signal.signal(number, signal.SIG_IGN)

    def close(self) -> None:
        """Forget everything: for a child that takes note of signals itself."""
        signal.set_wakeup_fd(-1)
        os.close(self._read_fd)
        os.close(self._write_fd)


STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
"""All mean a drain.  INT is Ctrl-C; QUIT is how nginx and containers made for it are stopped."""
CHANGES = (signal.SIGHUP, signal.SIGUSR2)
"""Reload and upgrade."""


def make_inbox() -> SignalInbox:
    """Begin to take note of the signals that a supervisor obeys."""
    return SignalInbox((*STOPS, signal.SIGUSR1, signal.SIGCHLD, *CHANGES), ignored=[])

"""Commands to a loop from other threads."""

from __future__ import annotations

import os
from collections.abc import Callable

Command = Callable[[], None]


class Commands:
    """A queue of functions that a loop calls in its own thread.

    The descriptor is readable while commands wait.
    """

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._waiting: list[Command] = []

    def call(self, command: Command) -> None:
        """Have the thread of the loop call a function soon; may be called by any thread."""
        self._waiting.append(command)
        try:
            os.eventfd_write(self.fd, 1)
        except OSError:
            pass  # the loop looks for commands at its next tick as well

    def acknowledge(self) -> None:
        """Make the descriptor unreadable until the next command."""
        os.eventfd_read(self.fd)

    def take(self) -> list[Command]:
        """Return the commands that wait, without those that they will add."""
        return [self._waiting.pop(0) for _ in range(len(self._waiting))]

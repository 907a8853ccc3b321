"""Other processes and users: names, signals, and whether a process has ended."""

from __future__ import annotations

import pwd
import select
import signal


def user_name(user: int) -> str:
    """Return the name of a user ID, or the ID itself if it has none."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def ends_within(handle: int, seconds: float) -> bool:
    """Tell whether a process ends in the time given; 0 asks whether it has ended.

    Args:
        handle: of the process (pidfd_open(2)).
        seconds: how long to wait.
    """
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def send_signal(handle: int | None, number: signal.Signals) -> None:
    """Send a signal to a process, if it still runs.

    Args:
        handle: of the process (pidfd_open(2)), or None if it has ended.
        number: the signal.
    """
    if handle is None:
        return
    try:
        signal.pidfd_send_signal(handle, number)
    except OSError:
        pass  # it has ended

"""Asks systemd whether the machine shuts down: then a drain is limited by `shutdown_timeout`.

Called by `httpd.process.drain`.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress

BOOTED = "/run/systemd/system"
"""There is a directory of that name where systemd runs the machine (sd_booted(3))."""
MOST_SECONDS = 2.0
"""How long systemd may take to answer; 10 ms are usual."""
_QUESTION = ("systemctl", "is-system-running")


def machine_shuts_down() -> bool:
    """Ask systemd whether it stops the machine (systemctl(1), is-system-running).

    Returns:
        False where systemd does not run, or does not answer.
    """
    if not os.path.isdir(BOOTED):
        return False
    try:
        reading, writing = os.pipe()
    except OSError:
        return False
    try:
        actions = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_DUP2, writing, 2)]
        pid = os.posix_spawnp(_QUESTION[0], _QUESTION, os.environ, file_actions=actions)
    except OSError:
        os.close(reading)
        return False
    finally:
        os.close(writing)
    response = _read_line(reading)
    os.close(reading)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return response == b"stopping"


def _read_line(fd: int) -> bytes:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return os.read(fd, 64).strip() if poll.poll(MOST_SECONDS * 1000) else b""

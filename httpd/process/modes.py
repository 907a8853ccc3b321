"""The modes of the server, such as paused: the supervisor owns them, and the loops read them.

A mode is set by a signal, as a stop is asked for: so the kernel decides who may do it.  The signals
are real-time signals (signal(7)), since all others with no fixed meaning are taken, and there is
one for each change, since `os.kill` can send no value along.  A command that wrote into the
scoreboard would need the same rights, but the supervisor would not notice: it sleeps, and would
neither log the change nor hand it on.

The supervisor writes the modes on the scoreboard of each generation, and the loops look there once
a second.  So does a worker that takes the place of a dead one.  A reload copies the modes to the
scoreboard of the new generation, and an upgrade sends them to the successor.  They end with the
server.

Called by `httpd.process.supervisor`.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Mapping

from httpd.observe.log import Log
from httpd.observe.scoreboard import Mode
from httpd.process.generations import Generations
from httpd.process.service_status import ServiceStatus

LOOK_SECONDS = 1.0
"""Seconds between two looks for the file of `maintenance_file`."""
_MESSAGES = {
    (Mode.PAUSED, True): "paused: every request gets 503",
    (Mode.PAUSED, False): "resumed",
    (Mode.MAINTENANCE, True): "paused, since the file of maintenance_file exists",
    (Mode.MAINTENANCE, False): "resumed, since the file of maintenance_file is gone",
    (Mode.UNREADY, True): "unready: health checks get 503",
    (Mode.UNREADY, False): "ready: health checks get 200",
}


class Modes:
    """Changes the modes, and tells of it.

    Args:
        generations: of the supervisor, which have the modes on their scoreboards.
        status: tells the service manager.
        log: for messages.
    """

    def __init__(self, generations: Generations, status: ServiceStatus, log: Log) -> None:
        self._generations = generations
        self._status = status
        self._log = log
        self._file: str | None = None
        self.next_at = 0.0
        """When to call `look`, by the monotonic clock."""

    def switch(self, mode: Mode, *, is_on: bool) -> None:
        """Begin or end a mode, unless that was done before."""
        if bool(self._generations.modes[mode]) == is_on:
            return
        self._generations.set_mode(mode, int(time.time()) if is_on else 0)
        self._log.warning(_MESSAGES[mode, is_on])
        self._status.notify()

    def look(self) -> None:
        """Look for the file of `maintenance_file`, if it is time or the setting has changed."""
        newest = self._generations.serving or self._generations.candidate
        if newest is None:
            return
        file, now = newest.plan.process.maintenance_file, time.monotonic()
        if now < self.next_at and file == self._file:
            return
        self._file = file
        self.next_at = math.inf if file is None else now + LOOK_SECONDS
        self.switch(Mode.MAINTENANCE, is_on=file is not None and os.path.exists(file))

    def adopt(self, text: str) -> None:
        """Take the modes from another supervisor.

        Args:
            text: what `format_modes` returned there; a mode that this version does not know is left
                out, as another version may have it.
        """
        known = {mode.name.lower(): mode for mode in Mode}
        for name, since in re.findall("([a-z]+)=([0-9]{1,18})(?: |$)", text):
            if name in known:
                self._generations.set_mode(known[name], int(since))


def format_modes(modes: Mapping[Mode, int]) -> str:
    """Return the modes as a text for a successor.

    Args:
        modes: since when the server is in each, in seconds since the epoch, or 0.
    """
    return " ".join(f"{mode.name.lower()}={since}" for mode, since in modes.items())

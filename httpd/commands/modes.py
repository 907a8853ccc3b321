"""``phttpd pause``, ``resume``, ``unready`` and ``ready``.

They send a signal, and wait until each loop has obeyed.  What is in force is read from the
scoreboards of the daemon.
"""

from __future__ import annotations

import os
import time

from httpd.commands.running import find_daemon, reaching
from httpd.observe.log import printable
from httpd.observe.report import format_time
from httpd.observe.scoreboard import PAUSING, Mode, Phase, Scoreboard, read_all
from httpd.process.errors import EX_OK, EX_UNAVAILABLE, StartError
from httpd.process.output import write_output
from httpd.process.signals import SWITCHES

_LOOK_SECONDS = 0.02
"""Seconds between two looks."""
_MOST_SECONDS = 15.0
"""How long the loops may take, which look once a second unless they wait for a disk."""
_SIGNALS = {switch: number for number, switch in SWITCHES.items()}


def pause(pidfile: str) -> int:
    """Have the daemon respond to every request with 503, until `resume`.

    Args:
        pidfile: path of the pidfile.

    Raises:
        StartError: when no daemon runs, it belongs to another user, or a loop is stuck.
    """
    return _begin(pidfile, Mode.PAUSED, "every request gets 503")


def resume(pidfile: str) -> int:
    """Have the daemon serve again after `pause`.

    Args:
        pidfile: path of the pidfile.

    Raises:
        StartError: as in `pause`, and when the file of `maintenance_file` exists.
    """
    board, was_off = _switch(pidfile, Mode.PAUSED, is_on=False)
    if board.modes & PAUSING:
        file = printable(str(board.facts.get("maintenance_file")))
        raise StartError(EX_UNAVAILABLE, f"still paused, since {file} exists; remove it")
    write_output(f"phttpd serves{' already' if was_off else ' again'}")
    return EX_OK


def unready(pidfile: str) -> int:
    """Have the daemon tell balancers that it is not ready, and serve on, until `ready`.

    Args:
        pidfile: path of the pidfile.

    Raises:
        StartError: as in `pause`.
    """
    return _begin(pidfile, Mode.UNREADY, "health checks get 503")


def ready(pidfile: str) -> int:
    """Have the daemon tell balancers that it is ready, after `unready`.

    Args:
        pidfile: path of the pidfile.

    Raises:
        StartError: as in `pause`.
    """
    _, was_off = _switch(pidfile, Mode.UNREADY, is_on=False)
    write_output(f"phttpd is ready{' already' if was_off else ''}")
    return EX_OK


def _begin(pidfile: str, mode: Mode, meaning: str) -> int:
    """Begin a mode, and print since when it is in force, and what it means."""
    board, was_on = _switch(pidfile, mode, is_on=True)
    already = " already" if was_on else ""
    since = format_time(board.since(mode))
    write_output(f"phttpd is {mode.name.lower()}{already}, since {since}: {meaning}")
    return EX_OK


def _switch(pidfile: str, mode: Mode, *, is_on: bool) -> tuple[Scoreboard, bool]:
    """Begin or end a mode, and wait until that is in force in each loop.

    When a successor takes over meanwhile, the same is asked of the successor.

    Returns:
        The scoreboard of the generation that serves, and whether there was nothing to do.
    """
    asked: set[int] = set()
    until = time.monotonic() + _MOST_SECONDS
    while time.monotonic() < until:
        pid = find_daemon(pidfile)
        with reaching(pid):
            boards = read_all(pid)
            serving = next((board for board in boards if board.phase is Phase.SERVING), None)
            if serving is None:
                if not asked:
                    text = f"the daemon (pid {pid}) is just starting or ending"
                    raise StartError(EX_UNAVAILABLE, text)
            elif bool(serving.since(mode)) is not is_on:
                if pid not in asked:
                    os.kill(pid, _SIGNALS[mode, is_on])
                    asked.add(pid)
            elif all(_obeys(board, mode, is_on=is_on) for board in boards):
                return serving, not asked
        time.sleep(_LOOK_SECONDS)
    raise StartError(EX_UNAVAILABLE, f"pid {pid} has not obeyed within {_MOST_SECONDS:g} s")


def _obeys(board: Scoreboard, mode: Mode, *, is_on: bool) -> bool:
    """Tell whether a mode has begun or ended in each loop that may get a request."""
    accepts = board.phase in (Phase.STARTING, Phase.SERVING)
    return all(
        bool(loop["modes"] >> mode & 1) is is_on
        for worker in board.snapshot()
        if worker["pid"]  # else it is dead, and the next one begins with the modes of the server
        for loop in worker["loops"]
        if accepts or loop["connections"]
    )

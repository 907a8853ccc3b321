"""The watchdog of the service manager: fed as long as every loop of every worker turns.

A loop counts its ticks on the scoreboard, once a second.  The counts are compared with those of the
beat before, so a loop that hangs is noticed although the supervisor still runs.

Called by `httpd.process.service_status`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from httpd.observe.log import Log
from httpd.observe.scoreboard import Column
from httpd.process.generation import Generation

PATIENCE = 3.0
"""Seconds without a tick that are no reason to worry: a loop ticks once a second."""


class Watchdog:
    """Finds loops that do not turn.

    Args:
        interval: seconds between two beats.
        timeout: seconds after which the service manager ends a server whose watchdog is not fed.
        log: gets a message for each loop that is stuck.
    """

    def __init__(self, interval: float, timeout: float, log: Log) -> None:
        self._log = log
        self._patience = math.ceil(max(PATIENCE, timeout / 2) / interval)  # in beats
        self._seconds = self._patience * interval
        self._ticks: dict[tuple[int, int], tuple[int, int]] = {}  # loop → its ticks, beats since

    def all_loops_turn(self, generations: Sequence[Generation]) -> bool:
        """Tell whether no loop is stuck; to be called at each beat.

        Args:
            generations: those whose workers serve or drain.
        """
        before, self._ticks = self._ticks, {}
        stuck = False
        for pid, name, loop, ticks in _turning_loops(generations):
            last, beats = before.get((pid, loop), (-1, 0))
            beats = beats + 1 if ticks == last else 0
            self._ticks[pid, loop] = ticks, beats
            stuck = stuck or beats >= self._patience
            if beats == self._patience:
                self._log.error(
                    f"loop {name} (pid {pid}) has not turned for {self._seconds:g} s; "
                    "the watchdog of the service manager is not fed until it does"
                )
        return not stuck


def _turning_loops(generations: Sequence[Generation]) -> Iterator[tuple[int, str, int, int]]:
    """Yield the worker's pid, the name, the number and the ticks of each loop that has to turn."""
    for generation in generations:
        board = generation.board
        ticks, connections = board.column(Column.TICKS), board.column(Column.CONNECTIONS)
        for process in generation.processes.values():
            for number in range(board.threads):
                row = process.index * board.threads + number
                may_have_ended = generation.is_draining() or process.has_left
                if connections[row] or not may_have_ended:
                    yield process.pid, f"{process.index}.{number}", row, ticks[row]

"""What the monitor knows of the server: the memory of its generations, read once a second."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from typing import Any, NamedTuple

from httpd.observe.counters import Counters, read_counters
from httpd.observe.downloads import Download, Downloads, Look, Outcome
from httpd.observe.report import make_report
from httpd.observe.scoreboard import PAUSING, Column, Mode, Phase, Scoreboard, read_all
from httpd.observe.transfers import TransferTable
from httpd.observe.transfers import read_all as read_tables

PATIENCE = 5
"""Seconds without a tick after which a loop counts as stuck: a loop ticks once a second."""


class Readiness(NamedTuple):
    """Whether clients should be sent to the server.

    Args:
        is_ready: whether they should.
        word: ``ready``, ``starting``, ``draining``, ``paused`` or ``unready``.
        reason: why they should not, as a sentence.
    """

    is_ready: bool
    word: str
    reason: str = ""


class _Table:
    """The transfers of a generation, and how many of the ended ones were seen."""

    def __init__(self, table: TransferTable) -> None:
        self._table = table
        self._ended = table.ended_counts()

    def look(self, now: float) -> Look:
        """Return the transfers that run, and those that have ended since the last call."""
        table = self._table
        table.watch(now)
        running = table.running()
        return Look(table.generation, running, table.ended_since(self._ended))


class ServerState:
    """The server as the monitor sees it.

    The supervisor passes descriptors of the memory; they are found among those of this process.

    Args:
        supervisor: its pid.
    """

    def __init__(self, supervisor: int) -> None:
        self.supervisor = supervisor
        self.generations: frozenset[int] = frozenset()
        """The generations whose transfers can be read; replaced as a whole."""
        self.downloads = Downloads()
        self.ended: Counter[Outcome] = Counter()
        """How many downloads have had each outcome, since the monitor runs."""
        self._counters: Counters | None = None
        self._tables: dict[int, _Table] = {}  # of transfers, by generation
        self._second = 0  # of the last look
        self._ticks: dict[tuple[int, int], tuple[int, int]] = {}  # loop → its ticks, and since when

    def boards(self) -> list[Scoreboard]:
        """Return the scoreboards of all generations, the newest first."""
        return read_all(os.getpid())

    def counters(self) -> Counters | None:
        """Return the counters of the server, or None before all of its memory has come.

        While a generation comes or goes, they are those of the last call.
        """
        with suppress(ProcessLookupError, ValueError):
            self._counters = read_counters(os.getpid())
        return self._counters

    def report(self) -> dict[str, Any]:
        """Return what ``phttpd status --json`` prints; empty before there is a generation."""
        boards, counters = self.boards(), self.counters()
        return make_report(self.supervisor, boards, counters) if boards and counters else {}

    def readiness(self) -> Readiness:
        """Return whether clients should be sent to the server."""
        return judge_readiness(self.boards())

    # ---------------------------------------------------------------- once a second

    def follow_transfers(self, now: float) -> list[Download]:
        """Bring the downloads up to date; to be called once a second.

        Args:
            now: the monotonic clock, in seconds.

        Returns:
            The downloads that are over since the last call.
        """
        generations = self.generations
        if generations - self._tables.keys():
            for table in read_tables(os.getpid()):
                if table.generation in generations and table.generation not in self._tables:
                    self._tables[table.generation] = _Table(table)
        # A last look at those that are gone: their transfers have ended just before.
        self.downloads.fold(now, [table.look(now) for table in self._tables.values()])
        self._tables = {key: one for key, one in self._tables.items() if key in generations}
        closed = self.downloads.take_closed()
        self.ended.update(download.outcome for download in closed)
        return closed

    def look(self, second: int) -> None:
        """Note how often each loop has ticked; to be called once a second.

        Args:
            second: of the monotonic clock.
        """
        before, self._ticks = self._ticks, {}
        self._second = second
        for board in self.boards():
            for loop, ticks in turning_loops(board):
                last, since = before.get(loop, (-1, second))
                self._ticks[loop] = (ticks, since if ticks == last else second)

    def stuck_loops(self) -> int:
        """Return how many loops have not ticked for `PATIENCE` seconds before the last look."""
        return sum(self._second - since >= PATIENCE for _, since in self._ticks.values())


def turning_loops(board: Scoreboard) -> list[tuple[tuple[int, int], int]]:
    """Return the loops of a generation that have to turn: the worker's pid and the row, and ticks.

    Loops of a generation that starts may not have begun, and those of one that drains may have
    ended.
    """
    pids = [worker["pid"] for worker in board.snapshot()]
    ticks, connections = board.column(Column.TICKS), board.column(Column.CONNECTIONS)
    is_serving = board.phase is Phase.SERVING
    return [
        ((pids[row // board.threads], row), ticks[row])
        for row in range(board.workers * board.threads)
        if pids[row // board.threads] and ticks[row] and (is_serving or connections[row])
    ]


def judge_readiness(boards: list[Scoreboard]) -> Readiness:
    """Return whether a server with these scoreboards is ready."""
    phases = {board.phase for board in boards}
    if Phase.STOPPING in phases:
        reason = "the server finishes the requests that it has received, and then ends"
        return Readiness(False, "draining", reason)
    for board in boards:
        if board.phase is Phase.SERVING:
            if board.modes & PAUSING:
                return Readiness(False, "paused", "every request gets 503")
            if board.since(Mode.UNREADY):
                return Readiness(False, "unready", "an operator has said so")
            if any(worker["pid"] for worker in board.snapshot()):
                return Readiness(True, "ready")
            return Readiness(False, "unready", "no worker runs")
    return Readiness(False, "starting", "no worker serves yet")

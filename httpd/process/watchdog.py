"""Once a second, while a service manager listens: watchdog, live figures, and time for a drain;
and on a terminal, what a drain waits for.

Called by `httpd.process.supervisor`, whose main loop it wakes.  The watchdog is fed as long as
every loop of every worker turns, not just as long as the supervisor does: each loop counts its
ticks on the scoreboard, and here they are compared with those of a beat before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

from httpd.observe import terminal
from httpd.observe.log import Log
from httpd.observe.scoreboard import Column, Scoreboard
from httpd.process.generation import Generation
from httpd.process.notify import Notifier
from httpd.process.status_text import count, describe_drain, total
from httpd.process.upgrade import Predecessor

BEAT = 1.0
"""Seconds between two looks at the loops."""
STATUS_BEATS = 3
"""Beats between two changes of the status."""
PATIENCE = 3.0
"""Seconds without a tick that are no reason to worry: a loop ticks once a second."""
EXTRA_SECONDS = 5.0
"""How much longer than a client that takes nothing a drain may be without progress."""


class Watchdog:
    """What a running server says of itself.

    Args:
        notifier: whom to tell.
        log: is told which loop is stuck.
    """

    def __init__(self, notifier: Notifier, log: Log) -> None:
        self._notifier = notifier
        self._log = log
        watchdog = notifier.watchdog
        self._interval = BEAT if watchdog is None else min(BEAT, watchdog / 2)
        self._patience = math.ceil(max(PATIENCE, (watchdog or 0) / 2) / self._interval)
        self._ticks: dict[tuple[int, int], tuple[int, int]] = {}  # loop → its ticks, beats since
        self._requests: dict[Generation, int] = {}
        self._progress: tuple[int, int] | None = None
        self._most_remaining = 0
        self._patience_of_drain = 0.0  # seconds that it may be without progress
        self._drains_until = 0.0
        self._beats = 0
        self._counted_at = time.monotonic()
        self._rate = 0
        self._status = ""
        self._shown = ""  # on a terminal
        self._shows_from = math.inf  # infinite where there is none, or no drain
        self.remark = ""
        """What the status says besides, until it is changed."""
        self.next_at = time.monotonic() if notifier.is_heard() else math.inf
        """When to call `beat`, by the monotonic clock."""

    def beat(
        self,
        generations: Sequence[Generation],
        predecessor: Predecessor | None,
        *,
        is_draining: bool,
    ) -> None:
        """Look at the loops and tell the service manager, if it is time.

        Args:
            generations: those whose workers serve or drain.
            predecessor: the supervisor whose drain is waited for as well.
            is_draining: whether the whole server ends.
        """
        now = time.monotonic()
        if now < self.next_at:
            return
        has_listener = self._notifier.is_heard() or self._shows_from < math.inf
        self.next_at = now + self._interval if has_listener else math.inf
        if self._notifier.watchdog is not None and not self._has_stuck_loops(generations):
            self._notifier.tell("WATCHDOG=1")
        others = predecessor.boards() if predecessor and is_draining else ()
        if is_draining:
            boards = [*(each.board for each in generations), *others]
            self._extend_drain(boards, now)
            self._show_drain(boards, now)
        if self._beats % STATUS_BEATS == 0:
            self.tell_status(generations, others, is_draining=is_draining)
        self._beats += 1

    # ---------------------------------------------------------------- the watchdog

    def _has_stuck_loops(self, generations: Sequence[Generation]) -> bool:
        before, self._ticks = self._ticks, {}
        stuck = False
        for pid, name, loop, ticks in _turning_loops(generations):
            last, beats = before.get((pid, loop), (-1, 0))
            beats = beats + 1 if ticks == last else 0
            self._ticks[pid, loop] = ticks, beats
            stuck = stuck or beats >= self._patience
            if beats == self._patience:
                seconds = self._patience * self._interval
                self._log.error(
                    f"loop {name} (pid {pid}) has not turned for {seconds:g} s; "
                    "the watchdog of the service manager is not fed until it does"
                )
        return stuck

    # ---------------------------------------------------------------- changes

    def tell_reloading(self) -> None:
        """Say that the configuration is read anew; ``READY=1`` has to follow."""
        self._notifier.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def speak(self, generations: Sequence[Generation], *, is_draining: bool) -> None:
        """Begin to tell: this process is the main one now.

        Args:
            generations: those whose workers serve or drain.
            is_draining: whether the whole server ends.
        """
        self._notifier.speak()
        self._progress = None  # a drain that has begun was not heard of yet
        self.next_at = time.monotonic()
        state = "STOPPING=1" if is_draining else "READY=1"
        self.tell_status(generations, first=[state], is_draining=is_draining)

    def hand_over(self, pid: int) -> None:
        """Say that another process is the main one from now on, and then nothing any more."""
        self._notifier.hand_over(pid)

    # ---------------------------------------------------------------- the figures

    def tell_status(
        self,
        generations: Sequence[Generation],
        others: Sequence[Scoreboard] = (),
        first: Sequence[str] = (),
        *,
        is_draining: bool,
    ) -> None:
        """Say what the server is doing, if that has changed.

        Args:
            generations: those whose workers serve or drain.
            others: the scoreboards of another supervisor whose drain is waited for.
            first: what to say in the same message in any case.
            is_draining: whether the whole server ends.
        """
        if not self._notifier.is_heard():
            return
        boards = [*(each.board for each in generations), *others]
        figures = self._describe_drain(boards) if is_draining else self._describe(generations)
        status = " ".join(f"{figures}{self.remark}".split())
        if status != self._status or first:
            self._status = status
            self._notifier.tell(*first, f"STATUS={status}")

    def _describe(self, generations: Sequence[Generation]) -> str:
        seconds = time.monotonic() - self._counted_at
        if seconds >= self._interval:
            before = self._requests
            self._requests = {each: each.board.total(Column.REQUESTS) for each in generations}
            new = sum(number - before.get(each, 0) for each, number in self._requests.items())
            self._rate = round(new / seconds)
            self._counted_at += seconds
        connections = total((each.board for each in generations), Column.CONNECTIONS)
        return f"serving: {count(connections, 'connection')}, {count(self._rate, 'request')}/s"

    def _describe_drain(self, boards: Sequence[Scoreboard]) -> str:
        remaining = total(boards, Column.REMAINING)
        self._most_remaining = most = max(self._most_remaining, remaining)
        done = f" ({100 - math.ceil(100 * remaining / most)} % done)" if most else ""
        return f"draining: {describe_drain(total(boards, Column.ACTIVE), remaining)}{done}"

    # ---------------------------------------------------------------- the drain

    def begin_drain(self, send_timeout: float, seconds: float) -> None:
        """Take note of what the drain of the whole server may take, and beat at once.

        Args:
            send_timeout: seconds for which a client may take nothing.
            seconds: until the drain is ended.
        """
        now = time.monotonic()
        self._patience_of_drain = send_timeout + EXTRA_SECONDS
        self._drains_until = now + seconds
        self.next_at = min(self.next_at, now)
        if terminal.is_terminal():
            self._shows_from = now + BEAT / 2

    def _show_drain(self, boards: Sequence[Scoreboard], now: float) -> None:
        """Say on a terminal what the drain waits for; most drains end before the first look."""
        active = total(boards, Column.ACTIVE)
        if now < self._shows_from or not active:
            return
        text = describe_drain(active, total(boards, Column.REMAINING))
        if text != self._shown:
            self._shown = text
            terminal.say(f"phttpd: {text}; a second Ctrl-C stops at once")

    def _extend_drain(self, boards: Sequence[Scoreboard], now: float) -> None:
        """Have the service manager wait for who still gets something (`TimeoutStopSec=`).

        It is asked again at every beat with progress, and never for longer than the drain may take.
        """
        sent, remaining = total(boards, Column.SENT), total(boards, Column.REMAINING)
        before, self._progress = self._progress, (sent, remaining)
        has_progress = before is None or sent > before[0] or remaining < before[1]
        seconds = min(self._patience_of_drain, self._drains_until - now)
        if has_progress and seconds > 0:
            self._notifier.tell(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")


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

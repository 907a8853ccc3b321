"""What a running server reports about itself, once a second.

The service manager gets the watchdog's signal, live figures, and a request for more time while a
drain makes progress.  A terminal shows what a drain waits for.

Called by `httpd.process.supervisor`, whose main loop it wakes, and by its parts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from httpd.observe.log import Log
from httpd.observe.scoreboard import Column, Scoreboard, total
from httpd.process.drain_progress import DrainProgress
from httpd.process.generation import Generation
from httpd.process.generations import Generations
from httpd.process.notify import Notifier
from httpd.process.status_text import count, describe_modes
from httpd.process.watchdog import Watchdog

BEAT = 1.0
"""Seconds between two reports."""
STATUS_BEATS = 3
"""Beats between two changes of the status."""


class ServiceStatus:
    """The status of one supervisor and its workers.

    Args:
        notifier: sends messages to the service manager.
        generations: of the supervisor.
        log: gets a message for each loop that is stuck.
    """

    def __init__(self, notifier: Notifier, generations: Generations, log: Log) -> None:
        self.remark = ""
        """The end of the status, such as why the last reload failed."""
        self.next_at = time.monotonic() if notifier.is_active() else math.inf
        """When to call `report`, by the monotonic clock."""
        self._notifier = notifier
        self._generations = generations
        timeout = notifier.watchdog
        self._interval = BEAT if timeout is None else min(BEAT, timeout / 2)
        self._watchdog = Watchdog(self._interval, timeout, log) if timeout is not None else None
        self._rate = RequestRate(self._interval)
        self._drain: DrainProgress | None = None
        self._beats = 0
        self._status = ""

    def report(self, read_others: Callable[[], Sequence[Scoreboard]]) -> None:
        """Report, if it is time.

        Args:
            read_others: returns the scoreboards of a predecessor whose drain is waited for.
        """
        now = time.monotonic()
        if now < self.next_at:
            return
        is_read = self._notifier.is_active() or (self._drain and self._drain.is_shown())
        self.next_at = now + self._interval if is_read else math.inf
        if self._watchdog and self._watchdog.all_loops_turn(self._generations.active()):
            self._notifier.notify("WATCHDOG=1")
        others: Sequence[Scoreboard] = ()
        if self._drain is not None:
            others = read_others()
            boards = self._boards(others)
            self._drain.show(boards, now)
            if seconds := self._drain.time_needed(boards, now):
                self._notifier.notify(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")
        if self._beats % STATUS_BEATS == 0:
            self._notify_status(others)
        self._beats += 1

    # ---------------------------------------------------------------- changes of state

    def notify(self, *assignments: str) -> None:
        """Send the service manager a change of state such as ``READY=1``, and the status."""
        self._notify_status(first=assignments)

    def notify_reloading(self) -> None:
        """Report that the configuration is read again; ``READY=1`` has to follow."""
        self._notifier.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def become_main(self) -> None:
        """Begin to report: this process is the main process of the service now."""
        self._notifier.become_main()
        if self._drain is not None:
            self._drain.forget()
        self.next_at = time.monotonic()
        self.notify("READY=1" if self._drain is None else "STOPPING=1")

    def hand_over(self, pid: int) -> None:
        """Report that another process is the main process from now on, and then no more."""
        self._notifier.hand_over(pid)

    def begin_drain(self) -> None:
        """Report the drain of the whole server from now on."""
        now = time.monotonic()
        self._drain = DrainProgress(now)
        self.next_at = now
        self.notify("STOPPING=1")

    def delay_drain(self, until: float) -> None:
        """Report that the server still serves as before; see `DrainProgress.set_delay`."""
        if self._drain is not None:
            self._drain.set_delay(until)
            self.next_at = time.monotonic()
            self._notify_status()

    def limit_drain(self, send_timeout: float, ends_at: float) -> None:
        """Set what the drain may take; see `DrainProgress.set_limits`."""
        if self._drain is not None:
            self._drain.set_limits(send_timeout, ends_at)

    # ---------------------------------------------------------------- the status

    def _notify_status(self, others: Sequence[Scoreboard] = (), first: Sequence[str] = ()) -> None:
        """Send the status, if it has changed.

        Args:
            others: the scoreboards of a predecessor whose drain is waited for.
            first: what to send in the same message in any case.
        """
        if not self._notifier.is_active():
            return
        figures = self._describe(others)
        status = " ".join(f"{figures}{self.remark}".split())
        if status != self._status or first:
            self._status = status
            self._notifier.notify(*first, f"STATUS={status}")

    def _describe(self, others: Sequence[Scoreboard]) -> str:
        if self._drain is not None:
            return self._drain.describe(self._boards(others))
        generations = self._generations.active()
        rate = self._rate.measure(generations)
        connections = total(self._boards(()), Column.CONNECTIONS)
        doing = describe_modes(self._generations.modes)
        return f"{doing}: {count(connections, 'connection')}, {count(rate, 'request')}/s"

    def _boards(self, others: Sequence[Scoreboard]) -> list[Scoreboard]:
        return [*(generation.board for generation in self._generations.active()), *others]


class RequestRate:
    """Requests per second.

    Args:
        interval: seconds to measure at the least.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._requests: dict[Generation, int] = {}
        self._measured_at = time.monotonic()
        self._rate = 0

    def measure(self, generations: Sequence[Generation]) -> int:
        """Return the rate since the last measurement, or the last result if that is too recent."""
        seconds = time.monotonic() - self._measured_at
        if seconds >= self._interval:
            before = self._requests
            self._requests = {each: each.board.total(Column.REQUESTS) for each in generations}
            new = sum(number - before.get(each, 0) for each, number in self._requests.items())
            self._rate = round(new / seconds)
            self._measured_at += seconds
        return self._rate

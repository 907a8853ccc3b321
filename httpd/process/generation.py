"""A generation: workers that were forked together, with one plan and one scoreboard.

Called by `httpd.process.supervisor` and its parts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

from httpd.observe.scoreboard import Column, Phase, Scoreboard
from httpd.observe.transfers import TransferTable
from httpd.process.channel import Message
from httpd.process.others import ends_within
from httpd.process.plan import Plan, close_plan
from httpd.process.worker_process import WorkerProcess

LEAVE_SECONDS = 2.0
"""How long a worker that drains may take to leave the listeners."""
LAST_WORDS_SECONDS = 2.0
"""How long a worker may take to end once its drain is over."""
STUCK_SECONDS = 60.0
"""How long the loops of a draining generation may not turn until its workers are killed: a drain
has no other end where `drain_timeout` is not set."""


class Generation:
    """Workers that were forked together, and when dead workers are to be replaced.

    Args:
        number: the first generation of a supervisor is 1.
        plan: what the workers are to be.
        board: the scoreboard of the workers.
        transfers: their transfer table.
    """

    def __init__(
        self, number: int, plan: Plan, board: Scoreboard, transfers: TransferTable
    ) -> None:
        self.number = number
        self.plan = plan
        self.board = board
        self.transfers = transfers
        self.processes: dict[int, WorkerProcess] = {}
        """The workers that were not reaped yet, by pid."""
        self.vacancies: dict[int, tuple[float, int]] = {}
        """Workers to fork: when by the monotonic clock, and failures in a row, by index."""
        self.leaves_until = float("inf")
        """When a drain goes on without workers that still accept connections."""
        self.drains_until = float("inf")
        """When workers that still drain are killed."""
        self.is_killed = False
        self._ticks = 0
        self._ticked_at = float("inf")

    def __repr__(self) -> str:
        state = "KILLED" if self.is_killed else self.board.phase.name
        return f"<Generation {self.number} {state} {list(self.processes.values())}>"

    # ---------------------------------------------------------------- the boot

    def is_ready(self) -> bool:
        """Tell whether all workers serve."""
        return not self.vacancies and all(process.ready for process in self.processes.values())

    def late_workers(self, now: float) -> list[WorkerProcess]:
        """Return the workers that have not booted in time."""
        return [process for process in self.processes.values() if process.boots_until <= now]

    # ---------------------------------------------------------------- the drain

    def is_draining(self) -> bool:
        """Tell whether the workers were told to finish the requests that they have received."""
        return self.leaves_until < float("inf")

    def has_left(self) -> bool:
        """Tell whether no worker accepts connections any more, or is taken to be stuck."""
        return self.leaves_until <= time.monotonic() or all(
            process.has_left for process in self.processes.values()
        )

    def retire(self, phase: Phase, limit: float = float("inf")) -> None:
        """Drain for as long as the settings of this generation allow.

        Args:
            phase: for the scoreboard, `Phase.DRAINING` or `Phase.STOPPING`.
            limit: seconds that the drain may take at the most, whatever the settings are.
        """
        self.board.phase = phase
        self.drain(min(self.plan.process.drain_timeout, limit))

    def drain(self, seconds: float) -> None:
        """Let all workers leave the listeners and finish the requests that they have received.

        Args:
            seconds: how long that may take; infinite for as long as anything moves.
        """
        now = time.monotonic()
        self.vacancies.clear()
        self.leaves_until = now + LEAVE_SECONDS
        self._ticked_at = now
        self._set_limit(now, seconds)

    def limit_drain(self, seconds: float) -> None:
        """Shorten a drain that has begun.

        Args:
            seconds: how long it may still take at the most.
        """
        now = time.monotonic()
        if now + seconds + LAST_WORDS_SECONDS < self.drains_until:
            self._set_limit(now, seconds)

    def _set_limit(self, now: float, seconds: float) -> None:
        self.drains_until = now + seconds + LAST_WORDS_SECONDS
        self.send(Message.DRAIN, str(seconds))

    def is_stuck(self, now: float) -> bool:
        """Tell whether a drain is not over in time, or no loop has turned for `STUCK_SECONDS`."""
        if self.is_killed or not self.is_draining():
            return False
        ticks = self.board.total(Column.TICKS)
        if ticks != self._ticks:
            self._ticks, self._ticked_at = ticks, now
        return min(self.drains_until, self._ticked_at + STUCK_SECONDS) <= now

    # ---------------------------------------------------------------- the main loop

    def deadlines(self) -> Iterator[float]:
        """Yield when something has to be done, by the monotonic clock."""
        yield from (at for at, _ in self.vacancies.values())
        if self.is_killed:
            return
        yield from (process.boots_until for process in self.processes.values())
        if self.is_draining():
            yield self.drains_until
            yield self._ticked_at + STUCK_SECONDS

    def senders(self) -> Iterator[WorkerProcess]:
        """Yield the workers that may still send a message."""
        if self.is_killed:
            return
        for process in self.processes.values():
            if not process.has_left and process.complaint is None and not process.fault:
                yield process

    def send(self, message: Message, text: str = "", fds: Sequence[int] = ()) -> None:
        """Send a message, and descriptors with it, to all workers."""
        for process in self.processes.values():
            process.channel.send(message, text, fds)

    # ---------------------------------------------------------------- the end

    def kill(self) -> None:
        """Kill all workers."""
        for process in self.processes.values():
            process.kill()
        self.is_killed = True

    def wait_for_end(self, seconds: float) -> None:
        """Wait until the workers, which were killed, have ended.

        Args:
            seconds: to wait at the most, since a worker may be in an uninterruptible sleep.
        """
        until = time.monotonic() + seconds
        for pid in self.processes:
            handle = os.pidfd_open(pid)
            ends_within(handle, until - time.monotonic())
            os.close(handle)

    def close_inherited(self, keep: Plan | None) -> None:
        """Close what a newly forked process has inherited of this generation.

        Args:
            keep: the plan of a worker, whose listeners stay open; None for the monitor.
        """
        for process in self.processes.values():
            process.channel.close()
        close_plan(self.plan, keep=keep)

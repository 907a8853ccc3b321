"""Runs the monitor: forks it, replaces it when it dies, and follows reloads.

Nothing waits for the monitor, and nothing fails by it: `check` compares what runs with what the
newest plan asks for.

Called by `httpd.process.supervisor`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from httpd.network.listener import divert_newcomers
from httpd.observe.log import Log
from httpd.observe.shared_memory import find_generations
from httpd.process.channel import Channel
from httpd.process.child import fork_child
from httpd.process.errors import explain
from httpd.process.generations import Generations
from httpd.process.monitor_process import MonitorProcess
from httpd.process.plan import MonitorPlan, Plan
from httpd.process.worker_pool import HEALTHY_SECONDS, back_off, cannot_fork
from httpd.process.worker_process import describe_exit

_END_SECONDS = 1.0
"""How long the end of the supervisor waits for that of the monitor."""
_LOG_SECONDS = 2.0
"""How long that of a monitor that logs may take before it is killed."""
_PATIENCE = 5
"""Attempts to listen that fail before the log says so: a predecessor listens until it drains."""


class MonitorKeeper:
    """Keeps the monitor of one supervisor.

    Args:
        generations: of the supervisor.
        log: for messages; the monitor gets a copy.
        close_inherited: closes in the new process what only the supervisor may hold.
    """

    def __init__(
        self, generations: Generations, log: Log, close_inherited: Callable[[], None]
    ) -> None:
        self._generations = generations
        self._log = log
        self._close_inherited = close_inherited
        self._plan: MonitorPlan | None = None
        self._leaving: dict[int, MonitorProcess] = {}  # told to end, and not reaped yet
        self._failures = 0  # in a row
        self._due = 0.0  # when to fork, by the monotonic clock
        self._shown: set[int] = set()  # the generations that the monitor knows
        self._has_left = False

    def check(self) -> None:
        """Bring the monitor in line with the plan that is in force, as far as that is due."""
        if self._has_left:
            return
        newest = self._newest_plan()
        if newest is not None and newest.monitor != self._plan:
            self._change(newest.monitor)
        if self._plan is not None and self._process is None and self._due <= time.monotonic():
            self._start(self._plan)
        # The tables of a predecessor are among those of the accounts.
        numbers = {one.number for one in self._generations} | {*self._generations.accounts.tables}
        if self._process is not None and numbers != self._shown:
            self._process.share(numbers)
            self._shown = numbers

    @property
    def _process(self) -> MonitorProcess | None:
        return self._generations.monitor

    def _newest_plan(self) -> Plan | None:
        """Return the plan in force; that of a drain stays."""
        newest = self._generations.serving
        if newest is None and self._plan is None:
            newest = self._generations.candidate  # a start
        return newest.plan if newest is not None else None

    def deadlines(self) -> Iterator[float]:
        """Yield when something has to be done, by the monotonic clock."""
        if self._plan is not None and self._process is None:
            yield self._due

    # ---------------------------------------------------------------- changes

    def _change(self, plan: MonitorPlan | None) -> None:
        """Let another monitor take the place of the one that runs."""
        if self._process is not None:
            self._process.leave()
            self._leaving[self._process.pid] = self._process
            self._generations.monitor = None
        self._close_files(plan)
        self._plan = plan
        self.retry()

    def _close_files(self, keep: MonitorPlan | None) -> None:
        """Close the sockets and logs of the plan, but not those that another plan keeps."""
        kept = keep.sockets if keep is not None else []
        for listener in self._plan.sockets if self._plan is not None else ():
            if listener not in kept:
                divert_newcomers(listener)
                listener.close()
        kept_logs = keep.logs.values() if keep is not None else ()
        for log in self._plan.logs.values() if self._plan is not None else ():
            if log not in kept_logs:
                log.close()

    def retry(self) -> None:
        """Try at once, if the last attempt has failed."""
        self._failures, self._due = 0, 0.0

    def _start(self, plan: MonitorPlan) -> None:
        try:
            if not plan.sockets:
                plan.sockets += plan.open()
            self._fork(plan)
        except Exception as error:
            self._back_off()
            if self._failures == _PATIENCE:
                why = explain(cannot_fork(error), self._log).text
                self._log.warning(f"no monitor: {why}; trying again")

    def _back_off(self) -> float:
        self._failures += 1
        delay = back_off(self._failures)
        self._due = time.monotonic() + delay
        return delay

    # ---------------------------------------------------------------- the process

    def _fork(self, plan: MonitorPlan) -> None:
        def run(channel: Channel) -> int:
            self._close_all_inherited()
            return plan.run(plan.sockets, channel, self._log)

        self._generations.monitor = MonitorProcess(*fork_child("the monitor", run, self._log))
        self._shown = set()

    def _close_all_inherited(self) -> None:
        """Close what the new process has of the server: all but the sockets of the monitor."""
        self._close_inherited()
        for generation in self._generations:
            generation.close_inherited(keep=None)
        for process in self._leaving.values():
            process.channel.close()
        # The memory of a generation must be free when the supervisor says so.
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        for _, path in find_generations(os.getpid()).values():
            os.dup2(nothing, int(path.rpartition("/")[2]), inheritable=False)
        os.close(nothing)

    def on_death(self, pid: int, status: int) -> None:
        """Plan a replacement, if the child that was reaped was the monitor.

        Args:
            pid: of the child.
            status: what waitpid(2) returned for it.
        """
        if (left := self._leaving.pop(pid, None)) is not None:
            left.channel.close()
            return
        process = self._process
        if process is None or process.pid != pid:
            return
        process.channel.close()
        self._generations.monitor = None
        if time.monotonic() - process.started >= HEALTHY_SECONDS:
            self._failures = 0
        delay = self._back_off()
        when = f" in {delay:g} s, it keeps dying" if delay else ""
        self._log.error(f"the monitor (pid {pid}) {describe_exit(status)}; starting another{when}")

    def leave(self) -> None:
        """Let the monitor end for good, and leave its address to others."""
        self._has_left = True
        self._change(None)

    def end(self) -> None:
        """End the monitor, since the supervisor ends; one that logs may write its last lines."""
        logs = self._plan is not None and bool(self._plan.logs)
        self.leave()
        for process in self._leaving.values():
            process.end(_END_SECONDS, patience=_LOG_SECONDS if logs else 0.0)

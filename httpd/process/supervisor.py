"""The supervisor: opens the listeners, forks the workers, obeys signals, and serves no requests.

Workers that were forked together are a *generation*.  A start, a reload and an upgrade are one
mechanism (see `httpd.process.rollout`).  The supervisor has no threads, and one main loop, which
waits for signals, for messages of workers and other supervisors, and for deadlines.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from httpd.observe import terminal
from httpd.observe.log import Log
from httpd.observe.scoreboard import Mode, Scoreboard
from httpd.process.channel import MOST_FDS
from httpd.process.drain import Drain
from httpd.process.errors import (
    EX_OK,
    EX_UNAVAILABLE,
    EX_WORKER,
    StartError,
    explain,
    format_failure,
)
from httpd.process.generation import Generation
from httpd.process.generations import Generations
from httpd.process.modes import Modes, format_modes
from httpd.process.monitor_keeper import MonitorKeeper
from httpd.process.notify import Notifier
from httpd.process.plan import Plan
from httpd.process.predecessor import Predecessor
from httpd.process.rollout import Rollout, divert
from httpd.process.service_status import ServiceStatus
from httpd.process.signals import CHANGES, STOPS, SWITCHES, SignalInbox
from httpd.process.successor import Successor
from httpd.process.worker_pool import WorkerPool, reap_one
from httpd.process.worker_process import WorkerProcess

ERROR_PAUSE = 1.0
"""Seconds without work after an internal error, which may happen again at once."""


class Supervisor:
    """Runs generations of workers.

    Args:
        make_plan: reads the configuration and opens the listeners, for a start (None) and for each
            reload (the plan in force, so that unchanged listeners stay open); raises StartError.
        open_log: opens a log file and returns its descriptor; raises StartError.
        log: for messages.
        inbox: what `make_inbox` returned.
        notifier: sends messages to the service manager.
        start_successor: starts a new supervisor for the plan and the modes that are in force;
            raises OSError.
        restore: undoes what a successor that failed has changed outside of its process.
        predecessor: the supervisor whose place this one takes, if any.
    """

    def __init__(
        self,
        make_plan: Callable[[Plan | None], Plan],
        open_log: Callable[[str], int],
        log: Log,
        inbox: SignalInbox,
        notifier: Notifier,
        start_successor: Callable[[Plan, str], Successor],
        restore: Callable[[], None],
        predecessor: Predecessor | None,
    ) -> None:
        self._open_log_file = open_log
        self._log = log
        self._inbox = inbox
        self._predecessor = predecessor
        self._takes_over = predecessor is not None
        self._on_ready: Callable[[], None] | None = None  # until it was called
        self._generations = generations = Generations()
        if predecessor is not None:
            generations.continue_after(predecessor.last_generation())
            predecessor.hand_over(generations.accounts)
        self._status = ServiceStatus(notifier, generations, log)
        self._modes = Modes(generations, self._status, log)
        self._pool = WorkerPool(generations, log, self._close_inherited)
        self._rollout = Rollout(
            generations, self._pool, self._status, log, make_plan, start_successor, restore
        )
        self._drain = Drain(generations, self._status, log)
        self._monitor = MonitorKeeper(generations, log, self._close_inherited)

    # ---------------------------------------------------------------- the main loop

    def run(self, on_ready: Callable[[], None]) -> int:
        """Start the workers and supervise them until a signal ends it; return the exit status.

        Args:
            on_ready: called once, when all workers serve and a predecessor has yielded.

        Raises:
            StartError: when the server cannot start.
        """
        gc.freeze()  # so that no collection in a worker touches, and thereby copies, these pages
        gc.enable()
        self._on_ready = on_ready
        if self._predecessor is None:
            self._generations.set_mode(Mode.STARTING, int(time.time()))
        self._adopt_modes()
        self._rollout.start()
        with self._bulkhead():
            self._monitor.check()  # it shows the start as well
        steps = (
            self._wait,
            self._obey_signals,
            self._reap,
            self._drain.check_deadlines,
            self._pool.check_deadlines,
            self._check_rollout,
            self._modes.look,
            self._follow_predecessor,
            self._monitor.check,
            self._report,
        )
        while not self._is_over():
            for step in steps:
                with self._bulkhead():
                    step()
        self._monitor.end()
        self._log.notice("stopped")
        return EX_OK

    @contextmanager
    def _bulkhead(self) -> Iterator[None]:
        """Log an internal error and go on, since the workers still serve.

        The pause keeps an error that happens in every turn from using a whole core; a signal ends
        it.  A server that does not serve yet ends instead.
        """
        try:
            yield
        except StartError:
            raise
        except Exception:
            if not self._is_running():
                raise
            self._log.error(f"internal error, going on: {format_failure()}")
            select.select([self._inbox], [], [], ERROR_PAUSE)

    def _is_running(self) -> bool:
        return self._generations.serving is not None or self._drain.has_begun

    def _is_serving(self) -> bool:
        """Tell whether no drain has begun, or it is delayed, so that all workers are needed."""
        return not self._drain.has_begun or self._drain.is_delayed

    def _is_over(self) -> bool:
        return (
            self._drain.has_begun
            and not self._drain.is_delayed
            and not any(generation.processes for generation in self._generations)
            and self._rollout.has_ended()
            and (self._predecessor is None or not self._predecessor.is_awaited())
        )

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._inbox, select.POLLIN)
        receivers: dict[int, Callable[[], None]] = {}
        for generation in self._generations:
            for process in generation.senders():
                receivers[process.channel.fileno()] = process.receive
        for other in (self._rollout.successor, self._predecessor):
            if other is not None:
                receivers[other.fileno()] = other.receive
        for fd in receivers:
            poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(self._timeout()):
            if fd in receivers:
                receivers[fd]()

    def _timeout(self) -> float | None:
        """Return the milliseconds until the next deadline, or None if there is none."""
        until = min(self._deadlines(), default=float("inf"))
        if until == float("inf"):
            return None
        return max(0.0, until - time.monotonic()) * 1000 + 1

    def _deadlines(self) -> Iterator[float]:
        yield from self._drain.deadlines()
        if not self._drain.has_begun:
            yield from self._rollout.deadlines()
        for generation in self._generations:
            yield from generation.deadlines()
        yield self._modes.next_at
        yield from self._monitor.deadlines()
        if self._is_running():
            yield self._status.next_at

    def _report(self) -> None:
        if self._is_running():
            self._status.report(self._boards_of_predecessor)

    def _boards_of_predecessor(self) -> list[Scoreboard]:
        return self._predecessor.boards() if self._predecessor is not None else []

    # ---------------------------------------------------------------- workers

    def _close_inherited(self) -> None:
        """Close in a new worker what only a supervisor may hold."""
        self._inbox.close()
        for supervisor in (self._rollout.successor, self._predecessor):
            if supervisor is not None:
                supervisor.close()

    def _reap(self) -> None:
        """Reap the children that have ended.

        As PID 1 of a container, the supervisor is also the parent of its orphans.
        """
        while (dead := reap_one()) is not None:
            pid, status = dead
            self._obey_signals()  # one to the whole process group may be why the child has ended
            if found := self._generations.find(pid):
                self._on_death(*found, status)
            else:
                self._monitor.on_death(pid, status)
        self._generations.forget_ended()

    def _on_death(self, generation: Generation, process: WorkerProcess, status: int) -> None:
        process.has_ended = True
        if not process.ready and not generation.is_killed:
            process.receive()  # why it could not boot
        process.channel.close()
        del generation.processes[process.pid]
        if generation is self._generations.candidate and not self._drain.has_begun:
            code, why = process.complaint or (EX_WORKER, f"a worker {process.describe_end(status)}")
            self._rollout.give_up(code, why)
        elif generation is self._generations.serving and self._is_serving():
            self._pool.replace(generation, process, status)
        elif process.fault:
            self._log.error(f"worker {process.index} (pid {process.pid}) {process.fault}")

    # ---------------------------------------------------------------- signals

    def _obey_signals(self) -> None:
        for number in self._inbox.take():
            with self._bulkhead():
                self._on_signal(number)

    def _on_signal(self, number: int) -> None:
        if number in STOPS:
            if not self._drain.has_begun:
                self._begin_drain()
            elif self._drain.is_delayed:
                self._drain.end_delay()
            else:
                self._stop()
        elif number == signal.SIGHUP and terminal.has_hung_up():
            if not self._drain.has_begun:  # there is no Ctrl-C any more
                self._begin_drain()
        elif number == signal.SIGUSR1:
            self._open_logs()
        elif number in SWITCHES:
            mode, is_on = SWITCHES[number]
            self._modes.switch(mode, is_on=is_on)
            if self._rollout.successor is not None:
                self._rollout.successor.send_modes(format_modes(self._generations.modes))
        elif number in CHANGES and not self._drain.has_begun:
            self._rollout.request(signal.Signals(number))

    def _open_logs(self) -> None:
        """Let all processes write to the files that have the names of the logs now."""
        generations = self._generations
        newest = generations.serving or next(reversed(generations.former), None)
        log_file = None if newest is None else newest.plan.log.log_file
        if log_file is not None and (fd := self._open_log(log_file)) is not None:
            generations.use_log_file(fd, self._log)
        paths = generations.access_log_files()
        for first in range(0, len(paths), MOST_FDS):
            some = paths[first : first + MOST_FDS]
            opened = {path: fd for path in some if (fd := self._open_log(path)) is not None}
            generations.use_access_logs(opened)
        if self._predecessor is not None and self._predecessor.has_hung_up:
            self._predecessor.signal(signal.SIGUSR1)

    def _open_log(self, path: str) -> int | None:
        """Return the descriptor of the file that has the name of a log now, if it can be opened."""
        try:
            return self._open_log_file(path)
        except Exception as error:
            why = explain(error, self._log).text
            self._log.error(f"{why}; going on with the file that is open")
            return None

    def _begin_drain(self, *, is_replaced: bool = False) -> None:
        predecessor = self._predecessor
        shares_listeners = predecessor is not None and not predecessor.has_hung_up
        if predecessor is not None and shares_listeners and self._on_ready is not None:
            self._decline(predecessor)
        self._rollout.cancel()
        self._drain.begin(is_replaced=is_replaced, shares_listeners=shares_listeners)

    def _decline(self, predecessor: Predecessor) -> None:
        """Let the predecessor go on as the main process: this one ends without waiting for it."""
        predecessor.send_failed(EX_UNAVAILABLE, "the new supervisor was told to stop")
        predecessor.close()
        self._predecessor = None
        self._takes_over = False

    def _stop(self) -> None:
        """End the drain, on the second signal."""
        self._drain.stop()
        self._rollout.cancel()
        if self._predecessor is not None and self._predecessor.has_hung_up:
            self._predecessor.signal(signal.SIGTERM)

    # ---------------------------------------------------------------- other supervisors

    def _check_rollout(self) -> None:
        if self._drain.has_begun:
            return
        self._rollout.check_candidate()
        self._rollout.check_leaving()
        self._adopt_modes()
        self._take_over()
        if (successor := self._rollout.check_successor()) is not None:
            try:
                self._make_way(successor)
            finally:
                successor.close()

    def _adopt_modes(self) -> None:
        """Keep the modes of a predecessor."""
        if self._predecessor is not None and (modes := self._predecessor.take_modes()):
            self._modes.adopt(modes)

    def _take_over(self) -> None:
        """Be the server that commands find, once all workers serve and a predecessor yields."""
        predecessor = self._predecessor
        if self._on_ready is None or self._generations.serving is None:
            return
        if predecessor is not None and not predecessor.ask_to_take_over():
            return
        if predecessor is not None:
            predecessor.hand_over(self._generations.accounts)
        self._on_ready()
        self._on_ready = None
        self._monitor.retry()  # where the predecessor listens
        if predecessor is not None:
            predecessor.send_serving()
        else:
            self._status.notify(f"MAINPID={os.getpid()}", "READY=1")

    def _make_way(self, successor: Successor) -> None:
        """Drain, since the successor has taken over."""
        self._log.notice(f"upgraded: pid {successor.pid} serves from now on")
        self._status.hand_over(successor.pid)
        self._monitor.leave()
        # The log may have been rotated since the successor opened it.
        successor.signal(signal.SIGUSR1)
        self._rollout.pass_on_postponed(successor)
        listeners = self._generations.serving.plan.sockets if self._generations.serving else ()
        unused = [one for number, one in enumerate(listeners) if successor.unused >> number & 1]
        self._begin_drain(is_replaced=True)
        self._drain.leave_later(divert(unused))

    def _follow_predecessor(self) -> None:
        """Be the main process of the service when the predecessor has hung up.

        A predecessor that was killed hangs up before this process serves.  Then the boot goes on.
        """
        predecessor = self._predecessor
        if predecessor is not None:
            if not predecessor.has_hung_up:
                return
            if predecessor.has_ended():
                self._generations.accounts.end_inherited()
                self._predecessor = None
                predecessor.close()
        if self._takes_over and self._is_running():
            self._takes_over = False
            self._status.become_main()
            if predecessor is not None and self._drain.is_stopped:
                predecessor.signal(signal.SIGTERM)

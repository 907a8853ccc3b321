"""Start, reload and upgrade: a candidate boots, and takes over or is given up.

They are one mechanism.  For a start and a reload, the candidate is a generation of workers.  When
all of them serve, the generation takes over, and the one before leaves its listeners and drains.
For an upgrade, the candidate is a whole supervisor, the *successor* (see
`httpd.process.successor`).  A candidate that does not boot is given up, and nothing has changed.

There is one change at a time: a change that is asked for meanwhile is postponed.

Called by `httpd.process.supervisor`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from socket import socket

from httpd.network.listener import DEFER_ACCEPT_SECONDS, divert_newcomers
from httpd.observe.log import Log
from httpd.observe.scoreboard import Mode, Phase
from httpd.process.errors import (
    EX_OK,
    EX_OSERR,
    EX_UNAVAILABLE,
    EX_WORKER,
    StartError,
    explain,
)
from httpd.process.generation import Generation
from httpd.process.generations import Generations
from httpd.process.modes import format_modes
from httpd.process.outcome import Outcome
from httpd.process.plan import Plan, close_plan, discard_plan
from httpd.process.service_status import ServiceStatus
from httpd.process.status_text import describe_sites
from httpd.process.successor import Successor
from httpd.process.worker_pool import WorkerPool, cannot_fork
from httpd.process.worker_process import BOOT_SECONDS

HAND_OVER_SECONDS = DEFER_ACCEPT_SECONDS + 0.5
"""How long workers accept from listeners that others have replaced: by then the kernel has handed
over the clients that had connected and were silent."""
KILL_SECONDS = 2.0
"""How long to wait for killed workers, which hold what the next ones may need; a worker in an
uninterruptible sleep may take for ever."""

_NO_UPGRADE_OF_INIT = (
    "phttpd is PID 1 here, and all processes of a container end with that; "
    "replace the container, which is an upgrade"
)


class Rollout:
    """The change that is under way, if any.

    Args:
        generations: of the supervisor.
        pool: forks the workers.
        status: tells the service manager.
        log: for messages; its verbosity follows the configuration.
        make_plan: reads the configuration and opens the listeners, for a start (None) and for each
            reload (the plan in force, so that unchanged listeners stay open); raises StartError.
        start_successor: starts a new supervisor for the plan in force; raises OSError.
        restore: undoes what a successor that failed has changed outside of its process.
    """

    def __init__(
        self,
        generations: Generations,
        pool: WorkerPool,
        status: ServiceStatus,
        log: Log,
        make_plan: Callable[[Plan | None], Plan],
        start_successor: Callable[[Plan, str], Successor],
        restore: Callable[[], None],
    ) -> None:
        self.successor: Successor | None = None
        """The new supervisor, while it boots."""
        self._generations = generations
        self._pool = pool
        self._status = status
        self._log = log
        self._make_plan = make_plan
        self._start_successor = start_successor
        self._restore = restore
        self._outcome = Outcome(log, status)
        self._leaving: Generation | None = None  # replaced, and still accepting connections
        self._hand_over_until = float("inf")
        self._postponed: set[signal.Signals] = set()

    # ---------------------------------------------------------------- the beginning

    def start(self) -> None:
        """Boot the first generation.

        Raises:
            StartError: when the configuration is wrong, or a worker cannot be forked.
        """
        self._boot(self._make_plan(None))

    def request(self, number: signal.Signals) -> None:
        """Begin a reload or upgrade, or postpone it: what it reads may still change.

        Args:
            number: one of `httpd.process.signals.CHANGES`.
        """
        serving = self._generations.serving
        if serving is None:
            return  # a start reads the configuration anyway
        if self._generations.candidate or self._leaving or self.successor:
            self._postponed.add(number)
        elif number is signal.SIGHUP:
            self._reload(serving)
        else:
            self._upgrade(serving)

    def _reload(self, serving: Generation) -> None:
        self._log.notice("reloading")
        self._status.notify_reloading()
        try:
            self._boot(self._make_plan(serving.plan))
        except Exception as error:
            self._fail("reload", error)

    def _boot(self, plan: Plan) -> None:
        try:
            candidate = self._generations.candidate = self._generations.create(plan)
            self._outcome.publish(candidate)
            self._pool.fill(candidate)
        except Exception as error:
            self._discard(plan)
            raise cannot_fork(error) from None

    def _upgrade(self, serving: Generation) -> None:
        self._log.notice("upgrading")
        if os.getpid() == 1:
            self._finish("upgrade", EX_UNAVAILABLE, _NO_UPGRADE_OF_INIT)
            return
        try:
            modes = format_modes(self._generations.modes)
            self.successor = self._start_successor(serving.plan, modes)
        except OSError as error:
            self._finish("upgrade", EX_OSERR, f"cannot start it: {error.strerror}")
        except Exception as error:
            self._fail("upgrade", error)

    # ---------------------------------------------------------------- a new generation

    def check_candidate(self) -> None:
        """Let the candidate take over, or give it up.

        Raises:
            StartError: when the first generation does not boot.
        """
        candidate = self._generations.candidate
        if candidate is None:
            return
        if candidate.is_ready():
            self._promote(candidate)
        elif candidate.late_workers(time.monotonic()):
            self.give_up(EX_WORKER, f"a worker did not serve within {BOOT_SECONDS:g} s")

    def give_up(self, status: int, why: str) -> None:
        """Give up the candidate, and go on with the generation that serves.

        Args:
            status: an exit status.
            why: for the log and the waiting command.

        Raises:
            StartError: when no generation serves.
        """
        candidate = self._generations.candidate
        if candidate is not None:
            self._discard(candidate.plan)
        if self._generations.serving is None:
            raise StartError(status, why)
        self._finish("reload", status, why)

    def _discard(self, plan: Plan) -> None:
        """Kill the workers of a plan that is given up, and close what was opened for it."""
        generations = self._generations
        candidate, generations.candidate = generations.candidate, None
        if candidate is not None:
            candidate.kill()
            generations.former.append(candidate)  # until its workers are reaped
            candidate.wait_for_end(KILL_SECONDS)
        discard_plan(plan, keep=generations.serving.plan if generations.serving else None)
        if plan.log_fd is not None:
            os.close(plan.log_fd)

    def _promote(self, candidate: Generation) -> None:
        generations, plan = self._generations, candidate.plan
        leaving, generations.serving = generations.serving, candidate
        generations.candidate = None
        candidate.board.phase = Phase.SERVING
        generations.set_mode(Mode.STARTING, 0)
        try:
            plan.set_options()
        except OSError as error:  # they serve as they are
            self._log.warning(f"cannot set the options of the listeners: {error.strerror}")
        self._log.verbose = plan.log.verbose
        if plan.log_fd is not None:
            generations.use_log_file(plan.log_fd, self._log)
        self._log.notice(
            f"serving {describe_sites(plan.facts)} at {', '.join(plan.facts['addresses'])} "
            f"with {plan.process.workers} workers of {plan.process.threads} loops"
        )
        if leaving is not None:
            generations.former.append(leaving)
            self._begin_hand_over(leaving, plan)

    # ---------------------------------------------------------------- the generation before

    def _begin_hand_over(self, leaving: Generation, plan: Plan) -> None:
        """Leave the listeners of a generation to a newer one, without a refused connection."""
        self._leaving = leaving
        leaving.vacancies.clear()  # a new worker would find the listeners closed
        kept = plan.sockets
        unused = [listener for listener in leaving.plan.sockets if listener not in kept]
        self._hand_over_until = time.monotonic() + divert(unused)
        close_plan(leaving.plan, keep=plan)

    def check_leaving(self) -> None:
        """Drain the generation before, and end the reload when it accepts no connection any more:
        from then on, all requests are served with the new settings.
        """
        if self._leaving is None:
            return
        if self._hand_over_until <= time.monotonic():
            self._end_hand_over()
        serving = self._generations.serving
        if self._leaving.has_left() and serving is not None:
            self._end_hand_over()  # the workers may have left the listeners unasked
            self._leaving = None
            self._finish("reload", EX_OK, "; ".join(serving.plan.remarks))

    def _end_hand_over(self) -> None:
        if self._leaving is not None and self._hand_over_until < float("inf"):
            self._hand_over_until = float("inf")
            self._leaving.retire(Phase.DRAINING)

    # ---------------------------------------------------------------- a new supervisor

    def check_successor(self) -> Successor | None:
        """Return the successor once it serves; give it up if it does not boot."""
        successor = self.successor
        if successor is None:
            return None
        successor.check_deadline()
        if successor.is_ready:
            successor.let_take_over()
        if successor.outcome is None:
            return None
        self.successor = None
        status, why_not = successor.outcome
        if status == EX_OK:
            if not successor.has_ended():
                return successor
            status, why_not = EX_WORKER, "the new supervisor ended when it had just taken over"
        successor.close()
        try:
            self._restore()
        except Exception as error:
            self._log.error(explain(error, self._log).text)
        self._finish("upgrade", status, why_not)
        return None

    def pass_on_postponed(self, successor: Successor) -> None:
        """Let a successor that serves do the changes that were postponed."""
        for number in self._postponed:
            successor.signal(number)

    # ---------------------------------------------------------------- the end

    def _fail(self, what: str, error: Exception) -> None:
        # A method of its own: the frame that caught the error must not refer to it, or that would
        # keep all it refers to.
        why = explain(error, self._log)
        self._finish(what, why.status, why.text)

    def _finish(self, what: str, status: int, remark: str) -> None:
        self._outcome.record(what, status, remark)
        if what == "reload":
            outcome = "success" if status == EX_OK else "failure"
            self._generations.accounts.count("reloads_total", outcome)
        self._status.notify("READY=1")
        if self._generations.serving is not None:
            self._outcome.publish(self._generations.serving)
        if self._postponed:
            self.request(self._postponed.pop())

    def cancel(self) -> None:
        """End the change that is under way: the server drains, and a successor with it."""
        self._end_hand_over()
        if self.successor is not None:
            self.successor.cancel()

    def has_ended(self) -> bool:
        """Tell whether no successor runs whose end has to be waited for."""
        return self.successor is None or self.successor.has_ended()

    def deadlines(self) -> Iterator[float]:
        """Yield when something has to be done, by the monotonic clock."""
        if self.successor is not None:
            yield self.successor.boots_until
        if self._leaving is not None:
            yield self._hand_over_until
            yield self._leaving.leaves_until


def divert(listeners: Sequence[socket]) -> float:
    """Let new connections go to other listeners of the same address.

    Args:
        listeners: those that get no new connections.

    Returns:
        How many seconds they have to be kept, for the clients that have connected already.
    """
    for listener in listeners:
        divert_newcomers(listener)
    return HAND_OVER_SECONDS if listeners else 0.0

"""Forks the workers of a supervisor, replaces those that die, and kills those that hang.

Called by `httpd.process.supervisor` and `httpd.process.rollout`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from httpd.observe.log import Log
from httpd.process.channel import Channel
from httpd.process.child import fork_child
from httpd.process.errors import EX_OSERR, StartError, explain
from httpd.process.generation import Generation
from httpd.process.generations import Generations
from httpd.process.worker import Tables, run_worker
from httpd.process.worker_process import BOOT_SECONDS, WorkerProcess

HEALTHY_SECONDS = 1.0
"""A worker that lived for a shorter time has failed, and its replacement may have to wait."""
MAX_BACK_OFF = 10.0
"""Seconds between two attempts to start a worker that keeps dying, at the most."""


class WorkerPool:
    """The workers of all generations.

    Args:
        generations: of the supervisor.
        log: for messages; each worker gets a copy.
        close_inherited: closes in a new worker what only the supervisor may hold.
    """

    def __init__(
        self, generations: Generations, log: Log, close_inherited: Callable[[], None]
    ) -> None:
        self._generations = generations
        self._log = log
        self._close_inherited = close_inherited

    def fill(self, generation: Generation) -> None:
        """Fork all workers of a new generation.

        Raises:
            OSError: when a worker cannot be forked.
        """
        for index in range(generation.plan.process.workers):
            self._fork(generation, index, failures=0)

    def check_deadlines(self) -> None:
        """Replace workers whose back-off is over, and kill those that hang.

        A candidate whose boot takes too long is given up by `Rollout`.
        """
        now = time.monotonic()
        for generation in self._generations:
            self._fill_vacancies(generation, now)
            if generation is not self._generations.candidate:
                for process in generation.late_workers(now):
                    process.kill_for(
                        f"was killed, since it did not serve within {BOOT_SECONDS:g} s"
                    )
            if generation.is_stuck(now):
                generation.kill()

    def replace(self, generation: Generation, process: WorkerProcess, status: int) -> None:
        """Plan a replacement for a worker that has died.

        Args:
            generation: of the worker.
            process: the worker, which was reaped.
            status: what waitpid(2) returned for it.
        """
        now = time.monotonic()
        is_healthy = process.ready and now - process.started >= HEALTHY_SECONDS
        failures = 0 if is_healthy else process.failures + 1
        delay = back_off(failures)
        generation.board.set_pid(process.index, 0)
        generation.transfers.forget_worker(process.index)
        generation.vacancies[process.index] = (now + delay, failures)
        what = f"worker {process.index} (pid {process.pid}) {process.describe_end(status)}"
        when = f" in {delay:g} s, it keeps dying" if delay else ""
        self._generations.accounts.count("worker_restarts_total")
        write = self._log.error if status else self._log.notice
        write(f"{what}; starting another{when}")

    def _fill_vacancies(self, generation: Generation, now: float) -> None:
        due = [index for index, (at, _) in generation.vacancies.items() if at <= now]
        for index in due:
            _, failures = generation.vacancies.pop(index)
            try:
                self._fork(generation, index, failures)
            except Exception as error:
                self._log.error(explain(cannot_fork(error), self._log).text)
                generation.vacancies[index] = (now + back_off(failures + 1), failures + 1)

    def _fork(self, generation: Generation, index: int, failures: int) -> None:
        run = partial(self._run_worker, generation, index)
        pid, channel = fork_child(f"worker {index}", run, self._log)
        generation.board.set_pid(index, pid)
        generation.processes[pid] = WorkerProcess(index, pid, channel, failures)

    def _run_worker(self, generation: Generation, index: int, channel: Channel) -> int:
        self._close_inherited()
        plan = generation.plan
        for other in self._generations:
            other.close_inherited(keep=plan)
            for listener in other.plan.monitor_sockets:
                listener.close()
            for file in other.plan.monitor_logs.values():
                file.close()
        log = replace(self._log, verbose=plan.log.verbose)
        listeners, access_logs = plan.all_listeners, plan.access_logs
        accounts = self._generations.accounts
        accounts.close()
        counts = accounts.tables[generation.number]
        tables = Tables(generation.board, generation.transfers, counts)
        return run_worker(index, plan.worker, listeners, access_logs, tables, channel, log)


def back_off(failures: int) -> float:
    """Return how many seconds to wait after so many failures in a row; the first one is free."""
    return 0.0 if failures <= 1 else min(0.1 * 2.0 ** min(failures, 10), MAX_BACK_OFF)


def cannot_fork(error: Exception) -> Exception:
    """Return a `StartError` if a system call has failed, or an internal error as it is."""
    if isinstance(error, OSError):
        return StartError(EX_OSERR, f"cannot start a worker: {error.strerror}")
    return error


def reap_one() -> tuple[int, int] | None:
    """Return pid and status of a child that has ended, if there is one."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None

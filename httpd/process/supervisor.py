"""The supervisor: opens the sockets, forks the workers, waits for signals, and serves no one.

Workers that were forked together are a *generation*: they share settings, listeners and a
scoreboard. A start and a reload are the same thing: a new generation is forked, and when all of its
workers serve it takes over, and the one before drains.  A generation that cannot boot is given up,
and nothing else has changed.  An upgrade is the same once more with a whole supervisor (see
`httpd.process.upgrade`).
"""

from __future__ import annotations

import gc
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import replace

from httpd.network.listener import stop_handshakes
from httpd.observe.log import Log
from httpd.observe.scoreboard import Phase, Scoreboard
from httpd.process.channel import Channel, Message
from httpd.process.errors import EX_OK, EX_OSERR, EX_WORKER, StartError, describe_failure
from httpd.process.generation import (
    BOOT_SECONDS,
    LAST_WORDS_SECONDS,
    Generation,
    Plan,
    WorkerProcess,
    back_off,
    cannot_fork,
    close_listeners,
    describe_exit,
)
from httpd.process.notify import Notifier
from httpd.process.pulse import Pulse
from httpd.process.shutdown import machine_shuts_down
from httpd.process.signals import SignalInbox
from httpd.process.upgrade import Predecessor, Successor
from httpd.process.worker import run_worker

HEALTHY_SECONDS = 1.0
"""A worker that lived shorter than this was not well, and its successor has to wait."""
HANDSHAKE_SECONDS = 0.1
"""How long a drain lets handshakes that are under way come to their end."""
MAX_REASON = 4000
"""Characters that ``phttpd reload`` shows of the reason of a failure; the log has all of it."""
_CHANGES = (signal.SIGHUP, signal.SIGUSR2)
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
"""All mean a drain.  INT is Ctrl-C; QUIT is how nginx and containers made for it are stopped."""
_NOTED = (*_STOPS, signal.SIGUSR1, signal.SIGCHLD, *_CHANGES)


def make_inbox() -> SignalInbox:
    """Begin to take note of the signals that a supervisor obeys."""
    return SignalInbox(_NOTED, ignored=[])


class Supervisor:
    """Runs generations of workers.

    Args:
        make_plan: reads the configuration and opens the listeners, for a start (None) and for each
            reload (the listeners in use, so that unchanged ones stay open); raises StartError.
        reopen_log: opens a log file in place of the present one, and returns a descriptor of it for
            the workers; raises StartError.
        log: for messages.
        inbox: what `make_inbox` returned.
        notifier: the line to the service manager.
        start_successor: starts a new supervisor for the plan that is in force; raises OSError.
        predecessor: the supervisor whose place this one takes, if any.
    """

    def __init__(
        self,
        make_plan: Callable[[Plan | None], Plan],
        reopen_log: Callable[[str], int],
        log: Log,
        inbox: SignalInbox,
        notifier: Notifier,
        start_successor: Callable[[Plan], Successor],
        predecessor: Predecessor | None,
    ) -> None:
        self._make_plan = make_plan
        self._reopen_log = reopen_log
        self._log = log
        self._inbox = inbox
        self._start_successor = start_successor
        self._successor: Successor | None = None
        self._predecessor = predecessor
        self._is_replaced = False
        self._leads = predecessor is None
        self._pulse = Pulse(notifier, log)
        self._current: Generation | None = None
        self._candidate: Generation | None = None
        self._leaving: Generation | None = None
        self._retired: list[Generation] = []
        self._generations = 0
        self._changes = 0
        self._draining = False
        self._leaves_at = float("inf")
        self._drain_limit = float("inf")
        self._stops_at = float("inf")
        self._postponed: set[signal.Signals] = set()

    # ---------------------------------------------------------------- the main loop

    def run(self, on_ready: Callable[[], None]) -> int:
        """Start the workers and supervise them until a signal ends it; return the exit status.

        Args:
            on_ready: called once, when all workers serve.

        Raises:
            StartError: when the server cannot start.
        """
        gc.freeze()  # so that no collection in a worker touches, and thereby copies, these pages
        gc.enable()
        self._launch(self._make_plan(None))
        while not self._is_over():
            self._wait()
            for number in self._inbox.take():
                self._on_signal(number)
            self._reap()
            self._look_at_clock()
            self._judge_candidate(on_ready)
            self._judge_leaving()
            self._judge_successor()
            self._look_at_predecessor()
            if self._current is not None or self._draining:
                self._pulse.beat(self._serving(), self._predecessor, is_draining=self._draining)
        self._log.notice("stopped")
        return EX_OK

    def _is_over(self) -> bool:
        return (
            self._draining
            and not any(generation.processes for generation in self._all())
            and (self._successor is None or self._successor.has_ended())
            and (self._predecessor is None or not self._predecessor.has_hung_up)
        )

    def _all(self) -> list[Generation]:
        known = (self._current, self._candidate, *self._retired)
        return [generation for generation in known if generation is not None]

    def _serving(self) -> list[Generation]:
        return [generation for generation in self._all() if generation is not self._candidate]

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._inbox, select.POLLIN)
        lines: dict[int, Callable[[], None]] = {}
        for generation in self._all():
            for process in generation.speakers():
                lines[process.channel.fileno()] = process.hear
        for other in (self._successor, self._predecessor):
            if other is not None:
                lines[other.fileno()] = other.hear
        for fd in lines:
            poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(self._timeout()):
            if fd in lines:
                lines[fd]()

    def _timeout(self) -> float | None:
        """Milliseconds until the next thing that has to be done by the clock."""
        times = [self._leaves_at, self._stops_at]
        if self._current is not None or self._draining:
            times.append(self._pulse.next_at)
        if self._candidate:
            times.append(self._candidate.boots_until)
        if self._successor and not self._draining:
            times.append(self._successor.boots_until)
        if self._leaving:
            times.append(self._leaving.leaves_until)
        for generation in self._all():
            times += generation.deadlines()
        until = min(times, default=float("inf"))
        if until == float("inf"):
            return None
        return max(0.0, until - time.monotonic()) * 1000 + 1

    def _look_at_clock(self) -> None:
        now = time.monotonic()
        if self._leaves_at <= now:
            self._leave()
        if self._stops_at <= now:
            self._stop()
        for generation in self._all():
            due = [i for i, (at, _) in generation.vacancies.items() if at <= now]
            for index in due:
                _, failures = generation.vacancies.pop(index)
                try:
                    self._fork(generation, index, failures)
                except OSError as error:
                    self._log.error(cannot_fork(error).text)
                    delay = back_off(failures + 1)
                    generation.vacancies[index] = (now + delay, failures + 1)
            if generation.is_stuck(now):
                generation.kill()

    # ---------------------------------------------------------------- generations

    def _launch(self, plan: Plan) -> None:
        self._generations += 1
        try:
            board = Scoreboard.create(plan.workers, plan.worker.threads, self._generations)
        except OSError as error:
            close_listeners(plan, keep=self._current.plan if self._current else None)
            raise cannot_fork(error) from None
        board.facts = {**plan.facts, "outcome": [EX_OK, ""]}
        board.count_changes(self._changes)
        self._candidate = Generation(plan, board)
        try:
            for index in range(plan.workers):
                self._fork(self._candidate, index, failures=0)
        except OSError as error:
            why = cannot_fork(error)
            self._give_up(self._candidate, why.status, why.text)

    def _fork(self, generation: Generation, index: int, failures: int) -> None:
        ours, theirs = Channel.pair()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            status = EX_WORKER
            try:
                status = self._be_worker(generation, index, ours, theirs)
            except BaseException:
                self._log.error(f"internal error in worker {index}: {traceback.format_exc()}")
            finally:
                os._exit(status)
        theirs.close()
        generation.board.set_pid(index, pid)
        generation.processes[pid] = WorkerProcess(index, pid, ours, failures)

    def _be_worker(self, generation: Generation, index: int, ours: Channel, theirs: Channel) -> int:
        self._inbox.close()
        ours.close()
        for supervisor in (self._successor, self._predecessor):
            if supervisor is not None:
                supervisor.close()
        for other in self._all():
            for process in other.processes.values():
                process.channel.close()
            if other is not generation:
                close_listeners(other.plan, keep=generation.plan)
        plan = generation.plan
        log = replace(self._log, verbose=plan.verbose)
        return run_worker(index, plan.worker, plan.listeners, generation.board, theirs, log)

    def _judge_candidate(self, on_ready: Callable[[], None]) -> None:
        candidate = self._candidate
        if candidate is None:
            return
        if candidate.is_ready():
            self._promote(candidate, on_ready)
        elif candidate.boots_until <= time.monotonic():
            self._give_up(candidate, EX_WORKER, f"no answer from a worker in {BOOT_SECONDS:g} s")

    def _promote(self, candidate: Generation, on_ready: Callable[[], None]) -> None:
        predecessor, self._current, self._candidate = self._current, candidate, None
        candidate.board.phase = Phase.SERVING
        self._log = replace(self._log, verbose=candidate.plan.verbose)
        if predecessor is not None and candidate.plan.log_file != predecessor.plan.log_file:
            self._open_log(candidate)
        facts = candidate.plan.facts
        self._log.notice(
            f"serving {facts['docroot']} at {', '.join(facts['addresses'])} "
            f"with {candidate.plan.workers} workers of {candidate.plan.worker.threads} loops"
        )
        if predecessor is None:
            on_ready()
            self._tell(f"MAINPID={os.getpid()}", "READY=1")
            return
        close_listeners(predecessor.plan, keep=candidate.plan)
        self._retire(predecessor)
        self._leaving = predecessor

    def _judge_leaving(self) -> None:
        """A reload is over when nobody is served with the old settings any more."""
        if self._leaving is not None and self._leaving.has_left():
            self._leaving = None
            if not self._draining:
                self._finish_change("reload", EX_OK, "")

    def _give_up(self, candidate: Generation, status: int, why: str) -> None:
        """Start: raise what went wrong.  Reload: say so, and go on with what there was."""
        candidate.kill()
        for process in candidate.processes.values():
            os.waitpid(process.pid, 0)
            process.channel.close()
        candidate.processes.clear()
        self._candidate = None
        if self._current is None:
            raise StartError(status, why)
        close_listeners(candidate.plan, keep=self._current.plan)
        self._finish_change("reload", status, why)

    def _retire(self, generation: Generation) -> None:
        generation.board.phase = Phase.STOPPING if self._draining else Phase.DRAINING
        generation.drain(min(generation.plan.worker.loop.drain_timeout, self._drain_limit))
        self._retired.append(generation)

    # ---------------------------------------------------------------- workers

    def _reap(self) -> None:
        for generation in self._all():
            for process in list(generation.processes.values()):
                if process.pid not in generation.processes:
                    continue  # its generation was given up
                pid, status = os.waitpid(process.pid, os.WNOHANG)
                if pid:
                    self._on_death(generation, process, status)
        self._retired = [generation for generation in self._retired if generation.processes]

    def _on_death(self, generation: Generation, process: WorkerProcess, status: int) -> None:
        if not process.ready:
            process.hear()
        process.channel.close()
        del generation.processes[process.pid]
        if generation is self._candidate:
            code, why = process.complaint or (EX_WORKER, f"a worker {describe_exit(status)}")
            self._give_up(generation, code, why)
        elif generation is self._current and not self._draining:
            self._replace(generation, process, status)

    def _replace(self, generation: Generation, process: WorkerProcess, status: int) -> None:
        now = time.monotonic()
        is_healthy = process.ready and now - process.started >= HEALTHY_SECONDS
        failures = 0 if is_healthy else process.failures + 1
        delay = back_off(failures)
        generation.board.set_pid(process.index, 0)
        generation.vacancies[process.index] = (now + delay, failures)
        what = process.complaint[1] if process.complaint else describe_exit(status)
        when = f" in {delay:g} s, it keeps dying" if delay else ""
        text = f"worker {process.index} (pid {process.pid}) {what}; starting another{when}"
        if status == 0:
            self._log.notice(text)
        else:
            self._log.error(text)

    # ---------------------------------------------------------------- signals

    def _on_signal(self, number: signal.Signals) -> None:
        if number in _STOPS:
            self._stop() if self._draining else self._drain()
        elif number is signal.SIGUSR1:
            self._open_logs()
        elif number in _CHANGES and self._current is not None and not self._draining:
            if self._candidate or self._leaving or self._successor:
                self._postponed.add(number)  # what it is about may have changed since it was read
            elif number is signal.SIGHUP:
                self._reload(self._current)
            else:
                self._upgrade(self._current)

    def _open_logs(self) -> None:
        newest = self._current or (self._retired[-1] if self._retired else None)
        if newest is not None:
            self._open_log(newest)
        if self._predecessor is not None and self._predecessor.has_hung_up:
            self._predecessor.signal(signal.SIGUSR1)

    def _open_log(self, generation: Generation) -> None:
        """Have everybody write to the log file that now has the name."""
        if generation.plan.log_file is None:
            return
        try:
            fd = self._reopen_log(generation.plan.log_file)
        except StartError as error:
            self._log.error(f"{error.text}; going on with the file that is open")
            return
        for other in self._all():
            other.tell(Message.LOG, fd=fd)
        os.close(fd)

    def _drain(self) -> None:
        """Let nobody new in; those who are just getting in are served as ever for a moment.

        If somebody else keeps the listeners, the service manager or a successor, they are left at
        once and as they are: whoever gets in is served there.
        """
        self._draining = True
        self._tell("STOPPING=1")
        self._leaves_at = time.monotonic()
        self._limit_drain()
        for generation in self._all():
            generation.board.phase = Phase.STOPPING
            if generation.plan.endpoint is not None and not self._is_replaced:
                self._leaves_at = time.monotonic() + HANDSHAKE_SECONDS
                for listener in generation.plan.listeners:
                    stop_handshakes(listener)
        if self._successor is not None:
            self._successor.signal(signal.SIGTERM)

    def _limit_drain(self) -> None:
        """Set what the drain of the server may take: less if the machine waits for it as well."""
        if self._current is None:
            return
        plan = self._current.plan
        seconds = plan.worker.loop.drain_timeout
        if not self._is_replaced and machine_shuts_down():
            seconds = min(seconds, plan.shutdown_timeout)
        self._drain_limit = seconds
        self._stops_at = time.monotonic() + seconds + LAST_WORDS_SECONDS
        self._pulse.begin_drain(plan.worker.loop.send_timeout, seconds + LAST_WORDS_SECONDS)
        for generation in self._retired:
            generation.limit_drain(seconds)

    def _leave(self) -> None:
        """Have all workers leave the listeners and finish what is in hand."""
        self._leaves_at = float("inf")
        if self._candidate is not None:
            candidate, self._candidate = self._candidate, None
            close_listeners(candidate.plan)
            self._retire(candidate)
        if self._current is not None:
            current, self._current = self._current, None
            close_listeners(current.plan)
            self._retire(current)
        self._log.notice("draining")

    def _tell(self, *assignments: str) -> None:
        """Tell the service manager a change of state, and the status with it."""
        self._pulse.tell_status(self._serving(), is_draining=self._draining, first=assignments)

    def _stop(self) -> None:
        """End without draining, or end the drain."""
        self._stops_at = float("inf")
        if self._leaves_at < float("inf"):
            self._leave()
        for generation in self._retired:
            generation.tell(Message.STOP)
            generation.limit_drain(0)
        if self._successor is not None:
            self._successor.signal(signal.SIGTERM)
        if self._predecessor is not None and self._predecessor.has_hung_up:
            self._predecessor.signal(signal.SIGTERM)

    def _reload(self, current: Generation) -> None:
        self._log.notice("reloading")
        self._pulse.tell_reloading()
        try:
            self._launch(self._make_plan(current.plan))
        except StartError as error:
            self._finish_change("reload", error.status, error.text)

    def _finish_change(self, what: str, status: int, why_not: str) -> None:
        """Tell the outcome of a reload or upgrade to the log and to who waits for it."""
        if status != EX_OK:
            for line in describe_failure(what, why_not):
                self._log.error(line)
        else:
            self._log.notice("reloaded")
        reasons = why_not.replace("\n", "; ")
        self._pulse.remark = f"; the last {what} failed: {reasons}" if status != EX_OK else ""
        self._tell("READY=1")
        self._changes += 1
        if self._current is not None:
            self._current.board.facts = {
                **self._current.plan.facts,
                "outcome": [status, why_not[:MAX_REASON]],
            }
            self._current.board.count_changes(self._changes)
        if self._postponed:
            self._on_signal(self._postponed.pop())

    # ---------------------------------------------------------------- upgrades

    def _upgrade(self, current: Generation) -> None:
        self._log.notice("upgrading")
        try:
            self._successor = self._start_successor(current.plan)
        except OSError as error:
            self._finish_change("upgrade", EX_OSERR, f"cannot start it: {error.strerror}")

    def _judge_successor(self) -> None:
        successor = self._successor
        if successor is None or self._draining:
            return
        successor.look_at_clock()
        if successor.outcome is None:
            return
        self._successor = None
        status, why_not = successor.outcome
        if status == EX_OK:
            self._make_way(successor)
        successor.close()
        if status != EX_OK:
            self._finish_change("upgrade", status, why_not)

    def _make_way(self, successor: Successor) -> None:
        """Let the successor be the server, which it is once the line to it is closed."""
        self._log.notice(f"upgraded: pid {successor.pid} serves from now on")
        self._pulse.hand_over(successor.pid)
        for number in self._postponed:
            successor.signal(number)
        self._is_replaced = True
        self._drain()

    def _look_at_predecessor(self) -> None:
        """Be the server when the predecessor has hung up; a drain waits for its end as well."""
        predecessor = self._predecessor
        if predecessor is None or not predecessor.has_hung_up:
            return
        if not self._leads:
            self._leads = True
            self._pulse.speak(self._serving(), is_draining=self._draining)
        if predecessor.has_ended():
            self._predecessor = None
            predecessor.close()

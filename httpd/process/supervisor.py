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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from httpd.network.listener import stop_handshakes
from httpd.observe import terminal
from httpd.observe.log import Log
from httpd.observe.scoreboard import Phase, Scoreboard
from httpd.process.channel import Channel, Message
from httpd.process.errors import (
    EX_OK,
    EX_OSERR,
    EX_UNAVAILABLE,
    EX_WORKER,
    StartError,
    format_failure,
)
from httpd.process.generation import (
    BOOT_SECONDS,
    LAST_WORDS_SECONDS,
    Generation,
    Plan,
    WorkerProcess,
    back_off,
    cannot_fork,
    close_listeners,
    reap_one,
)
from httpd.process.handover import HandOver, divert
from httpd.process.notify import Notifier
from httpd.process.rollout import Rollout
from httpd.process.shutdown import machine_shuts_down
from httpd.process.signals import CHANGES, STOPS, SignalInbox
from httpd.process.upgrade import Predecessor, Successor
from httpd.process.watchdog import Watchdog
from httpd.process.worker import run_worker

HEALTHY_SECONDS = 1.0
"""A worker that lived shorter than this was not well, and its successor has to wait."""
HANDSHAKE_SECONDS = 0.1
"""How long a drain lets handshakes that are under way come to their end."""
ERROR_PAUSE = 1.0
"""Seconds without work after an internal error, which may come again at once."""
KILL_SECONDS = 2.0
"""How long to wait for killed workers, which hold what the next ones may need; one that waits for a
disk may take for ever."""

_NO_UPGRADE_OF_INIT = (
    "phttpd is PID 1 here, and all processes of a container end with that; "
    "replace the container, which is an upgrade"
)


class Supervisor:
    """Runs generations of workers.

    Args:
        make_plan: reads the configuration and opens the listeners, for a start (None) and for each
            reload (the plan in force, so that unchanged listeners stay open); raises StartError.
        open_log: opens a log file and returns its descriptor; raises StartError.
        log: for messages.
        inbox: what `make_inbox` returned.
        notifier: the line to the service manager.
        start_successor: starts a new supervisor for the plan that is in force; raises OSError.
        predecessor: the supervisor whose place this one takes, if any.
    """

    def __init__(
        self,
        make_plan: Callable[[Plan | None], Plan],
        open_log: Callable[[str], int],
        log: Log,
        inbox: SignalInbox,
        notifier: Notifier,
        start_successor: Callable[[Plan], Successor],
        predecessor: Predecessor | None,
    ) -> None:
        self._make_plan = make_plan
        self._open_log_file = open_log
        self._log = log
        self._inbox = inbox
        self._start_successor = start_successor
        self._successor: Successor | None = None
        self._predecessor = predecessor
        self._is_replaced = False
        self._leads = predecessor is None
        self._watchdog = Watchdog(notifier, log)
        self._rollout = Rollout(log, self._watchdog)
        self._current: Generation | None = None
        self._candidate: Generation | None = None
        self._leaving: Generation | None = None
        self._retired: list[Generation] = []
        self._generations = 0
        self._draining = False
        self._leaves_at = float("inf")
        self._hand_over = HandOver()
        self._drain_limit = float("inf")
        self._stops_at = float("inf")

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
        steps = (
            self._wait,
            self._obey_signals,
            self._reap,
            self._look_at_clock,
            lambda: self._judge_candidate(on_ready),
            self._judge_leaving,
            self._judge_successor,
            self._look_at_predecessor,
            self._beat,
        )
        while not self._is_over():
            for step in steps:
                with self._bulkhead():
                    step()
        self._log.notice("stopped")
        return EX_OK

    @contextmanager
    def _bulkhead(self) -> Iterator[None]:
        """Log an internal error and go on: those who are served are not concerned.

        The pause keeps an error that comes again in every turn from taking a whole core; a signal
        ends it.  A server that does not serve yet has nothing to lose, and ends.
        """
        try:
            yield
        except StartError:
            raise
        except Exception:
            if self._current is None and not self._draining:
                raise
            self._log.error(f"internal error, going on: {format_failure()}")
            select.select([self._inbox], [], [], ERROR_PAUSE)

    def _beat(self) -> None:
        if self._current is not None or self._draining:
            self._watchdog.beat(self._serving(), self._predecessor, is_draining=self._draining)

    def _is_over(self) -> bool:
        return (
            self._draining
            and not any(generation.processes for generation in self._all())
            and (self._successor is None or self._successor.has_ended())
            and (self._predecessor is None or not self._predecessor.has_hung_up)
        )

    def _all(self) -> list[Generation]:
        known = (self._current, self._candidate, self._hand_over.generation, *self._retired)
        return [generation for generation in known if generation is not None]

    def _serving(self) -> list[Generation]:
        return [
            generation
            for generation in self._all()
            if generation is not self._candidate and not generation.is_killed
        ]

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
        times = [self._leaves_at, self._stops_at, self._hand_over.ends_at]
        if self._current is not None or self._draining:
            times.append(self._watchdog.next_at)
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
        if self._hand_over.ends_at <= now:
            self._end_hand_over()
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
                except Exception as error:
                    self._log.error(self._rollout.explain(cannot_fork(error)).text)
                    delay = back_off(failures + 1)
                    generation.vacancies[index] = (now + delay, failures + 1)
            if generation.is_stuck(now):
                generation.kill()

    # ---------------------------------------------------------------- generations

    def _launch(self, plan: Plan) -> None:
        self._generations += 1
        try:
            loops = plan.process.threads
            board = Scoreboard.create(plan.process.workers, loops, self._generations, plan.facts)
            self._candidate = Generation(plan, board)
            self._rollout.publish(self._candidate)
            for index in range(plan.process.workers):
                self._fork(self._candidate, index, failures=0)
        except Exception as error:
            self._abandon(plan)
            raise cannot_fork(error) from None

    def _fork(self, generation: Generation, index: int, failures: int) -> None:
        ours, theirs = Channel.pair()
        try:
            pid = os.fork()
        except BaseException:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            status = EX_WORKER
            try:
                status = self._be_worker(generation, index, ours, theirs)
            except BaseException:
                self._log.error(f"internal error in worker {index}: {format_failure()}")
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
        log = replace(self._log, verbose=plan.log.verbose)
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
        self._log = self._rollout.log = replace(self._log, verbose=candidate.plan.log.verbose)
        if candidate.plan.log_fd is not None:
            self._use_log(candidate.plan.log_fd)
        facts, process = candidate.plan.facts, candidate.plan.process
        self._log.notice(
            f"serving {facts['docroot']} at {', '.join(facts['addresses'])} "
            f"with {process.workers} workers of {process.threads} loops"
        )
        if predecessor is None:
            on_ready()
            self._tell(f"MAINPID={os.getpid()}", "READY=1")
            return
        self._leaving = predecessor
        self._hand_over.begin(predecessor, candidate.plan)

    def _end_hand_over(self) -> None:
        if (before := self._hand_over.end()) is not None:
            self._retire(before)

    def _judge_leaving(self) -> None:
        """A reload is over when nobody is served with the old settings any more."""
        if self._leaving is not None and self._leaving.has_left():
            self._leaving = None
            if self._current is not None and not self._draining:
                self._finish_change("reload", EX_OK, "; ".join(self._current.plan.remarks))

    def _give_up(self, candidate: Generation, status: int, why: str) -> None:
        """Start: raise what went wrong.  Reload: say so, and go on with what there was."""
        self._abandon(candidate.plan)
        if self._current is None:
            raise StartError(status, why)
        self._finish_change("reload", status, why)

    def _abandon(self, plan: Plan) -> None:
        """Give back all that a generation that will not serve has got so far."""
        candidate, self._candidate = self._candidate, None
        if candidate is not None:
            candidate.kill()
            self._retired.append(candidate)  # to take leave of its workers
            candidate.wait_for_end(KILL_SECONDS)
        close_listeners(plan, keep=self._current.plan if self._current else None)
        if plan.log_fd is not None:
            os.close(plan.log_fd)

    def _retire(self, generation: Generation) -> None:
        generation.board.phase = Phase.STOPPING if self._draining else Phase.DRAINING
        generation.drain(min(generation.plan.process.drain_timeout, self._drain_limit))
        self._retired.append(generation)

    # ---------------------------------------------------------------- workers

    def _reap(self) -> None:
        """Take leave of the children that have ended.

        As PID 1, the supervisor also gets the orphans of its container, and is the only one who can
        take leave of them.
        """
        while (dead := reap_one()) is not None:
            pid, status = dead
            self._obey_signals()  # one to the whole process group may be why the child has ended
            for generation in self._all():
                if pid in generation.processes:
                    self._on_death(generation, generation.processes[pid], status)
                    break
        self._retired = [generation for generation in self._retired if generation.processes]

    def _on_death(self, generation: Generation, process: WorkerProcess, status: int) -> None:
        process.has_ended = True
        if not process.ready and not generation.is_killed:
            process.hear()
        process.channel.close()
        del generation.processes[process.pid]
        if generation is self._candidate and not self._draining:
            code, why = process.complaint or (EX_WORKER, f"a worker {process.describe_end(status)}")
            self._give_up(generation, code, why)
        elif generation is self._current and not self._draining:
            self._replace(generation, process, status)
        elif process.fault:
            self._log.error(f"worker {process.index} (pid {process.pid}) {process.fault}")

    def _replace(self, generation: Generation, process: WorkerProcess, status: int) -> None:
        now = time.monotonic()
        is_healthy = process.ready and now - process.started >= HEALTHY_SECONDS
        failures = 0 if is_healthy else process.failures + 1
        delay = back_off(failures)
        generation.board.set_pid(process.index, 0)
        generation.vacancies[process.index] = (now + delay, failures)
        what = f"worker {process.index} (pid {process.pid}) {process.describe_end(status)}"
        when = f" in {delay:g} s, it keeps dying" if delay else ""
        say = self._log.error if status else self._log.notice
        say(f"{what}; starting another{when}")

    # ---------------------------------------------------------------- signals

    def _obey_signals(self) -> None:
        for number in self._inbox.take():
            with self._bulkhead():
                self._on_signal(number)

    def _on_signal(self, number: signal.Signals) -> None:
        if number in STOPS:
            self._stop() if self._draining else self._drain()
        elif number is signal.SIGHUP and terminal.has_hung_up():
            if not self._draining:  # there is no Ctrl-C any more
                self._drain()
        elif number is signal.SIGUSR1:
            self._open_logs()
        elif number in CHANGES and self._current is not None and not self._draining:
            if self._candidate or self._leaving or self._successor:
                # What it is about may have changed since it was read.
                self._rollout.postponed.add(number)
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
        """Have everybody write to the log file that has the name now."""
        if generation.plan.log.log_file is None:
            return
        try:
            fd = self._open_log_file(generation.plan.log.log_file)
        except Exception as error:
            why = self._rollout.explain(error).text
            self._log.error(f"{why}; going on with the file that is open")
            return
        self._use_log(fd)

    def _use_log(self, fd: int) -> None:
        """Have everybody write to a log file, the descriptor of which is closed."""
        os.dup2(fd, self._log.output, inheritable=False)
        for other in self._all():
            other.tell(Message.LOG, fd=fd)
        os.close(fd)

    def _drain(self) -> None:
        """Let nobody new in; those who are just getting in are served as ever for a moment.

        If the service manager or a successor keeps the listeners, they are left at once and as they
        are: whoever gets in is served there.  A predecessor that still serves keeps them as well;
        it may be about to hang up, so there is a moment for that, too.
        """
        self._draining = True
        self._end_hand_over()
        self._tell("STOPPING=1")
        self._leaves_at = time.monotonic()
        self._limit_drain()
        for generation in self._all():
            generation.board.phase = Phase.STOPPING
            if generation.plan.endpoint is not None and not self._is_replaced:
                self._leaves_at = time.monotonic() + HANDSHAKE_SECONDS
                if self._predecessor is None or self._predecessor.has_hung_up:
                    for listener in generation.plan.listeners:
                        stop_handshakes(listener)
        if self._successor is not None:
            self._successor.signal(signal.SIGTERM)

    def _limit_drain(self) -> None:
        """Set what the drain of the server may take: less if the machine waits for it as well."""
        if self._current is None:
            return
        plan = self._current.plan
        seconds = plan.process.drain_timeout
        if not self._is_replaced and machine_shuts_down():
            seconds = min(seconds, plan.process.shutdown_timeout)
        self._drain_limit = seconds
        self._stops_at = time.monotonic() + seconds + LAST_WORDS_SECONDS
        self._watchdog.begin_drain(plan.worker.loop.send_timeout, seconds + LAST_WORDS_SECONDS)
        for generation in self._retired:
            generation.limit_drain(seconds)

    def _leave(self) -> None:
        """Have all workers leave the listeners and finish what is in hand."""
        self._leaves_at = float("inf")
        leaving = self._candidate, self._current
        self._candidate = self._current = None
        for generation in leaving:
            if generation is not None:
                close_listeners(generation.plan)
                self._retire(generation)
        self._log.notice("draining")

    def _tell(self, *assignments: str) -> None:
        """Tell the service manager a change of state, and the status with it."""
        self._watchdog.tell_status(self._serving(), is_draining=self._draining, first=assignments)

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
        self._watchdog.tell_reloading()
        try:
            self._launch(self._make_plan(current.plan))
        except Exception as error:
            self._fail_change("reload", error)

    def _fail_change(self, what: str, error: Exception) -> None:
        # The frame that caught the error must not refer to it, or that would keep all it refers to.
        why = self._rollout.explain(error)
        self._finish_change(what, why.status, why.text)

    def _finish_change(self, what: str, status: int, remark: str) -> None:
        """Tell how a reload or upgrade went; see `Rollout.end`."""
        self._rollout.end(what, status, remark)
        self._tell("READY=1")
        if self._current is not None:
            self._rollout.publish(self._current)
        if self._rollout.postponed:
            self._on_signal(self._rollout.postponed.pop())

    # ---------------------------------------------------------------- upgrades

    def _upgrade(self, current: Generation) -> None:
        self._log.notice("upgrading")
        if os.getpid() == 1:
            self._finish_change("upgrade", EX_UNAVAILABLE, _NO_UPGRADE_OF_INIT)
            return
        try:
            self._successor = self._start_successor(current.plan)
        except OSError as error:
            self._finish_change("upgrade", EX_OSERR, f"cannot start it: {error.strerror}")
        except Exception as error:
            self._fail_change("upgrade", error)

    def _judge_successor(self) -> None:
        successor = self._successor
        if successor is None or self._draining:
            return
        successor.look_at_clock()
        if successor.outcome is None:
            return
        self._successor = None
        status, why_not = successor.outcome
        try:
            if status == EX_OK:
                self._make_way(successor)
        finally:
            successor.close()
        if status != EX_OK:
            self._finish_change("upgrade", status, why_not)

    def _make_way(self, successor: Successor) -> None:
        """Let the successor be the server, which it is once the line to it is closed."""
        self._log.notice(f"upgraded: pid {successor.pid} serves from now on")
        self._watchdog.hand_over(successor.pid)
        # The log may have been rotated since the successor opened it.
        for number in (signal.SIGUSR1, *self._rollout.postponed):
            successor.signal(number)
        self._is_replaced = True
        listeners = self._current.plan.listeners if self._current else ()
        left = [one for number, one in enumerate(listeners) if successor.left >> number & 1]
        self._drain()
        self._leaves_at += divert(left)

    def _look_at_predecessor(self) -> None:
        """Be the server when the predecessor has hung up; a drain waits for its end as well.

        One that was killed hangs up before this one serves, which then goes on with its boot.
        """
        predecessor = self._predecessor
        if predecessor is not None:
            if not predecessor.has_hung_up:
                return
            if predecessor.has_ended():
                self._predecessor = None
                predecessor.close()
        if not self._leads and (self._current is not None or self._draining):
            self._leads = True
            self._watchdog.speak(self._serving(), is_draining=self._draining)

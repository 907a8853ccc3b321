"""Workers that were forked together, as the supervisor sees them.

Called by `httpd.process.supervisor` and, for the plan of a generation, by `httpd.service`.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from httpd.observe.scoreboard import Column, Scoreboard
from httpd.observe.settings import LogSettings
from httpd.process.channel import Channel, Message, read_failure
from httpd.process.errors import EX_OSERR, StartError
from httpd.process.others import ends_within
from httpd.process.settings import ProcessSettings
from httpd.process.worker import WorkerSettings

BOOT_SECONDS = 30.0
"""How long a worker may take until it serves."""
LEAVE_SECONDS = 2.0
"""How long a worker that drains may take to leave the listeners."""
LAST_WORDS_SECONDS = 2.0
"""How long a worker may take to end once its drain is over."""
STUCK_SECONDS = 60.0
"""How long the loops of a draining generation may not turn until its workers are killed: a drain
has no other end where `drain_timeout` is not set."""
MAX_BACK_OFF = 10.0
"""Seconds between two attempts to start a worker that keeps dying, at the most."""
_MAX_SAID = 80
"""Characters that are quoted of a message that means nothing."""


Endpoint = tuple[tuple[str, ...], int]
"""Hosts and port, as they stand in the configuration."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a generation is to be.

    Args:
        worker: settings for each of the worker processes, and how many there are.
        listeners: open listening sockets.
        endpoint: what the listeners were opened for; the same endpoint keeps them through a reload.
            None when the service manager opened them: it keeps them when this server ends.
        facts: for ``phttpd status``.
        log_fd: the log file, if it is another one than before; to be closed when it is in use.
        remarks: what of the configuration has not come into force.
    """

    worker: WorkerSettings
    listeners: Sequence[socket.socket]
    endpoint: Endpoint | None
    facts: dict[str, Any]
    log_fd: int | None = None
    remarks: Sequence[str] = ()

    @property
    def process(self) -> ProcessSettings:
        """What the operator says about processes."""
        return self.worker.process

    @property
    def log(self) -> LogSettings:
        """What the operator says about the log."""
        return self.worker.log


class WorkerProcess:
    """A worker as the supervisor sees it."""

    def __init__(self, index: int, pid: int, channel: Channel, failures: int) -> None:
        self.index = index
        self.pid = pid
        self.channel = channel
        self.failures = failures  # of its predecessors, one after the other
        self.started = time.monotonic()
        self.ready = False
        self.has_left = False  # the listeners
        self.has_ended = False  # and its pid may be that of another process
        self.complaint: tuple[int, str] | None = None
        self.fault = ""
        """What it did, if it is killed for that."""

    def hear(self) -> None:
        """Take in what a worker says: that it serves, and that it has left the listeners.

        A worker may be anything that the user it runs as has made of it.  One that says what means
        nothing, or hangs up before it serves, is killed.
        """
        received = self.channel.receive()
        if received is None:
            self._on_hang_up()
            return
        message, text, fd = received
        if fd is not None:
            os.close(fd)  # no worker has one to give
        if message is Message.READY and not self.ready:
            self.ready = True
        elif message is Message.LEFT:
            self.has_left = True
        elif message is Message.FAILED:
            self.complaint = read_failure(text)
            self.kill()  # it ends by itself, unless it is not what it was
        elif message is not Message.NOTHING:
            self.has_left = True
            said = text if message is Message.NONSENSE else f"{message} {text}"
            self.fault = f"was killed, since it said {said.rstrip()[:_MAX_SAID]!a}"
            self.kill()

    def _on_hang_up(self) -> None:
        """It has been killed, or must be: without the channel, it cannot be told to end."""
        self.has_left = True
        if not self.ready and self.complaint is None and not self.fault:
            self.fault = "was killed by SIGKILL before it served"
            self.kill()

    def describe_end(self, status: int) -> str:
        """Say why it ended: by its own words, or by those of waitpid(2)."""
        if self.complaint is not None:
            return self.complaint[1]
        is_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        return self.fault if self.fault and is_killed else describe_exit(status)

    def kill(self) -> None:
        """End the worker at once, if it has not ended."""
        if not self.has_ended:
            os.kill(self.pid, signal.SIGKILL)


class Generation:
    """Workers that were forked together, and when dead ones are to be replaced."""

    def __init__(self, plan: Plan, board: Scoreboard) -> None:
        self.plan = plan
        self.board = board
        self.processes: dict[int, WorkerProcess] = {}  # by pid
        self.vacancies: dict[int, tuple[float, int]] = {}  # index → when to fill it, failures
        self.boots_until = time.monotonic() + BOOT_SECONDS
        self.drains_until = float("inf")
        self.leaves_until = float("inf")
        self.is_killed = False
        self._ticks = 0
        self._ticked_at = float("inf")

    def is_ready(self) -> bool:
        """Tell whether all workers serve."""
        return not self.vacancies and all(process.ready for process in self.processes.values())

    def is_draining(self) -> bool:
        """Tell whether the workers were told to finish the requests that they have received."""
        return self.leaves_until < float("inf")

    def has_left(self) -> bool:
        """Tell whether no worker accepts connections any more, but for one that is stuck."""
        return self.leaves_until <= time.monotonic() or not any(self._leaving())

    def _leaving(self) -> Iterator[WorkerProcess]:
        return (process for process in self.processes.values() if not process.has_left)

    def speakers(self) -> Iterator[WorkerProcess]:
        """Return the workers that may still say something."""
        if self.is_killed:
            return iter(())
        return (
            process
            for process in self._leaving()
            if process.complaint is None and not process.fault
        )

    def drain(self, seconds: float) -> None:
        """Have all workers leave the listeners and finish the requests that they have received.

        Args:
            seconds: how long that may take; infinite for as long as anything moves.
        """
        now = time.monotonic()
        self.vacancies.clear()
        self.leaves_until = now + LEAVE_SECONDS
        self._ticked_at = now
        self._give_time(now, seconds)

    def limit_drain(self, seconds: float) -> None:
        """Give a drain that has begun no more than so many seconds."""
        now = time.monotonic()
        if now + seconds + LAST_WORDS_SECONDS < self.drains_until:
            self._give_time(now, seconds)

    def _give_time(self, now: float, seconds: float) -> None:
        self.drains_until = now + seconds + LAST_WORDS_SECONDS
        self.tell(Message.DRAIN, str(seconds))

    def is_stuck(self, now: float) -> bool:
        """Tell whether a drain is not over when it should be, or no loop has turned for long."""
        if self.is_killed or not self.is_draining():
            return False
        ticks = self.board.total(Column.TICKS)
        if ticks != self._ticks:
            self._ticks, self._ticked_at = ticks, now
        return min(self.drains_until, self._ticked_at + STUCK_SECONDS) <= now

    def deadlines(self) -> list[float]:
        """Return when something has to be done by the clock, by the monotonic one."""
        times = [at for at, _ in self.vacancies.values()]
        if self.is_killed or not self.is_draining():
            return times
        return [*times, self.drains_until, self._ticked_at + STUCK_SECONDS]

    def tell(self, message: Message, text: str = "", fd: int | None = None) -> None:
        """Send a message, and a descriptor with it, to all workers."""
        for process in self.processes.values():
            process.channel.send(message, text, fd)

    def kill(self) -> None:
        """End all workers at once."""
        for process in self.processes.values():
            process.kill()
        self.is_killed = True

    def wait_for_end(self, seconds: float) -> None:
        """Wait for workers that were killed, in vain if one waits for a disk."""
        until = time.monotonic() + seconds
        for pid in self.processes:
            handle = os.pidfd_open(pid)
            ends_within(handle, until - time.monotonic())
            os.close(handle)


def close_listeners(plan: Plan, keep: Plan | None = None) -> None:
    """Close the listeners of `plan` but those that `keep` uses as well."""
    for listener in plan.listeners:
        if keep is None or listener not in keep.listeners:
            listener.close()


def back_off(failures: int) -> float:
    """Return how many seconds to wait after so many failures in a row; the first one is free."""
    return 0.0 if failures <= 1 else min(0.1 * 2.0 ** min(failures, 10), MAX_BACK_OFF)


def cannot_fork(error: Exception) -> Exception:
    """Return why a worker could not be started, or the error itself if it was not foreseen."""
    if isinstance(error, OSError):
        return StartError(EX_OSERR, f"cannot start a worker: {error.strerror}")
    return error


def describe_exit(status: int) -> str:
    """Say how a worker ended, from what waitpid(2) said."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:  # most real-time signals have no name
            return f"was killed by signal {-code}"
    return f"ended with exit status {code}"


def reap_one() -> tuple[int, int] | None:
    """Return pid and status of a child that has ended, if there is one."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None

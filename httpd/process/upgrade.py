"""An upgrade: a new supervisor, of the code as it is now, takes the place of the running one.

The running one, the *predecessor*, starts its own command once more and passes it the listeners
(sd_listen_fds(3)) and one end of a channel.  The new one, the *successor*, boots like any server,
and when all of its workers serve it takes the pidfile and says so.  Then the predecessor introduces
it to the service manager, hangs up, and drains.  From that moment on the successor is the server;
when it is told to end, it also waits for what the predecessor has in hand.  If it does not get so
far, the predecessor goes on as if nothing had been.

Called by `httpd.process.supervisor`, `httpd.service` and `httpd.cli`.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import time
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from httpd.observe.log import Log
from httpd.observe.scoreboard import Scoreboard, read_all
from httpd.process.activation import FIRST_FD
from httpd.process.channel import Channel, Message, read_failure
from httpd.process.errors import EX_OK, EX_OSERR, EX_WORKER
from httpd.process.generation import BOOT_SECONDS, Endpoint, Plan
from httpd.process.others import ends_within

UPGRADE_SECONDS = BOOT_SECONDS + 20.0
"""How long a successor may take until it serves."""
_VARIABLE = "PHTTPD_UPGRADE"
_STDERR = 2


@dataclass(frozen=True, slots=True)
class Command:
    """How this program was started.

    Args:
        arguments: all of them, the interpreter first.
        directory: where that was; None if it had been removed.
        names_relative_paths: whether they have paths that mean something in `directory` only.
    """

    arguments: tuple[str, ...]
    directory: str | None
    names_relative_paths: bool

    def enter_directory(self) -> None:
        """Make `directory` the working directory; if it is gone and nothing refers to it, the root.

        Raises:
            OSError: when it cannot be, and something does; `filename` says what.
        """
        try:
            os.chdir(self.directory or "/")
        except OSError:
            if self.names_relative_paths:
                raise
            os.chdir("/")


class Successor:
    """The new supervisor as the running one sees it."""

    def __init__(self, pid: int, channel: Channel) -> None:
        self.pid = pid
        self.boots_until = time.monotonic() + UPGRADE_SECONDS
        self.outcome: tuple[int, str] | None = None
        """`EX_OK` once it serves, or an exit status and why it does not."""
        self.left = 0
        """The listeners that it does not use, once it serves: a bit for each, from the lowest."""
        self._handle = os.pidfd_open(pid)
        self._channel = channel

    @classmethod
    def start(cls, command: Command, plan: Plan, log: Log) -> Successor:
        """Start a new supervisor with the listeners of `plan`.

        It is no child of this process, so that whoever looks after this one gets it instead.

        Args:
            command: what to run.
            plan: of the generation that serves.
            log: where a daemon's errors go until the successor has a log of its own.

        Raises:
            OSError: when no process can be started.
        """
        ours, theirs = Channel.pair()
        line, other_line = socket.socketpair()
        predecessor = os.getpid()
        # Or what it is told before it obeys signals would be lost; `reset_signals` takes it up.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        try:
            between = os.fork()
            if between == 0:
                line.close()
                _fork_between(command, plan, log, theirs, predecessor, other_line)
            other_line.close()
            try:
                return cls(int(line.recv(16) or 0), ours)
            finally:
                line.close()  # now the one in between ends
                os.waitpid(between, 0)
        except OSError:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            for end in (theirs, line, other_line):
                end.close()

    def fileno(self) -> int:
        """Return the descriptor to wait for: of the outcome, and then of the end."""
        return self._channel.fileno() if self.outcome is None else self._handle

    def hear(self) -> None:
        """Take in how the boot went, or that the process has ended."""
        if self.outcome is not None:
            return
        received = self._channel.receive()
        if received is None:
            why = "the new supervisor ended before it served; its last words are in the log"
            self.outcome = EX_WORKER, why
            return
        message, text, fd = received
        if fd is not None:
            os.close(fd)
        if message is Message.READY:
            self.outcome = EX_OK, ""
            self.left = int(text, 16) if re.fullmatch("[0-9a-f]{1,4000}", text) else 0
        elif message is not Message.NOTHING:
            self.outcome = read_failure(text)

    def look_at_clock(self) -> None:
        """Give it up if it has taken too long."""
        if self.outcome is None and self.boots_until <= time.monotonic():
            self.signal(signal.SIGKILL)
            why = f"the new supervisor did not serve within {UPGRADE_SECONDS:g} s"
            self.outcome = EX_WORKER, why

    def has_ended(self) -> bool:
        """Tell whether the process has ended."""
        return ends_within(self._handle, 0)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process is still there."""
        _signal(self._handle, number)

    def close(self) -> None:
        """Hang up, which makes it the server if it serves; also for a worker, which has inherited
        the line.
        """
        self._channel.close()
        os.close(self._handle)


def _fork_between(
    command: Command,
    plan: Plan,
    log: Log,
    channel: Channel,
    predecessor: int,
    line: socket.socket,
) -> NoReturn:
    """Start the successor, and end when the predecessor has got hold of it."""
    try:
        signal.set_wakeup_fd(-1)
        pid = os.fork()
        if pid == 0:
            _become_successor(command, plan, log, channel, predecessor)
        line.send(b"%d" % pid)
        line.recv(1)
    finally:
        os._exit(EX_OSERR)


def _become_successor(
    command: Command, plan: Plan, log: Log, channel: Channel, predecessor: int
) -> NoReturn:
    me = str(os.getpid())
    fds = [*(listener.fileno() for listener in plan.listeners), channel.fileno()]
    first_free = FIRST_FD + len(fds)
    environment = {**os.environ, "LISTEN_PID": me, "LISTEN_FDS": str(len(plan.listeners))}
    environment[_VARIABLE] = json.dumps([predecessor, first_free - 1, plan.endpoint])
    if "WATCHDOG_PID" in environment:
        environment["WATCHDOG_PID"] = me
    try:
        command.enter_directory()
        # First out of the way of each other.
        for number, fd in enumerate([fcntl.fcntl(fd, fcntl.F_DUPFD, first_free) for fd in fds]):
            os.dup2(fd, FIRST_FD + number)
            os.close(fd)
        if plan.log.log_file is not None and os.path.samestat(
            os.fstat(_STDERR), os.stat(os.devnull)
        ):
            os.dup2(log.errors, _STDERR)
        os.execve(command.arguments[0], command.arguments, environment)
    except OSError as error:
        place = f" in {command.directory}" if command.directory else ""
        why = f"cannot run {command.arguments[0]}{place}: {error.strerror}"
        channel.send(Message.FAILED, f"{EX_OSERR} {why}")
    finally:
        os._exit(EX_OSERR)


class Predecessor:
    """The supervisor of before as the new one sees it.

    Args:
        pid: of the process.
        channel: on which it waits for the outcome.
        endpoint: see `Plan`.
    """

    def __init__(self, pid: int, channel: Channel, endpoint: Endpoint | None) -> None:
        self.pid = pid
        self.endpoint = endpoint
        self.has_hung_up = False
        """Whether this process is the server now."""
        self._channel = channel
        self._handle = _open_process(pid)
        # Another process may have got its number by now, if it does not hold the line any more.
        if self._handle is not None and channel.has_ended():
            os.close(self._handle)
            self._handle = None
        if self._handle is None:
            self.has_hung_up = True

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> Predecessor | None:
        """Return the predecessor of this process, if it has one; to be called before
        `take_listeners`.

        Args:
            environment: of this process; the variable is removed.
        """
        text = environment.pop(_VARIABLE, None)
        if text is None or environment.get("LISTEN_PID") != str(os.getpid()):
            return None
        pid, fd, endpoint = json.loads(text)
        os.set_inheritable(fd, False)
        if endpoint is not None:
            hosts, port = endpoint
            endpoint = (tuple(hosts), port)
        return cls(pid, Channel(socket.socket(fileno=fd)), endpoint)

    def tell_ready(self, left: Sequence[bool]) -> None:
        """Say that all workers serve.

        Args:
            left: for each socket that was passed, whether it is not used any more.
        """
        bits = sum(is_left << number for number, is_left in enumerate(left))
        self._channel.send(Message.READY, f"{bits:x}")

    def tell_failed(self, status: int, why: str) -> None:
        """Say that this process gives up."""
        self._channel.send(Message.FAILED, f"{status} {why}")

    def fileno(self) -> int:
        """Return the descriptor to wait for: of the hang-up, and then of the end."""
        if self.has_hung_up and self._handle is not None:
            return self._handle
        return self._channel.fileno()

    def hear(self) -> None:
        """Take in that the predecessor has hung up or ended."""
        if not self.has_hung_up and self._channel.receive() is None:
            self.has_hung_up = True

    def has_ended(self) -> bool:
        """Tell whether the process has ended, with all that it had in hand."""
        return self._handle is None or ends_within(self._handle, 0)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process is still there."""
        _signal(self._handle, number)

    def boards(self) -> list[Scoreboard]:
        """Return what its workers are doing."""
        try:
            return [] if self._handle is None else read_all(self.pid)
        except OSError:
            return []

    def close(self) -> None:
        """Forget it; also for a worker, which has inherited the line."""
        self._channel.close()
        if self._handle is not None:
            os.close(self._handle)


def _open_process(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _signal(handle: int | None, number: signal.Signals) -> None:
    if handle is None:
        return
    try:
        signal.pidfd_send_signal(handle, number)
    except OSError:
        pass  # it has ended

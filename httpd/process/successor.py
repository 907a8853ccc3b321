"""The successor: in an upgrade, the new supervisor that takes the place of this one.

The running supervisor, the *predecessor*, starts its own command once more and passes it the
listeners (sd_listen_fds(3)) and one end of a channel.  The successor boots like any server.  Then:

1. The successor sends READY when all of its workers serve.
2. The predecessor sends TAKE-OVER.  It still serves.
3. The successor puts its pidfile in place and sends SERVING.  From now on the commands find it.
4. The predecessor introduces it to the service manager, drains, and closes the channel.  When the
   successor is told to stop, it waits until the predecessor has ended as well.

The modes of the server are the first message on the channel, and are sent again when they change.

If the successor ends before step 4, the predecessor goes on as if nothing had happened.  A
successor that is told to stop before step 3 sends FAILED, and drains on its own.  If the
predecessor is told to drain before step 4, it sends DRAIN, and waits until the successor has ended.

`httpd.process.predecessor` is the other end.  Called by `httpd.process.rollout`,
`httpd.service` and `httpd.cli`.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import time
from dataclasses import dataclass
from typing import NoReturn

from httpd.network.unix_listener import UnixListener
from httpd.observe.log import Log
from httpd.process.activation import FIRST_FD
from httpd.process.channel import Channel, Message, close_all, read_failure
from httpd.process.errors import EX_OK, EX_OSERR, EX_WORKER
from httpd.process.others import ends_within, send_signal
from httpd.process.plan import Plan
from httpd.process.worker_process import BOOT_SECONDS

UPGRADE_SECONDS = BOOT_SECONDS + 20.0
"""How long a successor may take until it has taken over."""
UPGRADE_VARIABLE = "PHTTPD_UPGRADE"
"""In the environment of a successor: JSON of the predecessor's pid, the descriptor of the channel,
the endpoint of the listeners, and for each listener the path and the file of a Unix socket that
phttpd has bound, or null."""
_KILL_SECONDS = 2.0
"""How long the end of a successor that was killed may take."""
_STDERR = 2


@dataclass(frozen=True, slots=True)
class Command:
    """How this program was started.

    Args:
        arguments: the command line, with the interpreter first.
        directory: the working directory at that time; None if it had been removed.
        names_relative_paths: whether a path on the command line is relative to `directory`.
    """

    arguments: tuple[str, ...]
    directory: str | None
    names_relative_paths: bool

    def enter_directory(self) -> None:
        """Make `directory` the working directory, or the root if it is gone and not needed.

        Raises:
            OSError: when it is gone and needed; `filename` is the directory.
        """
        try:
            os.chdir(self.directory or "/")
        except OSError:
            if self.names_relative_paths:
                raise
            os.chdir("/")


class Successor:
    """The new supervisor as the running one sees it.

    Args:
        pid: of the process.
        channel: the end of the predecessor.
    """

    def __init__(self, pid: int, channel: Channel) -> None:
        self.pid = pid
        self.boots_until = time.monotonic() + UPGRADE_SECONDS
        """When it is given up, by the monotonic clock."""
        self.is_ready = False
        """Whether all its workers serve, and it waits for `let_take_over`."""
        self.outcome: tuple[int, str] | None = None
        """`EX_OK` once it has taken over, or an exit status and why it has not."""
        self.unused = 0
        """The listeners that it does not use: a bit for each, from the lowest."""
        self._handle = os.pidfd_open(pid)
        self._channel = channel

    @classmethod
    def start(cls, command: Command, plan: Plan, log: Log, modes: str) -> Successor:
        """Start a new supervisor with the listeners of `plan`.

        It becomes a child of this process's parent or subreaper, such as the service manager.

        Args:
            command: what to run.
            plan: of the generation that serves.
            log: gets the errors of a daemon until the successor has opened its own log.
            modes: see `send_modes`; they are there when the successor begins.

        Raises:
            OSError: when no process can be started.
        """
        ours, theirs = Channel.pair()
        ours.send(Message.MODES, modes)
        control, other_control = socket.socketpair()
        predecessor = os.getpid()
        # A signal to the successor before it has handlers must wait, until `reset_signals`.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        try:
            between = os.fork()
            if between == 0:
                control.close()
                _fork_between(command, plan, log, theirs, predecessor, other_control)
            other_control.close()
            try:
                return cls(int(control.recv(16) or 0), ours)
            finally:
                control.close()  # now the process in between ends
                os.waitpid(between, 0)
        except OSError:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            for end in (theirs, control, other_control):
                end.close()

    def fileno(self) -> int:
        """Return the descriptor to wait for: of the channel, and once `outcome` is known, of the
        end of the process.
        """
        return self._channel.fileno() if self.outcome is None else self._handle

    def receive(self) -> None:
        """Read one message: all workers serve, the successor has taken over, or it has failed."""
        if self.outcome is not None:
            return
        received = self._channel.receive()
        if received is None:
            why = "the new supervisor ended before it took over; its last messages are in the log"
            self.outcome = EX_WORKER, why
            return
        message, text, fds = received
        close_all(fds)
        if message is Message.READY:
            self.is_ready = True
            self.unused = int(text, 16) if re.fullmatch("[0-9a-f]{1,4000}", text) else 0
        elif message is Message.SERVING:
            self.outcome = EX_OK, ""
        elif message is not Message.NOTHING:
            self.outcome = read_failure(text)

    def check_deadline(self) -> None:
        """Kill the successor if it has not taken over in time."""
        if self.outcome is None and self.boots_until <= time.monotonic():
            self.signal(signal.SIGKILL)
            ends_within(self._handle, _KILL_SECONDS)  # it may hold the lock of the pidfile
            why = f"the new supervisor did not take over within {UPGRADE_SECONDS:g} s"
            self.outcome = EX_WORKER, why

    def send_modes(self, modes: str) -> None:
        """Send the modes of the server, which `httpd.process.modes` has as a text."""
        self._channel.send(Message.MODES, modes)

    def let_take_over(self) -> None:
        """Let a successor that is ready take over."""
        self.is_ready = False
        self._channel.send(Message.TAKE_OVER)

    def cancel(self) -> None:
        """Tell the successor to drain: this process drains as well, and waits for it."""
        self._channel.send(Message.DRAIN)
        self.signal(signal.SIGTERM)

    def has_ended(self) -> bool:
        """Tell whether the process has ended."""
        return ends_within(self._handle, 0)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process still runs."""
        send_signal(self._handle, number)

    def close(self) -> None:
        """Close the channel: a successor that has taken over is the only server from then on.

        Also called in a worker, which has inherited the descriptors.
        """
        self._channel.close()
        os.close(self._handle)


def _fork_between(
    command: Command,
    plan: Plan,
    log: Log,
    channel: Channel,
    predecessor: int,
    control: socket.socket,
) -> NoReturn:
    """Start the successor, and end when the predecessor has opened a pidfd of it."""
    try:
        signal.set_wakeup_fd(-1)
        pid = os.fork()
        if pid == 0:
            _become_successor(command, plan, log, channel, predecessor)
        control.send(b"%d" % pid)
        control.recv(1)
    finally:
        os._exit(EX_OSERR)


def _become_successor(
    command: Command, plan: Plan, log: Log, channel: Channel, predecessor: int
) -> NoReturn:
    me = str(os.getpid())
    sockets = plan.sockets
    fds = [*(listener.fileno() for listener in sockets), channel.fileno()]
    first_free = FIRST_FD + len(fds)
    environment = {**os.environ, "LISTEN_PID": me, "LISTEN_FDS": str(len(sockets))}
    endpoint = next(iter(plan.own_endpoints), None)
    files = [[one.path, one.file] if isinstance(one, UnixListener) else None for one in sockets]
    environment[UPGRADE_VARIABLE] = json.dumps([predecessor, first_free - 1, endpoint, files])
    if "WATCHDOG_PID" in environment:
        environment["WATCHDOG_PID"] = me
    try:
        command.enter_directory()
        # First move them all above the target range, so that none overwrites another.
        for number, fd in enumerate([fcntl.fcntl(fd, fcntl.F_DUPFD, first_free) for fd in fds]):
            os.dup2(fd, FIRST_FD + number)
            os.close(fd)
        is_silent = os.path.samestat(os.fstat(_STDERR), os.stat(os.devnull))
        if plan.log.log_file is not None and is_silent:
            os.dup2(log.errors, _STDERR)
        os.execve(command.arguments[0], command.arguments, environment)
    except OSError as error:
        place = f" in {command.directory}" if command.directory else ""
        why = f"cannot run {command.arguments[0]}{place}: {error.strerror}"
        channel.send(Message.FAILED, f"{EX_OSERR} {why}")
    finally:
        os._exit(EX_OSERR)

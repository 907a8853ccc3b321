"""The process of the monitor: one loop, and a main thread that obeys the supervisor.

Called by `httpd.service`, in a process that `httpd.process.monitor_keeper` has forked.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from socket import socket

from httpd.gateway.interface import AnyGateway, Hooks
from httpd.monitor.events import Events
from httpd.monitor.gateway import MonitorGateway, admit
from httpd.monitor.pages import make_pages
from httpd.monitor.settings import Address, TcpAddress
from httpd.monitor.snapshot import Snapshots
from httpd.monitor.state import ServerState
from httpd.network.acceptor import Listeners
from httpd.network.listener import Listener
from httpd.network.loop import Loop
from httpd.network.settings import LoopSettings
from httpd.observe.downloads_log import format_lines
from httpd.observe.line_writer import LineWriter
from httpd.observe.log import Log, name_thread
from httpd.observe.scoreboard import Scoreboard
from httpd.observe.transfers import NAME
from httpd.process.channel import Channel, Message, use_files
from httpd.process.errors import EX_NOPERM, EX_OK, EX_WORKER
from httpd.process.privileges import drop_privileges
from httpd.process.signals import SignalInbox
from httpd.settings.networks import Network

_LIMITS = LoopSettings(
    recv=16 * 1024,
    keepalive_timeout=75.0,
    header_timeout=10.0,
    send_timeout=10.0,
    max_connections=128,
    max_body=0,
)
_LEAVE_SECONDS = 1.0
"""How long the responses under way may take when the monitor has to end."""


@dataclass(frozen=True, slots=True)
class MonitorOptions:
    """What the process of the monitor depends on.

    Args:
        address: where it listens.
        clients: the networks of clients that it serves, beside this machine; any if it is empty.
        user: the user that it becomes, as `drop_privileges` takes it.
        group: likewise.
        downloads_log: the descriptor of the downloads log, or None for none.
    """

    address: Address
    clients: tuple[Network, ...]
    user: str | None
    group: str | None
    downloads_log: int | None = None


def run_monitor(
    options: MonitorOptions, sockets: Sequence[socket], channel: Channel, log: Log
) -> int:
    """Serve until the supervisor ends the monitor or has ended itself; return the exit status.

    Args:
        options: see `MonitorOptions`.
        sockets: listening sockets.
        channel: the monitor's end of the channel to the supervisor.
        log: for messages.
    """
    ignored = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
    inbox = SignalInbox([signal.SIGTERM], ignored)
    log = replace(log, role="monitor", verbose=False, lost={})
    name_thread(log.role)
    supervisor = os.getppid()
    try:
        drop_privileges(options.user, options.group)
    except OSError as error:
        log.error(f"cannot become the user of the workers: {error.strerror}")
        return EX_NOPERM
    return _Monitor(options, sockets, ServerState(supervisor), channel, log).run(inbox)


class _Monitor:
    def __init__(
        self,
        options: MonitorOptions,
        sockets: Sequence[socket],
        state: ServerState,
        channel: Channel,
        log: Log,
    ) -> None:
        self._state = state
        snapshots = Snapshots(state)
        self._events = Events(snapshots, lambda: self._is_leaving)
        self._pages = make_pages(state, snapshots, self._events)
        self._channel = channel
        self._log = log
        self._shared: dict[str, int] = {}  # descriptors of the memory of generations, by name
        self._is_leaving = self._has_failed = False
        self._follows = threading.RLock()
        fd = options.downloads_log
        self._writer = LineWriter(fd, log, "the downloads log") if fd is not None else None
        self._ended = os.eventfd(0, os.EFD_CLOEXEC)
        self._listeners = Listeners([Listener(one, options) for one in sockets], 1)
        board = Scoreboard.private()
        self._loop = Loop(0, self._listeners, _LIMITS, self._make_gateway, board, log, None)

    def _make_gateway(self, options: MonitorOptions, hooks: Hooks) -> AnyGateway:
        return MonitorGateway(
            self._pages,
            options.address.host if isinstance(options.address, TcpAddress) else None,
            admit(options.clients) if options.clients else None,
            hooks,
            self._on_second,
        )

    def _on_second(self, second: int) -> None:
        self._state.look(second)
        self._follow_transfers()
        self._events.on_second()
        self._loop.wake()

    def _follow_transfers(self) -> None:
        """Bring the downloads up to date, and log those that are over."""
        with self._follows:
            now = time.monotonic()
            closed = self._state.follow_transfers(now)
            if self._writer is not None:
                self._writer.write("".join(format_lines(closed, time.time() - now)).encode())

    def _end_log(self) -> None:
        """Log what is over until now.

        The rest is left to the next monitor, so that no download is logged by both.
        """
        with self._follows:
            if self._writer is not None:
                self._follow_transfers()
                self._writer = None

    def run(self, inbox: SignalInbox) -> int:
        threading.Thread(target=self._run_loop, daemon=True).start()
        poll = select.poll()
        for source in (inbox, self._channel, self._ended):
            poll.register(source, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self._ended:
                    return EX_WORKER if self._has_failed else EX_OK
                if fd == inbox.fileno():
                    inbox.take()
                    self._leave()
                elif not self._obey():
                    poll.unregister(self._channel)
                    self._leave()

    def _run_loop(self) -> None:
        try:
            self._loop.run()
        except BaseException:
            self._log.error(f"internal error, the monitor ends: {traceback.format_exc()}")
            self._has_failed = True
        os.eventfd_write(self._ended, 1)

    def _obey(self) -> bool:
        """Obey a message of the supervisor; return whether more may come."""
        received = self._channel.receive()
        if received is None:
            return False
        message, text, fds = received
        if message is Message.STOP:
            self._leave()
        elif message is Message.GONE:
            self._close(text)
        elif message is Message.BOARD and fds:
            self._close(text)
            (self._shared[text],) = fds
            self._update_generations()
        elif message is Message.LOG:
            use_files(text, fds)
        return True

    def _close(self, name: str) -> None:
        if (fd := self._shared.pop(name, None)) is not None:
            os.close(fd)
            self._update_generations()

    def _update_generations(self) -> None:
        numbers = (name.removeprefix(NAME) for name in self._shared if NAME in name)
        self._state.generations = frozenset(map(int, numbers))

    def _leave(self) -> None:
        """End once the responses under way are sent."""
        if not self._is_leaving:
            self._is_leaving = True
            self._end_log()
            self._loop.drain(self._listeners.close, _LEAVE_SECONDS)

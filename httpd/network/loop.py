"""The event loop of one thread: it owns its connections from birth to close.

Loops share the listening sockets and a row each of the scoreboard, and nothing else: no locks, no
queues, no hand-over.  A turn is one `epoll_wait` and then a bounded piece of work for every
connection that is ready; once a second comes a tick, which looks at deadlines and lets answers age.
"""

from __future__ import annotations

import errno
import math
import os
import select
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from httpd.files.faults import NOT_YET, describe_fault
from httpd.gateway.caches import Caches
from httpd.gateway.gateway import Gateway, Hooks
from httpd.network.acceptor import Acceptor, Listeners
from httpd.network.connection import Connection
from httpd.network.listener import format_peer
from httpd.network.room import Room
from httpd.network.send_budget import SendBudget
from httpd.network.settings import LoopSettings
from httpd.network.state import IDLE, LINGERING, State
from httpd.network.timer import open_timer
from httpd.observe.access_log import AccessLog
from httpd.observe.log import Log, name_thread
from httpd.observe.scoreboard import Column, Scoreboard
from httpd.protocol.messages import HTTPError
from httpd.protocol.response import Response
from httpd.site.settings import SiteSettings
from httpd.site.site import Site

TICK = 1.0
"""Seconds between two looks at the deadlines, as the timer has it."""
DRAIN_TICK = 0.05
"""The same while draining, when every moment counts."""
PATIENCE = 0.002
"""Seconds from the beginning of a turn after which no answer waits for one that is not known yet:
that may have to be read from a disk."""
DOCROOT_SILENCE = 60.0
"""Seconds between two messages of a loop about a docroot that cannot be read."""
DUE = 128
"""Connections whose deadline has passed that are looked at in one turn."""
LAST_FLUSH_SECONDS = 2.0
"""How long the end waits for a slow reader of the access log."""
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC})
"""What the machine lacks, which is no mistake of ours; ENOSPC of epoll_ctl(2) means watches."""
_EVENTS = 16
"""Events of one turn: how many clients are served before the other loops are given way.

The loops of a worker share one interpreter.  Each system call lets go of it and takes it back,
which on a busy core wakes those who wait for it, but too late: a loop with enough to do would keep
it until the kernel takes the core away.  And where a loop has little to do, those whom it has just
served may use the core to ask for more, so that its next turn has more events.
"""


class Loop:
    """One event loop.

    Args:
        index: its row in the scoreboard.
        listeners: those of the worker.
        settings: for its connections.
        site: what is served.
        caches: those that all loops of the worker share.
        board: where it says what it does.
        log: for messages.
        access_log: for a line per request, or None.
    """

    def __init__(
        self,
        index: int,
        listeners: Listeners,
        settings: LoopSettings,
        site: SiteSettings,
        caches: Caches,
        board: Scoreboard,
        log: Log,
        access_log: AccessLog | None,
    ) -> None:
        self.settings = settings
        self.log = log
        self.verbose = log.verbose
        self.access_log = access_log
        self.now = time.monotonic()
        # A worker that takes the place of a dead one goes on counting where that one stopped.
        self.requests: int = board.column(Column.REQUESTS)[index]
        self.sent: int = board.column(Column.SENT)[index]
        self.recv = settings.recv
        self.epoll = select.epoll()
        self.answered: list[tuple[Connection, Response]] = []
        """Whom to send what at the end of the turn.

        A client that sleeps is woken by the first answer to it, and not by each of them.
        """
        self._connections: dict[int, Connection] = {}
        self._docroot = site.docroot
        self._index = index
        self._board = board
        self._counts = board.column(Column.CONNECTIONS)
        self.room = Room(board, settings.max_connections)
        self.send_budget = SendBudget(len(self._counts))
        self.look_after = min(TICK, settings.send_timeout)
        """Seconds from a slice of a download to the first look at whether it is being taken."""
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.epoll.register(self._wake_fd, select.EPOLLIN)
        self._timer_fd = open_timer()
        self.epoll.register(self._timer_fd, select.EPOLLIN)
        self._commands: list[Callable[[], None]] = []
        self._complaints: set[str] = set()
        self._docroot_silence = 0.0  # ends then
        self._next_tick = self.now
        self._drain_deadline: float | None = None
        self._drain_started = self.now
        self.rouse = listeners.rouse
        """To be called before a disk may keep the loop waiting."""
        hooks = Hooks(self._before_blocking, self._make_room, self._complain, self._log_exception)
        self.gateway = Gateway(Site(site, caches.files), caches, hooks)
        self._acceptor = Acceptor(
            listeners,
            self.epoll,
            self._counts,
            index,
            self._welcome,
            self._make_room,
            self._call,
            log,
        )

    # ---------------------------------------------------------------- from other threads

    def drain(self, on_released: Callable[[], None], seconds: float) -> None:
        """Ask the loop to finish the requests that it has received, and then end.

        Args:
            on_released: called in the loop's thread once it has left the listeners for good.
            seconds: how long that may take; infinite for as long as anything moves.
        """
        self._call(lambda: self._begin_drain(on_released, seconds))

    def limit_drain(self, seconds: float) -> None:
        """Ask a loop that drains to take no more than so many seconds from now on."""
        self._call(partial(self._limit_drain, seconds))

    def stop(self) -> None:
        """Ask the loop to close everything and end."""
        self._call(lambda: self._close_all("stop"))

    def is_draining(self) -> bool:
        """Tell whether the loop finishes what it has, and accepts no more."""
        return self._drain_deadline is not None

    def _call(self, command: Callable[[], None]) -> None:
        self._commands.append(command)
        try:
            os.eventfd_write(self._wake_fd, 1)
        except OSError:
            pass  # the next tick will do

    # ---------------------------------------------------------------- the loop

    def run(self) -> None:
        """Serve until the loop is drained or stopped."""
        name_thread(self.log.role)
        poll = self.epoll.poll
        connections = self._connections
        self._tick()
        while self._drain_deadline is None or connections:
            events = poll(self._timeout(), _EVENTS)
            self.now = time.monotonic()
            self.gateway.invalidate_root()
            if self.now >= self._next_tick:
                self._tick()
            self._acceptor.watch_again(self.now)
            for fd, _ in events:
                connection = connections.get(fd)
                try:
                    if connection is None:
                        self._on_other_event(fd)
                    else:
                        connection.on_event()
                except Exception:
                    self._on_failure(connection)
            self.send_responses()
            os.sched_yield()
        self._publish()
        if self.access_log is not None:
            self.access_log.flush(LAST_FLUSH_SECONDS)

    def send_responses(self) -> None:
        """Send the responses of this turn; to be called before anything but receiving."""
        for connection, response in self.answered:
            try:
                connection.begin(response)
            except Exception:
                self._on_failure(connection)
        self.answered.clear()

    def _timeout(self) -> float | None:
        """Seconds until the next thing that happens by itself; None while the timer is enough."""
        if self._drain_deadline is not None:
            return max(0.0, self._next_tick - self.now)
        if self._acceptor.returns_at is not None:
            return max(0.0, self._acceptor.returns_at - self.now)
        return None

    def _on_other_event(self, fd: int) -> None:
        self.send_responses()
        if fd == self._timer_fd:
            os.read(fd, 8)  # the turn has begun with a tick
        elif fd == self._wake_fd:
            os.eventfd_read(fd)
            self._obey()
        else:
            self._acceptor.accept(fd, self.now)

    def _tick(self) -> None:
        if self._drain_deadline is None:
            # At the same time in every loop: what one has checked is good for the others as well.
            self._next_tick = math.floor(self.now) + TICK
        else:
            self._next_tick = self.now + DRAIN_TICK
        self._complaints.clear()
        self._carefully(None, self._begin_second)

    def _obey(self) -> None:
        """Do what other threads have asked for."""
        for _ in range(len(self._commands)):  # and not what these ask for in the next turn
            self._carefully(None, self._commands.pop(0))

    def _begin_second(self) -> None:
        self._obey()
        second = int(self.now)
        self.gateway.begin_second(second)
        if self.access_log is not None:
            self.access_log.tick()
        self._look_at_deadlines()
        self._warn_of_docroot()
        if self._drain_deadline is not None:
            self._continue_drain(self._drain_deadline)
        self._publish()
        for _ in range(self.room.share(self._board.column(Column.SPARE)[self._index])):
            self._close_one(IDLE)

    def _warn_of_docroot(self) -> None:
        """Log that requests of the last second met no docroot; it may stay away for long."""
        fault = self.gateway.take_docroot_fault()
        if fault and self.now >= self._docroot_silence:
            self._docroot_silence = self.now + DOCROOT_SILENCE
            self.log.warning(f"{describe_fault(self._docroot, fault)}; {NOT_YET}")

    def _look_at_deadlines(self) -> None:
        """Give up what has taken too long; of very many connections, some in each turn."""
        due = [c for c in self._connections.values() if c.deadline <= self.now]
        for connection in due[:DUE]:
            self._carefully(connection, connection.on_deadline)
        if len(due) > DUE:
            self._call(self._look_at_deadlines)

    def _publish(self) -> None:
        connections = self._connections.values()
        row = {
            Column.ACTIVE: sum(connection.state is not IDLE for connection in connections),
            Column.REQUESTS: self.requests,
            Column.SENT: self.sent,
            Column.REMAINING: sum(connection.unsent() for connection in connections),
            Column.SPARE: sum(connection.state is IDLE for connection in connections),
        }
        for column, value in row.items():
            self._board.column(column)[self._index] = value
        self._board.column(Column.TICKS)[self._index] += 1

    def _carefully(self, connection: Connection | None, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception:
            self._on_failure(connection)

    def _on_failure(self, connection: Connection | None) -> None:
        """An exception that is being handled ends one connection, if any, and nothing else."""
        error = sys.exception()
        if isinstance(error, OSError) and error.errno in _SHORTAGES:
            self._complain(f"connections had to be closed: {error.strerror}")
        else:
            self._log_exception()
        if connection is not None:
            connection.close("internal error")

    def _complain(self, text: str) -> None:
        """Log an error that may come with each request; once until the next tick."""
        if text not in self._complaints:
            self._complaints.add(text)
            self.log.error(text)

    # ---------------------------------------------------------------- connections

    def _welcome(self, fd: int, address: Any) -> None:
        """Take over an accepted connection, and serve it at once: its request is mostly there."""
        data = b""
        if not self.verbose:  # else there is more to be told than is known yet
            try:
                data = os.read(fd, self.recv)
            except OSError:  # as the connection will find out
                pass
        if data and self._answer_and_close(fd, address, data):
            return
        connection = Connection(self, fd, format_peer(address))
        if self.room.is_full() and not self._find_place():
            self._carefully(connection, partial(self._turn_away, connection, data))
            return
        self.gateway.invalidate_root()  # it may have connected in this very turn
        go_on = partial(connection.receive, data) if data else connection.on_event
        self._carefully(connection, go_on)
        self.send_responses()

    def _turn_away(self, connection: Connection, data: bytes) -> None:
        """Refuse a client for want of room; `data` is what was read from it, if that was tried."""
        if not data:
            try:
                data = os.read(connection.fd, self.recv)
            except OSError:  # it has said nothing yet, or is gone
                pass
        text = "The server is busy. Please try again."
        error = HTTPError(503, text, (("Retry-After", "1"),), "too many connections")
        connection.refuse(error, data)

    def _answer_and_close(self, fd: int, address: Any, data: bytes) -> bool:
        """Answer a client that asks for one small thing that is known, and wants nothing more.

        No per-connection state is needed, nor a place among the open connections.
        """
        response = self.gateway.exact(data)
        if response is None or response.lingers or response.behind or response.length:
            return False
        if len(data) == self.recv:  # there may be more, and closing would reset the connection
            return False
        wire = response.wire
        try:
            sent = os.write(fd, wire)
        except OSError:  # as the connection will find out
            return False
        if sent < len(wire):
            connection = Connection(self, fd, format_peer(address))
            self._carefully(connection, partial(connection.resume, response, (wire,), sent))
            return True
        self.requests += 1
        self.sent += sent
        try:
            os.close(fd)
            return True
        except OSError:
            return True  # it is closed all the same (close(2))

    def adopt(self, connection: Connection, interest: int) -> None:
        """Begin to watch a connection that has something to wait for."""
        self.epoll.register(connection.fd, interest)
        self._connections[connection.fd] = connection
        self._counts[self._index] = len(self._connections)

    def forget(self, connection: Connection) -> None:
        """Stop watching a connection, which is about to be closed."""
        if self._connections.pop(connection.fd, None) is not None:
            self._counts[self._index] = len(self._connections)

    def _close_one(self, *states: State) -> bool:
        """Close a connection that is in one of these states, if there is one."""
        for connection in self._connections.values():
            if connection.is_quiet(*states):
                if connection.state is IDLE:
                    self.room.take_spare(self._index)
                connection.close("too many connections")
                return True
        return False

    def _find_place(self) -> bool:
        """Make room for one connection; tell whether there is some."""
        while self.room.is_full():
            if not self._close_one(LINGERING, IDLE):
                return self.room.may_exceed()
        return True

    def _make_room(self) -> None:
        """Free descriptors: those of files that nobody downloads, and an idle connection's."""
        self.gateway.release()
        self._close_one(IDLE)

    def _close_all(self, reason: str) -> None:
        self._drain_deadline = self.now
        for connection in list(self._connections.values()):
            connection.cut(reason)

    def _begin_drain(self, on_released: Callable[[], None], seconds: float) -> None:
        if self._drain_deadline is None:
            self._drain_started = self.now
            self._drain_deadline = self.now + seconds
            self._next_tick = self.now
            self.gateway.drain()
            self._acceptor.drain()
            self._continue_drain(self._drain_deadline)
        on_released()

    def _limit_drain(self, seconds: float) -> None:
        if self._drain_deadline is not None:
            self._drain_deadline = min(self._drain_deadline, self.now + seconds)

    def _continue_drain(self, deadline: float) -> None:
        """Close what has become idle, or everything if it has taken too long."""
        for connection in list(self._connections.values()):
            self.gateway.invalidate_root()  # its request may have come just now
            self._carefully(connection, partial(connection.on_drain, self._drain_started))
        if deadline <= self.now:
            self._close_all("drain timeout")

    # ---------------------------------------------------------------- for the gateway

    def is_late(self) -> bool:
        """Tell whether the turn has taken so long that what can wait is left for the next one."""
        return time.monotonic() - self.now > PATIENCE

    def _before_blocking(self) -> None:
        """Let nobody wait for a disk but who asked for it."""
        if self.answered and time.monotonic() - self.now > PATIENCE:
            self.send_responses()
        self.rouse()

    def _log_exception(self) -> None:
        self.log.error(f"internal error: {traceback.format_exc()}")

"""The event loop of one thread: it owns its connections from accept to close.

Loops share the listening sockets, the caches of their worker and a row each of the scoreboard, and
nothing else: a connection needs no lock and is never handed over.  A turn is one `epoll_wait`, and
then a bounded piece of work for every connection that is ready.  Once a second comes a tick, which
looks at deadlines and has cached responses validated.
"""

from __future__ import annotations

import errno
import math
import os
import select
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from httpd.gateway.interface import AnyGateway, Hooks
from httpd.network.accept_handler import AcceptHandler, Diverter, Guard
from httpd.network.acceptor import Acceptor, Listeners
from httpd.network.commands import Commands
from httpd.network.connections import Connections
from httpd.network.context import Context
from httpd.network.docroot_watch import DocrootWatch
from httpd.network.failures import Failures
from httpd.network.recorder import Recorder
from httpd.network.response_queue import ResponseQueue
from httpd.network.room import Room
from httpd.network.send_budget import SendBudget
from httpd.network.settings import LoopSettings
from httpd.network.state import IDLE
from httpd.network.timer import open_timer
from httpd.network.worker_counts import WorkerCounts
from httpd.observe.access_log import AccessLog
from httpd.observe.log import Log, name_thread
from httpd.observe.scoreboard import PAUSING, Column, Scoreboard
from httpd.observe.transfers import TransferTable

TICK = 1.0
"""Seconds between two ticks, as the timer has them."""
DRAIN_TICK = 0.05
"""Seconds between two ticks of a drain, which ends sooner for it."""
DUE = 128
"""The most connections whose deadlines are handled in one turn."""
LAST_FLUSH_SECONDS = 2.0
"""How long the end of a loop waits for a slow reader of the access log."""
_EVENTS = 16
"""The most events of one turn: clients that are served before other loops may run.

The loops of a worker share one interpreter.  Each system call releases the interpreter and takes it
back.  On a busy core that wakes the loops that wait for the interpreter, but too late: a loop with
enough to do would keep it until the kernel takes the core away.  And where a loop has little to do,
the clients that it has just served may use the core to ask for more, so that the next turn has more
events.
"""


class Loop:
    """One event loop.

    Args:
        index: the row of the loop in the scoreboard.
        listeners: those of the worker.
        settings: for connections.
        make_gateway: makes the gateway for a role of the listeners.
        board: where the loop publishes what it does.
        log: for messages.
        access_log: for a line per request, or None.
        transfers: where the loop publishes its downloads while they are watched, or None.
        counts: those of the worker, or None where nobody counts.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - a worker has made all this for its loops
        self,
        index: int,
        listeners: Listeners,
        settings: LoopSettings,
        make_gateway: Callable[[Any, Hooks], AnyGateway],
        board: Scoreboard,
        log: Log,
        access_log: AccessLog | None,
        transfers: TransferTable | None = None,
        counts: WorkerCounts | None = None,
    ) -> None:
        self._counts = counts
        self.log = log
        self._index = index
        self._board = board
        self._listeners = listeners
        self._epoll = select.epoll()
        self._timer_fd = open_timer()
        self._commands = Commands()
        self._own_fds = frozenset({self._commands.fd, self._timer_fd})
        for fd in self._own_fds:
            self._epoll.register(fd, select.EPOLLIN)
        self._failures = Failures(log)
        connections = board.column(Column.CONNECTIONS)
        room = Room(board, settings.max_connections)
        self._connections = Connections(self._epoll, room, board, index)
        self.context = Context(
            settings,
            SendBudget(len(connections)),
            Recorder(transfers.writer(index) if transfers else None),
            room,
            log,
            access_log,
            self._connections.watch,
            self._connections.unwatch,
            self._before_blocking,
            time.monotonic(),
        )
        self.queue = ResponseQueue(self.context, self._failures)
        hooks = self._make_hooks()
        self.gateways = {each: make_gateway(each, hooks) for each in listeners.frontends()}
        """One for each role of the listeners."""
        self._docroots = [DocrootWatch(gateway, log) for gateway in self.gateways.values()]
        self._next_tick = self._drain_started = self.context.now
        self._drain_deadline = math.inf
        self._acceptor = Acceptor(
            listeners,
            self._epoll,
            connections,
            index,
            {frontend: self._make_handler(gateway) for frontend, gateway in self.gateways.items()},
            self._on_exhausted,
            self._commands.call,
            log,
        )

    def _make_hooks(self) -> Hooks:
        return Hooks(
            self._before_miss,
            self._free_descriptors,
            self._failures.complain,
            self._failures.log_exception,
        )

    def _make_handler(self, gateway: AnyGateway) -> Callable[[int, object], None]:
        handler = AcceptHandler(
            self.context, gateway, self._connections, self.queue, self._failures
        )
        on_accept = handler.on_accept
        if gateway.admits is not None:
            on_accept = Guard(handler, gateway.admits).on_accept
        if gateway.for_client is None:
            return on_accept
        return Diverter(on_accept, gateway.for_client, self._make_handler).on_accept

    # ---------------------------------------------------------------- from other threads

    def drain(self, on_released: Callable[[], None], seconds: float) -> None:
        """Ask the loop to finish the requests that it has received, and then to end.

        Args:
            on_released: called in the loop's thread once it has left the listeners for good.
            seconds: how long that may take; infinite for as long as anything makes progress.
        """
        self._commands.call(lambda: self._begin_drain(on_released, seconds))

    def limit_drain(self, seconds: float) -> None:
        """Ask a loop that drains to take no more than so many seconds from now on."""
        self._commands.call(lambda: self._limit_drain(seconds))

    def wake(self) -> None:
        """Ask the loop to continue the suspended responses."""
        self._commands.call(self._wake)

    def stop(self) -> None:
        """Ask the loop to close everything and to end."""
        self._commands.call(lambda: self._close_all("stop"))

    # ---------------------------------------------------------------- turns

    def run(self) -> None:
        """Serve until the loop is drained or stopped."""
        name_thread(self.log.role)
        context = self.context
        poll = self._epoll.poll
        connections = self._connections.by_fd
        # Each turn does this; a method that loops over the gateways would cost twice as much.
        invalidations = [gateway.invalidate_roots for gateway in self.gateways.values()]
        self._tick()
        while not context.is_draining or connections:
            events = poll(self._timeout(), _EVENTS)
            context.now = time.monotonic()
            for invalidate_roots in invalidations:
                invalidate_roots()
            if context.now >= self._next_tick:
                self._tick()
            self._acceptor.watch_again(context.now)
            for fd, _ in events:
                connection = connections.get(fd)
                try:
                    if connection is None:
                        self._on_other_event(fd)
                    else:
                        connection.on_event()
                except Exception:
                    self._failures.handle(connection)
            self.queue.send()
            os.sched_yield()
        self._publish()
        if self._counts is not None:
            self._counts.publish_all()
        if context.access_log is not None:
            context.access_log.flush(LAST_FLUSH_SECONDS)

    def _timeout(self) -> float | None:
        """Return the seconds until the next thing that needs no event; None for the timer's
        tick.
        """
        now = self.context.now
        if self.context.is_draining:
            return max(0.0, self._next_tick - now)
        if self._acceptor.returns_at is not None:
            return max(0.0, self._acceptor.returns_at - now)
        return None

    def _invalidate_roots(self) -> None:
        """Look the docroots up once more for requests that were sent after the last time."""
        for gateway in self.gateways.values():
            gateway.invalidate_roots()

    def _on_other_event(self, fd: int) -> None:
        self.queue.send()
        if fd not in self._own_fds:
            self._acceptor.accept(fd, self.context.now)
        elif fd == self._timer_fd:
            os.read(fd, 8)  # the turn has begun with a tick
        else:
            self._commands.acknowledge()
            self._obey()

    def _obey(self) -> None:
        """Do what other threads have asked for."""
        for command in self._commands.take():
            self._failures.guard(None, command)

    def _wake(self) -> None:
        for connection in self._connections.all():
            connection.wake()

    # ---------------------------------------------------------------- for connections and gateways

    def _before_blocking(self) -> None:
        """Let no client and no listener wait for the disk or for a slice of a download."""
        if self.context.queued:
            self.queue.send()
        self._listeners.wake_resting_loops()

    def _before_miss(self) -> None:
        """Do the same before a cache miss, where queued responses can wait if the turn is young."""
        if self.context.queued and self.context.is_late():
            self.queue.send()
        self._listeners.wake_resting_loops()

    def _on_exhausted(self, error: OSError) -> None:
        lacks_descriptors = error.errno in {errno.EMFILE, errno.ENFILE}
        self.context.counts.refused["descriptors" if lacks_descriptors else "memory"] += 1
        self._free_descriptors()

    def _free_descriptors(self) -> None:
        """Close the files that nobody downloads, and an idle connection."""
        for gateway in self.gateways.values():
            gateway.release()
        self._connections.close_one(IDLE)

    # ---------------------------------------------------------------- ticks

    def _tick(self) -> None:
        now = self.context.now
        if self.context.is_draining:
            self._next_tick = now + DRAIN_TICK
        else:
            # At the same time in every loop: what one has validated need not be validated by
            # others.
            self._next_tick = math.floor(now) + TICK
        self._failures.tick()
        self._failures.guard(None, self._begin_second)

    def _begin_second(self) -> None:
        self._obey()
        context = self.context
        modes = self._board.modes
        is_paused = bool(modes & PAUSING)
        for gateway in self.gateways.values():
            gateway.set_paused(is_paused)
            gateway.begin_second(int(context.now))
        self._board.column(Column.MODES)[self._index] = modes
        if context.access_log is not None:
            context.access_log.tick()
        self._handle_deadlines()
        for docroot in self._docroots:
            docroot.tick(context.now)
        if context.is_draining:
            self._continue_drain()
        self._publish()
        context.recorder.tick(context.now)
        self._connections.close_excess()

    def _handle_deadlines(self) -> None:
        """Give up what has taken too long; if that is very much, some of it in each turn."""
        overdue = self._connections.overdue(self.context.now)
        for connection in overdue[:DUE]:
            self._failures.guard(connection, connection.on_deadline)
        if len(overdue) > DUE:
            self._commands.call(self._handle_deadlines)

    def _publish(self) -> None:
        self._connections.publish()
        if self._counts is not None:
            self._counts.add(self.context.counts.take(self._acceptor.accepted))
            self._counts.publish(int(self.context.now))
        self._board.column(Column.TICKS)[self._index] += 1

    # ---------------------------------------------------------------- the end

    def _begin_drain(self, on_released: Callable[[], None], seconds: float) -> None:
        context = self.context
        if not context.is_draining:
            context.is_draining = True
            self._drain_started = self._next_tick = context.now
            self._drain_deadline = context.now + seconds
            for gateway in self.gateways.values():
                gateway.drain()
            self._acceptor.drain()
            self._continue_drain()
        on_released()

    def _limit_drain(self, seconds: float) -> None:
        if self.context.is_draining:
            self._drain_deadline = min(self._drain_deadline, self.context.now + seconds)

    def _continue_drain(self) -> None:
        """Close the connections that have become idle, or all of them at the deadline."""
        for connection in self._connections.all():
            self._invalidate_roots()  # the request may have arrived just now
            self._failures.guard(connection, partial(connection.on_drain, self._drain_started))
        if self._drain_deadline <= self.context.now:
            self._close_all("drain timeout")

    def _close_all(self, reason: str) -> None:
        self.context.is_draining = True
        self._drain_deadline = self.context.now
        for connection in self._connections.all():
            connection.cut(reason)

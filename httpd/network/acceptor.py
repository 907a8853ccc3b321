"""Accepting connections, and leaving them to others when this loop has more than its share.

All loops wait for the same listening sockets, each with EPOLLEXCLUSIVE, so that the kernel wakes
one of them for a new connection.  It tends to wake the same one every time.  Every loop therefore
publishes how many connections it holds, and one that has taken clearly more than the mean of all
steps back: it stops watching the listeners for a moment.  Three things keep anybody from waiting
for nobody:

* the loop that holds the fewest is never above the mean, so it never steps back;
* whoever steps back returns after `STEP_BACK` seconds, whatever the others do;
* who returns goes to the end of the kernel's queue, and accepts if there is something to accept.

While that one loop is busy the kernel wakes another one for each connection that comes, though the
first would take it as soon.  The loops of a worker share one interpreter, so whoever is woken for
nothing has only been in the way: it rests for a while, unless all others of its worker do.  Nobody
rests while one of them may be held up by a disk, since then others are free to accept.
"""

from __future__ import annotations

import math
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from httpd.network.socket_ops import NETWORK_ERRORS, has_data
from httpd.observe.log import Log

STEP_BACK = 0.0005
"""Seconds for which a loop with more than its share leaves the listeners to others; epoll_wait(2)
makes that a millisecond.  In a burst, all may step back, and whoever has come waits for so long."""
REST = 0.02
"""Seconds for which a loop that was woken for nothing leaves the listeners to the others of its
worker."""
AWAKE = 0.1
"""Seconds for which no loop of a worker rests after something may have been read from a disk.

If that takes longer, a new connection may wait for `REST`."""
PAUSE = 0.25
"""Seconds without accepting when descriptors or memory have run out, or the kernel has no room for
one more watch of a listener."""
SLACK = 1
"""Connections above nine eighths of the mean that are no reason to step back."""
_BATCH = 64
_LAST_BATCH = 4096
"""Connections that are accepted from a listener at the very end: as many as its queue holds, unless
it was made longer.  More may come for ever, if others keep the listener open.
"""
_MOST_FAILURES = 32
_WATCHED = select.EPOLLIN | select.EPOLLEXCLUSIVE


class Listeners:
    """What the loops of a worker wait for together, and who of them rests.

    Args:
        sockets: non-blocking listening sockets, shared with other workers.
        loops: of the worker.
    """

    def __init__(self, sockets: Sequence[socket.socket], loops: int) -> None:
        self.sockets = sockets
        self._others = loops - 1
        self._resting: set[Acceptor] = set()  # each is put in and taken out by its own loop
        self._awake_until = 0.0
        self._lock = threading.Lock()

    def rest(self, acceptor: Acceptor, now: float) -> bool:
        """Let a loop rest if not all others do, and none may be held up; tell whether it may."""
        with self._lock:
            if now < self._awake_until or len(self._resting) == self._others:
                return False
            self._resting.add(acceptor)
            return True

    def is_resting(self, acceptor: Acceptor) -> bool:
        """Tell whether a loop rests; to be asked by itself."""
        return acceptor in self._resting

    def end_rest(self, acceptor: Acceptor) -> None:
        """Take note that a loop is back, if it has rested."""
        self._resting.discard(acceptor)

    def rouse(self) -> None:
        """Have all loops wait for connections: the one that calls may be held up."""
        self._awake_until = time.monotonic() + AWAKE
        if self._resting:
            with self._lock:  # not between the two steps of who is about to rest
                resting = tuple(self._resting)
            for acceptor in resting:
                acceptor.call_back()


class Acceptor:
    """Takes connections from the listeners for one loop.

    Args:
        listeners: those of its worker.
        epoll: that of the loop.
        counts: how many connections each loop of the server holds.
        me: the index of this loop in `counts`.
        on_accept: called with descriptor and address of each new connection.
        on_exhausted: called when there is no descriptor left; closes what it can do without.
        call: has the loop's thread call something soon; to be called by any thread.
        log: is told when that happens.
    """

    def __init__(
        self,
        listeners: Listeners,
        epoll: select.epoll,
        counts: memoryview,
        me: int,
        on_accept: Callable[[int, Any], None],
        on_exhausted: Callable[[], None],
        call: Callable[[Callable[[], None]], None],
        log: Log,
    ) -> None:
        self._accepts = {listener.fileno(): _raw_accept(listener) for listener in listeners.sockets}
        self._epoll = epoll
        self._counts = counts
        self._me = me
        self._listeners = listeners
        self._call = call
        self._on_accept = on_accept
        self._on_exhausted = on_exhausted
        self._log = log
        self._has_complained = False
        self.returns_at: float | None = None
        """When to call `watch_again`, by the monotonic clock; None while watching."""
        self._watch()

    def _watch(self) -> None:
        """Watch the listeners.

        Raises:
            OSError: the kernel cannot, and none is watched.
        """
        try:
            for fd in self._accepts:
                self._register(fd)
        except OSError:
            self._step_back(math.inf)
            raise
        finally:
            self._listeners.end_rest(self)
        self.returns_at = None
        self._has_complained = False

    def _register(self, fd: int) -> None:
        try:
            self._epoll.register(fd, _WATCHED)
        except FileExistsError:
            pass  # it could not be unregistered

    def watch_again(self, now: float) -> None:
        """Return to the listeners, if it is time; if the kernel cannot, it will be time again."""
        if self.returns_at is None or self.returns_at > now:
            return
        try:
            self._watch()
        except OSError as error:
            self.returns_at = now + PAUSE
            if not self._has_complained:
                self._has_complained = True
                self._log.error(f"cannot watch the listeners: {error.strerror}; trying again")

    def _step_back(self, until: float) -> None:
        for fd in self._accepts:
            self._unregister(fd)
        self.returns_at = until

    def _unregister(self, fd: int) -> None:
        try:
            self._epoll.unregister(fd)
        except OSError:
            pass  # it was not registered; or else its next event is a reason to try again

    def accept(self, fd: int, now: float) -> None:
        """Accept what waits at a listener, as far as this loop's share goes.

        Args:
            fd: the listener that is readable.
            now: the monotonic clock.
        """
        accept = self._accepts.get(fd)
        if self.returns_at is not None or accept is None:
            # An event of the time before stepping back, or of a connection that was just closed.
            self._unregister(fd)
            return
        for accepted in range(_BATCH):
            try:
                if not self._accept_one(accept):
                    if not accepted:
                        self._rest(now)
                    return
            except OSError as error:
                # The descriptor is taken before the queue is looked at: perhaps nobody waits.
                if has_data(fd):
                    self._pause(error, now)
                return
            if self._has_more_than_its_share():
                self._step_back(now + STEP_BACK)
                return

    def _accept_one(self, accept: Callable[[], tuple[int, Any]]) -> bool:
        connection = -1
        try:
            connection, address = accept()
            os.set_blocking(connection, False)
        except BlockingIOError:
            return False
        except OSError as error:
            if connection >= 0:
                os.close(connection)
                self._log.error(f"a new connection had to be closed: {error.strerror}")
            elif error.errno not in NETWORK_ERRORS:
                raise
            return True
        self._on_accept(connection, address)
        return True

    def _has_more_than_its_share(self) -> bool:
        counts = self._counts
        mine = counts[self._me]
        return mine > SLACK and (mine - SLACK) * len(counts) * 8 > sum(counts) * 9

    def _rest(self, now: float) -> None:
        """Leave the listeners to the others of this worker, unless connections are due to us."""
        counts = self._counts
        if counts[self._me] * len(counts) >= sum(counts) and self._listeners.rest(self, now):
            self._step_back(now + REST)

    def call_back(self) -> None:
        """End the rest of the loop; may be called by another one."""
        self._call(self._end_rest)

    def _end_rest(self) -> None:
        if self._listeners.is_resting(self):
            self.returns_at = 0.0
            self.watch_again(time.monotonic())

    def _pause(self, error: OSError, now: float) -> None:
        self._log.error(f"cannot accept connections: {error.strerror}; trying again shortly")
        self._on_exhausted()
        self._step_back(now + PAUSE)

    def drain(self) -> None:
        """Accept all that the kernel has accepted so far, and no more ever."""
        for fd, accept in self._accepts.items():
            failures = 0
            for _ in range(_LAST_BATCH):
                try:
                    if not self._accept_one(accept):
                        break
                    failures = 0
                except OSError:
                    failures += 1
                    if failures == _MOST_FAILURES or not has_data(fd):
                        break
                    self._on_exhausted()
        if self.returns_at is None:
            self._step_back(float("inf"))
        self._accepts = {}
        self.returns_at = None
        self._listeners.end_rest(self)


def _raw_accept(listener: socket.socket) -> Callable[[], tuple[int, Any]]:
    """Return the accept that gives a bare descriptor: making a socket object of it costs more than
    the system call itself, and a connection needs nothing of what the object can do.
    """
    return listener._accept  # type: ignore[attr-defined, no-any-return]

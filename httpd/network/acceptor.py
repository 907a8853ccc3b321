"""Accepting connections, and leaving them to other loops when this one has more than its share.

All loops wait for the same listening sockets, each with EPOLLEXCLUSIVE, so that the kernel wakes
one of them for a new connection.  It tends to wake the same one every time.  Every loop therefore
publishes how many connections it has, and one that has clearly more than the mean steps back: it
stops watching the listeners for a moment.  Three rules keep a connection from waiting for nobody:

* the loop that has the fewest connections is never above the mean, so it never steps back;
* a loop that steps back returns after `STEP_BACK` seconds, whatever the others do;
* a loop that returns goes to the end of the kernel's queue, and accepts if a connection waits.

While the first loop is busy, the kernel wakes another one for each new connection, although the
first one would accept it as soon.  The loops of a worker share one interpreter, so a loop that was
woken for nothing has only been in the way.  It pauses accepting for `REST` seconds, unless all
other loops of its worker do.  No loop pauses while another one may be waiting for a disk, since a
connection must find a loop that is free.
"""

from __future__ import annotations

import math
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from httpd.network.listener import Listener
from httpd.network.socket_ops import NETWORK_ERRORS, has_data
from httpd.observe.log import Log

STEP_BACK = 0.0005
"""Seconds for which a loop with more than its share leaves the listeners to others.  epoll_wait(2)
rounds that up to a millisecond.  In a burst all loops but one may step back, and a new connection
may wait for so long."""
REST = 0.02
"""Seconds for which a loop that was woken for nothing leaves the listeners to the others of its
worker."""
AWAKE = 0.1
"""Seconds for which no loop of a worker pauses after one may have begun to read from a disk.

If reading takes longer, a new connection may wait for `REST`."""
PAUSE = 0.25
"""Seconds without accepting when descriptors or memory have run out, or the kernel cannot watch a
listener."""
SLACK = 1
"""Connections above nine eighths of the mean that are no reason to step back."""
_BATCH = 64
_LAST_BATCH = 4096
"""Connections that are accepted from a listener at the very end: as many as its queue holds by
default.  More may come for ever if another process keeps the listener open.
"""
_MOST_FAILURES = 32
_WATCHED = select.EPOLLIN | select.EPOLLEXCLUSIVE


OnAccept = Callable[[int, Any], None]
"""Takes over a connection, given its descriptor and the address of its client."""
_Accept = Callable[[], tuple[int, Any]]


class Listeners:
    """What the loops of a worker wait for together, and which of them pause accepting.

    Args:
        listeners: shared with other workers.
        loops: number of loops of the worker.
    """

    def __init__(self, listeners: Sequence[Listener], loops: int) -> None:
        self.listeners = listeners
        self._others = loops - 1
        self._resting: set[Acceptor] = set()  # each is added and removed by its own loop
        self._awake_until = 0.0
        self._lock = threading.Lock()

    def frontends(self) -> Sequence[Any]:
        """Return the different roles of the listeners."""
        return list(dict.fromkeys(listener.frontend for listener in self.listeners))

    def close(self) -> None:
        """Close the sockets in this process."""
        for listener in self.listeners:
            listener.socket.close()

    def pause_accepting(self, acceptor: Acceptor, now: float) -> bool:
        """Let a loop rest, unless all others do or one of them may be waiting for a disk.

        Returns:
            Whether it may.
        """
        with self._lock:
            if now < self._awake_until or len(self._resting) == self._others:
                return False
            self._resting.add(acceptor)
            return True

    def is_resting(self, acceptor: Acceptor) -> bool:
        """Tell whether a loop rests; only for that loop."""
        return acceptor in self._resting

    def end_rest(self, acceptor: Acceptor) -> None:
        """Note that a loop watches the listeners again."""
        self._resting.discard(acceptor)

    def wake_resting_loops(self) -> None:
        """Have all loops watch the listeners, since the one that calls may be kept waiting."""
        self._awake_until = time.monotonic() + AWAKE
        if self._resting:
            with self._lock:  # not between the check and the entry of a loop that is about to rest
                resting = tuple(self._resting)
            for acceptor in resting:
                acceptor.resume_accepting()


class Acceptor:
    """Takes connections from the listeners for one loop.

    Args:
        listeners: those of its worker.
        epoll: that of the loop.
        counts: how many connections each loop of the server has.
        me: the index of this loop in `counts`.
        on_accept: takes over a connection, by the frontend of its listener.
        on_exhausted: called with the error when there is no descriptor or memory left; closes what
            can be closed.
        call: has the loop's thread call something soon; may be called by any thread.
        log: for errors.
    """

    def __init__(
        self,
        listeners: Listeners,
        epoll: select.epoll,
        counts: memoryview,
        me: int,
        on_accept: Mapping[Any, OnAccept],
        on_exhausted: Callable[[OSError], None],
        call: Callable[[Callable[[], None]], None],
        log: Log,
    ) -> None:
        self._accepts = {
            socket.fileno(): (_raw_accept(socket), on_accept[frontend])
            for socket, frontend in listeners.listeners
        }
        self._epoll = epoll
        self._counts = counts
        self._me = me
        self._listeners = listeners
        self._call = call
        self._on_exhausted = on_exhausted
        self._log = log
        self._has_complained = False
        self.accepted = 0
        """The connections that were accepted, as counted after each batch."""
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
        """Watch the listeners again if it is time for that; if it fails, that is tried again."""
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
            pass  # it was not registered; otherwise its next event is a reason to try again

    def accept(self, fd: int, now: float) -> None:
        """Accept the connections that wait at a listener, up to the share of this loop.

        Args:
            fd: the listener that is readable.
            now: the monotonic clock.
        """
        found = self._accepts.get(fd)
        if self.returns_at is not None or found is None:
            # The event is from before stepping back, or of a connection that was just closed.
            self._unregister(fd)
            return
        accept, on_accept = found
        try:
            for accepted in range(_BATCH):
                try:
                    if not self._accept_one(accept, on_accept):
                        if not accepted:
                            self._pause_accepting(now)
                        return
                except OSError as error:
                    # The kernel takes a descriptor before it looks for a connection: there may be
                    # none.
                    if has_data(fd):
                        self._on_exhaustion(error, now)
                    return
                if self._has_more_than_its_share():
                    self._step_back(now + STEP_BACK)
                    break
            self.accepted += 1  # the last one of the loop
        finally:
            self.accepted += accepted

    def _accept_one(self, accept: _Accept, on_accept: OnAccept) -> bool:
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
            self.accepted -= 1  # the batch will count it
            return True
        on_accept(connection, address)
        return True

    def _has_more_than_its_share(self) -> bool:
        counts = self._counts
        mine = counts[self._me]
        return mine > SLACK and (mine - SLACK) * len(counts) * 8 > sum(counts) * 9

    def _pause_accepting(self, now: float) -> None:
        """Leave the listeners to the others of this worker, unless this loop has less than its
        share.
        """
        counts = self._counts
        if counts[self._me] * len(counts) >= sum(counts) and self._listeners.pause_accepting(
            self, now
        ):
            self._step_back(now + REST)

    def resume_accepting(self) -> None:
        """End the rest of the loop; may be called by any thread."""
        self._call(self._end_rest)

    def _end_rest(self) -> None:
        if self._listeners.is_resting(self):
            self.returns_at = 0.0
            self.watch_again(time.monotonic())

    def _on_exhaustion(self, error: OSError, now: float) -> None:
        self._log.error(f"cannot accept connections: {error.strerror}; trying again shortly")
        self._on_exhausted(error)
        self._step_back(now + PAUSE)

    def drain(self) -> None:
        """Accept the connections that wait, and then no more for ever."""
        for fd, (accept, on_accept) in self._accepts.items():
            failures = 0
            for _ in range(_LAST_BATCH):
                try:
                    if not self._accept_one(accept, on_accept):
                        break
                    failures = 0
                    self.accepted += 1
                except OSError as error:
                    failures += 1
                    if failures == _MOST_FAILURES or not has_data(fd):
                        break
                    self._on_exhausted(error)
        if self.returns_at is None:
            self._step_back(math.inf)
        self._accepts = {}
        self.returns_at = None
        self._listeners.end_rest(self)


def _raw_accept(listener: socket.socket) -> _Accept:
    """Return the method that accepts a connection as a bare descriptor.

    To make a socket object costs more than the system call, and a connection does not need one.
    """
    return listener._accept  # type: ignore[attr-defined, no-any-return]

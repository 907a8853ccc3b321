"""Accepting connections, and leaving them to others when this loop has more than its share.

All loops wait for the same listening sockets, each with EPOLLEXCLUSIVE, so that the kernel wakes
one of them for a new connection.  It tends to wake the same one every time.  Every loop therefore
publishes how many connections it holds, and one that has taken clearly more than the mean of all
steps back: it stops watching the listeners for a moment.  Three things keep anybody from waiting
for nobody:

* the loop that holds the fewest is never above the mean, so it never steps back;
* whoever steps back returns after `STEP_BACK` seconds, whatever the others do;
* who returns goes to the end of the kernel's queue, and accepts if there is something to accept.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable, Sequence
from typing import Any

from httpd.network.options import has_data
from httpd.observe.log import Log

STEP_BACK = 0.0005
"""Seconds for which a loop with more than its share leaves the listeners to others; epoll_wait(2)
makes that a millisecond.  In a burst, all may step back, and whoever has come waits for so long."""
PAUSE = 0.25
"""Seconds without accepting when descriptors or memory have run out."""
SLACK = 1
"""Connections above nine eighths of the mean that are no reason to step back."""
_BATCH = 64
_LAST_BATCH = 4096
"""Connections that are accepted from a listener at the very end: as many as its queue holds, unless
it was made longer.  More may come for ever, if others keep the listener open.
"""
_MOST_FAILURES = 32
# Errors of the new connection, not of the listener (accept(2), “Error handling”).
_CLIENT_FAILED = frozenset(
    {
        errno.ECONNABORTED,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENONET,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.EPROTO,
        errno.ETIMEDOUT,
    }
)
_WATCHED = select.EPOLLIN | select.EPOLLEXCLUSIVE


class Acceptor:
    """Takes connections from the listeners for one loop.

    Args:
        listeners: non-blocking listening sockets, shared with other loops.
        epoll: that of the loop.
        counts: how many connections each loop of the server holds.
        me: the index of this loop in `counts`.
        on_accept: called with descriptor and address of each new connection.
        on_exhausted: called when there is no descriptor left; closes what it can do without.
        log: is told when that happens.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        epoll: select.epoll,
        counts: memoryview,
        me: int,
        on_accept: Callable[[int, Any], None],
        on_exhausted: Callable[[], None],
        log: Log,
    ) -> None:
        self._accepts = {listener.fileno(): _raw_accept(listener) for listener in listeners}
        self._epoll = epoll
        self._counts = counts
        self._me = me
        self._on_accept = on_accept
        self._on_exhausted = on_exhausted
        self._log = log
        self.returns_at: float | None = None
        """When to call `watch_again`, by the monotonic clock; None while watching."""
        self._watch()

    def _watch(self) -> None:
        for fd in self._accepts:
            self._epoll.register(fd, _WATCHED)
        self.returns_at = None

    def watch_again(self, now: float) -> None:
        """Return to the listeners, if it is time."""
        if self.returns_at is not None and self.returns_at <= now:
            self._watch()

    def _step_back(self, until: float) -> None:
        for fd in self._accepts:
            self._epoll.unregister(fd)
        self.returns_at = until

    def accept(self, fd: int, now: float) -> None:
        """Accept what waits at a listener, as far as this loop's share goes.

        Args:
            fd: the listener that is readable.
            now: the monotonic clock.
        """
        if self.returns_at is not None or fd not in self._accepts:
            return  # an event of the time before stepping back, or of a connection just closed
        for _ in range(_BATCH):
            try:
                if not self._accept_one(fd):
                    return
            except OSError as error:
                # The descriptor is taken before the queue is looked at: perhaps nobody waits.
                if has_data(fd):
                    self._pause(error, now)
                return
            if self._has_more_than_its_share():
                self._step_back(now + STEP_BACK)
                return

    def _accept_one(self, fd: int) -> bool:
        try:
            connection, address = self._accepts[fd]()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _CLIENT_FAILED:
                raise
            return True
        os.set_blocking(connection, False)
        self._on_accept(connection, address)
        return True

    def _has_more_than_its_share(self) -> bool:
        counts = self._counts
        mine = counts[self._me]
        return mine > SLACK and (mine - SLACK) * len(counts) * 8 > sum(counts) * 9

    def _pause(self, error: OSError, now: float) -> None:
        self._log.error(f"cannot accept connections: {error.strerror}; trying again shortly")
        self._on_exhausted()
        self._step_back(now + PAUSE)

    def drain(self) -> None:
        """Accept all that the kernel has accepted so far, and no more ever."""
        for fd in self._accepts:
            failures = 0
            for _ in range(_LAST_BATCH):
                try:
                    if not self._accept_one(fd):
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


def _raw_accept(listener: socket.socket) -> Callable[[], tuple[int, Any]]:
    """Return the accept that gives a bare descriptor: making a socket object of it costs more than
    the system call itself, and a connection needs nothing of what the object can do.
    """
    return listener._accept  # type: ignore[attr-defined, no-any-return]

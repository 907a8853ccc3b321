"""An acceptor at its end, and in trouble."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from httpd.network.acceptor import PAUSE, STEP_BACK
from tests.unit.guard import descriptors_left, open_descriptors
from tests.unit.network.acceptors import NOW, Bench, bench, listeners

# ---------------------------------------------------------------- draining


@pytest.mark.parametrize("stepped_back", [False, True])
def test_acceptor_drain_accepts_all_that_waits_and_then_nothing(stepped_back: bool) -> None:
    with bench([9, 0]) as made:
        if stepped_back:
            made.connect()
            made.accept()
            assert made.acceptor.returns_at is not None
        made.connect(200)
        made.acceptor.drain()
        assert len(made.accepted) == 200 + stepped_back
        made.connect()
        assert not made.is_watching()
        made.accept()
        made.acceptor.watch_again(NOW * 10)
        assert not made.is_watching()
        assert len(made.accepted) == 200 + stepped_back
        made.acceptor.drain()
        assert len(made.accepted) == 200 + stepped_back


def test_acceptor_drain_without_descriptors_frees_some_and_continues() -> None:
    """What the kernel has accepted is served, not reset, as long as room can be made."""
    with bench([0]) as made:
        made.connect(20)
        made.closes_when_exhausted = True
        with descriptors_left(6):
            made.acceptor.drain()
        made.close_accepted()
        assert len(made.accepted) == 20


def test_acceptor_drain_without_any_descriptor_ends() -> None:
    with bench([0]) as made:
        made.connect(3)
        with descriptors_left(0):
            made.acceptor.drain()
        assert made.accepted == []
        assert made.exhausted


# ---------------------------------------------------------------- trouble


def test_acceptor_without_descriptors_pauses() -> None:
    """Asks for room, says so, and comes back later instead of spinning."""
    with bench([0, 0]) as made:
        made.connect(5)
        with descriptors_left(2):
            made.accept()
        assert len(made.accepted) == 2
        assert made.exhausted == 1
        (error,) = made.errors()
        assert "cannot accept connections: Too many open files" in error
        assert made.acceptor.returns_at == NOW + PAUSE
        assert not made.is_watching()
        made.acceptor.watch_again(NOW + PAUSE)
        made.accept(NOW + PAUSE)
        assert len(made.accepted) == 5


class Failing(socket.socket):
    """A listener whose first accept fails."""

    error = 0

    def _accept(self) -> tuple[int, Any]:
        if self.error:
            error, self.error = self.error, 0
            raise OSError(error, os.strerror(error))
        return super()._accept()  # type: ignore[misc, no-any-return]


@pytest.mark.parametrize(
    "number",
    [
        *("ECONNABORTED", "ECONNRESET", "EPROTO", "ENETDOWN", "ENOPROTOOPT", "EHOSTDOWN"),
        *("ENONET", "EHOSTUNREACH", "EOPNOTSUPP", "ENETUNREACH", "ETIMEDOUT", "EPERM"),
    ],
)
def test_acceptor_ignores_the_error_of_one_connection(number: str) -> None:
    """accept(2) tells errors of the network that wait at the new socket, which are to be treated
    like EAGAIN; EPERM is a firewall's.
    """
    with bench([0], kind=Failing) as made:
        assert isinstance(made.listener, Failing)
        made.listener.error = getattr(errno, number)
        made.connect(2)
        made.accept()
        made.acceptor.watch_again(NOW + 10)
        made.accept(NOW + 10)
        assert len(made.accepted) == 2


@pytest.mark.parametrize("number", ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"])
def test_acceptor_pauses_when_the_system_lacks_something(number: str) -> None:
    with bench([0], kind=Failing) as made:
        assert isinstance(made.listener, Failing)
        made.listener.error = getattr(errno, number)
        made.connect()
        made.accept()
        assert made.exhausted == 1
        assert made.accepted == []
        made.acceptor.watch_again(NOW + PAUSE)
        made.accept(NOW + PAUSE)
        assert len(made.accepted) == 1
        made.errors()


def test_acceptor_closes_a_connection_that_stays_blocking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with bench([0]) as made:
        before = open_descriptors()
        made.connect(2)
        connected = open_descriptors()

        def fail(_fd: int, _blocking: bool) -> None:
            monkeypatch.undo()
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

        monkeypatch.setattr("os.set_blocking", fail)
        made.accept()
        assert len(made.accepted) == 1
        assert len(open_descriptors()) == len(connected) + 1 == len(before) + 3
        (error,) = made.errors()
        assert "a new connection had to be closed: Cannot allocate memory" in error


class FailingEpoll:
    """An epoll that takes no more than some watches."""

    def __init__(self, epoll: select.epoll, room: int) -> None:
        self._epoll = epoll
        self._watched: set[int] = set()
        self.room = room
        self.fails_to_unregister = False

    def register(self, fd: int, events: int) -> None:
        if fd not in self._watched and len(self._watched) >= self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._epoll.register(fd, events)
        self._watched.add(fd)

    def unregister(self, fd: int) -> None:
        if self.fails_to_unregister:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        self._epoll.unregister(fd)
        self._watched.discard(fd)


@contextmanager
def failing_bench(room: int) -> Iterator[tuple[Bench, FailingEpoll]]:
    """A bench of two listeners with room for so many watches once it has stepped back."""
    with bench([9, 0]) as made:
        made.epoll.unregister(made.listener.fileno())
        second = made.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        made.listeners = listeners(made.listener, second)
        epoll = FailingEpoll(made.epoll, 2)
        made.acceptor = made.make_acceptor(0, epoll)  # type: ignore[arg-type]
        made.connect()
        made.accept()
        assert made.acceptor.returns_at is not None
        epoll.room = room
        yield made, epoll


@pytest.mark.parametrize("room", [0, 1])
def test_acceptor_without_a_watch_tries_again(room: int) -> None:
    with failing_bench(room) as (made, epoll):
        now = NOW + STEP_BACK
        for _ in range(4):
            made.acceptor.watch_again(now)
            assert made.acceptor.returns_at == now + PAUSE
            now += PAUSE
        (error,) = made.errors()
        assert "cannot watch the listeners: No space left on device; trying again" in error
        made.connect()
        assert not made.is_watching()
        epoll.room = 2
        made.acceptor.watch_again(now)
        assert made.acceptor.returns_at is None
        assert made.is_watching()
        made.accept(now)
        assert len(made.accepted) == 2


def test_acceptor_logs_the_next_failure_to_watch_as_well() -> None:
    with failing_bench(0) as (made, epoll):
        made.acceptor.watch_again(NOW + PAUSE)
        epoll.room = 2
        made.acceptor.watch_again(NOW + 2 * PAUSE)
        made.connect()
        made.accept(NOW + 2 * PAUSE)
        epoll.room = 0
        made.acceptor.watch_again(NOW + 3 * PAUSE)
        assert len(made.errors()) == 2


def test_acceptor_ends_the_events_of_a_listener_that_stays_registered() -> None:
    with failing_bench(2) as (made, epoll):
        made.acceptor.watch_again(NOW + PAUSE)
        epoll.fails_to_unregister = True
        made.connect(2)
        made.accept(NOW + PAUSE)
        assert made.is_watching(), "it is still registered"
        epoll.fails_to_unregister = False
        made.accept(NOW + PAUSE)  # the event that comes of it
        assert not made.is_watching()
        made.acceptor.watch_again(NOW + 2 * PAUSE)
        assert made.is_watching()


def test_acceptor_watches_a_listener_that_stayed_registered() -> None:
    with failing_bench(2) as (made, epoll):
        made.acceptor.watch_again(NOW + PAUSE)
        epoll.fails_to_unregister = True
        made.connect(2)
        made.accept(NOW + PAUSE)
        made.acceptor.watch_again(NOW + 2 * PAUSE)
        assert made.acceptor.returns_at is None
        assert made.errors() == []

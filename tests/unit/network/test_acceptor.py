"""Accepting: everything, but leaving it to others when this loop has more than its share."""

from __future__ import annotations

import array
import errno
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.gateway.frontend import Frontend
from httpd.network.acceptor import AWAKE, PAUSE, REST, STEP_BACK, Acceptor, Listeners
from httpd.network.listener import Listener
from httpd.observe.log import Log
from tests.unit.guard import descriptors_left, open_descriptors
from tests.unit.network.running import site_settings

NOW = 1000.0


FRONTEND = Frontend(site_settings(Path("/")))


def listeners(*sockets: socket.socket, loops: int = 1) -> Listeners:
    return Listeners([Listener(socket, FRONTEND) for socket in sockets], loops)


class Bench:
    """An acceptor with a listener of its own, and what it has done."""

    def __init__(
        self,
        counts: list[int],
        me: int = 0,
        kind: type[socket.socket] = socket.socket,
        loops: int = 1,
    ) -> None:
        self.stack = ExitStack()
        self.listener = self.stack.enter_context(kind(socket.AF_INET, socket.SOCK_STREAM))
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(512)
        self.listener.setblocking(False)
        self.epoll = self.stack.enter_context(select.epoll())
        self.counts = memoryview(array.array("Q", counts))
        self.accepted: list[int] = []
        self.commands: list[Callable[[], None]] = []
        self.exhausted = 0
        self.closes_when_exhausted = False
        self.log_read, log_write = os.pipe()
        os.set_blocking(self.log_read, False)
        self.stack.callback(os.close, self.log_read)
        self.stack.callback(os.close, log_write)
        self.log = Log("loop 0.0", log_write, log_write, verbose=True)
        self.listeners = listeners(self.listener, loops=loops)
        self.acceptor = self.make_acceptor(me, self.epoll)

    def make_acceptor(self, me: int, epoll: select.epoll) -> Acceptor:
        return Acceptor(
            self.listeners,
            epoll,
            self.counts,
            me,
            {FRONTEND: self._on_accept},
            self._on_exhausted,
            self.commands.append,
            self.log,
        )

    def _on_accept(self, fd: int, address: Any) -> None:
        assert address[0] == "127.0.0.1"
        self.accepted.append(fd)

    def _on_exhausted(self) -> None:
        self.exhausted += 1
        if self.closes_when_exhausted:
            self.close_accepted()

    def close_accepted(self) -> None:
        for fd in self.accepted:
            try:
                os.close(fd)
            except OSError:
                pass

    def connect(self, count: int = 1) -> None:
        for _ in range(count):
            client = socket.create_connection(self.listener.getsockname(), timeout=10)
            self.stack.callback(client.close)

    def accept(self, now: float = NOW) -> None:
        self.acceptor.accept(self.listener.fileno(), now)

    def is_watching(self) -> bool:
        return bool(self.epoll.poll(0))

    def errors(self) -> list[str]:
        try:
            return os.read(self.log_read, 1 << 16).decode().splitlines()
        except BlockingIOError:
            return []


@contextmanager
def bench(
    counts: list[int],
    me: int = 0,
    kind: type[socket.socket] = socket.socket,
    loops: int = 1,
) -> Iterator[Bench]:
    made = Bench(counts, me, kind, loops)
    with made.stack:
        yield made
        if not made.closes_when_exhausted:
            made.close_accepted()


def test_all_that_waits_is_accepted() -> None:
    with bench([0, 0]) as made:
        made.connect(10)
        assert made.is_watching()
        made.accept()
        assert len(made.accepted) == 10
        assert not made.is_watching()
        made.accept()
        assert len(made.accepted) == 10


def test_accepted_sockets_are_ready_for_use() -> None:
    with bench([0]) as made:
        made.connect()
        made.accept()
        (fd,) = made.accepted
        assert not os.get_blocking(fd)
        assert not os.get_inheritable(fd)


def test_a_flood_leaves_time_for_others() -> None:
    """One call accepts a bounded number; the level-triggered listener tells of the rest."""
    with bench([0]) as made:
        made.connect(200)
        made.accept()
        assert 1 < len(made.accepted) < 200
        assert made.is_watching()
        for _ in range(200):
            made.accept()
        assert len(made.accepted) == 200


# ---------------------------------------------------------------- more than one's share


@pytest.mark.parametrize(
    ("counts", "steps_back"),
    [
        ([0, 0], False),
        ([1, 0], False),
        ([2, 0], False),
        ([3, 0], True),
        ([3, 1], False),
        ([10, 10], False),
        ([11, 10], False),
        ([12, 10], False),
        ([18, 10], True),
        ([10, 18], False),
        ([5, 5, 5, 5], False),
        ([6, 5, 5, 5], False),
        ([9, 5, 5, 5], True),
        ([2, 0, 0, 0], True),
        ([1, 0, 0, 0, 0, 0, 0, 0], False),
        ([2, 1, 1, 1, 1, 1, 1, 1], False),
        ([100, 0, 200, 100], False),
        ([10**6, 10**6 - 1], False),
        ([2 * 10**6, 10**6], True),
        ([1000], False),
    ],
)
def test_when_a_loop_steps_back(counts: list[int], steps_back: bool) -> None:
    """Not at the mean or one above it; surely where it would soon be twice the mean."""
    with bench(counts) as made:
        made.connect(3)
        made.accept()
        assert len(made.accepted) == (1 if steps_back else 3)
        assert made.acceptor.returns_at == (NOW + STEP_BACK if steps_back else None)
        assert not made.is_watching()


@given(st.lists(st.integers(0, 50), min_size=2, max_size=16))
@settings(max_examples=100)
def test_nobody_holds_twice_the_mean(counts: list[int]) -> None:
    """With many connections; with few there is nothing to share."""
    mean = sum(counts) / len(counts)
    with bench(counts) as made:
        made.connect(2)
        made.accept()
        if counts[0] >= 2 * mean and counts[0] >= 4:
            assert made.acceptor.returns_at is not None
        if counts[0] <= mean:
            assert made.acceptor.returns_at is None


@given(st.lists(st.integers(0, 50), min_size=1, max_size=16))
@settings(max_examples=100)
def test_who_has_the_fewest_never_steps_back(counts: list[int]) -> None:
    """So there is always somebody to accept."""
    with bench(counts, counts.index(min(counts))) as made:
        made.connect()
        made.accept()
        assert made.acceptor.returns_at is None


def test_who_steps_back_returns_in_time() -> None:
    with bench([9, 0]) as made:
        made.connect(2)
        made.accept()
        made.connect()
        assert not made.is_watching()
        made.accept()  # an event of the time before
        assert len(made.accepted) == 1
        made.acceptor.watch_again(NOW + STEP_BACK / 2)
        assert not made.is_watching()
        made.acceptor.watch_again(NOW + STEP_BACK)
        assert made.acceptor.returns_at is None
        assert made.is_watching()
        made.acceptor.watch_again(NOW + STEP_BACK)  # is already there
        made.counts[0] = 0
        made.accept(NOW + STEP_BACK)
        assert len(made.accepted) == 3


def test_several_listeners_are_left_together() -> None:
    with bench([9, 0]) as made:
        second = made.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        second.setblocking(False)
        log = Log("loop 0.0", 2, 2, verbose=False)
        epoll = made.stack.enter_context(select.epoll())
        acceptor = Acceptor(
            listeners(made.listener, second),
            epoll,
            made.counts,
            0,
            {FRONTEND: lambda fd, _: os.close(fd)},
            lambda: None,
            lambda _: None,
            log,
        )
        made.connect()
        made.stack.enter_context(socket.create_connection(second.getsockname()))
        assert len(epoll.poll(10)) == 2
        acceptor.accept(second.fileno(), NOW)
        assert epoll.poll(0) == []
        acceptor.watch_again(NOW + STEP_BACK)
        assert [fd for fd, _ in epoll.poll(10)] == [made.listener.fileno()]


# ---------------------------------------------------------------- woken for nothing


def test_who_was_woken_for_nothing_rests() -> None:
    with bench([0, 0], loops=2) as made:
        for now in NOW, NOW + REST:  # it may rest as often as it likes
            made.accept(now)
            assert made.acceptor.returns_at == now + REST
            made.connect()
            assert not made.is_watching()
            made.acceptor.watch_again(now + REST)
            assert made.is_watching()
            made.accept(now + REST)
            assert made.acceptor.returns_at is None
        assert len(made.accepted) == 2


@pytest.mark.parametrize(
    ("counts", "rests"),
    [([0, 0], True), ([1, 1], True), ([2, 1], True), ([1, 2], False), ([0, 1], False)],
)
def test_nobody_rests_who_is_due_a_connection(counts: list[int], rests: bool) -> None:
    with bench(counts, loops=2) as made:
        made.accept()
        assert made.acceptor.returns_at == (NOW + REST if rests else None)


def test_one_loop_of_a_worker_always_stays() -> None:
    with bench([0, 0, 0], loops=3) as made:
        epolls = [made.stack.enter_context(select.epoll()) for _ in range(2)]
        others = [made.make_acceptor(me, epoll) for me, epoll in enumerate(epolls, 1)]
        acceptors = [made.acceptor, *others]
        for acceptor in acceptors:
            acceptor.accept(made.listener.fileno(), NOW)
        assert [acceptor.returns_at for acceptor in acceptors] == [NOW + REST, NOW + REST, None]
        made.acceptor.watch_again(NOW + REST)
        acceptors[2].accept(made.listener.fileno(), NOW + REST)
        assert acceptors[2].returns_at == NOW + 2 * REST
        made.accept(NOW + REST)
        assert made.acceptor.returns_at is None


def test_nobody_rests_while_a_loop_may_be_held_up() -> None:
    with bench([0, 0], loops=3) as made:
        now = time.monotonic()
        made.accept(now)
        assert made.acceptor.returns_at == now + REST
        made.listeners.wake_resting_loops()
        (command,) = made.commands
        command()
        assert made.acceptor.returns_at is None
        made.connect()
        assert made.is_watching()
        for later in now, time.monotonic() + AWAKE:
            made.accept(later)
        assert len(made.accepted) == 1
        assert made.acceptor.returns_at == later + REST
        command()
        command()  # who is back already stays so
        made.acceptor.drain()
        made.listeners.wake_resting_loops()
        assert made.commands == [command]


def test_who_rested_is_called_back_from_nothing_else() -> None:
    with bench([9, 0], loops=2) as made:
        made.accept()
        made.listeners.wake_resting_loops()
        made.acceptor.watch_again(NOW + REST)
        made.connect()
        made.accept(NOW + REST)
        assert made.acceptor.returns_at == NOW + REST + STEP_BACK
        for command in made.commands:
            command()
        assert made.acceptor.returns_at == NOW + REST + STEP_BACK


def test_an_event_of_something_else_is_no_accept() -> None:
    with bench([0]) as made:
        made.connect()
        made.acceptor.accept(made.listener.fileno() + 1000, NOW)
        assert made.accepted == []


# ---------------------------------------------------------------- draining


@pytest.mark.parametrize("stepped_back", [False, True])
def test_a_drain_accepts_everything_and_then_nothing(stepped_back: bool) -> None:
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


def test_a_drain_without_descriptors_makes_room_and_goes_on() -> None:
    """What the kernel has accepted is served, not reset, as long as room can be made."""
    with bench([0]) as made:
        made.connect(20)
        made.closes_when_exhausted = True
        with descriptors_left(6):
            made.acceptor.drain()
        made.close_accepted()
        assert len(made.accepted) == 20


def test_a_drain_without_any_descriptor_ends() -> None:
    with bench([0]) as made:
        made.connect(3)
        with descriptors_left(0):
            made.acceptor.drain()
        assert made.accepted == []
        assert made.exhausted


# ---------------------------------------------------------------- trouble


def test_no_descriptor_left() -> None:
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
def test_an_error_of_one_connection_is_no_error_of_ours(number: str) -> None:
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
def test_what_is_used_up(number: str) -> None:
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


def test_a_connection_that_cannot_be_made_non_blocking_is_closed(
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
def test_a_kernel_without_room_for_a_watch_is_asked_again(room: int) -> None:
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


def test_the_next_failure_to_watch_is_told_again() -> None:
    with failing_bench(0) as (made, epoll):
        made.acceptor.watch_again(NOW + PAUSE)
        epoll.room = 2
        made.acceptor.watch_again(NOW + 2 * PAUSE)
        made.connect()
        made.accept(NOW + 2 * PAUSE)
        epoll.room = 0
        made.acceptor.watch_again(NOW + 3 * PAUSE)
        assert len(made.errors()) == 2


def test_a_listener_that_cannot_be_unregistered_does_not_keep_the_loop_awake() -> None:
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


def test_a_listener_that_is_still_registered_is_watched_again() -> None:
    with failing_bench(2) as (made, epoll):
        made.acceptor.watch_again(NOW + PAUSE)
        epoll.fails_to_unregister = True
        made.connect(2)
        made.accept(NOW + PAUSE)
        made.acceptor.watch_again(NOW + 2 * PAUSE)
        assert made.acceptor.returns_at is None
        assert made.errors() == []

"""An acceptor accepts everything, except what it leaves to loops with fewer connections."""

from __future__ import annotations

import os
import select
import socket
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.network.acceptor import AWAKE, REST, STEP_BACK, Acceptor
from httpd.observe.log import Log
from tests.unit.network.acceptors import FRONTEND, NOW, bench, listeners


def test_acceptor_accepts_all_that_waits() -> None:
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


def test_acceptor_in_a_flood_leaves_time_for_others() -> None:
    """One call accepts a bounded number; the level-triggered listener reports the rest."""
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
def test_acceptor_above_the_mean_steps_back(counts: list[int], steps_back: bool) -> None:
    """Not at the mean or one above it; surely where it would soon be twice the mean."""
    with bench(counts) as made:
        made.connect(3)
        made.accept()
        assert len(made.accepted) == (1 if steps_back else 3)
        assert made.acceptor.returns_at == (NOW + STEP_BACK if steps_back else None)
        assert not made.is_watching()


@given(st.lists(st.integers(0, 50), min_size=2, max_size=16))
@settings(max_examples=100)
def test_acceptor_never_holds_twice_the_mean(counts: list[int]) -> None:
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
def test_acceptor_with_the_fewest_connections_never_steps_back(counts: list[int]) -> None:
    """So at least one loop always accepts."""
    with bench(counts, counts.index(min(counts))) as made:
        made.connect()
        made.accept()
        assert made.acceptor.returns_at is None


def test_acceptor_that_stepped_back_returns_in_time() -> None:
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


def test_acceptor_that_steps_back_leaves_all_listeners() -> None:
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
            lambda _: None,
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


def test_acceptor_woken_for_nothing_rests() -> None:
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
def test_acceptor_with_less_than_its_share_never_rests(counts: list[int], rests: bool) -> None:
    with bench(counts, loops=2) as made:
        made.accept()
        assert made.acceptor.returns_at == (NOW + REST if rests else None)


def test_acceptors_of_a_worker_never_rest_all_together() -> None:
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


def test_acceptor_never_rests_while_a_loop_may_block() -> None:
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
        command()  # a loop that is back already stays so
        made.acceptor.drain()
        made.listeners.wake_resting_loops()
        assert made.commands == [command]


def test_acceptor_that_stepped_back_is_not_woken_as_a_resting_one() -> None:
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


def test_acceptor_ignores_an_event_of_another_descriptor() -> None:
    with bench([0]) as made:
        made.connect()
        made.acceptor.accept(made.listener.fileno() + 1000, NOW)
        assert made.accepted == []

"""When a generation that drains is given up."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import pytest

from httpd.observe.scoreboard import Column, Scoreboard
from httpd.observe.transfers import TransferTable
from httpd.process import generation
from httpd.process.channel import Channel, Message
from httpd.process.generation import (
    LAST_WORDS_SECONDS,
    STUCK_SECONDS,
    Generation,
)
from httpd.process.plan import Plan
from httpd.process.worker_process import WorkerProcess

INFINITE = float("inf")


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(generation, "time", clock)
    return clock


@pytest.fixture
def theirs() -> Iterator[Channel]:
    """The end of the only worker."""
    yield (channel := Channel(cast(socket.socket, None)))
    channel.close()


@pytest.fixture
def made(clock: Clock, theirs: Channel) -> Iterator[Generation]:
    """A generation with one worker, which is only a channel."""
    ours, end = Channel.pair()
    theirs._end = end._end
    made = Generation(
        1,
        cast(Plan, cast(Any, None)),
        Scoreboard.create(1, 1, 1),
        TransferTable.create(1, 1, 64, 1),
    )
    worker = made.processes[1] = WorkerProcess(0, 1, ours, 0)
    worker.ready = True
    with closing(ours):
        yield made


def said(channel: Channel) -> tuple[Message, str]:
    received = channel.receive()
    assert received
    return received[:2]


def test_generation_that_serves_is_never_stuck(made: Generation, clock: Clock) -> None:
    clock.now += 10 * STUCK_SECONDS
    assert not made.is_draining()
    assert not made.is_stuck(clock.now)
    assert list(made.deadlines()) == [INFINITE]


def test_drain_with_a_limit_is_stuck_beyond_it(
    made: Generation, clock: Clock, theirs: Channel
) -> None:
    made.drain(5.0)
    assert said(theirs) == (Message.DRAIN, "5.0")
    assert not made.is_stuck(clock.now + 5.0)
    assert made.is_stuck(clock.now + 5.0 + LAST_WORDS_SECONDS)
    assert min(made.deadlines()) == clock.now + 5.0 + LAST_WORDS_SECONDS


def test_drain_without_a_limit_goes_on_while_loops_turn(made: Generation, clock: Clock) -> None:
    made.drain(INFINITE)
    for _ in range(10):
        made.board.column(Column.TICKS)[0] += 1
        clock.now += STUCK_SECONDS
        assert not made.is_stuck(clock.now)
    assert min(made.deadlines()) == clock.now + STUCK_SECONDS
    assert made.is_stuck(clock.now + STUCK_SECONDS)


def test_drain_without_a_limit_is_given_one(
    made: Generation, clock: Clock, theirs: Channel
) -> None:
    made.drain(INFINITE)
    assert said(theirs) == (Message.DRAIN, "inf")
    made.limit_drain(3.0)
    assert said(theirs) == (Message.DRAIN, "3.0")
    made.limit_drain(30.0)  # more than there is
    made.limit_drain(1.0)
    assert said(theirs) == (Message.DRAIN, "1.0")
    assert made.drains_until == clock.now + 1.0 + LAST_WORDS_SECONDS

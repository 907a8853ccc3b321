"""What the supervisor does with the messages of a worker, which an attacker may control."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.process.channel import Channel, Message
from httpd.process.worker_process import WorkerProcess
from tests.unit.guard import must_end, open_descriptors, opened_since


@contextmanager
def a_worker() -> Iterator[tuple[WorkerProcess, socket.socket]]:
    """A child that does nothing, and its end of the channel."""
    ours, theirs = Channel.pair()
    end = socket.socket(fileno=os.dup(theirs.fileno()))
    theirs.close()
    pid = os.fork()
    if pid == 0:
        ours.close()
        end.close()
        while True:
            signal.pause()
    process = WorkerProcess(0, pid, ours, 0)
    try:
        yield process, end
    finally:
        if not process.has_ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        ours.close()
        end.close()


def status_of_killed(process: WorkerProcess) -> int:
    with must_end():
        _, status = os.waitpid(process.pid, 0)
    process.has_ended = True
    return status


@pytest.mark.parametrize("said", [b"\xff\0", b"drain", b"stop now", b"log", b"?", b"READY", b" "])
def test_worker_that_sends_an_invalid_message_is_killed(said: bytes) -> None:
    with a_worker() as (process, end):
        end.send(said)
        process.receive()
        assert "was killed for an invalid message: '" in process.describe_end(
            status_of_killed(process)
        )
        process.receive()


def test_worker_that_sends_ready_twice_is_killed() -> None:
    """One that never stops talking would keep the supervisor busy."""
    with a_worker() as (process, end):
        end.send(b"ready ")
        process.receive()
        assert process.ready
        end.send(b"ready ")
        process.receive()
        assert "for an invalid message: 'ready'" in process.describe_end(status_of_killed(process))


def test_worker_that_hangs_up_before_it_serves_is_killed() -> None:
    with a_worker() as (process, end):
        end.close()
        assert select.select([process.channel], [], [], 10)[0], "the child has closed it as well"
        process.receive()
        end_of_it = process.describe_end(status_of_killed(process))
        assert end_of_it == "was killed by SIGKILL before it served"


def test_worker_that_dies_while_it_boots_is_not_blamed() -> None:
    """As by a filter of system calls.  Of a SIGSEGV, the faulthandler of pytest would tell."""
    with a_worker() as (process, end):
        os.kill(process.pid, signal.SIGSYS)
        status = status_of_killed(process)
        end.close()
        process.receive()
        assert process.describe_end(status) == "was killed by SIGSYS"


def test_worker_that_fails_without_a_status_has_a_reason() -> None:
    with a_worker() as (process, end):
        end.send(b"failed for many reasons")
        process.receive()
        assert process.complaint == (70, "for many reasons")


@given(said=st.lists(st.sampled_from([*Message, "failed 1 x", "\0"]) | st.binary(max_size=100)))
def test_worker_that_sends_anything_in_any_order_leaks_nothing(said: list[str | bytes]) -> None:
    ours, theirs = Channel.pair()
    end = socket.socket(fileno=os.dup(theirs.fileno()))
    theirs.close()
    before = open_descriptors()
    process = WorkerProcess(0, -1, ours, 0)
    process.has_ended = True
    with ours_and(end, ours):
        for words in said:
            socket.send_fds(end, [words.encode() if isinstance(words, str) else words], [0])
            process.receive()
        assert opened_since(before) == []


@contextmanager
def ours_and(end: socket.socket, ours: Channel) -> Iterator[None]:
    try:
        yield
    finally:
        end.close()
        ours.close()

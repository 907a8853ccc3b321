"""Signals as events."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from httpd.process.signals import SignalInbox
from tests.unit.guard import must_end, open_descriptors, opened_since
from tests.unit.process.children import run_in_child

USED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD)


@pytest.fixture(autouse=True)
def handlers_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in USED}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def inbox() -> Iterator[SignalInbox]:
    inbox = SignalInbox([signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1], ignored=[signal.SIGUSR2])
    yield inbox
    inbox.close()


def is_ready(inbox: SignalInbox, timeout: float = 0.0) -> bool:
    poll = select.poll()
    poll.register(inbox, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


def test_inbox_without_signals_is_empty(inbox: SignalInbox) -> None:
    assert not is_ready(inbox)
    with must_end():
        assert inbox.take() == []


def test_inbox_keeps_the_order_of_signals(inbox: SignalInbox) -> None:
    sent = [signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGTERM]
    for number in sent:
        os.kill(os.getpid(), number)
    assert is_ready(inbox, 10.0)
    assert inbox.take() == sent
    assert not is_ready(inbox)
    assert inbox.take() == []


def test_inbox_returns_signals_when_its_pipe_cannot_be_read(
    inbox: SignalInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(os, "read", fail)
        assert inbox.take() == [signal.SIGTERM]
    assert is_ready(inbox)
    assert inbox.take() == []
    assert not is_ready(inbox)


def fail(*_: object) -> bytes:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_inbox_wakes_a_poll_on_a_signal_of_another_process(inbox: SignalInbox) -> None:
    pid = os.fork()
    if pid == 0:
        os.kill(os.getppid(), signal.SIGHUP)
        os._exit(0)
    assert is_ready(inbox, 10.0)
    assert inbox.take() == [signal.SIGHUP]
    os.waitpid(pid, 0)


def test_ignored_signals_are_ignored(inbox: SignalInbox) -> None:
    os.kill(os.getpid(), signal.SIGUSR2)
    assert inbox.take() == []


def test_inbox_does_not_block_on_a_storm_of_signals(inbox: SignalInbox) -> None:
    with must_end(60):
        for _ in range(20_000):
            os.kill(os.getpid(), signal.SIGUSR1)
    seen = inbox.take()
    assert set(seen) == {signal.SIGUSR1}
    while is_ready(inbox):
        inbox.take()
    os.kill(os.getpid(), signal.SIGTERM)
    assert is_ready(inbox, 10.0)
    assert signal.SIGTERM in inbox.take()


def test_inbox_loses_no_signal_between_poll_and_take(inbox: SignalInbox) -> None:
    """A child sends one after the other, and each one is seen before the next is sent."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        for _ in range(500):
            os.kill(os.getppid(), signal.SIGUSR1)
            os.read(read_fd, 1)
        os._exit(0)
    with must_end(60):
        for _ in range(500):
            taken: list[int] = []
            while not taken:
                assert is_ready(inbox, 30.0)
                taken = inbox.take()
            assert taken == [signal.SIGUSR1]
            os.write(write_fd, b".")
    os.waitpid(pid, 0)
    os.close(read_fd)
    os.close(write_fd)


def test_inbox_of_a_child_is_its_own(inbox: SignalInbox) -> None:
    """A signal to a worker must not show up at the supervisor, with whom it shares descriptors."""

    def be_worker() -> list[str]:
        inbox.close()
        own = SignalInbox([signal.SIGTERM], ignored=[signal.SIGHUP, signal.SIGUSR1])
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
        assert is_ready(own, 10.0)
        return [signal.Signals(number).name for number in own.take()]

    assert run_in_child(be_worker) == "['SIGTERM']"
    assert not is_ready(inbox)


def test_inbox_descriptors_are_closed_and_not_inherited() -> None:
    before = open_descriptors()
    inbox = SignalInbox([signal.SIGHUP], ignored=[])
    for fd in open_descriptors().keys() - before.keys():
        assert not os.get_inheritable(fd)
    inbox.close()
    assert opened_since(before) == []
    os.kill(os.getpid(), signal.SIGHUP)  # recorded by no inbox, and no error


PROBE = """
import os, signal
from httpd.process.signals import reset_signals
reset_signals()
inherited = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD)]
assert inherited == [signal.SIG_DFL] * 3, inherited
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
pid = os.fork()
if pid == 0:
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
print("fine")
"""


def test_signals_ignored_or_blocked_by_the_parent_are_reset() -> None:
    """A parent may have ignored or blocked signals, and children inherit that through exec."""

    def ignore() -> None:
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGHUP])

    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        preexec_fn=ignore,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "fine\n", done.stderr

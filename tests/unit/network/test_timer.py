"""The timer of a loop: it rings at whole seconds, again and again."""

from __future__ import annotations

import errno
import os
import select
import time

import pytest

from httpd.network.timer import open_timer
from tests.support.server import DEADLINE
from tests.unit.guard import descriptors_left, open_descriptors, opened_since


def test_timer_expires_at_whole_seconds() -> None:
    timer = open_timer()
    second = int(time.monotonic())
    for _ in range(2):
        assert select.select([timer], [], [], DEADLINE)[0]
        assert int(time.monotonic()) > second
        second += int.from_bytes(os.read(timer, 8), "little")
        assert second <= int(time.monotonic())
        with pytest.raises(BlockingIOError):
            os.read(timer, 8)
    assert not os.get_inheritable(timer)
    os.close(timer)


def test_timer_without_descriptors_fails() -> None:
    before = open_descriptors()
    with descriptors_left(0), pytest.raises(OSError, match="Too many open files") as error:
        open_timer()
    assert error.value.errno == errno.EMFILE
    assert opened_since(before) == []

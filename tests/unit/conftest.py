"""What holds for every unit test: nothing is left behind."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

CLOCKS = time.monotonic, time.time, time.time_ns


@pytest.fixture(autouse=True)
def clocks_go_on() -> Iterator[None]:
    """A clock that a test leaves standing stops the timeouts of all tests after it.

    Set up first, and so torn down last, after whatever has set a clock.
    """
    yield
    left = time.monotonic, time.time, time.time_ns
    time.monotonic, time.time, time.time_ns = CLOCKS
    assert left == CLOCKS, "the test has left a clock that it has set"

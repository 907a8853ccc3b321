"""Tallies: several threads count without a lock, and none of what they count is lost."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from httpd.protocol.tally import Tallies

THREADS, TIMES = 8, 20_000


@pytest.fixture(autouse=True)
def _many_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_tally_loses_nothing_when_threads_count_at_once() -> None:
    """What `Tally` says of CPython is true of this one."""
    tallies = Tallies()
    start = threading.Barrier(THREADS)

    def count() -> None:
        start.wait()
        for number in range(TIMES):
            tally = tallies.find(str(number % 7)).find(200)
            tally.requests += 1
            tally.sent += 3

    threads = [threading.Thread(target=count) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [site.find(200) for site in tallies.by_site.values()]
    assert sum(tally.requests for tally in found) == THREADS * TIMES
    assert sum(tally.sent for tally in found) == THREADS * TIMES * 3

"""The counters of a running server, as a program reads them."""

from __future__ import annotations

import os

from httpd.observe.counters import FAMILIES, read_counters
from httpd.observe.scoreboard import Column, Scoreboard


def test_counters_are_the_sums_over_all_generations() -> None:
    before = read_counters(os.getpid())
    boards = [Scoreboard.create(1, 2, number) for number in (3_000_001, 3_000_002)]
    for board in boards:
        board.column(Column.REQUESTS)[1] = 3
        board.column(Column.SENT)[0] = 50
    after = read_counters(os.getpid())
    for name, more in (("http_requests_total", 6), ("http_response_bytes_total", 100)):
        assert after.total(name) == before.total(name) + more
    assert after.values.keys() == {family.name for family in FAMILIES}

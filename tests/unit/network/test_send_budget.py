"""How much of each download the kernel holds."""

from __future__ import annotations

import pytest

from httpd.network.send_budget import FEW, LEAST, MOST, PIECE, TOTAL, UNLIMITED, SendBudget

LOOPS = 8


def shares_of(downloads: int, loops: int = LOOPS) -> SendBudget:
    send_budget = SendBudget(loops)
    for _ in range(downloads):
        send_budget.begin()
    return send_budget


@pytest.mark.parametrize("downloads", [0, 1, 2, TOTAL // MOST // LOOPS, TOTAL // MOST // LOOPS + 1])
def test_send_budget_of_few_downloads_is_the_most(downloads: int) -> None:
    send_budget = shares_of(downloads)
    assert send_budget.each == MOST
    assert send_budget.limit == UNLIMITED


@pytest.mark.parametrize("downloads", [TOTAL // LEAST // LOOPS, 100, 10_000])
def test_send_budget_of_many_downloads_is_the_least(downloads: int) -> None:
    send_budget = shares_of(downloads)
    assert send_budget.each == send_budget.limit == LEAST


def test_send_budget_of_all_downloads_is_about_the_total() -> None:
    for downloads in range(1, TOTAL // LEAST // LOOPS + 1):
        each = shares_of(downloads).each
        assert each == MOST or TOTAL * 2 // 3 <= each * downloads * LOOPS <= TOTAL * 4 // 3


def test_send_budget_has_pieces_where_downloads_are_few() -> None:
    pieces = [shares_of(downloads).piece for downloads in range(20)]
    assert pieces == [PIECE] * (FEW // LOOPS + 1) + [MOST] * (19 - FEW // LOOPS)


def test_send_budget_of_very_many_loops_is_the_least() -> None:
    assert shares_of(0, loops=4096).each == LEAST


def test_send_budget_does_not_count_downloads_that_ended() -> None:
    send_budget = shares_of(1000)
    for _ in range(999):
        send_budget.end()
    assert send_budget.each == MOST

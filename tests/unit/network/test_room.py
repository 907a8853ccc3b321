"""The limit of connections, and who closes some when it is exceeded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.network.room import Room
from httpd.observe.scoreboard import Column, Scoreboard


def room(counts: list[int], spare: list[int], most: int) -> Room:
    board = Scoreboard.create(1, len(counts), 1)
    for column, values in ((Column.CONNECTIONS, counts), (Column.SPARE, spare)):
        for loop, value in enumerate(values):
            board.column(column)[loop] = value
    return Room(board, most)


@pytest.mark.parametrize(
    ("counts", "spare", "is_full", "may_exceed", "may_linger"),
    [
        ([0, 0], [0, 0], False, True, True),
        ([3, 4], [0, 0], False, True, True),
        ([4, 4], [0, 0], True, False, True),
        ([4, 4], [0, 1], True, True, True),
        ([5, 4], [0, 1], True, False, True),
        ([5, 4], [0, 4], True, True, True),
        ([5, 5], [0, 4], True, False, False),
        ([100, 100], [0, 100], True, False, False),
    ],
)
def test_room_tells_who_may_connect_and_linger(
    counts: list[int], spare: list[int], *, is_full: bool, may_exceed: bool, may_linger: bool
) -> None:
    found = room(counts, spare, 8)
    assert found.margin == 2
    assert (found.is_full(), found.may_exceed(), found.may_linger()) == (
        is_full,
        may_exceed,
        may_linger,
    )


def test_room_margin_is_an_eighth_or_one_for_each_loop() -> None:
    assert room([0] * 8, [0] * 8, 4).margin == 8
    assert room([0] * 8, [0] * 8, 16384).margin == 2048


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=16))
def test_room_shares_of_all_loops_cover_the_excess(loops: list[tuple[int, int]]) -> None:
    """Together they close what is too much, as far as they can, and hardly more."""
    spare = [idle for idle, _ in loops]
    counts = [idle + busy for idle, busy in loops]
    most = 100
    found = room(counts, spare, most)
    send_budget = [found.share(mine) for mine in spare]
    assert all(share <= mine for share, mine in zip(send_budget, spare, strict=True))
    excess = max(0, sum(counts) - most)
    assert min(excess, sum(spare)) <= sum(send_budget) <= excess + len(loops)

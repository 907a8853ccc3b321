"""Whether a download moves: bytes and seconds in, a verdict out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.network.pace import LEAST_RATE, WINDOW, Pace

ENOUGH = int(LEAST_RATE * WINDOW)


def test_pace_before_its_window_is_not_due() -> None:
    pace = Pace(ENOUGH, 100.0)
    assert not pace.is_due(100.0 + WINDOW - 0.001)
    assert pace.is_due(100.0 + WINDOW)


@pytest.mark.parametrize(("taken", "suffices"), [(0, False), (ENOUGH - 1, False), (ENOUGH, True)])
def test_pace_of_a_window_is_judged_by_its_bytes(taken: int, suffices: bool) -> None:
    pace = Pace(10 * ENOUGH, 0.0)
    assert pace.suffices(10 * ENOUGH - taken, WINDOW) is suffices


def test_pace_of_the_next_window_begins_where_the_last_one_ended() -> None:
    pace = Pace(10 * ENOUGH, 0.0)
    assert pace.suffices(5 * ENOUGH, WINDOW)
    assert not pace.is_due(WINDOW)
    assert not pace.suffices(5 * ENOUGH - 1, 2 * WINDOW)


@given(st.integers(0, 1 << 40), st.floats(0, 3600), st.floats(0, 1e9))
def test_pace_of_a_late_judgement_is_that_of_the_whole_time(
    taken: int, late: float, start: float
) -> None:
    pace = Pace(1 << 41, start)
    seconds = start + WINDOW + late - start  # as exact as the clock can be
    assert (
        pace.suffices((1 << 41) - taken, start + WINDOW + late) is (taken >= LEAST_RATE * seconds)
        or abs(taken - LEAST_RATE * seconds) < 1
    )

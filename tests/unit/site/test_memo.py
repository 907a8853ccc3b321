"""The memo: answers of one second, and a budget that no flood gets over."""

from __future__ import annotations

import gc
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from httpd.site.answer import Answer
from httpd.site.memo import Memo


def answer(size: int = 100, behind: int = 0) -> Answer:
    return Answer(status=200, fields=b"", keep_alive=True, wire=bytes(size), behind=bytes(behind))


def test_a_remembered_answer_is_forgotten_at_the_tick() -> None:
    memo = Memo(100_000)
    first = answer()
    memo.remember(b"head", first)
    assert memo.answers == {b"head": first}
    memo.tick()
    assert memo.answers == {}


def test_after_the_tick_there_is_room_again() -> None:
    memo = Memo(2000)
    for _ in range(5):
        memo.remember(b"head", answer(1000))
        assert b"head" in memo.answers
        memo.tick()


def test_what_does_not_fit_drives_out_nothing() -> None:
    memo = Memo(10_000)
    memo.remember(b"small", answer())
    memo.remember(b"large", answer(10_000))
    memo.remember(b"behind", answer(100, 10_000))
    memo.remember(b"x" * 10_000, answer())
    assert set(memo.answers) == {b"small"}


def test_a_download_is_not_remembered() -> None:
    """It would hold its file open."""
    memo = Memo(10_000)
    memo.remember(b"head", Answer(200, b"", wire=b"head", length=1 << 30))
    assert memo.answers == {}


def test_no_budget_is_no_memo() -> None:
    memo = Memo(0)
    memo.remember(b"head", answer(0))
    assert memo.answers == {}


@given(
    st.lists(
        st.tuples(st.integers(1, 3000), st.integers(0, 3000), st.integers(0, 3000), st.booleans()),
        max_size=200,
    )
)
def test_heads_and_answers_never_exceed_the_budget(
    flood: list[tuple[int, int, int, bool]],
) -> None:
    budget = 20_000
    memo = Memo(budget)
    for number, (head_size, wire_size, behind, is_tick) in enumerate(flood):
        memo.remember(b"%d" % number + bytes(head_size), answer(wire_size, behind))
        if is_tick:
            memo.tick()
        used = sum(len(head) + len(own.wire + own.behind) for head, own in memo.answers.items())
        assert used <= budget


def test_real_memory_stays_within_the_budget() -> None:
    budget = 1024 * 1024
    memo = Memo(budget)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(20_000):
            head = b"GET /%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % number
            memo.remember(
                head,
                Answer(
                    status=404,
                    fields=bytes(200 + number % 2),
                    keep_alive=True,
                    body=bytes(600 + number % 2),
                    wire=bytes(900 + number % 2),
                ),
            )
        assert tracemalloc.get_traced_memory()[1] <= budget * 1.5
    finally:
        tracemalloc.stop()

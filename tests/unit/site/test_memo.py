"""The memo: two generations, and a budget that no flood gets over."""

from __future__ import annotations

import gc
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from httpd.site.answer import Answer
from httpd.site.memo import Memo


def answer(size: int = 100) -> Answer:
    return Answer(status=200, fields=b"", keep_alive=True, wire=bytes(size))


def test_a_remembered_answer_is_fresh_until_the_tick() -> None:
    memo = Memo(100_000)
    first = answer()
    memo.remember(b"head", first)
    assert memo.fresh.get(b"head") is first
    assert memo.aging.get(b"head") is None


def test_after_one_tick_it_is_aging_and_after_two_forgotten() -> None:
    memo = Memo(100_000)
    first = answer()
    memo.remember(b"head", first)
    memo.tick()
    assert memo.fresh == {}
    assert memo.aging == {b"head": first}
    memo.tick()
    assert memo.fresh == memo.aging == {}


def test_generations_do_not_mix() -> None:
    memo = Memo(100_000)
    memo.remember(b"a", answer())
    memo.tick()
    memo.remember(b"b", answer())
    assert (set(memo.fresh), set(memo.aging)) == ({b"b"}, {b"a"})


def test_the_latest_answer_counts() -> None:
    memo = Memo(100_000)
    memo.remember(b"head", answer())
    second = answer()
    memo.remember(b"head", second)
    assert memo.fresh[b"head"] is second


def test_clear_forgets_all() -> None:
    memo = Memo(100_000)
    memo.remember(b"a", answer())
    memo.tick()
    memo.remember(b"b", answer())
    memo.clear()
    assert memo.fresh == memo.aging == {}
    memo.remember(b"c", answer())
    assert set(memo.fresh) == {b"c"}


def test_an_answer_that_is_too_large_drives_out_nothing() -> None:
    memo = Memo(10_000)
    memo.remember(b"small", answer())
    memo.remember(b"large", answer(10_000))
    assert set(memo.fresh) == {b"small"}
    memo.remember(b"x" * 10_000, answer())
    assert set(memo.fresh) == {b"small"}


def test_no_budget_is_no_memo() -> None:
    memo = Memo(0)
    memo.remember(b"head", answer(0))
    assert memo.fresh == memo.aging == {}


@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 3000), st.booleans()), max_size=200))
def test_heads_and_answers_never_exceed_the_budget(
    flood: list[tuple[int, int, bool]],
) -> None:
    budget = 20_000
    memo = Memo(budget)
    for number, (head_size, wire_size, is_tick) in enumerate(flood):
        memo.remember(b"%d" % number + bytes(head_size), answer(wire_size))
        if is_tick:
            memo.tick()
        used = sum(
            len(head) + len(kept.wire)
            for generation in (memo.fresh, memo.aging)
            for head, kept in generation.items()
        )
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
                    path=b"/%d" % number,
                    wire=bytes(900 + number % 2),
                    log_parts=(bytes(60 + number % 2), bytes(100 + number % 2)),
                ),
            )
        assert tracemalloc.get_traced_memory()[1] <= budget * 1.5
    finally:
        tracemalloc.stop()


def test_the_segments_of_an_answer_count() -> None:
    """An answer of many ranges is small on the wire before its segments are sent."""
    budget = 1024 * 1024
    memo = Memo(budget)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(2000):
            segments: list[bytes | range] = []
            for start in range(1000, 65_000, 1000):
                segments += [bytes(110 + number % 2), range(start + number, start + number + 500)]
            several = Answer(status=206, fields=b"", wire=bytes(500), segments=tuple(segments))
            memo.remember(b"%d" % number, several)
        assert tracemalloc.get_traced_memory()[1] <= budget * 1.5
    finally:
        tracemalloc.stop()

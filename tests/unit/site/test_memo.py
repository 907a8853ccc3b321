"""The memo: answers to heads, and a budget that no flood gets over."""

from __future__ import annotations

import gc
import tracemalloc
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.protocol.parser import MAX_REQUEST_LINE
from httpd.site.answer import Answer
from httpd.site.memo import Memo
from tests.unit.protocol.heads import head


def answer(size: int = 100, behind: int = 0, *, is_of_file: bool = False) -> Answer:
    return Answer(
        200, b"", keep_alive=True, wire=bytes(size), behind=bytes(behind), is_of_file=is_of_file
    )


def test_a_closed_one_remembers_nothing() -> None:
    memo = Memo(100_000)
    first = answer()
    memo.remember(b"head", first)
    answers = memo.answers
    assert answers == {b"head": first}
    memo.close()
    memo.remember(b"head", first)
    memo.remember(b"head", answer(is_of_file=True))
    assert memo.answers is answers, "loops hold on to it"
    assert answers == {}


FOUND = head(target="/a%2eb?c")


@pytest.mark.parametrize(
    "target", ["/a.b?", "/a.b?d", "/a.b?%", "/%61.b", "/%61%2E%62?e?f", "/a%2eb?c"]
)
def test_query_and_spelling_make_no_difference_to_a_file(target: str) -> None:
    memo = Memo(10_000)
    first = answer(is_of_file=True)
    memo.remember(FOUND, first)
    assert memo.find(head(target=target)) is first
    assert FOUND not in memo.answers
    memo.close()
    assert memo.find(head(target=target)) is None


@pytest.mark.parametrize(
    "data",
    [
        head(target="/a.b"),  # by its bytes only
        head(target="/a.b?#"),
        head(target="/a.b? "),
        head(target="/a.b?\x7f"),
        head(target="/c/%2e%2e/a.b"),
        head(target="%2Fa.b?"),
        head(target="/a.b?" + "x" * MAX_REQUEST_LINE),
        head(target="/A.b?"),
        head(target="/a%2"),
        head(target="/a.b%00"),
        head(target="//a.b?"),
        head(target="http://a/a.b?"),
        head(target="/a.b?", method="HEAD"),
        head(target="/a.b?", method="PUT"),
        head(target="/a.b?", minor=0),
        head("Connection: close", target="/a.b?"),
        FOUND.replace(b"GET ", b"GET%20"),
        FOUND.replace(b"GET ", b"GET  "),
        FOUND.replace(b"GET ", b"%47ET "),
        FOUND.replace(b"GET ", b""),
        FOUND + b"x",
        FOUND[:-2],
        b"",
    ],
)
def test_what_is_another_request_is_not_found(data: bytes) -> None:
    memo = Memo(10_000)
    memo.remember(FOUND, answer(is_of_file=True))
    assert memo.find(data) is None


@pytest.mark.parametrize(
    "target", ["/a%3fb?", "/a%20b?", "/./a?", "/a%2f..%2fb?", "/..?", "//a?", "/a?#", "/a%?"]
)
def test_a_path_that_others_could_be_taken_for_is_not_remembered(target: str) -> None:
    memo = Memo(10_000)
    memo.remember(head(target=target), answer(is_of_file=True))
    memo.remember(head(target="/c?", method="HEAD"), answer(is_of_file=True))
    for other in target, unquote(target), unquote(target) + "?", "/c?":
        assert memo.find(head(target=other)) is None


def test_what_is_not_made_of_a_file_is_known_by_its_bytes_only() -> None:
    memo = Memo(10_000)
    page = answer()
    memo.remember(FOUND, page)
    assert memo.answers == {FOUND: page}
    assert memo.find(FOUND) is None


def test_spellings_take_room_once() -> None:
    memo = Memo(2000)
    kept = answer(is_of_file=True)
    for number in range(100):
        memo.remember(head(target=f"/a?{number}"), kept)
    memo.remember(head(target="/b?"), kept)
    assert memo.find(head(target="/b?")) is kept
    for number in range(100):
        memo.remember(head(target=f"/{number}?"), kept)
    assert memo.find(head(target="/99?")) is None


def test_of_an_answer_that_is_made_of_a_file_only_the_head_takes_room() -> None:
    memo = Memo(10_000)
    memo.remember(b"large", answer(4000, 100_000, is_of_file=True))
    memo.remember(b"x" * 10_000, answer(is_of_file=True))
    assert set(memo.answers) == {b"large"}


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
    memo.remember(b"head", Answer(200, b"", wire=b"head", length=1 << 30, is_of_file=True))
    assert memo.answers == {}


def test_no_budget_is_no_memo() -> None:
    memo = Memo(0)
    memo.remember(b"head", answer(0))
    assert memo.answers == {}


@given(
    st.lists(
        st.tuples(st.integers(1, 3000), st.integers(0, 3000), st.integers(0, 3000)), max_size=200
    )
)
def test_heads_and_answers_never_exceed_the_budget(flood: list[tuple[int, int, int]]) -> None:
    budget = 20_000
    memo = Memo(budget)
    for number, (head_size, wire_size, behind) in enumerate(flood):
        memo.remember(b"%d" % number + bytes(head_size), answer(wire_size, behind))
        used = sum(len(head) + len(own.wire + own.behind) for head, own in memo.answers.items())
        assert used <= budget


@pytest.mark.parametrize("is_of_file", [False, True])
@pytest.mark.parametrize("query", [b"", b"?"])
def test_real_memory_stays_within_the_budget(*, is_of_file: bool, query: bytes) -> None:
    budget = 1024 * 1024
    memo = Memo(budget)
    kept = answer(900, 100_000, is_of_file=True)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(20_000):
            data = b"GET /%d%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (number, query)
            if is_of_file:
                memo.remember(data, kept)
                continue
            memo.remember(
                data,
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

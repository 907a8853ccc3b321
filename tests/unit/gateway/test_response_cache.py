"""The response cache: responses by request head, and a budget that no flood exceeds."""

from __future__ import annotations

import gc
import tracemalloc
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.gateway.response_cache import ResponseCache, Responses
from httpd.protocol.parser import VERSION
from httpd.protocol.response import Body, Cacheability, Response
from tests.unit.protocol.heads import head
from tests.unit.protocol.responses import in_memory, make_response


def response(size: int = 100, content: int = 0, *, is_of_file: bool = False) -> Response:
    cacheability = Cacheability.FILE if is_of_file else Cacheability.HEAD
    return make_response(size, Body(bytes(content)), cacheability=cacheability)


def find(response_cache: ResponseCache, data: bytes) -> Response | None:
    line, _, rest = data.partition(VERSION)
    return response_cache.find(line, rest)


def test_closed_response_cache_caches_nothing() -> None:
    response_cache = ResponseCache(100_000)
    first = response()
    response_cache.remember(b"head", first)
    responses = response_cache.responses
    assert responses == {b"head": first}
    response_cache.close()
    response_cache.remember(b"head", first)
    response_cache.remember(b"head", response(is_of_file=True))
    assert response_cache.responses is responses, "loops hold on to it"
    assert responses == {}


FOUND = head(target="/a%2eb?c")


@pytest.mark.parametrize(
    "target", ["/a.b?", "/a.b?d", "/a.b?%", "/%61.b", "/%61%2E%62?e?f", "/a%2eb?c"]
)
def test_response_of_a_file_is_found_with_another_query_or_spelling(target: str) -> None:
    response_cache = ResponseCache(10_000)
    first = response(is_of_file=True)
    response_cache.remember(FOUND, first)
    assert find(response_cache, head(target=target)) is first
    assert FOUND not in response_cache.responses
    response_cache.close()
    assert find(response_cache, head(target=target)) is None


@pytest.mark.parametrize(
    "data",
    [
        head(target="/a.b?#"),
        head(target="/a.b? "),
        head(target="/a.b?\x7f"),
        head(target="/c/%2e%2e/a.b"),
        head(target="%2Fa.b?"),
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
def test_response_is_not_found_for_another_request(data: bytes) -> None:
    response_cache = ResponseCache(10_000)
    response_cache.remember(FOUND, response(is_of_file=True))
    assert find(response_cache, data) is None


@pytest.mark.parametrize(
    "target", ["/a%3fb?", "/a%20b?", "/./a?", "/a%2f..%2fb?", "/..?", "//a?", "/a?#", "/a%?"]
)
def test_response_at_an_ambiguous_path_is_not_cached(target: str) -> None:
    response_cache = ResponseCache(10_000)
    response_cache.remember(head(target=target), response(is_of_file=True))
    response_cache.remember(head(target="/c?", method="HEAD"), response(is_of_file=True))
    for other in target, unquote(target), unquote(target) + "?", "/c?":
        assert find(response_cache, head(target=other)) is None


def test_response_without_a_file_is_found_by_the_exact_head_only() -> None:
    response_cache = ResponseCache(10_000)
    page = response()
    response_cache.remember(FOUND, page)
    assert response_cache.responses == {FOUND: page}
    assert find(response_cache, FOUND) is None


def test_spellings_of_a_request_take_room_once() -> None:
    response_cache = ResponseCache(2000)
    cached = response(is_of_file=True)
    for number in range(100):
        response_cache.remember(head(target=f"/a?{number}"), cached)
    response_cache.remember(head(target="/b?"), cached)
    assert find(response_cache, head(target="/b?")) is cached
    for number in range(100):
        response_cache.remember(head(target=f"/{number}?"), cached)
    assert find(response_cache, head(target="/99?")) is None


def test_response_of_a_file_takes_room_for_its_request_head_only() -> None:
    response_cache = ResponseCache(10_000)
    response_cache.remember(b"large", response(4000, 100_000, is_of_file=True))
    response_cache.remember(b"x" * 10_000, response(is_of_file=True))
    assert set(response_cache.responses) == {b"large"}


def test_response_that_does_not_fit_evicts_nothing() -> None:
    response_cache = ResponseCache(10_000)
    response_cache.remember(b"small", response())
    response_cache.remember(b"large", response(10_000))
    response_cache.remember(b"large", response(100, 10_000))
    response_cache.remember(b"x" * 10_000, response())
    assert set(response_cache.responses) == {b"small"}


def test_responses_of_the_second_before_are_renewed_within_the_budget() -> None:
    heads = [b"%d" % number for number in range(100)]
    previous: Responses = dict.fromkeys(heads, response(is_of_file=True))
    response_cache = ResponseCache(2000, previous)
    for data in heads:
        response_cache.renew(data, response_cache.previous[data])
    assert 0 < len(response_cache.responses) < 10
    response_cache.close()
    assert response_cache.previous == previous == {}, "loops hold on to it"
    response_cache.renew(heads[0], response(is_of_file=True))
    assert response_cache.responses == {}


def test_response_of_a_download_is_not_cached() -> None:
    """It would hold its file open."""
    response_cache = ResponseCache(10_000)
    download = Body(segments=(range(1 << 30),))
    for cacheability in Cacheability.HEAD, Cacheability.FILE:
        response_cache.remember(b"head", make_response(100, download, cacheability=cacheability))
    assert response_cache.responses == {}


def test_response_cache_without_a_budget_caches_nothing() -> None:
    response_cache = ResponseCache(0)
    response_cache.remember(b"head", response(0))
    assert response_cache.responses == {}


@given(
    st.lists(
        st.tuples(st.integers(1, 3000), st.integers(0, 3000), st.integers(0, 3000)), max_size=200
    )
)
def test_response_cache_never_exceeds_its_budget(flood: list[tuple[int, int, int]]) -> None:
    budget = 20_000
    response_cache = ResponseCache(budget)
    for number, (head_size, least, content) in enumerate(flood):
        response_cache.remember(b"%d" % number + bytes(head_size), response(least, content))
        used = sum(
            len(head) + len(in_memory(own)) for head, own in response_cache.responses.items()
        )
        assert used <= budget


@pytest.mark.parametrize("is_of_file", [False, True])
@pytest.mark.parametrize("query", [b"", b"?"])
def test_response_cache_takes_no_more_memory_than_its_budget(
    *, is_of_file: bool, query: bytes
) -> None:
    budget = 1024 * 1024
    response_cache = ResponseCache(budget)
    cached = response(900, 100_000, is_of_file=True)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(20_000):
            data = b"GET /%d%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (number, query)
            if is_of_file:
                response_cache.remember(data, cached)
                continue
            response_cache.remember(
                data,
                make_response(300 + number % 2, Body(bytes(600 + number % 2))),
            )
        assert tracemalloc.get_traced_memory()[1] <= budget * 1.5
    finally:
        tracemalloc.stop()

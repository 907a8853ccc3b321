"""Byte ranges, held against a model that counts in plain integers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.protocol.messages import HTTPError
from httpd.protocol.ranges import FEW_RANGES, LEAST_RANGE, MAX_RANGES, parse_ranges
from tests.unit.guard import must_end

HUGE = "9" * 3000
NUMBERS = st.integers(0, 30) | st.integers(0, 2**70)
SIZES = st.integers(0, 25) | st.integers(0, 2**66)


def ask_all(text: str, size: int) -> list[range] | int | None:
    """Return the ranges, the status of the error, or None for the whole."""
    try:
        return parse_ranges(text, size)
    except HTTPError as error:
        assert error.fields == (("Content-Range", f"bytes */{size}"),)
        return error.status


def ask(text: str, size: int) -> range | int | None:
    """Return the only range, the status of the error, or None for the whole."""
    found = ask_all(text, size)
    if not isinstance(found, list):
        return found
    (only,) = found
    return only


def model(first: int | None, last: int | None, size: int) -> range | int | None:
    """RFC 9110 §14.1.2: int-range, open int-range (no last), suffix-range (no first)."""
    if not size:
        return None
    if first is None:
        assert last is not None
        return range(max(0, size - last), size) if last else 416
    if last is not None and last < first:
        return None
    if first >= size:
        return 416
    return range(first, size if last is None else min(last + 1, size))


@given(NUMBERS, NUMBERS, SIZES, st.sampled_from(["", "0", "000"]))
@settings(max_examples=500)
def test_range_agrees_with_a_model(first: int, last: int, size: int, zeros: str) -> None:
    assert ask(f"bytes={zeros}{first}-{zeros}{last}", size) == model(first, last, size)
    assert ask(f"bytes={zeros}{first}-", size) == model(first, None, size)
    assert ask(f"bytes=-{zeros}{last}", size) == model(None, last, size)


def test_range_of_every_small_size_agrees_with_a_model() -> None:
    for size in range(7):
        for first in range(8):
            assert ask(f"bytes={first}-", size) == model(first, None, size)
            assert ask(f"bytes=-{first}", size) == model(None, first, size)
            for last in range(8):
                assert ask(f"bytes={first}-{last}", size) == model(first, last, size)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=19-19", range(19, 20)),
        ("bytes=5-", range(5, 20)),
        ("bytes=-5", range(15, 20)),
        ("bytes=-20", range(20)),
        ("bytes=-21", range(20)),
        (f"bytes=-{HUGE}", range(20)),
        (f"bytes=5-{HUGE}", range(5, 20)),
        ("bytes=005-007", range(5, 8)),
        (f"bytes={'0' * 3000}5-{'0' * 4000}7", range(5, 8)),
        ("BYTES=0-0", range(1)),
        ("bytes=20-", 416),
        ("bytes=20-30", 416),
        (f"bytes={HUGE}-", 416),
        (f"bytes={HUGE}-{HUGE}", 416),
        (f"bytes={2**63}-", 416),
        (f"bytes={2**64}-", 416),
        ("bytes=-0", 416),
        ("bytes=-000", 416),
        ("bytes=5-3", None),
        (f"bytes={HUGE}-5", None),
        (f"bytes={HUGE}9-{HUGE}", None),
        ("bytes=0-1,99-", range(2)),
        ("bytes=99-,-0", 416),
        ("bytes=0-1,5-3", None),
        ("bytes=0-1,x", None),
        ("bytes=,", None),
        ("bytes= ,\t", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=5", None),
        ("bytes", None),
        ("", None),
        ("0-5", None),
        ("bytes 0-5", None),
        ("bytes =0-5", None),
        ("bytes=0 - 5", None),
        ("bytes=0-5;", None),
        ("bytes=--5", None),
        ("bytes=+0-5", None),
        ("bytes=-+5", None),
        ("bytes=0x0-0x5", None),
        ("bytes=1_0-15", None),
        ("bytes=a-b", None),
        ("bytes=\xb2-\xb3", None),
        ("bytes=\u0661-\u0665", None),
        ("bytes=1.0-2", None),
        ("bytes=*/20", None),
        ("lines=0-5", None),
        ("none", None),
        ("bytes=0-5\n", None),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_range_of_twenty_bytes_has_its_offsets(text: str, expected: range | int | None) -> None:
    assert ask(text, 20) == expected


@pytest.mark.parametrize(
    "text",
    ["0-", "0-0", "5-", "-0", "0-1023", "-1", "-500", f"-{HUGE}", "0-1,5-6", f"{HUGE}-"],
    ids=lambda text: text[:12],
)
def test_range_of_an_empty_file_is_ignored(text: str) -> None:
    """RFC 9110 §14.2: what splits a file into ranges asks for the first one of an empty file, too.

    A 206 could not say “no byte”, and a 416 would be an error where nothing is wrong.
    """
    assert ask(f"bytes={text}", 0) is None


@pytest.mark.parametrize("size", [2**31, 2**32 + 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64 + 1])
def test_range_of_a_large_file_has_its_offsets(size: int) -> None:
    assert ask(f"bytes={size - 1}-", size) == range(size - 1, size)
    assert ask(f"bytes={size}-", size) == 416
    assert ask("bytes=-1", size) == range(size - 1, size)
    assert ask("bytes=0-", size) == range(size)


@given(
    st.text(st.sampled_from("bytes=0129-, \t*x"), max_size=20)
    | st.text(max_size=20).map("bytes={}".format)
    | st.text(st.sampled_from("0129-,"), max_size=20).map("bytes={}".format),
    SIZES,
)
@settings(max_examples=800)
def test_range_of_any_text_is_parsed_416_or_ignored(text: str, size: int) -> None:
    found = ask_all(text, size)
    if isinstance(found, list):
        assert found
        assert all(0 <= part.start < part.stop <= size for part in found)
        assert re.match("(?i)bytes=", text)
    else:
        assert found in (None, 416)


# ---------------------------------------------------------------- several ranges


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0-1,5-6", [range(2), range(5, 7)]),
        ("5-6,0-1", [range(5, 7), range(2)]),
        ("-1,0-0", [range(19, 20), range(1)]),
        ("0-1 , 5-6", [range(2), range(5, 7)]),
        (",\t0-1,,5-6,", [range(2), range(5, 7)]),
        ("0-1,99-,5-6", [range(2), range(5, 7)]),
        ("0-4,3-6", [range(7)]),
        ("0-1,2-3", [range(4)]),
        ("2-3,0-1", [range(4)]),
        ("0-,0-,0-", [range(20)]),
        ("8-9,0-4,3-6", [range(7), range(8, 10)]),
        ("0-9,2-3,15-", [range(10), range(15, 20)]),
    ],
)
def test_several_ranges_of_twenty_bytes(text: str, expected: list[range]) -> None:
    assert ask_all(f"bytes={text}", 20) == expected


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), min_size=1, max_size=12))
def test_several_ranges_are_those_bytes_once(pairs: list[tuple[int, int]]) -> None:
    asked = {n for first, more in pairs for n in range(first, min(first + more + 1, 50))}
    found = ask_all("bytes=" + ",".join(f"{first}-{first + more}" for first, more in pairs), 50)
    if not asked:
        assert found == 416
        return
    assert isinstance(found, list)
    sent = [n for part in found for n in part]
    assert len(sent) == len(set(sent))
    assert set(sent) == asked
    ends = {part.stop for part in found} & {part.start for part in found}
    assert not ends, "ranges that touch are sent as one"


def test_ranges_up_to_256_are_served() -> None:
    """As many as zchunk, and so dnf, asks a server for."""
    text = "bytes=" + ",".join(f"{n}-{n + 299}" for n in range(0, 256_000, 1000))
    found = parse_ranges(text, 1_000_000)
    assert found is not None
    assert len(found) == 256


def test_ranges_beyond_256_are_ignored() -> None:
    text = "bytes=" + ",".join(f"{n}-{n + 99}" for n in range(0, 300 * (MAX_RANGES + 1), 300))
    assert parse_ranges(text, 1_000_000) is None
    found = parse_ranges(text.rpartition(",")[0], 1_000_000)
    assert found is not None
    assert len(found) == MAX_RANGES


def spread(count: int, length: int) -> str:
    """Ranges of one length that are far apart."""
    return "bytes=" + ",".join(f"{n}-{n + length - 1}" for n in range(0, 1000 * count, 1000))


def test_ranges_that_are_many_and_tiny_are_ignored() -> None:
    for count, length, is_sent in [
        (FEW_RANGES, 1, True),
        (FEW_RANGES + 1, 1, False),
        (FEW_RANGES + 1, LEAST_RANGE - 1, False),
        (FEW_RANGES + 1, LEAST_RANGE, True),
        (MAX_RANGES, LEAST_RANGE - 1, False),
        (MAX_RANGES, LEAST_RANGE, True),
    ]:
        assert (parse_ranges(spread(count, length), 1_000_000) is not None) is is_sent
    a_large_one = spread(MAX_RANGES - 1, 1) + ",500000-599999"
    assert parse_ranges(a_large_one, 1_000_000) is not None


def test_ranges_that_make_more_than_the_whole_are_ignored() -> None:
    assert parse_ranges(spread(100, 900), 110_000) is not None
    assert parse_ranges(spread(100, 900), 100_000) is None
    assert parse_ranges(spread(FEW_RANGES, 900), FEW_RANGES * 1000) is not None


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=300), st.integers(1, 10**6))
def test_body_of_many_ranges_is_no_larger_than_the_whole(starts: list[int], size: int) -> None:
    try:
        found = parse_ranges("bytes=" + ",".join(f"{n}-{n + 50}" for n in starts), size)
    except HTTPError:
        return
    if found is not None and len(found) > FEW_RANGES:
        assert sum(map(len, found)) + 100 * len(found) <= size


@pytest.mark.parametrize(
    "text",
    [
        "bytes=" + "9" * 500_000 + "-",
        "bytes=-" + "0" * 500_000,
        "bytes=" + "0-0," * 100_000,
        "bytes=" + "," * 500_000,
        "bytes=" + "\t" * 500_000,
    ],
    ids=lambda text: text[:12],
)
def test_range_takes_linear_time(text: str) -> None:
    with must_end():
        ask(text, 20)
        ask(text, 2**63)

"""Request bodies: where they end, however they are cut; held against a writer of chunks."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.protocol.body import CHUNKS, MAX_CHUNK_LINE, MAX_EXCESS, MAX_TRAILER_LINE, Body
from httpd.protocol.messages import HTTPError
from httpd.protocol.parser import MAX_FIELDS
from tests.unit.guard import must_end

NEXT = b"GET /next HTTP/1.1\r\n"
LIMIT = 1 << 20


def feed(pieces: list[bytes], length: int | None, limit: int = LIMIT) -> bytes | int | None:
    """Return what is left behind the body, the status of an error, or None for a body that goes
    on.
    """
    buffer = bytearray()
    body = Body(buffer, length, limit)
    for number, piece in enumerate(pieces):
        buffer += piece
        try:
            while not (is_complete := body.is_complete()) and body.is_paused:
                pass
            if is_complete:
                return bytes(buffer) + b"".join(pieces[number + 1 :])
        except HTTPError as error:
            return error.status
    return None


def in_every_way(wire: bytes, length: int | None, limit: int = LIMIT) -> bytes | int | None:
    """Feed it whole, by byte and at random cuts, with one outcome."""
    ways = [[wire], [wire[n : n + 1] for n in range(len(wire))]]
    for seed in range(3):
        cuts = sorted(random.Random(seed).choices(range(len(wire) + 1), k=5))
        ways.append([wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)])
    outcomes = [feed(way, length, limit) for way in ways]
    assert outcomes.count(outcomes[0]) == len(outcomes), outcomes
    return outcomes[0]


def chunked(
    *chunks: bytes, extension: bytes = b"", trailers: bytes = b"", size: str = "{:x}"
) -> bytes:
    lines = [size.format(len(c)).encode() + extension + b"\r\n" + c + b"\r\n" for c in chunks]
    return b"".join(lines) + b"0" + extension + b"\r\n" + trailers + b"\r\n"


@pytest.mark.parametrize("length", [0, 1, 2, 100])
def test_body_with_a_length_ends_there(length: int) -> None:
    assert in_every_way(b"x" * length + NEXT, length) == NEXT


def test_body_with_a_length_that_is_not_reached_is_incomplete() -> None:
    assert in_every_way(b"x" * 99, 100) is None


CHUNKED = {
    "empty": chunked(),
    "one": chunked(b"hello"),
    "several": chunked(b"hello", b"\r\n", b"0\r\n\r\n", b"x" * 300),
    "upper-case": chunked(b"x" * 0xAB, size="{:X}"),
    "leading-zeros": chunked(b"hello", size="{:016x}"),
    "extension": chunked(b"hello", extension=b";a"),
    "extension-value": chunked(b"hello", extension=b";a=b"),
    "extension-quoted": chunked(b"hello", extension=b';a="b;c=\\"\\\\ \t\xff"'),
    "extensions-and-blanks": chunked(b"hello", extension=b' ; a = b \t;\tc="" ; d'),
    "trailer": chunked(b"hello", trailers=b"Expires: never\r\nX-Sum:\r\n"),
    "most-trailers": chunked(trailers=b"a: b\r\n" * MAX_FIELDS),
}


@pytest.mark.parametrize("wire", CHUNKED.values(), ids=CHUNKED)
def test_chunked_body_ends_at_its_last_chunk(wire: bytes) -> None:
    assert in_every_way(wire + NEXT, None) == NEXT
    for end in range(len(wire)):
        assert feed([wire[:end]], None) is None


BAD = {
    "no-size": b"\r\n\r\n",
    "not-hexadecimal": b"g\r\n",
    "plus": b"+5\r\nhello\r\n",
    "minus": b"-5\r\nhello\r\n",
    "prefix": b"0x5\r\nhello\r\n",
    "underscore": b"1_0\r\n",
    "blank-before": b" 5\r\nhello\r\n",
    "blank-behind": b"5 \r\nhello\r\n",
    "tab-behind": b"5\t\r\nhello\r\n",
    "overflow": b"0" * 17 + b"5\r\nhello\r\n",
    "bare-lf": b"5\nhello\r\n",
    "bare-cr": b"5\r\rhello\r\n",
    "cr-in-extension": b"5;a\rb\r\nhello\r\n",
    "fraction": b"5.0\r\nhello\r\n",
    "wide-digit": "\uff15\r\nhello\r\n".encode(),
    "nul": b"5\0\r\nhello\r\n",
    "extension-without-name": b"5;\r\nhello\r\n",
    "extension-without-value": b"5;a=\r\nhello\r\n",
    "extension-unfinished": b'5;a="b\r\nhello\r\n',
    "extension-control": b'5;a="\x01"\r\nhello\r\n',
    "extension-no-token": b"5;a@b\r\nhello\r\n",
    "chunk-too-long": b"4\r\nhello\r\n0\r\n\r\n",
    "chunk-too-short": b"6\r\nhello\r\n0\r\n\r\n",
    "chunk-ends-in-lf": b"5\r\nhello\n0\r\n\r\n",
    "chunk-ends-in-cr": b"5\r\nhello\r0\r\n\r\n",
    "trailer-bare-lf": b"0\r\na: b\n\r\n",
    "trailer-folded": b"0\r\na: b\r\n c\r\n\r\n",
    "trailer-blank-before-colon": b"0\r\na : b\r\n\r\n",
    "trailer-no-colon": b"0\r\nab\r\n\r\n",
    "trailer-no-name": b"0\r\n: b\r\n\r\n",
    "trailer-nul": b"0\r\na: \0\r\n\r\n",
    "end-bare-lf": b"0\r\n\n",
    "endless-size-line": b"5;" + b"a" * MAX_CHUNK_LINE,
    "endless-trailer": b"0\r\n" + b"a" * MAX_TRAILER_LINE,
}


@pytest.mark.parametrize("wire", BAD.values(), ids=BAD)
def test_malformed_chunk_is_refused(wire: bytes) -> None:
    assert in_every_way(wire + NEXT, None) == 400


def test_wrong_end_of_a_chunk_is_refused_at_once() -> None:
    assert feed([b"5\r\nhelloX"], None) == 400
    assert feed([b"5\r\nhello\rX"], None) == 400


def test_trailers_beyond_the_limit_are_refused() -> None:
    assert in_every_way(chunked(trailers=b"a: b\r\n" * (MAX_FIELDS + 1)), None) == 431


def test_body_over_its_limit_is_refused() -> None:
    assert feed([b""], 100, limit=100) is None
    assert feed([b""], 101, limit=100) == 413, "known before the first byte"
    assert feed([b"65\r\n"], None, limit=100) == 413, "as soon as a chunk says its size"
    assert feed([b"ffffffffffffffff\r\n"], None) == 413
    wire = chunked(b"x" * 10, b"y" * 10)
    assert in_every_way(wire + NEXT, None, limit=len(wire)) == NEXT
    assert in_every_way(wire + NEXT, None, limit=len(wire) - 1) == 413, "framing counts"


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    st.sampled_from([b"", b";a", b' ; a = "\\""']),
    st.sampled_from([b"", b"A: b\r\n"]),
    st.data(),
)
@settings(max_examples=200)
def test_chunks_at_any_cut_have_one_outcome(
    chunks: list[bytes], extension: bytes, trailers: bytes, data: st.DataObject
) -> None:
    wire = chunked(*chunks, extension=extension, trailers=trailers) + NEXT
    cut = data.draw(st.integers(0, len(wire)))
    assert feed([wire[:cut], wire[cut:]], None) == NEXT


@given(st.binary(max_size=60) | st.text('05af;=" \r\n:x', max_size=40).map(str.encode))
@settings(max_examples=500)
def test_chunked_body_of_any_bytes_ends_continues_or_is_refused(wire: bytes) -> None:
    outcome = in_every_way(wire, None)
    assert outcome is None or outcome in (400, 413, 431) or wire.endswith(outcome)  # type: ignore[arg-type]


@given(st.binary(min_size=1, max_size=60), st.integers(0, 70), st.integers(0, 70))
def test_body_of_any_bytes_with_a_length_ends_there(wire: bytes, length: int, limit: int) -> None:
    outcome = in_every_way(wire, length, limit)
    if length > limit:
        assert outcome == 413
    elif length > len(wire):
        assert outcome is None
    else:
        assert outcome == wire[length:]


@pytest.mark.parametrize(
    "wire",
    [
        b"5;" + b"a" * 500_000,
        b"5" + b"; a" * 300 + b"\x01\r\n",
        b"5" + b' ; a = "' * 100 + b"\r\n",
        b"5" + b" \t" * 450 + b"\x01\r\n",
        b"1\r\nx\r\n" * 100_000,
        b"5\r\n" + b"\r" * 500_000,
    ],
    ids=lambda wire: repr(wire[:12]),
)
def test_chunked_body_takes_linear_time(wire: bytes) -> None:
    with must_end():
        feed([wire], None)


def test_chunks_beyond_the_bound_of_a_call_wait_for_the_next_one() -> None:
    buffer = bytearray(chunked(*[b"ten bytes."] * (3 * CHUNKS + 1)) + NEXT)
    body = Body(buffer, None, LIMIT)
    for _ in range(3):
        before = len(buffer)
        assert not body.is_complete()
        assert body.is_paused
        assert before - len(buffer) == CHUNKS * len(b"a\r\nten bytes.\r\n")
    assert body.is_complete()
    assert not body.is_paused
    assert buffer == NEXT


def test_body_that_needs_more_bytes_is_not_paused() -> None:
    buffer = bytearray(b"a\r\nten bytes.\r\n" * (CHUNKS - 1) + b"a\r\nten")
    body = Body(buffer, None, LIMIT)
    assert not body.is_complete()
    assert not body.is_paused


@given(st.lists(st.integers(1, 40), max_size=5 * CHUNKS))
@settings(max_examples=50)
def test_chunks_take_as_many_calls_as_their_number_needs(sizes: list[int]) -> None:
    buffer = bytearray(chunked(*[b"x" * size for size in sizes]) + NEXT)
    body = Body(buffer, None, LIMIT)
    calls = 1
    while not body.is_complete():
        assert body.is_paused
        calls += 1
    assert buffer == NEXT
    assert calls == len(sizes) // CHUNKS + 1


@pytest.mark.parametrize(
    ("chunk", "excess"),
    [(b"1\r\nx\r\n", 4), (b"1;" + b"a" * 1000 + b"\r\nx\r\n", 1005)],
    ids=["one-byte", "extension"],
)
def test_chunks_with_more_framing_than_data_are_refused(chunk: bytes, excess: int) -> None:
    most = MAX_EXCESS // excess
    assert feed([chunk * most, b"0\r\n\r\n", NEXT], None) == NEXT
    assert feed([chunk * (most + 1)], None) == 400
    assert feed([b"%x\r\n%b\r\n" % (2000, b"x" * 2000), chunk * (most + 1)], None) is None

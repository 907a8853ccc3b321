"""Content negotiation, held against RFC 9110 §12.5.3 in plain words."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.protocol.negotiation import IDENTITY, MAX_ELEMENTS, parse_weights, rank_codings
from tests.unit.guard import must_end

ALL = ("br", "zstd", "gzip")


def choose_coding(accept: str | None, available: Iterable[str]) -> str | None:
    """Return the best coding; None when none is accepted."""
    return next(iter(rank_codings(accept, available)), None)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, IDENTITY),
        ("", IDENTITY),
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("x-gzip;q=0", IDENTITY),
        ("gzip, br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0, br;q=0.9", "gzip"),
        ("br;q=0.001", "br"),
        ("br;q=0.001, identity;q=0.002", IDENTITY),
        ("br;q=0.5, identity;q=0.5", "br"),
        ("br;q=0.5, identity", IDENTITY),
        ("gzip;q=0", IDENTITY),
        ("gzip;q=0.000", IDENTITY),
        ("*", "br"),
        ("*;q=0.5, br;q=0", "zstd"),
        ("*;q=0", None),
        ("*;q=0, identity", IDENTITY),
        ("*;q=0, gzip", "gzip"),
        ("identity;q=0", None),
        ("identity;q=0, gzip;q=0", None),
        ("identity;q=0, *", "br"),
        ("identity;q=0, deflate", None),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("deflate", IDENTITY),
        ("  gzip\t;\tQ=0.5 ,", "gzip"),
        (",,gzip,,", "gzip"),
        ("gzip;q=1.5", IDENTITY),
        ("gzip;q=0.1234", IDENTITY),
        ("gzip;q=-1", IDENTITY),
        ("gzip;q=", IDENTITY),
        ("gzip;level=9", IDENTITY),
        ("gzip br", IDENTITY),
        ("gzip;q=0, gzip", IDENTITY),
        ("br;q=2, gzip", "gzip"),
    ],
)
def test_codings_are_ranked_where_all_exist(accept: str | None, expected: str | None) -> None:
    assert choose_coding(accept, ALL) == expected


@pytest.mark.parametrize(
    ("accept", "available", "expected"),
    [
        ("gzip, br", ["gzip"], "gzip"),
        ("br", ["gzip"], IDENTITY),
        ("*", [], IDENTITY),
        ("gzip", [], IDENTITY),
        ("identity;q=0", [], None),
        ("*;q=0", [], None),
        ("gzip;q=0.5, *;q=0.4", [], IDENTITY),
    ],
)
def test_codings_are_ranked_where_some_exist(
    accept: str, available: list[str], expected: str | None
) -> None:
    assert choose_coding(accept, available) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, [IDENTITY, *ALL]),
        ("", [IDENTITY]),
        ("*", [*ALL, IDENTITY]),
        ("gzip, br;q=0.5", ["gzip", "br", IDENTITY]),
        ("gzip;q=0.5, identity;q=0.7, br;q=0.5", [IDENTITY, "br", "gzip"]),
        ("identity;q=0, gzip", ["gzip"]),
        ("*;q=0", []),
    ],
)
def test_accepted_codings_are_ranked_by_weight(accept: str | None, expected: list[str]) -> None:
    assert rank_codings(accept, ALL) == expected


def test_codings_of_every_combination_agree_with_the_rfc() -> None:
    """Nothing of weight 0 is sent, and nothing is heavier than what is sent."""
    weights = [None, 0, 300, 1000]
    names = ("gzip", "br", "identity", "*")
    for values in itertools.product(weights, repeat=4):
        said = {n: w for n, w in zip(names, values, strict=True) if w is not None}
        accept = ", ".join(f"{name};q={weight / 1000:g}" for name, weight in said.items())
        fallback = said.get("*", 0)
        weight = {name: said.get(name, fallback) for name in ("gzip", "br")}
        weight[IDENTITY] = said.get(IDENTITY, said.get("*", 1))
        chosen = choose_coding(accept, ("br", "gzip"))
        if chosen is None:
            assert not any(weight.values())
        else:
            assert weight[chosen] == max(weight.values()) > 0


@given(st.text(max_size=40) | st.text("gzipbr*q=01.;, \t", max_size=40))
def test_accept_encoding_of_any_text_is_understood(accept: str) -> None:
    weights = parse_weights(accept)
    assert all(0 <= weight <= 1000 for weight in weights.values())
    chosen = choose_coding(accept, ALL)
    assert chosen in (*ALL, IDENTITY, None)
    if chosen is None:
        assert weights.get(IDENTITY, weights.get("*")) == 0
    else:
        assert weights.get(chosen) != 0


def test_weights_are_parsed_in_thousandths() -> None:
    found = parse_weights("a, B;q=0.5, c;q=0.001, a;q=0.1, text/html;q=1.000, d;q=0.")
    assert found == {"a": 1000, "b": 500, "c": 1, "text/html": 1000, "d": 0}


@pytest.mark.parametrize("text", ["gzip," * 100_000, "gzip" * 100_000, " ;" * 200_000])
def test_accept_encoding_takes_linear_time(text: str) -> None:
    with must_end():
        choose_coding(text, ALL)


def test_elements_beyond_the_limit_are_ignored() -> None:
    assert choose_coding("x," * (MAX_ELEMENTS - 1) + "gzip", ALL) == "gzip"
    assert choose_coding("x," * MAX_ELEMENTS + "gzip", ALL) == IDENTITY

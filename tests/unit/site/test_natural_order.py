"""The order of names: a name in, the bytes that it is sorted by out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.site.listing.natural_order import natural_key

NAMES = st.binary(min_size=1, max_size=255).filter(lambda name: b"\0" not in name)


@pytest.mark.parametrize(
    "names",
    [
        ["data-1", "data-9", "data-10", "data-100"],
        ["a", "B", "c", "D"],
        ["Apfel", "äpfel2", "Birne", "Éclair", "Eclair2", "f"],
        ["1.2.9", "1.2.10", "1.10.0"],
        ["_a", "a"],
        ["-", "1", "a"],
        ["9", "10", "a"],
        ["x0", "x1", "x01a"],
        ["Straße1", "strasse2"],
        ["file", "file 2", "file10"],
        ["2026-9-1", "2026-10-1"],
        ["9" * 254, "1" + "0" * 254],
    ],
)
def test_natural_key_sorts_as_people_do(names: list[str]) -> None:
    keys = [natural_key(name.encode()) for name in names]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("one", "other"), [("a", "A"), ("e", "É"), ("1", "01"), ("ß", "SS"), ("x007y", "X7Y")]
)
def test_natural_key_of_what_people_hold_equal_is_equal(one: str, other: str) -> None:
    assert natural_key(one.encode()) == natural_key(other.encode())


@given(NAMES)
def test_natural_key_of_any_name_has_no_nul(name: bytes) -> None:
    assert b"\0" not in natural_key(name)


@given(st.integers(0, 10**40), st.integers(0, 10**40), st.text("abc-", max_size=5))
def test_natural_key_of_numbers_sorts_by_their_value(one: int, other: int, before: str) -> None:
    keys = [natural_key(f"{before}{number}.txt".encode()) for number in (one, other)]
    assert (keys[0] < keys[1]) is (one < other)

"""Texts in columns of a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.commands.cells import fit, visible, width_of
from tests.support.require import module

PRINTABLE = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=40)


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("plain", 5),
        ("grün", 4),
        ("gru\u0308n", 4),
        ("日本語.iso", 10),
        ("ａｂ", 4),
        ("한글", 4),
        ("", 0),
    ],
)
def test_width_is_in_cells(text: str, width: int) -> None:
    assert width_of(text) == width


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("abc", 5, "abc  "),
        ("abc", 3, "abc"),
        ("abcdefghij", 7, "ab…ghij"),
        ("abcdefghij", 1, "…"),
        ("abcdefghij", 0, ""),
        ("日本語日本語", 7, "日…本語"),
        ("日本語日本語", 8, "日…本語 "),
        ("xu\u0308u\u0308u\u0308u\u0308u\u0308", 5, "xu\u0308…u\u0308u\u0308"),
    ],
)
def test_text_fits_without_its_middle(text: str, width: int, expected: str) -> None:
    assert fit(text, width) == expected


def test_number_is_aligned_to_the_right() -> None:
    assert fit("12", 5, right=True) == "   12"


@given(PRINTABLE, st.integers(0, 50))
def test_text_takes_exactly_its_cells(text: str, width: int) -> None:
    assert width_of(fit(text, width)) == width
    assert width_of(fit(text, width, right=True)) == width


@given(st.binary(max_size=60))
def test_visible_text_is_printable(text: bytes) -> None:
    assert visible(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"/a b", "/a b"),
        ("/ä日".encode(), "/ä日"),
        (b"/\x1b[2J\x07", r"/\x1b[2J\x07"),
        (b"/\x9b2J", r"/\x9b2J"),
        ("/\u009b2J".encode(), r"/\x9b2J"),
        ("/\u202egnp.exe".encode(), r"/\u202egnp.exe"),
        (b"/\xff", r"/\xff"),
        (b"/a\r\nb", r"/a\r\nb"),
    ],
)
def test_control_characters_are_made_visible(text: bytes, shown: str) -> None:
    assert visible(text) == shown


def test_widths_are_those_of_a_terminal() -> None:
    module("wcwidth", "test")
    from wcwidth import wcswidth  # noqa: PLC0415 - a dependency of pyte

    for text in ("grün", "gru\u0308n", "日本語", "한글", "ａｂ", "Ωμέγα", "“…–▾×"):
        assert width_of(text) == wcswidth(text), text

"""HTTP dates, held against the calendar of the standard library."""

from __future__ import annotations

import email.utils
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from httpd.protocol.dates import format_date, parse_date
from tests.unit.guard import must_end

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = int((datetime(1, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())
LAST = int((datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - EPOCH).total_seconds())
SECONDS = st.integers(FIRST, LAST)
THIS_YEAR = 2026
EXAMPLE = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 §5.6.7


def english(seconds: int, form: str) -> str:
    """Format like strftime does in the C locale, the same for years before 1000."""
    date = EPOCH + timedelta(seconds=seconds)
    return date.strftime(form).replace("@", f"{date.year:04}")


def rfc850(seconds: int) -> str:
    return english(seconds, "%A, %d-%b-%y %H:%M:%S GMT")


def asctime(seconds: int) -> str:
    date = EPOCH + timedelta(seconds=seconds)
    return english(seconds, f"%a %b {date.day:2} %H:%M:%S @")


@given(SECONDS)
@settings(max_examples=500)
@example(0)
@example(-1)
@example(FIRST)
@example(LAST)
@example(951782400)  # 29 February 2000
@example(2**31)
@example(2**32)
def test_date_is_parsed_as_it_was_formatted(seconds: int) -> None:
    text = format_date(seconds)
    assert len(text) == 29
    assert text == english(seconds, "%a, %d %b @ %H:%M:%S GMT")
    assert parse_date(text, THIS_YEAR) == seconds


@pytest.mark.parametrize("seconds", [0, 1, EXAMPLE, 1_800_000_000])
def test_date_agrees_with_the_standard_library(seconds: int) -> None:
    assert format_date(seconds) == email.utils.formatdate(seconds, usegmt=True)


def test_date_of_every_day_of_a_leap_cycle_is_parsed() -> None:
    days = 4 * 365 + 1
    for seconds in [*range(0, 86400, 7), *range(0, days * 86400, 86400)]:
        assert parse_date(format_date(seconds), THIS_YEAR) == seconds


@given(st.floats(0, 4e9))
def test_date_rounds_fractions_down(seconds: float) -> None:
    assert parse_date(format_date(seconds), THIS_YEAR) == int(seconds)


@given(SECONDS)
def test_asctime_date_is_parsed(seconds: int) -> None:
    assert parse_date(asctime(seconds), THIS_YEAR) == seconds


@given(st.integers(2000, 2099), st.data())
def test_rfc850_date_is_parsed(this_year: int, data: st.DataObject) -> None:
    """Every date of the last 49 years is unambiguous, in whatever year it is read."""
    first = int((datetime(this_year - 49, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())
    last = int((datetime(this_year + 1, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) - 1
    seconds = data.draw(st.integers(first, last))
    assert parse_date(rfc850(seconds), this_year) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ],
)
def test_date_is_parsed_in_three_formats(text: str) -> None:
    assert parse_date(text, THIS_YEAR) == EXAMPLE


@pytest.mark.parametrize(
    ("this_year", "digits", "year"),
    [
        (2026, "26", 2026),
        (2026, "00", 2000),
        (2026, "27", 2027),
        (2026, "76", 2076),
        (2026, "77", 1977),
        (2026, "99", 1999),
        (1994, "94", 1994),
        (1994, "00", 1900),
        (2050, "00", 2000),
        (2050, "99", 2099),
        (2051, "99", 2099),
        (2099, "00", 2000),
    ],
)
def test_year_of_two_digits_is_in_the_nearest_century(
    this_year: int, digits: str, year: int
) -> None:
    """RFC 9110 §5.6.7: what seems to be more than fifty years ahead is of the past."""
    parsed = parse_date(f"Monday, 01-Mar-{digits} 00:00:00 GMT", this_year)
    assert parsed is not None
    found = (EPOCH + timedelta(seconds=parsed)).year
    assert found == year
    assert found <= this_year + 50


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Sat, 31 Dec 2016 23:59:60 GMT", "Sun, 01 Jan 2017 00:00:00 GMT"),
        ("Sat Dec 31 23:59:60 2016", "Sun, 01 Jan 2017 00:00:00 GMT"),
        ("Saturday, 31-Dec-16 23:59:60 GMT", "Sun, 01 Jan 2017 00:00:00 GMT"),
        ("Tue, 30 Jun 2015 23:59:60 GMT", "Wed, 01 Jul 2015 00:00:00 GMT"),
    ],
)
def test_leap_second_is_parsed(text: str, same: str) -> None:
    """RFC 9110 §5.6.7: second = 2DIGIT, and 60 is allowed."""
    assert parse_date(text, THIS_YEAR) == parse_date(same, THIS_YEAR)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "784111777",
        "now",
        "*",
        '"Sun, 06 Nov 1994 08:49:37 GMT"',
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        "Sun, 06 Nov 1994 08:49:37 GMT; length=5",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 NOV 1994 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun, 006 Nov 1994 08:49:37 GMT",
        "06 Nov 1994 08:49:37 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 November 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 01994 08:49:37 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 32 Dec 1994 08:49:37 GMT",
        "Tue, 29 Feb 2023 00:00:00 GMT",
        "Thu, 29 Feb 1900 00:00:00 GMT",
        "Thu, 30 Feb 2024 00:00:00 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994 08:49:37.5 GMT",
        "Sun, 06 Nov 1994 -8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37  GMT",
        "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT",
        "Sun, \xb26 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37",
        "Sunday, 6-Nov-94 08:49:37 GMT",
        "Sunday, 29-Feb-23 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov   6 08:49:37 1994",
        "Sun Nov  0 08:49:37 1994",
        "Sun Nov 6  08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sunday Nov  6 08:49:37 1994",
        "1994-11-06T08:49:37Z",
    ],
    ids=repr,
)
def test_malformed_date_is_none(text: str) -> None:
    assert parse_date(text, THIS_YEAR) is None


@given(st.text(max_size=40), st.integers(1970, 9999))
def test_date_of_any_text_is_none(text: str, this_year: int) -> None:
    assert parse_date(text, this_year) is None


@given(
    SECONDS,
    st.sampled_from([format_date, rfc850, asctime]),
    st.integers(0, 32),
    st.characters(max_codepoint=255) | st.sampled_from("0123456789 "),
    st.integers(1970, 9999),
)
@settings(max_examples=1000)
def test_date_with_a_wrong_character_never_raises(
    seconds: int, form: Callable[[int], str], place: int, char: str, this_year: int
) -> None:
    text = form(seconds)
    parsed = parse_date(text[:place] + char + text[place + 1 :], this_year)
    assert parsed is None or FIRST <= parsed <= LAST + 1  # with the leap second


def test_date_takes_linear_time() -> None:
    with must_end():
        parse_date("Sun, " * 500_000, THIS_YEAR)
        parse_date("0" * 2_000_000, THIS_YEAR)

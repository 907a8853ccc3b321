"""Preconditions: the whole matrix in the order of RFC 9110 §13.2.2, and lists of entity tags."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.protocol.conditional import evaluate, matches, range_applies
from httpd.protocol.dates import format_date
from tests.unit.guard import must_end

ETAG = '"18a-5"'
MODIFIED = 784111777
THIS_YEAR = 2026
NOW = 1_800_000_000
EARLIER, EQUAL, LATER = (format_date(MODIFIED + delta) for delta in (-1, 0, 1))
INVALID = "yesterday"

# A value and whether it names the current representation, by strong and by weak comparison.
TAGS: dict[str, tuple[str | None, bool, bool]] = {
    "absent": (None, False, False),
    "any": ("*", True, True),
    "same": (ETAG, True, True),
    "same-weak": (f"W/{ETAG}", False, True),
    "other": ('"x"', False, False),
    "list-with": (f'"x", {ETAG}', True, True),
    "list-with-weak": (f'"x",W/{ETAG}', False, True),
    "list-without": ('"x", "y"', False, False),
    "malformed": (ETAG.strip('"'), False, False),
    "empty": ("", False, False),
}
DATES: dict[str, str | None] = {
    "absent": None,
    "earlier": EARLIER,
    "equal": EQUAL,
    "later": LATER,
    "invalid": INVALID,
}


def expected(if_match: str, unmodified: str, none_match: str, modified: str) -> int:
    """The steps of RFC 9110 §13.2.2, as they are written there; If-Range has its own test."""
    if if_match != "absent":  # 1
        if not TAGS[if_match][1]:
            return 412
    elif unmodified == "earlier":  # 2: it has been modified since
        return 412
    if none_match != "absent":  # 3
        return 304 if TAGS[none_match][2] else 200
    if modified in ("equal", "later"):  # 4: it has not been modified since
        return 304
    return 200  # 6


@pytest.mark.parametrize("none_match", TAGS)
@pytest.mark.parametrize("if_match", TAGS)
def test_conditions_of_every_combination_have_their_status(if_match: str, none_match: str) -> None:
    for unmodified, modified in itertools.product(DATES, DATES):
        values = {
            "if-match": TAGS[if_match][0],
            "if-unmodified-since": DATES[unmodified],
            "if-none-match": TAGS[none_match][0],
            "if-modified-since": DATES[modified],
        }
        fields = {name: value for name, value in values.items() if value is not None}
        status = evaluate(fields, ETAG, MODIFIED, THIS_YEAR)
        assert status == expected(if_match, unmodified, none_match, modified), fields


@pytest.mark.parametrize("form", ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b  %-d %H:%M:%S %Y"])
def test_condition_with_a_date_of_any_format_counts(form: str) -> None:
    text = datetime.fromtimestamp(MODIFIED, UTC).strftime(form)
    assert evaluate({"if-modified-since": text}, ETAG, MODIFIED, THIS_YEAR) == 304
    assert evaluate({"if-modified-since": text}, ETAG, MODIFIED + 1, THIS_YEAR) == 200
    assert evaluate({"if-unmodified-since": text}, ETAG, MODIFIED, THIS_YEAR) == 200
    assert evaluate({"if-unmodified-since": text}, ETAG, MODIFIED + 1, THIS_YEAR) == 412


CONDITIONS = ("if-match", "if-unmodified-since", "if-none-match", "if-modified-since", "if-range")
VALUES = st.text(st.characters(max_codepoint=255), max_size=40) | st.sampled_from(
    ["*", ETAG, f"W/{ETAG}", EARLIER, EQUAL, LATER]
)


@given(st.dictionaries(st.sampled_from(CONDITIONS), VALUES), st.none() | st.just(MODIFIED))
def test_conditions_of_any_text_have_a_possible_status(
    fields: dict[str, str], modified: int | None
) -> None:
    status = evaluate(fields, ETAG, modified, THIS_YEAR)
    assert status in (200, 304, 412)
    if status == 304:
        assert "if-none-match" in fields or "if-modified-since" in fields
    if status == 412:
        assert "if-match" in fields or "if-unmodified-since" in fields
    if range_applies(fields, ETAG, MODIFIED, NOW, THIS_YEAR):
        assert fields.get("if-range", ETAG) in (ETAG, EQUAL)


# ---------------------------------------------------------------- lists of entity tags


@pytest.mark.parametrize(
    "tags",
    [
        '"a"',
        ' "a" ',
        '"a",',
        ',"a"',
        ', , "a" , ,',
        '\t"a"\t',
        '"x","a"',
        '"x" ,\t"a"',
        '"x", W/"y", "a"',
        '"x,y", "a"',
        '",", "a"',
        '"", "a"',
        '"x,\\", "a"',  # a backslash is a character of a tag like any other
        '"\xe4\xff", "a"',
        '"a", garbage',
        "*",
        " * ",
    ],
    ids=repr,
)
@pytest.mark.parametrize("weak", [False, True])
def test_list_with_the_tag_matches(tags: str, weak: bool) -> None:
    assert matches(tags, '"a"', weak=weak)


@pytest.mark.parametrize(
    "tags",
    [
        "",
        ",",
        " , ",
        "a",
        "'a'",
        '"A"',
        '"a',
        'a"',
        '"aa"',
        '" a"',
        '"a "',
        '"x"a"',
        '"x,"a""',
        '"x, "a", y"',
        '"x" "a"',
        'w/"a"',
        'W/ "a"',
        "W/a",
        'X/"a"',
        '\\"a\\"',
        "**",
        '*, "a"',
        '"*"',
        "W/*",
        '""',
    ],
    ids=repr,
)
@pytest.mark.parametrize("weak", [False, True])
def test_list_without_the_tag_does_not_match(tags: str, weak: bool) -> None:
    """Commas, spaces and asterisks inside of quotes are no syntax."""
    assert not matches(tags, '"a"', weak=weak)


@pytest.mark.parametrize("tags", ['W/"a"', '"x", W/"a"', 'W/"x",W/"a",W/"y"'])
def test_weak_tag_matches_weakly_only(tags: str) -> None:
    """RFC 9110 §8.8.3.2."""
    assert matches(tags, '"a"', weak=True)
    assert not matches(tags, '"a"', weak=False)


OPAQUE = st.text(
    st.sampled_from([*map(chr, (0x21, *range(0x23, 0x7F), *range(0x80, 0x100)))]), max_size=6
) | st.sampled_from([",", "a,b", "*", "W/", "\\", "a,,b"])
SEPARATORS = st.sampled_from([",", ", ", " ,", ",,", ", ,\t,", "\t,\t"])


@given(st.lists(st.tuples(OPAQUE, st.booleans()), max_size=6), OPAQUE, st.data())
def test_list_of_any_tags_is_understood(
    tags: list[tuple[str, bool]], wanted: str, data: st.DataObject
) -> None:
    text = data.draw(st.sampled_from(["", ",", " , "]))
    for opaque, is_weak in tags:
        text += f'{"W/" if is_weak else ""}"{opaque}"' + data.draw(SEPARATORS)
    etag = f'"{wanted}"'
    assert matches(text, etag, weak=True) == (wanted in [opaque for opaque, _ in tags])
    strong = [opaque for opaque, is_weak in tags if not is_weak]
    assert matches(text, etag, weak=False) == (wanted in strong)


@given(st.text(st.sampled_from('"W/,* \ta\xff'), max_size=30), st.booleans())
def test_list_of_any_text_never_raises(text: str, weak: bool) -> None:
    assert matches(text, '"a"', weak=weak) in (True, False)


@pytest.mark.parametrize("piece", [",", '"', '"",', "W/", '"a', " ", '"x", ', 'W/"",\''])
def test_list_of_tags_takes_linear_time(piece: str) -> None:
    with must_end():
        matches(piece * 200_000, '"no"', weak=True)


# ---------------------------------------------------------------- If-Range


@pytest.mark.parametrize(
    ("condition", "applies"),
    [
        (None, True),
        (ETAG, True),
        (f"W/{ETAG}", False),
        ('"x"', False),
        ("*", False),
        (f'{ETAG}, "x"', False),
        (ETAG.strip('"'), False),
        ("", False),
        (EQUAL, True),
        (EARLIER, False),
        (LATER, False),
        ("Sunday, 06-Nov-94 08:49:37 GMT", True),
        ("Sun Nov  6 08:49:37 1994", True),
        (INVALID, False),
    ],
)
def test_if_range_matches_strongly(condition: str | None, applies: bool) -> None:
    """RFC 9110 §13.1.5: a strong tag or an exact date; a list is no validator."""
    fields = {} if condition is None else {"if-range": condition}
    assert range_applies(fields, ETAG, MODIFIED, NOW, THIS_YEAR) is applies


def test_if_range_with_the_date_of_this_second_does_not_match() -> None:
    """RFC 9110 §8.8.2.2: two versions of one second have the same date."""
    fields = {"if-range": EQUAL}
    assert not range_applies(fields, ETAG, MODIFIED, MODIFIED, THIS_YEAR)
    assert range_applies(fields, ETAG, MODIFIED, MODIFIED + 1, THIS_YEAR)
    assert range_applies({"if-range": ETAG}, ETAG, MODIFIED, MODIFIED, THIS_YEAR)


def test_if_range_with_a_meaningless_date_does_not_match() -> None:
    for condition in EQUAL, "Thu, 01 Jan 1970 00:00:00 GMT":
        assert not range_applies({"if-range": condition}, ETAG, None, NOW, THIS_YEAR)
    assert range_applies({"if-range": ETAG}, ETAG, None, NOW, THIS_YEAR)
    assert range_applies({}, ETAG, None, NOW, THIS_YEAR)

"""Patterns for paths: which paths they match, and what their stars stand for."""

from __future__ import annotations

import re
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from httpd.site.patterns import check_pattern, stars_of, translate
from httpd.site.rules import Rule, Rules
from tests.unit.guard import must_end


def matches(pattern: str, path: str | bytes) -> bool:
    path = path if isinstance(path, bytes) else path.encode()
    return Rules((Rule((pattern,), 1),)).find(path).expires == 1


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("/", ["/"], ["/a", "/a/"]),
        ("/a", ["/a"], ["/", "/a/", "/aa", "/A", "/b/a"]),
        ("/a/", ["/a/"], ["/a", "/a/b"]),
        ("/**", ["/", "/a", "/a/", "/a/b"], []),
        ("**", ["/", "/a", "/a/b/"], []),
        ("*", ["/", "/a", "/a/b", "/a/b/"], []),
        ("/*", ["/", "/a"], ["/a/", "/a/b"]),
        ("/**/", ["/", "/a/", "/a/b/"], ["/a", "/a/b"]),
        ("/a/**", ["/a/", "/a/b", "/a/b/c"], ["/a", "/ab", "/b/a/c"]),
        ("/a/*", ["/a/", "/a/b"], ["/a", "/a/b/", "/a/b/c"]),
        ("/a/**/c", ["/a/c", "/a/b/c", "/a/b/b/c"], ["/ac", "/a/bc", "/a/c/", "/c"]),
        ("/**/c", ["/c", "/b/c"], ["/bc", "/c/"]),
        ("/**/b/**/d", ["/b/d", "/a/b/c/d", "/b/b/d/d"], ["/b", "/d/b", "/a/bd"]),
        ("/**/a*b/c", ["/ab/x/a1b/c"], ["/a/b/c"]),
        ("/**/**/c", ["/c", "/a/b/c"], ["/a"]),
        ("*.html", ["/a.html", "/a/b.html", "/.html"], ["/a.html/", "/a.htmlx", "/axhtml", "/"]),
        ("page", ["/page", "/a/page"], ["/page/", "/pages", "/page/a"]),
        ("404", ["/404"], ["/405"]),
        ("/*/logo.png", ["/a/logo.png"], ["/logo.png", "/a/b/logo.png"]),
        ("/a?c", ["/abc", "/aéc", "/a?c"], ["/ac", "/a/c", "/abbc"]),
        ("?", ["/a", "/b/a"], ["/", "/ab"]),
        ("/*a*b*", ["/ab", "/xaxbx", "/aab"], ["/ba", "/a/b"]),
        ("/[a-z]{1}+$", ["/[a-z]{1}+$"], ["/a"]),
        ("/a\\?", ["/a\\b"], ["/a?"]),
        ("/a.b", ["/a.b"], ["/axb"]),
        ("/a/**", ["/a/\n/b\n"], []),
        ("/é", ["/é"], ["/e"]),
    ],
)
def test_pattern_matches_its_paths_only(pattern: str, good: list[str], bad: list[str]) -> None:
    assert check_pattern(pattern)
    assert [path for path in good if not matches(pattern, path)] == []
    assert [path for path in bad if matches(pattern, path)] == []


def test_pattern_matches_a_path_that_is_not_utf_8() -> None:
    assert matches("/a?", b"/a\xff")
    assert matches("*.png", b"/\xff\xfe.png")
    assert not matches("/ÿ", b"/\xff")
    assert not matches("/\ufffd", b"/\xff")


@pytest.mark.parametrize(
    "pattern", ["", "a/b", "a/", "**/a", "//", "/a//b", "/a**", "/**a", "***", "/***/a", "**.js"]
)
def test_malformed_pattern_is_refused(pattern: str) -> None:
    assert not check_pattern(pattern)


def expected(pattern: str, path: str) -> bool:
    """Say in another way what a pattern means: by trying every way to share out the names."""
    wanted = (["**"] if "/" not in pattern else []) + pattern.lstrip("/").split("/")
    names = path[1:].split("/")

    @cache
    def rest(i: int, j: int) -> bool:
        if i == len(wanted):
            return j == len(names)
        if wanted[i] == "**":
            first = j + (i == len(wanted) - 1)
            return any(rest(i + 1, k) for k in range(first, len(names) + 1))
        return j < len(names) and is_name(wanted[i], names[j]) and rest(i + 1, j + 1)

    return rest(0, 0)


def is_name(wanted: str, name: str) -> bool:
    if not wanted:
        return not name
    if wanted[0] == "*":
        return any(is_name(wanted[1:], name[k:]) for k in range(len(name) + 1))
    return bool(name) and wanted[0] in ("?", name[0]) and is_name(wanted[1:], name[1:])


NAMES = st.just("**") | st.text("ab*?", max_size=5).filter(lambda name: "**" not in name)
PATTERNS = NAMES | st.lists(NAMES, min_size=1, max_size=6).map(lambda names: "/" + "/".join(names))
PATHS = st.lists(st.text("ab", max_size=5), min_size=1, max_size=6).map(
    lambda names: "/" + "/".join([*filter(None, names[:-1]), names[-1]])
)


@given(PATTERNS.filter(check_pattern), st.lists(PATHS, max_size=10))
@settings(max_examples=500)
@example("/**/a*b/b", ["/ab/b/a/ab/b"])
@example("/**/a/**/a/b", ["/a/a/a/b"])
def test_pattern_agrees_with_a_model(pattern: str, paths: list[str]) -> None:
    assert [matches(pattern, path) for path in paths] == [expected(pattern, path) for path in paths]


@given(st.text(max_size=20), PATHS)
def test_pattern_of_any_text_is_refused_or_works(text: str, path: str) -> None:
    if check_pattern(text):
        matches(text, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 50 + "*b", "/" + "a" * 50_000),
        ("/**/" + "a/**/" * 50 + "b", "/" + "a/" * 25_000),
        ("/**/" + "*a/**/" * 50 + "b", "/" + "aa/" * 20_000),
        ("/**/" + "*/" * 50 + "b", "/" + "a/" * 25_000),
        ("/" + "*a*a/" * 50 + "b", "/" + ("a" * 500 + "/") * 50 + "a"),
        ("/**/" + "*a*a/" * 5 + "b", "/" + ("a" * 500 + "/") * 100 + "a"),
        ("/" + "**/" * 50 + "b", "/" + "a/" * 25_000),
    ],
    ids=range(7),
)
def test_pattern_takes_linear_time(pattern: str, path: str) -> None:
    """Most of these take longer than the universe lasts if all ways to match are tried."""
    with must_end():
        assert not matches(pattern, path)


# ---------------------------------------------------------------- what stars stand for


def captured(pattern: str, path: str) -> list[str] | None:
    match = re.fullmatch(translate(pattern, captures=True), path, re.DOTALL)
    return None if match is None else list(match.groups(""))


@pytest.mark.parametrize(
    ("pattern", "path", "captures"),
    [
        ("/a", "/a", []),
        ("/a?", "/ab", []),
        ("/a/*", "/a/b", ["b"]),
        ("/a/*", "/a/", [""]),
        ("/*/b", "/a/b", ["a"]),
        ("/**", "/", [""]),
        ("**", "/a/b/", ["a/b/"]),
        ("/a/**", "/a/b/c", ["b/c"]),
        ("/a/**", "/a/b/c/", ["b/c/"]),
        ("/a/**/c", "/a/c", [""]),
        ("/a/**/c", "/a/b/b/c", ["b/b"]),
        ("/**/", "/a/b/", ["a/b"]),
        ("/**/**", "/a/b", ["", "a/b"]),
        ("/**/b/**", "/a/b/b/c", ["a", "b/c"]),
        ("/**/b/**/d", "/b/d", ["", ""]),
        ("*.php", "/a/b.php", ["b"]),
        ("/**/*.php", "/a/b.c.php", ["a", "b.c"]),
        ("/*-*", "/a-b-c", ["a", "b-c"]),
        ("/?*", "/abc", ["bc"]),
        ("/*/**/x*y*", "/a/b/xxyy", ["a", "b", "x", "y"]),
    ],
)
def test_star_stands_for_the_text_that_it_matches(
    pattern: str, path: str, captures: list[str]
) -> None:
    assert captured(pattern, path) == captures
    assert len(captures) == len(stars_of(pattern))


def fill(pattern: str, captures: list[str]) -> str:
    """Put what the stars stood for in their place."""
    parts = re.split(r"\*\*?", pattern)
    path = parts[0]
    for capture, part in zip(captures, parts[1:], strict=True):
        path += capture + (part if capture or not path.endswith("/") else part.removeprefix("/"))
    return path


@given(PATTERNS.filter(check_pattern).filter(lambda pattern: pattern[0] == "/"), PATHS)
@settings(max_examples=500)
@example("/**/*b*/**/b", "/ab/b/a/ab/b")
@example("/**/b/**", "/a/b/")
@example("/*aa", "/aa")
def test_pattern_with_captures_matches_the_same_paths_which_they_make_again(
    pattern: str, path: str
) -> None:
    captures = captured(pattern, path)
    assert (captures is not None) is matches(pattern, path)
    if captures is not None:
        kinds = stars_of(pattern)
        assert len(captures) == len(kinds)
        assert not any("/" in capture for capture in captures if kinds.pop(0) == "*")
        if "?" not in pattern:
            assert fill(pattern, captures) == path

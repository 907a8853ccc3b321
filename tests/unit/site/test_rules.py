"""The operator's rules: which paths a pattern is for, and what several rules say together."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from httpd.site.rules import (
    NO_POLICY,
    OWN_FIELDS,
    PathPolicy,
    Rule,
    Rules,
    check_pattern,
    merge,
)
from tests.unit.guard import must_end


def matches(pattern: str, path: str | bytes) -> bool:
    path = path if isinstance(path, bytes) else path.encode()
    return Rules((Rule((pattern,), 1),)).find(path).expires == 1


# ---------------------------------------------------------------- patterns


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


# ---------------------------------------------------------------- several rules


def test_policy_without_rules_changes_nothing() -> None:
    assert Rules(()).find(b"/a") == PathPolicy() == (None, (), frozenset())
    assert Rules((Rule(("/b",), 1, (("A", "1"),)),)).find(b"/a") == PathPolicy()


def test_policy_has_all_rules_that_match() -> None:
    rules = Rules(
        (
            Rule(("/**",), 5, (("A", "1"), ("B", "1"))),
            Rule(("/other",), 6, (("A", "2"),)),
            Rule(("*.js", "*.css"), None, (("b", "3"), ("C", "3"))),
        )
    )
    assert rules.find(b"/a.css") == PathPolicy(5, (("A", "1"), ("b", "3"), ("C", "3")))
    assert rules.find(b"/other") == PathPolicy(6, (("A", "2"), ("B", "1")))


def test_later_rule_removes_or_restores_a_field() -> None:
    set_it, take_it = Rule(("*",), None, (("X-A", "1"),)), Rule(("*",), None, (("x-a", None),))
    assert Rules((set_it, take_it)).find(b"/") == PathPolicy(None, (), frozenset({"x-a"}))
    assert Rules((take_it, set_it)).find(b"/") == PathPolicy(None, (("X-A", "1"),))


def test_later_lifetime_overrides_an_earlier_cache_control() -> None:
    fields = (("Cache-Control", "immutable"), ("Expires", None), ("A", "1"))
    forever, never = Rule(("*",), 9, fields), Rule(("*.html",), 0)
    assert Rules((forever, never)).find(b"/a.html") == PathPolicy(0, (("A", "1"),))
    assert Rules((never, forever)).find(b"/a.html") == PathPolicy(
        9, (("Cache-Control", "immutable"), ("A", "1")), frozenset({"expires"})
    )


def test_policy_for_other_responses_lacks_the_fields_of_a_file() -> None:
    lifetime, body, other = ("cache-control", "no-cache"), ("Content-Type", "text/x"), ("A", "1")
    attached, coded = ("Content-Disposition", "attachment"), ("Content-Encoding", "gzip")
    removed = frozenset({"expires", "server", "etag", "last-modified"})
    policy = PathPolicy(9, (lifetime, body, attached, coded, other), removed)
    assert policy.for_not_modified() == policy._replace(fields=(lifetime, other))
    assert policy.for_page() == PathPolicy(None, (other,), frozenset({"server"}))


def test_policy_has_the_coding_that_a_rule_sets() -> None:
    assert PathPolicy().coding is None
    assert PathPolicy(None, (("content-encoding", "br"),)).coding == "br"
    assert PathPolicy(None, (), frozenset({"content-encoding"})).coding == "identity"


def test_policy_keeps_the_validators_that_no_rule_removes() -> None:
    assert PathPolicy().keep_validators('"1"', 5) == ('"1"', 5)
    assert PathPolicy(removed=frozenset({"etag"})).keep_validators('"1"', 5) == (None, 5)
    assert PathPolicy(removed=frozenset({"last-modified"})).keep_validators('"1"', 5) == (
        '"1"',
        None,
    )


# ---------------------------------------------------------------- fields

DEFAULT = (("Server", "phttpd"), ("Content-Type", "text/html"), ("ETag", '"1"'))


@pytest.mark.parametrize("rules", [(), (Rule(("/a",), 1),)])
def test_path_without_a_rule_has_the_constant_policy(
    rules: tuple[Rule, ...],
) -> None:
    assert Rules(rules).find(b"/b") is NO_POLICY


def test_merge_without_a_policy_returns_the_same_fields() -> None:
    assert merge(DEFAULT, PathPolicy()) == DEFAULT


def test_merge_replaces_fields_of_the_same_name() -> None:
    policy = PathPolicy(
        None, (("content-type", "text/x"), ("New", "1")), frozenset({"server", "absent"})
    )
    assert dict(merge(DEFAULT, policy)) == {"ETag": '"1"', "content-type": "text/x", "New": "1"}


NAMES_OF_FIELDS = st.text("aAbB", min_size=1, max_size=2)
FIELDS = st.lists(st.tuples(NAMES_OF_FIELDS, st.none() | st.just("1")), unique_by=lambda f: f[0])


@given(st.lists(st.builds(Rule, st.just(("*",)), st.just(None), FIELDS.map(tuple)), max_size=4))
def test_last_rule_for_a_field_wins(rules: list[Rule]) -> None:
    default = tuple((name, "0") for name in ("A", "b", "AB", "C"))
    wanted = {name.lower(): value for name, value in default}
    for rule in rules:
        for name, value in rule.fields:
            wanted |= {name.lower(): value or ""}
    merged = merge(default, Rules(tuple(rules)).find(b"/"))
    assert len({name.lower() for name, _ in merged}) == len(merged)
    found = {name.lower(): value for name, value in merged}
    assert found == {name: value for name, value in wanted.items() if value}


def test_own_fields_are_in_lower_case() -> None:
    assert {name.lower() for name in OWN_FIELDS} == OWN_FIELDS

"""The operator's rules: what several of them say together about a path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.site.rules import NO_POLICY, OWN_FIELDS, PathPolicy, Rule, Rules, merge


def test_policy_without_rules_changes_nothing() -> None:
    assert Rules(()).find(b"/a") is NO_POLICY
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

"""Rules in the config file: what is read, and what is said about mistakes inside of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from httpd.configuration import load
from httpd.settings.errors import ConfigError
from httpd.site.rules import OWN_FIELDS, Rule
from tests.unit.guard import must_end

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a config file whose rules begin in line 3; return its path."""

    def write(text: str) -> str:
        path = tmp_path / "phttpd.yaml"
        path.write_text(f"docroot: /\nrules:\n{text}", "utf-8")
        return str(path)

    return write


def rules_of(write: Write, text: str) -> tuple[Rule, ...]:
    return load(write(text), {}).site.rules


def rule_problems(write: Write, text: str) -> list[str]:
    """Return what is wrong with some rules, without the name of the file."""
    path = write(text)
    with pytest.raises(ConfigError) as error:
        load(path, {})
    problems = error.value.problems
    assert all(problem.isprintable() and problem.startswith(f"{path}:") for problem in problems)
    return [problem.removeprefix(f"{path}:") for problem in problems]


def test_rules_are_kept_in_order(write: Write) -> None:
    text = """\
  - path: /assets/**
    expires: 365d
    headers:
      Cache-Control: public, immutable
      Server: null
  - path: ["*.html", /**/]
    expires: 0
  - headers: {x-a: '1'}
    path: /
"""
    assert rules_of(write, text) == (
        Rule(
            ("/assets/**",), 365 * 86400, (("Cache-Control", "public, immutable"), ("Server", None))
        ),
        Rule(("*.html", "/**/"), 0),
        Rule(("/",), None, (("x-a", "1"),)),
    )


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", "1"),
        ("1.10", "1.10"),
        ("yes", "yes"),
        ("0x1F", "0x1F"),
        ("2026-13-45", "2026-13-45"),
        ("'null'", "null"),
        ("=", "="),
        ('"a\\tb"', "a\tb"),
        ("\n        two\n        lines", "two lines"),
        (">-\n        two\n        lines", "two lines"),
        ("!!str 5", "5"),
        ("", None),
        ("~", None),
        ("null", None),
    ],
)
def test_values_of_fields_are_taken_as_they_are_written(
    write: Write, written: str, value: str | None
) -> None:
    (rule,) = rules_of(write, f"  - path: /\n    headers:\n      X-A: {written}\n")
    assert rule.fields == (("X-A", value),)


@pytest.mark.parametrize("name", ["404", "yes", "1.5", "2026-13-45", "X_Y", "~", "A!#$%&'*+-.^`|"])
def test_names_of_fields_are_taken_as_they_are_written(write: Write, name: str) -> None:
    (rule,) = rules_of(write, f"  - path: 404\n    headers:\n      {name}: 1\n")
    assert rule == Rule(("404",), None, ((name, "1"),))


@pytest.mark.parametrize("name", ["Content-Type", "Server", "X-Content-Type-Options", "Set-Cookie"])
def test_field_that_a_rule_may_set_is_read(write: Write, name: str) -> None:
    (rule,) = rules_of(write, f"  - path: /\n    headers:\n      {name}: a\n")
    assert rule.fields == ((name, "a"),)


@pytest.mark.parametrize("name", sorted(OWN_FIELDS))
@pytest.mark.parametrize("value", ["a", "null"])
def test_field_that_is_up_to_the_server_is_an_error(write: Write, name: str, value: str) -> None:
    (problem,) = rule_problems(
        write, f"  - path: /\n    headers:\n      A: b\n      {name.title()}: {value}\n"
    )
    assert problem.startswith(f"6: rules: headers: {name.title()}: is up to phttpd")


@pytest.mark.parametrize("name", ["ETag", "etag", "Last-Modified", "Content-Encoding"])
def test_field_that_a_rule_may_remove_is_read(write: Write, name: str) -> None:
    (rule,) = rules_of(write, f"  - path: /\n    headers:\n      {name}: null\n")
    assert rule.fields == ((name, None),)


@pytest.mark.parametrize("written", ["gzip", "GZIP", "br", "zstd", "deflate", "compress"])
def test_content_coding_in_any_case_becomes_lower_case(write: Write, written: str) -> None:
    (rule,) = rules_of(write, f"  - path: /\n    headers:\n      content-encoding: {written}\n")
    assert rule.fields == (("content-encoding", written.lower()),)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ETag: x", "ETag: 'x' is not allowed here; expected null to take the field away"),
        ("last-modified: 0", "last-modified: '0' is not allowed here; expected null"),
        ("Content-Encoding: gz", "Content-Encoding: 'gz' is not allowed here; expected br, comp"),
        ("Content-Encoding: identity", "Content-Encoding: 'identity' is not allowed here"),
        ("Content-Encoding: gzip, br", "Content-Encoding: 'gzip, br' is not allowed here"),
        ("Content-Encoding: ''", "Content-Encoding: '' is not allowed here"),
        ("Content-Encoding: [gzip]", "Content-Encoding: a list is not allowed here"),
        ("Expires: 0", "Expires: '0' is not allowed here; expected null"),
        ("expires: a", "expires: 'a' is not allowed here; expected null"),
        ("Content-Type: ~", "Content-Type: nothing is not allowed here; expected a media type"),
        ("A: é", "A: 'é' is not allowed here; expected one line of printable ASCII, or null"),
        ("A: ''", "A: '' is not allowed here; expected one line"),
        ("A: ' a'", "A: ' a' is not allowed"),
        ("A: 'a '", "A: 'a ' is not allowed"),
        ('A: "a\\r\\nB: c"', "A: 'a\\r\\nB: c' is not allowed"),
        ('A: "a\\n"', "A: 'a\\n' is not allowed"),
        ('A: "a\\0b"', "A: 'a\\x00b' is not allowed"),
        ('A: "a\\x7f"', "A: 'a\\x7f' is not allowed"),
        ("A: |\n        a\n        b", "A: 'a\\nb\\n' is not allowed"),
        ("A: [b]", "A: a list is not allowed here; expected one line"),
        ("A: {b: c}", "A: a mapping is not allowed here; expected one line"),
        ("A: !env HOME", "A: the tag !env is not allowed here; expected one line"),
        ("A B: c", "A B: is not the name of a field; expected letters, digits and hyphens"),
        ('"A:": c', "A:: is not the name of a field"),
        ('"A\\n": c', "A\\n: is not the name of a field"),
        ("Ä: c", "Ä: is not the name of a field"),
        ("'': c", ": is not the name of a field"),
        ("<<: {A: b}", "<<: is not the name of a field"),
        ("<<: *fields", "<<: is not the name of a field"),
        ("[A]: c", "unknown key; a key is one word"),
        ("GOOD: b", "GOOD: is set a second time"),
    ],
)
def test_field_that_is_wrong_is_reported_with_its_line(
    write: Write, line: str, problem: str
) -> None:
    text = f"  - path: &fields /\n    headers:\n      Good: a\n      {line}\n"
    (found,) = rule_problems(write, text)
    assert found.startswith(f"6: rules: headers: {problem}")


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["path: a/b", "expires: 1"], "4: rules: path: 'a/b' is not allowed here; expected a patt"),
        (["path: /a**", "expires: 1"], "4: rules: path: '/a**' is not allowed here"),
        (["path: ''", "expires: 1"], "4: rules: path: '' is not allowed here"),
        (["path:", "expires: 1"], "4: rules: path: nothing is not allowed here"),
        (["path: []", "expires: 1"], "4: rules: path: an empty list is not allowed here"),
        (["path: {a: b}", "expires: 1"], "4: rules: path: a mapping is not allowed here"),
        (["path:", "  - /", "  - b/", "expires: 1"], "6: rules: path: 'b/' is not allowed here"),
        (["path: [[/]]", "expires: 1"], "4: rules: path: a list is not allowed here"),
        (["path: /", "expires: soon"], "5: rules: expires: 'soon' is not allowed here; expected a"),
        (["path: /", "expires: -1"], "5: rules: expires: '-1' is not allowed here"),
        (
            ["path: /", "expires:"],
            "5: rules: expires: nothing is not allowed here; expected a time",
        ),
        (["path: /", "expires: [1]"], "5: rules: expires: a list is not allowed here"),
        (["path: /", "headers:"], "5: rules: headers: nothing is not allowed here; expected lines"),
        (["path: /", "headers: {[a]: b}"], "5: rules: headers: unknown key; a key is one word"),
        (["path: /", "headers: {}"], "5: rules: headers: a mapping is not allowed here"),
        (["path: /", "headers:", "  - A: b"], "5: rules: headers: a list is not allowed here"),
        (["path: /", "headers: 'A: b'"], "5: rules: headers: 'A: b' is not allowed here"),
        (["path: /", "cors:"], "5: rules: cors: nothing is not allowed here; expected “*” in quot"),
        (
            ["path: /", "cors: []"],
            "5: rules: cors: an empty list is not allowed here; expected “*” in q",
        ),
        (["path: /", "cors: {a: b}"], "5: rules: cors: a mapping is not allowed here"),
        (["path: /", "cors: [[a]]"], "5: rules: cors: a list is not allowed here"),
        (["path: /", "cors: true"], "5: rules: cors: 'true' is not allowed here; expected “*” in"),
        (["path: /", "cors: 'null'"], "5: rules: cors: 'null' is not allowed here; expected an or"),
        (["path: /", "cors:", "  - 'null'"], "6: rules: cors: 'null' is not allowed here"),
        (["path: /", "cors:", "  - null"], "6: rules: cors: nothing is not allowed here"),
        (["path: /", "cors:", "  - '*'"], "6: rules: cors: '*' is not allowed here"),
        (["path: /", "cors: a/b"], "5: rules: cors: 'a/b' is not allowed here"),
        (["path: /", "cor: '*'"], "5: rules: cor: unknown key; did you mean cors?"),
        (["path: /", "header: {A: b}"], "5: rules: header: unknown key; did you mean headers?"),
        (["paths: /", "expires: 1"], "4: rules: paths: unknown key; did you mean path?"),
        (["path: /", "Cache-Control: b"], "5: rules: Cache-Control: unknown key; known are path, "),
        (["path: /", "expires: 1", "path: /b"], "6: rules: path: is set a second time"),
        (["path: /", "expires: 1", "expires: 1"], "6: rules: expires: is set a second time"),
        (["path: /", "expires: 1", "<<: {}"], "6: rules: <<: unknown key"),
        (["path: /", "expires: 1", "[a]: b"], "6: rules: unknown key; a key is one word"),
        (["path: /"], "4: rules: a rule that says nothing; expected expires, headers or cors"),
        (["expires: 1"], "4: rules: a rule without path; expected a pattern such as /assets/**"),
        (["/a: 1"], "4: rules: /a: unknown key; known are path, expires, headers, cors"),
        (
            ["text"],
            "4: rules: 'text' is not allowed here; expected a path and expires, headers or cors",
        ),
        ([""], "4: rules: nothing is not allowed here"),
        (["- a"], "4: rules: a list is not allowed here"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_rule_that_is_wrong_is_reported_with_its_line(
    write: Write, lines: list[str], problem: str
) -> None:
    text = "  # the first\n  - " + "\n    ".join(lines) + "\n"
    (found,) = rule_problems(write, text)
    assert found.startswith(problem)


def test_rules_with_several_mistakes_are_reported_with_all_their_lines(write: Write) -> None:
    text = """\
  - path: a/b
    expires: soon
    headers:
      A B: 1
      Date: 2
  - path: /ok
    expires: 1
  - pth: /c
    headers: {A: é, B: b}
prt: 5
"""
    starts = ["12: prt: ", "3: rules: path: ", "4: rules: expires: ", "6: rules: headers: A B: "]
    starts += ["7: rules: headers: Date: ", "10: rules: pth: ", "11: rules: headers: A: "]
    problems = rule_problems(write, text)
    assert len(problems) == len(starts)
    for start in starts:
        assert any(problem.startswith(start) for problem in problems), (start, problems)


@pytest.mark.parametrize(
    ("written", "cors"),
    [
        ('"*"', {"*"}),
        ("null", set()),
        ("~", set()),
        ("https://A.example:443", {"https://a.example"}),
        (
            "[https://a.example, http://b.example:8080]",
            {"https://a.example", "http://b.example:8080"},
        ),
    ],
)
def test_origins_of_a_rule_are_read(write: Write, written: str, cors: set[str]) -> None:
    (rule,) = rules_of(write, f"  - path: /\n    cors: {written}\n")
    assert rule == Rule(("/",), cors=frozenset(cors))


def test_rule_without_cors_leaves_it_as_it_is(write: Write) -> None:
    (rule,) = rules_of(write, "  - path: /\n    expires: 0\n")
    assert rule.cors is None


@pytest.mark.parametrize("value", ["*", "*.html", "**", "*html"])
def test_pattern_that_begins_with_an_asterisk_needs_quotes(write: Write, value: str) -> None:
    (problem,) = rule_problems(write, f"  - path: {value}\n    expires: 0\n")
    assert problem.startswith("3: is not YAML: ")
    assert problem.endswith("; a value that begins with “*” must be quoted")


def test_anchor_in_rules_stands_for_its_value(write: Write) -> None:
    text = """\
  - path: /a
    headers: &safe
      A: &one 1
      B: *one
  - path: /b
    headers: *safe
"""
    fields = (("A", "1"), ("B", "1"))
    assert rules_of(write, text) == (Rule(("/a",), None, fields), Rule(("/b",), None, fields))


@pytest.mark.parametrize(
    "text",
    [
        "&r [*r]",
        "[&r {path: *r, expires: *r, headers: *r}]",
        "[{path: /, headers: &h {A: *h}}]",
        "[{path: &p [*p], expires: 1}]",
        "[&r {path: /, <<: *r}]",
        "[&a0 {A: b}, " + ", ".join(f"&a{i + 1} {{<<: [*a{i}, *a{i}]}}" for i in range(40)) + "]",
        "[&a0 [a], " + ", ".join(f"&a{i + 1} [*a{i}, *a{i}]" for i in range(40)) + "]",
    ],
    ids=lambda text: text[:30],
)
def test_rules_that_contain_themselves_end_in_an_error(write: Write, text: str) -> None:
    with must_end():
        assert rule_problems(write, f"  {text}")

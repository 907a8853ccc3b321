"""Redirects in the config file: what is read, and what is said about mistakes inside of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from httpd.configuration import load
from httpd.settings.errors import ConfigError
from httpd.site.redirects import Redirect
from tests.unit.guard import must_end

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a config file whose redirects begin in line 3; return its path."""

    def write(text: str) -> str:
        path = tmp_path / "phttpd.yaml"
        path.write_text(f"docroot: /\nredirects:\n{text}", "utf-8")
        return str(path)

    return write


def redirects_of(write: Write, text: str) -> list[tuple[str, str | None, int, int]]:
    read: tuple[Redirect, ...] = load(write(text), {}).site.redirects
    return [(one.path, one.to, one.status, one.line) for one in read]


def problems_of(write: Write, text: str) -> list[str]:
    """Return what is wrong with some redirects, without the name of the file and of the key."""
    path = write(text)
    with pytest.raises(ConfigError) as error:
        load(path, {})
    problems = error.value.problems
    assert all(problem.isprintable() and problem.startswith(f"{path}:") for problem in problems)
    return [problem.removeprefix(f"{path}:").replace(" redirects:", "") for problem in problems]


def test_redirects_are_kept_in_order_with_their_lines(write: Write) -> None:
    text = """\
  - path: /old/**
    to: /new/**
  - to: https://example.com/
    status: 302
    path:
      - /a
      - "*.php"
  - {path: /gone, status: 410}
  - {path: 404, status: "301", to: /}
"""
    assert redirects_of(write, text) == [
        ("/old/**", "/new/**", 308, 3),
        ("/a", "https://example.com/", 302, 8),
        ("*.php", "https://example.com/", 302, 9),
        ("/gone", None, 410, 10),
        ("404", "/", 301, 11),
    ]


def test_line_of_a_redirect_makes_no_difference(write: Write) -> None:
    """A reload that moved it in the file has not changed it."""
    first, second = (
        load(write(f"{comment}  - {{path: /a, to: /b}}\n"), {}).site.redirects
        for comment in ("", "  # a comment\n")
    )
    assert first == second
    assert first[0].line != second[0].line


@pytest.mark.parametrize(
    "to",
    [
        *("/", "/b", "/b/", "/b/c.html", "/%C3%BC", "/ü", "/b?x=1", "/b?x=/?", "/b#top", "/b?x#y"),
        *("/web/https://e.example/", "/:@!$&'()+,;=-._~", "/..", "https://e.example"),
        *(
            "https://e.example/",
            "http://e.example:8080/b",
            "https://192.0.2.1/",
            "http://localhost/",
        ),
        *("https://[2001:db8::1]:1/b", "https://e.example?x", "https://e.example#x"),
        *("https://xn--mller-kva.example./", "https://e.example/ü?ü#ü"),
    ],
)
def test_destination_that_is_right_is_read(write: Write, to: str) -> None:
    assert redirects_of(write, f'  - {{path: /a, to: "{to}"}}\n') == [("/a", to, 308, 3)]


@pytest.mark.parametrize(
    ("to", "allowed"),
    [
        ("//e.example/", "what begins so is another host"),
        ("/\\\\e.example/", "what begins so is another host"),
        ("///", "what begins so is another host"),
        ("b", "a path such as /new/**, or a URL"),
        ("", "a path such as /new/**, or a URL"),
        ("b/c", "a path such as /new/**, or a URL"),
        ("e.example/b", "a path such as /new/**, or a URL"),
        ("?x=1", "a path such as /new/**, or a URL"),
        ("#top", "a path such as /new/**, or a URL"),
        ("ftp://e.example/", "a path such as /new/**, or a URL"),
        ("javascript:alert(1)", "a path such as /new/**, or a URL"),
        ("data:text/html,x", "a path such as /new/**, or a URL"),
        ("https:/e.example/", "a path such as /new/**, or a URL"),
        ("https:///b", "a path such as /new/**, or a URL"),
        ("https://", "a path such as /new/**, or a URL"),
        ("https://user@e.example/", "a path such as /new/**, or a URL"),
        ("https://e.example:x/", "a path such as /new/**, or a URL"),
        ("https://e..example/", "a path such as /new/**, or a URL"),
        ("https://müller.example/", "a path such as /new/**, or a URL"),
        ("https://*.example/", "a path such as /new/**, or a URL"),
        ("https://e.example**", "a path such as /new/**, or a URL"),
        ("/b?", "a path such as /new/**, or a URL"),
        ("/b c", "' ' as %20"),
        ("/b\\tc", "'\\t' as %09"),
        ("/b\\r\\nX: y", "'\\r' as %0D"),
        ("/b\\0", "'\\x00' as %00"),
        ("/b\\x7F", "'\\x7f' as %7F"),
        ("/b\\x85", "'\\x85' as %C2%85"),
        ("/b\\\\c", "'\\\\' as %5C"),
        ('/b\\"', "'\"' as %22"),
        ("/b<c>", "'<' as %3C"),
        ("/{b}", "'{' as %7B"),
        ("/100%", "'%' as %25"),
        ("/%zz", "'%' as %25"),
        ("/b?x=*", "stars in the path only; %2A is a star elsewhere"),
        ("/b#*", "stars in the path only; %2A is a star elsewhere"),
        ("/b**", "“**” is a whole name"),
        ("/***", "“**” is a whole name"),
    ],
)
def test_destination_that_is_wrong_is_refused(write: Write, to: str, allowed: str) -> None:
    (problem,) = problems_of(write, f'  - path: /*/**\n    to: "{to}"\n')
    assert problem.startswith("4: to: '")
    assert " is not allowed here; expected " in problem
    assert allowed in problem


@pytest.mark.parametrize(
    ("path", "to", "problem"),
    [
        ("/a", "/b/*", "has more stars than the path /a"),
        ("/a/*", "/b/*/*", "has more stars than the path /a/*"),
        ("/a/*", "/b/**", "has ** as star 1, but the path /a/* has *"),
        ("/a/**", "/b/*", "has * as star 1, but the path /a/** has **"),
        ("/*/**", "/**", "has ** as star 1, but the path /*/** has *"),
        ("/a/*/**", "/b/*/*", "has * as star 2, but the path /a/*/** has **"),
        ("/a?", "/b/*", "has more stars than the path /a?"),
    ],
)
def test_stars_that_do_not_fit_those_of_the_path_are_refused(
    write: Write, path: str, to: str, problem: str
) -> None:
    assert problems_of(write, f"  - path: {path}\n    to: {to}\n") == [f"4: to: {problem}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{path: /a}", "3: a redirect without to; expected a path such as"),
        ("{to: /a}", "3: a redirect without path; expected a pattern such as"),
        ("{path: a/b, to: /b}", "3: path: 'a/b' is not allowed here; expected a pattern such as"),
        (
            "{path: [], to: /b}",
            "3: path: an empty list is not allowed here; expected a pattern such as",
        ),
        ("{path: [/a, b/], to: /b}", "3: path: 'b/' is not allowed here; expected a pattern"),
        ("{path: /a, to: [/b]}", "3: to: a list is not allowed here; expected a path such as"),
        ("{path: /a, to: null}", "3: to: nothing is not allowed here; expected a path such as"),
        ("{path: /a, to: /b, status: 410}", "3: to: a page that is gone (410) leads nowhere"),
        ("{path: /a, to: /b, status: 300}", "3: status: '300' is not allowed here; expected 301,"),
        ("{path: /a, to: /b, status: 304}", "3: status: '304' is not allowed here; expected 301,"),
        ("{path: /a, to: /b, status: 200}", "3: status: '200' is not allowed here; expected 301,"),
        ("{path: /a, to: /b, status: }", "3: status: nothing is not allowed here; expected 301,"),
        ("{path: /a, to: /b, status: [301]}", "3: status: a list is not allowed here; expected"),
        ("{path: /a, too: /b}", "3: too: unknown key; did you mean to?"),
        ("{path: /a, to: /b, to: /c}", "3: to: is set a second time"),
        ("{path: /a, to: /b, port: 80}", "3: port: is no key of redirects; set it at the top"),
        ("/a", "3: '/a' is not allowed here; expected path and to, and a status"),
    ],
)
def test_mistake_in_a_redirect_is_explained_with_its_line(
    write: Write, text: str, problem: str
) -> None:
    (found,) = problems_of(write, f"  - {text}\n")
    assert found.startswith(problem)


def test_all_mistakes_are_found_at_once(write: Write) -> None:
    text = "  - {path: /a, to: b}\n  - {path: c/d, to: /e, status: 1}\n  - {path: /f}\n"
    starts = [problem.split(" ")[:2] for problem in problems_of(write, text)]
    assert starts == [["3:", "to:"], ["4:", "status:"], ["4:", "path:"], ["5:", "a"]]


# ---------------------------------------------------------------- circles


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{path: /a, to: /a}", "3: leads round in a circle: /a → /a"),
        ("{path: /a, to: '/a?x#y'}", "3: leads round in a circle: /a → /a"),
        ("{path: /a, to: /b/../%61}", "3: leads round in a circle: /a → /a"),
        ("{path: /**, to: /}", "3: leads round in a circle: / → /"),
        ("{path: /a/**, to: /a/}", "3: leads round in a circle: /a/ → /a/"),
        ("{path: '*.php', to: /x.php}", "3: leads round in a circle: /x.php → /x.php"),
        (
            "{path: /a/**, to: /a/b/**}",
            "3: leads to more than 10 redirects one after the other:"
            " /a/x → /a/b/x → /a/b/b/x → /a/b/b/b/x → …",
        ),
        (
            "{path: /a, to: /b}\n  - {path: /b, to: /a}",
            "3: leads round in a circle with line 4: /a → /b → /a",
        ),
        (
            "{path: /c, to: /a}\n  - {path: /a, to: /b}\n  - {path: /b, to: /a}",
            "4: leads round in a circle with line 5: /a → /b → /a",
        ),
        (
            "{path: /a/**, to: /b/**}\n  - {path: /b/*, to: /a/*}",
            "3: leads round in a circle with line 4: /a/x → /b/x → /a/x",
        ),
        (
            "{path: /a/*, to: /b/*}\n  - {path: /b/, to: /a/}",
            "3: leads round in a circle with line 4: /a/ → /b/ → /a/",
        ),
        (
            "{path: /a/**, to: /b/**}\n  - {path: /b/*/*, to: /a/*/*}",
            "3: leads round in a circle with line 4: /a/x/x → /b/x/x → /a/x/x",
        ),
    ],
)
def test_circle_is_an_error_with_the_lines_of_its_redirects(
    write: Write, text: str, problem: str
) -> None:
    assert problems_of(write, f"  - {text}\n") == [problem]


def test_more_redirects_in_a_row_than_clients_follow_are_an_error(write: Write) -> None:
    lines = [f"  - {{path: /{number}, to: /{number + 1}}}" for number in range(11)]
    (problem,) = problems_of(write, "\n".join(lines))
    assert problem.startswith("3: leads with line 4, 5, 6, ")
    assert problem.endswith(" one after the other: /0 → /1 → /2 → /3 → …")
    assert len(redirects_of(write, "\n".join(lines[:10]))) == 10


@pytest.mark.parametrize(
    "text",
    [
        "{path: /a, to: https://e.example/a}",
        "{path: /**, to: https://e.example/**}\n  - {path: /a, to: /a}",
        "{path: /a, to: /b}\n  - {path: /b, to: /c}\n  - {path: /c, status: 410}",
        "{path: /a/, to: /a}",
        "{path: /a, to: /../a}",
        "{path: /a/*, to: /b/*}\n  - {path: /b, to: /a/x}",
    ],
)
def test_redirects_that_come_to_an_end_are_right(write: Write, text: str) -> None:
    assert redirects_of(write, f"  - {text}\n")


def test_circle_in_the_redirects_of_a_site_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_text(
        "sites:\n- name: a\n  docroot: /\n  redirects:\n  - path: /x\n    to: /x\n", "utf-8"
    )
    with pytest.raises(ConfigError) as error:
        load(str(path), {})
    (problem,) = error.value.problems
    assert problem == f"{path}:5: sites: redirects: leads round in a circle: /x → /x"


def test_thousand_redirects_with_many_stars_are_read_soon(write: Write) -> None:
    item = "  - {{path: /{0}/*/*/*/*/*/**/*/*/*, to: /b/{0}/*/*/*/*/*/**/*/*/*}}\n"
    with must_end():
        assert len(redirects_of(write, "".join(map(item.format, range(1000))))) == 1000

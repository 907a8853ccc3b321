"""Redirects that no request reaches, since others come before them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.advice import advise
from httpd.configuration import load
from httpd.site.patterns import translate
from httpd.site.redirect_checks import find_shadowed
from httpd.site.redirects import Redirect
from tests.unit.site.test_redirects import PATHS, PATTERNS


def shadowed(*paths: str) -> list[tuple[str, str]]:
    redirects = [Redirect(path, "/to") for path in paths]
    return [(one.path, first.path) for one, first in find_shadowed(redirects)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/a", "/a"),
        ("/x/**", "/x/a"),
        ("/x/**", "/x/a/**"),
        ("/?/**", "/a/**"),
        ("a*", "ab*"),
        ("a*", "/b/ab/c/ab"),
        ("/*", "/a"),
        ("/a/**", "/a/b/**"),
        ("/a/**", "/a/*"),
        ("/a*", "/ab*"),
        ("/?", "/a"),
        ("/*", "/*.php"),
        ("*.php", "/a/b.php"),
        ("*.php", "/**/*.php"),
        ("/**/b", "/a/b"),
    ],
)
def test_redirect_behind_one_for_all_of_its_paths_is_found(first: str, second: str) -> None:
    assert shadowed(first, "/other/one", second) == [(second, first)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/a", "/b"),
        ("/a", "/a/"),
        ("/a", "/**"),
        ("/a/*", "/a/**"),
        ("/a/b/**", "/a/**"),
        ("/a?", "/a*"),
        ("/a?", "/a??"),
        ("/a/?", "/a/*"),
        ("/a/?*", "/a/*"),
        ("/a/x", "/a/*"),
        ("/*.php", "*.php"),
        ("/**/a/b", "/**/b"),
        ("/*/*", "/**"),
    ],
)
def test_redirect_with_paths_of_its_own_is_not_found(first: str, second: str) -> None:
    assert shadowed(first, second) == []


def test_redirect_that_several_leave_no_path_for_is_found() -> None:
    assert shadowed("/a/", "/a/?*", "/a/*") == [("/a/*", "/a/")]


@given(st.lists(PATTERNS, max_size=6), PATHS)
def test_shadowed_redirect_is_never_the_first_that_matches(patterns: list[str], path: str) -> None:
    redirects = [Redirect(pattern, "/to", line=line) for line, pattern in enumerate(patterns)]
    lines = {one.line for one, _ in find_shadowed(redirects)}
    matching = [
        line
        for line, pattern in enumerate(patterns)
        if re.fullmatch(translate(pattern), path, re.DOTALL)
    ]
    assert matching[:1] == [] or matching[0] not in lines


def test_warning_names_both_lines_and_the_site(tmp_path: Path) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_text(
        f"docroot: {tmp_path}\nmax_connections: 1\nredirects:\n"
        "- {path: /a/**, to: /b/**}\n- {path: /a/c, to: /c}\nsites:\n"
        f"- name: [e.example, f.example]\n  docroot: {tmp_path}\n"
        f"  redirects:\n  - {{path: /d, to: /e}}\n  - {{path: /d, status: 410}}\n"
        f"- {{name: inherits, docroot: {tmp_path}}}\n",
        "utf-8",
    )
    assert advise(load(str(path), {})) == [
        "redirects: that of /a/c in line 5 has no effect, since /a/** in line 4 matches the same"
        " paths before",
        "sites: e.example: redirects: that of /d in line 11 has no effect, since /d in line 10"
        " matches the same paths before",
    ]


@pytest.mark.parametrize(
    ("path", "to", "expected"),
    [
        ("/a", "/a.html", True),
        ("/", "/index.html", True),
        ("/b/a", "/b/a.html?q#f", True),
        ("/a", "/b.html", False),
        ("/a.html", "/a", False),
        ("/a", "/index.html", False),
        ("/a", "https://e.example/a.html", False),
        ("/a", "/a.htm", False),
    ],
)
def test_warning_of_a_redirect_to_a_file_that_clean_urls_redirects_back(
    tmp_path: Path, path: str, to: str, expected: bool
) -> None:
    config = tmp_path / "phttpd.yaml"
    for clean, is_warned in ("true", expected), ("false", False):
        config.write_text(
            f"docroot: {tmp_path}\nmax_connections: 1\nclean_urls: {clean}\nredirects:\n"
            f"- {{path: {path}, to: '{to}'}}\n"
            f"sites:\n- {{name: inherits, docroot: {tmp_path}}}\n",
            "utf-8",
        )
        warning = (
            f"redirects: that of {path} in line 5 leads round in a circle if {to} is a file, since"
            " clean_urls redirects to its address without .html"
        )
        assert advise(load(str(config), {})) == ([warning] if is_warned else [])


def test_warning_of_a_site_that_combines_its_own_clean_urls_with_all_redirects(
    tmp_path: Path,
) -> None:
    config = tmp_path / "phttpd.yaml"
    config.write_text(
        f"docroot: {tmp_path}\nmax_connections: 1\nredirects: [{{path: /a, to: /a.html}}]\n"
        f"sites:\n- {{name: e.example, docroot: {tmp_path}, clean_urls: true}}\n",
        "utf-8",
    )
    assert [text.partition(" that of")[0] for text in advise(load(str(config), {}))] == [
        "sites: e.example: redirects:"
    ]

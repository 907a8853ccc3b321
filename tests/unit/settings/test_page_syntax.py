"""Pages of the operator in the config file: what is read, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from httpd.configuration import load
from httpd.protocol.messages import STATUSES
from httpd.settings.errors import ConfigError
from httpd.site.page_syntax import ERROR_STATUSES
from httpd.site.settings import SiteSettings

FILE = (
    "expected a file below the docroot, such as /index.html; it begins with a slash, and no name of"
    " it with a dot"
)
STATUS = (
    "is no status that a page can be for; expected"
    " 400, 403, 404, 405, 406, 410, 412, 416, 501 or 503"
)


def read(tmp_path: Path, text: str) -> SiteSettings | list[str]:
    """Return the settings at the top, or what is wrong without the name of the file."""
    path = tmp_path / "a.yaml"
    path.write_text(f"docroot: /\n{text}")
    try:
        return load(str(path), {}).site
    except ConfigError as error:
        return [line.removeprefix(f"{path}:") for line in error.problems]


def test_pages_are_read(tmp_path: Path) -> None:
    text = "fallback: /app/ü b.html\nerrors:\n  404: /404.html\n  '403': /a%20b\n"
    settings = read(tmp_path, text)
    assert isinstance(settings, SiteSettings)
    assert settings.fallback == "/app/ü b.html"
    assert settings.errors == ((404, "/404.html"), (403, "/a%20b"))


def test_site_may_have_none_of_the_pages_at_the_top(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "docroot: /\nfallback: /a\nerrors: {404: /b}\nsites:\n"
        "- {name: a, docroot: /, fallback: null, errors: {}}\n"
        "- {name: b, docroot: /, fallback: , errors: }\n"
        "- {name: c, docroot: /, fallback: /c}\n"
    )
    settings = load(str(path), {})
    seen = [named.settings(settings.site) for named in settings.gateway.sites]
    assert [site.fallback for site in seen] == [None, "/a", "/c"]
    assert [site.errors for site in seen] == [(), ((404, "/b"),), ((404, "/b"),)]


@pytest.mark.parametrize("text", ["", "fallback:\nerrors:\n", "fallback: null\nerrors: {}\n"])
def test_pages_may_be_left_out(tmp_path: Path, text: str) -> None:
    settings = read(tmp_path, text)
    assert isinstance(settings, SiteSettings)
    assert (settings.fallback, settings.errors) == (None, ())


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("fallback: index.html", [f"2: fallback: 'index.html' is not allowed here; {FILE}"]),
        ("fallback: /a/../b", [f"2: fallback: '/a/../b' is not allowed here; {FILE}"]),
        ("fallback: [/a]", [f"2: fallback: a list is not allowed here; {FILE}"]),
        (
            "errors: /404.html",
            [
                "2: errors: '/404.html' is not allowed here; expected a mapping of statuses to"
                " files, such as {404: /404.html}"
            ],
        ),
        (
            "errors:\n  200: /a\n  404: a\n  500: /b\n  oops: /c\n  403: 5",
            [
                f"3: errors: 200: {STATUS}",
                f"4: errors: 404: 'a' is not allowed here; {FILE}",
                f"5: errors: 500: {STATUS}",
                f"6: errors: oops: {STATUS}",
                f"7: errors: 403: '5' is not allowed here; {FILE}",
            ],
        ),
        ("errors:\n  404: /a\n  404: /b", ["4: errors: 404: is set a second time"]),
    ],
)
def test_mistake_in_a_page_is_reported_with_its_line(
    tmp_path: Path, text: str, problems: list[str]
) -> None:
    assert read(tmp_path, text) == problems


def test_errors_of_a_site_are_statuses_of_the_server() -> None:
    assert {*ERROR_STATUSES} < {status for status in STATUSES if status >= 400}

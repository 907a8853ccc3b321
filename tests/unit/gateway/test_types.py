"""The Content-Type of files whose media type the configuration tells."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from httpd.gateway.gateway import Gateway
from httpd.protocol.response import Response
from httpd.site.changes import Changes
from httpd.site.rules import Rule
from httpd.site.settings import SiteSettings
from httpd.site.sites_syntax import NamedSite
from tests.unit.gateway.gateways import done, make_gateway
from tests.unit.protocol.heads import head
from tests.unit.site.directories import write

TYPES = (
    (".rkt", "text/x-racket"),
    (".html", "text/html; charset=iso-8859-1"),
    (".dat", "application/x-dat"),
    ("README", "text/x-readme"),
)
NAMES = ["a.rkt", "a.html", "a.dat", "README", "a.unknown", "a.dat.gz", "a.css"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("types")
    for name in (*NAMES, "a.rkt.gz"):
        write(root / name, f"content of {name}", age=3600)
    return root


def ask(gateway: Gateway, path: str, *lines: str) -> Response:
    data = head(*lines, target=path)
    made = gateway.exact(data) or gateway.respond(data)
    return done(made or gateway.respond_to(data, gateway.parse(data)))


def content_type(response: Response) -> str:
    (value,) = re.findall(rb"\r\nContent-Type: ([^\r]*)\r\n", response.head)
    return str(value.decode())


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {},
            [
                *("text/x-racket; charset=utf-8", "text/html; charset=iso-8859-1"),
                *("application/x-dat", "text/x-readme; charset=utf-8"),
                *("application/octet-stream", "application/gzip", "text/css; charset=utf-8"),
            ],
        ),
        (
            {"charset": None, "default_type": "text/plain"},
            [
                *("text/x-racket", "text/html; charset=iso-8859-1", "application/x-dat"),
                *("text/x-readme", "text/plain", "application/gzip", "text/css"),
            ],
        ),
        (
            {"rules": (Rule(("*.gz",), None, (("Content-Encoding", "gzip"),)),)},
            [
                *("text/x-racket; charset=utf-8", "text/html; charset=iso-8859-1"),
                *("application/x-dat", "text/x-readme; charset=utf-8"),
                *("application/octet-stream", "application/x-dat", "text/css; charset=utf-8"),
            ],
        ),
    ],
    ids=["types", "default", "coded"],
)
def test_content_type_is_that_of_the_settings_from_each_level(
    root: Path, changed: dict[str, Any], expected: list[str]
) -> None:
    gateway = make_gateway(SiteSettings(docroot=str(root), types=TYPES, **changed))
    for second in range(1, 5):
        gateway.begin_second(second)
        assert [content_type(ask(gateway, f"/{name}")) for name in NAMES] == expected
        parts = ask(gateway, "/a.rkt", "Range: bytes=0-0,2-2").body.content
        assert parts.count(b"Content-Type: %b\r\n" % expected[0].encode()) == 2


def test_file_of_an_own_type_has_precompressed_forms_if_the_type_compresses(root: Path) -> None:
    gateway = make_gateway(SiteSettings(docroot=str(root), types=TYPES))
    response = ask(gateway, "/a.rkt", "Accept-Encoding: gzip")
    assert b"\r\nContent-Encoding: gzip\r\n" in response.head
    assert content_type(response) == "text/x-racket; charset=utf-8"
    response = ask(gateway, "/a.dat", "Accept-Encoding: gzip")
    assert b"\r\nContent-Encoding" not in response.head
    assert b"\r\nVary" not in response.head


def test_same_file_has_the_type_of_its_site(root: Path) -> None:
    own = (("docroot", str(root)), ("types", ((".css", "text/x-b"),)))
    sites = [NamedSite(("a",), own[:1]), NamedSite(("b",), own)]
    gateway = make_gateway(SiteSettings(docroot="", types=((".css", "text/x-a"),)), sites=sites)
    for second in range(1, 4):
        gateway.begin_second(second)
        for name in "ab":
            data = b"GET /a.css HTTP/1.1\r\nHost: %b\r\n\r\n" % name.encode()
            response = gateway.exact(data) or gateway.respond(data)
            assert isinstance(response, Response)
            assert content_type(response) == f"text/x-{name}; charset=utf-8"


def test_html_with_a_charset_of_its_own_is_reloaded_live(root: Path) -> None:
    types = ((".html", "text/html; charset=iso-8859-1"), (".css", "text/html"), (".rkt", "a/b"))
    gateway = make_gateway(SiteSettings(docroot=str(root), types=types, changes=Changes()))
    response = ask(gateway, "/a.html")
    assert content_type(response) == "text/html; charset=iso-8859-1"
    assert b"/.phttpd/reload.js" in response.body.content
    assert b"/.phttpd/reload.js" in ask(gateway, "/a.css").body.content
    assert b"/.phttpd/reload.js" not in ask(gateway, "/a.rkt").body.content

"""Error pages of the operator: which are sent, what the response says, and what they cost."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from httpd.files.docroot import Docroot
from httpd.files.open_file import SMALL_FILE
from httpd.gateway.gateway import Gateway
from httpd.site.error_pages import POLICY
from httpd.site.page_syntax import ERROR_STATUSES
from httpd.site.redirects import Redirect
from httpd.site.rules import Rule
from httpd.site.settings import SiteSettings
from httpd.site.sites_syntax import NamedSite
from tests.support import raw
from tests.unit.gateway.gateways import make_gateway, respond
from tests.unit.protocol.heads import head
from tests.unit.site.directories import as_nobody, open_directory, write, write_sparse
from tests.unit.site.served import ask, serve

ERRORS = tuple((status, f"/errors/{status}.html") for status in ERROR_STATUSES)
BUILT_IN = b"<footer>phttpd</footer>"


@pytest.fixture(scope="module")
def docroot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("errors")
    for status, name in ERRORS:
        write(root / name[1:], f"page for {status}", age=3600)
    write(root / "a.js", "script", age=3600)
    write(root / "a.js.gz", "coded", age=3600)
    write(root / "errors/404.html.gz", "coded", age=3600)
    (root / "images").mkdir()
    return root


@pytest.fixture
def site(docroot: Path) -> Gateway:
    return serve(docroot, errors=ERRORS, redirects=(Redirect("/gone", None, 410),))


REQUESTS = [
    (400, "GET", "/..", []),
    (400, "GET", "/%zz", []),
    (403, "GET", "/images/", []),
    (404, "GET", "/none", []),
    (404, "GET", "/none/", []),
    (404, "GET", "/none.css", []),
    (404, "GET", "/.hidden", []),
    (404, "GET", "/a.js/b", []),
    (404, "GET", "/none?query", []),
    (405, "POST", "/a.js", []),
    (405, "DELETE", "/none", []),
    (406, "GET", "/a.js", ["Accept-Encoding: identity;q=0"]),
    (410, "GET", "/gone", []),
    (412, "GET", "/a.js", ['If-Match: "other"']),
    (416, "GET", "/a.js", ["Range: bytes=999-"]),
    (501, "BREW", "/a.js", []),
]


def assert_custom(response: raw.Response, status: int) -> None:
    assert (response.status, response.body) == (status, f"page for {status}".encode())
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("status", "method", "target", "lines"), REQUESTS)
def test_error_gets_the_page_of_the_operator(
    site: Gateway, status: int, method: str, target: str, lines: list[str]
) -> None:
    response = ask(site, target, *lines, method=method)
    assert_custom(response, status)
    for name in "ETag", "Last-Modified", "Accept-Ranges", "Content-Encoding", "Expires":
        assert name not in response
    assert "Content-Security-Policy" not in response, "its page needs no style of phttpd's"


@pytest.mark.parametrize(("status", "method", "target", "lines"), REQUESTS)
def test_error_keeps_its_own_fields(
    docroot: Path, site: Gateway, status: int, method: str, target: str, lines: list[str]
) -> None:
    """Such as Allow, and the size of the file in Content-Range."""
    own = ask(serve(docroot), target, *lines, method=method)
    response = ask(site, target, *lines, method=method)
    about_body = {"Content-Type", "Content-Length", "Content-Security-Policy"}
    for name in {name for name, _ in own.fields} - about_body:
        assert response[name] == own[name]


@pytest.mark.parametrize("target", ["/none", "/images/", "/.."])
def test_head_gets_the_length_of_the_page(site: Gateway, target: str) -> None:
    response = ask(site, target)
    without_body = ask(site, target, method="HEAD")
    assert without_body.timeless() == response.timeless().headless()
    assert without_body["Content-Length"] == str(len(response.body))


@pytest.mark.parametrize(
    "line",
    [
        "Range: bytes=0-1",
        "If-None-Match: *",
        'If-Match: "other"',
        "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
        "If-Unmodified-Since: Sun, 09 Sep 2001 01:46:40 GMT",
        "Accept-Encoding: gzip",
        "Accept-Encoding: identity;q=0, gzip",
    ],
)
def test_page_is_whole_and_uncoded_whatever_is_asked(site: Gateway, line: str) -> None:
    assert_custom(ask(site, "/none", line), 404)


@pytest.mark.parametrize("status", [403, 404, 405])
def test_only_the_errors_of_the_setting_have_a_page(docroot: Path, status: int) -> None:
    gateway = serve(docroot, errors=((status, "/errors/404.html"),))
    for target, method, number in ("/images/", "GET", 403), ("/none", "GET", 404):
        is_custom = ask(gateway, target, method=method).body == b"page for 404"
        assert is_custom is (number == status)


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.svg", "image/svg+xml"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a", None),
        ("a.json", None),
    ],
)
@pytest.mark.parametrize("size", [0, 5, SMALL_FILE])
def test_page_has_the_type_of_its_name(
    tmp_path: Path, name: str, content_type: str | None, size: int
) -> None:
    write_sparse(tmp_path / name, size)
    response = ask(serve(tmp_path, errors=((404, f"/{name}"),)), "/none")
    assert (response.status, response.body) == (404, bytes(size))
    assert content_type in (None, response["Content-Type"])


def test_page_has_the_charset_of_the_site(docroot: Path) -> None:
    gateway = serve(docroot, errors=ERRORS, charset=None)
    assert ask(gateway, "/none")["Content-Type"] == "text/html"


RULES = (
    Rule(("/**",), 60, (("X-All", "a"), ("Server", None))),
    Rule(("/none",), None, (("Content-Type", "text/x-own"), ("Cache-Control", "public"))),
    Rule(("/none",), None, (("Content-Security-Policy", "default-src 'self'"),)),
    Rule(("/none",), None, (("Content-Encoding", "gzip"), ("Content-Location", "/a"))),
    Rule(("/errors/*",), None, (("X-Page", "b"), ("Content-Type", "text/x-page"))),
)


def test_rules_apply_to_the_path_of_the_request(docroot: Path) -> None:
    """And none that is about a file, as for the built-in page."""
    response = ask(serve(docroot, errors=ERRORS, rules=RULES), "/none")
    assert_custom(response, 404)
    assert response["X-All"] == "a"
    assert response["Content-Security-Policy"] == "default-src 'self'"
    assert not {"Server", "X-Page", "Expires", "Content-Encoding", "Content-Location"} & {
        name for name, _ in response.fields
    }
    built_in = ask(serve(docroot, rules=RULES), "/none")
    assert built_in["Content-Security-Policy"] == POLICY


def test_page_is_a_file_like_any_other_to_those_who_ask_for_it(site: Gateway) -> None:
    response = ask(site, "/errors/404.html")
    assert response.status == 200
    assert "ETag" in response
    assert ask(site, "/errors/404.html", "Range: bytes=0-3").body == b"page"


# ---------------------------------------------------------------- pages that are not there


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    write(tmp_path / "other" / "secret", "secret")
    write_sparse(tmp_path / "root" / "large.html", SMALL_FILE + 1)
    write(tmp_path / "root" / ".hidden" / "page", "secret")
    (tmp_path / "root" / "directory").mkdir()
    (tmp_path / "root" / "out").symlink_to("../other/secret")
    (tmp_path / "root" / "to-hidden").symlink_to(".hidden/page")
    (tmp_path / "root" / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "root" / "fifo")
    return tmp_path / "root"


@pytest.mark.parametrize(
    "name", ["/none", "/large.html", "/directory", "/out", "/to-hidden", "/loop", "/fifo"]
)
def test_broken_page_leaves_the_built_in_one(broken: Path, name: str) -> None:
    gateway = serve(broken, errors=((404, name), (403, name)))
    for target, status in {"/none": 404, "/directory/": 403, "/.hidden/page": 404}.items():
        response = ask(gateway, target)
        assert response.status == status
        assert BUILT_IN in response.body
        assert response["Content-Security-Policy"] == POLICY


def test_page_that_may_not_be_read_leaves_the_built_in_one() -> None:
    with open_directory() as root:
        write(root / "404.html", "secret").chmod(0)
        with as_nobody():
            response = ask(serve(root, errors=((404, "/404.html"),)), "/none")
    assert response.status == 404
    assert BUILT_IN in response.body


@pytest.mark.parametrize("number", [5, 24, 12])  # EIO, EMFILE, ENOMEM
def test_page_that_the_disk_does_not_give_leaves_the_built_in_one(
    docroot: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    gateway = serve(docroot, errors=ERRORS)
    pread = os.pread

    def fail(*arguments: int) -> bytes:
        monkeypatch.setattr(os, "pread", pread)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pread", fail)
    response = ask(gateway, "/none")
    assert os.pread is pread
    assert (response.status, BUILT_IN in response.body) == (404, True)
    gateway.begin_second(2)
    assert_custom(ask(gateway, "/none"), 404)


def test_missing_docroot_has_the_built_in_page(tmp_path: Path) -> None:
    response = ask(serve(tmp_path / "none", errors=((503, "/busy.html"),)), "/")
    assert response.status == 503
    assert response["Retry-After"] == "5"
    assert BUILT_IN in response.body


def test_page_for_503_is_sent_while_a_file_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "errors" / "503.html", "page for 503", age=3600)
    write(tmp_path / "a.js", "script", age=3600)
    gateway = serve(tmp_path, errors=ERRORS)
    fstat = os.fstat

    def change(fd: int) -> os.stat_result:
        """Let a file seem to be written to all the time."""
        if os.readlink(f"/proc/self/fd/{fd}").endswith("a.js"):
            with (tmp_path / "a.js").open("ab") as file:
                file.write(b"more")
        return fstat(fd)

    monkeypatch.setattr(os, "fstat", change)
    response = ask(gateway, "/a.js")
    assert_custom(response, 503)
    assert response["Retry-After"] == "1"


# ---------------------------------------------------------------- seconds


def test_page_is_that_of_the_disk_in_each_second(tmp_path: Path) -> None:
    gateway = serve(tmp_path, errors=((404, "/404.html"),))
    for second, content in enumerate([None, "one", "two", None, "three", "four"], 2):
        if content is None:
            (tmp_path / "404.html").unlink(missing_ok=True)
        else:
            write(tmp_path / "404.html", content, age=3600 - second)
        gateway.begin_second(second)
        for target in "/none", "/none", "/other":
            body = ask(gateway, target).body
            assert body == content.encode() if content else BUILT_IN in body


def test_page_is_looked_up_once_a_second(docroot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of paths that lead to nothing costs no more than with the built-in page."""
    opened = []
    open_path = Docroot.open

    def note(docroot: Docroot, path: bytes, *arguments: Any) -> object:
        opened.append(path)
        return open_path(docroot, path, *arguments)

    monkeypatch.setattr(Docroot, "open", note)
    for name in "/errors/404.html", "/none.html":
        gateway = serve(docroot, errors=((404, name),))
        for second in 1, 2:
            opened.clear()
            gateway.begin_second(second)
            for number in range(100):
                assert ask(gateway, f"/none-{number}").status == 404
            assert opened.count(name.encode()) == 1
            assert len(opened) == 101


def test_page_is_cached_by_the_head_of_the_request(site: Gateway) -> None:
    data = head(target="/none")
    assert site.exact(data) is None
    response = respond(site, data)
    assert site.exact(data) is response
    assert site.level_of(data) == "exact"
    other = respond(site, head(target="/other"))
    assert other.body.content is response.body.content, "both have one copy of the page"


# ---------------------------------------------------------------- several sites


def test_each_site_has_pages_of_its_own(tmp_path: Path) -> None:
    for name in "a", "b", "s/one", "s/two":
        write(tmp_path / name / "404.html", f"{name:9}", age=3600)
    errors = ((404, "/404.html"),)
    named = [
        NamedSite(("a.x",), (("docroot", f"{tmp_path}/a"), ("errors", errors))),
        NamedSite(("b.x",), (("docroot", f"{tmp_path}/b"), ("fallback", "/404.html"))),
        NamedSite(("*.s.x",), (("docroot", f"{tmp_path}/s/*"), ("errors", errors))),
    ]
    (tmp_path / "top").mkdir()
    gateway = make_gateway(SiteSettings(docroot=f"{tmp_path}/top"), sites=named)

    def seen(host: str) -> tuple[int, bytes]:
        data = head(target="/none").replace(b"localhost", host.encode())
        response = respond(gateway, data)
        return response.status, response.body.content.rstrip()

    for _ in range(2):
        assert seen("a.x") == (404, b"a")
        assert seen("b.x") == (200, b"b")
        assert seen("one.s.x") == (404, b"s/one")
        assert seen("two.s.x") == (404, b"s/two")
        for host in "three.s.x", "c.x":
            status, body = seen(host)
            assert (status, BUILT_IN in body) == (404, True)

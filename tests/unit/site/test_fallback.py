"""The fallback: which requests get it, what the response says, and which rules apply."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.gateway.gateway import Gateway
from httpd.protocol.response import Cacheability
from httpd.site.changes import Changes
from httpd.site.rules import Rule
from tests.unit.gateway.gateways import respond
from tests.unit.protocol.heads import head
from tests.unit.site.directories import as_nobody, open_directory, write, write_sparse
from tests.unit.site.served import ask, serve

APP = "<title>Application</title>"
FILES = {
    "index.html": APP,
    "noextension": "noextension",
    "style.css": "style",
    "v1.2/notes": "notes",
    "docs/index.html": "docs",
    "images/a.png": "image",
    ".git/config": "secret",
    ".well-known/security.txt": "security",
}


@pytest.fixture(scope="module")
def docroot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fallback")
    for name, content in FILES.items():
        write(root / name, content, age=3600)
    (root / "out").symlink_to("/etc/passwd")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "fifo")
    return root


@pytest.fixture
def application(docroot: Path) -> Gateway:
    return serve(docroot, fallback="/index.html")


FALLBACK = [
    "/user",
    "/user/5",
    "/user/5/",
    "/user/5/?tab=1",
    "/user//5",
    "/%75ser",
    "/%C3%BC/%20",
    "/a/b/c/d/e/f/",
    "/v1.2/other",
    "/v1.3/",
    "/john.doe/",
    "/images/none",
    "/images/",
    "/images/?sort=size",
    "/index",
    "/out",
    "/loop",
    "/fifo",
    "/noextension/",
    "/noextension/below",
    "/style.css/below",
    "/x/../user",
    f"/{'n' * 300}",
]
"""Paths that lead to nothing."""
OTHERS = [
    ("/", 200, APP),
    ("/index.html", 200, APP),
    ("/noextension", 200, "noextension"),
    ("/style.css", 200, "style"),
    ("/v1.2/notes", 200, "notes"),
    ("/docs/", 200, "docs"),
    ("/.well-known/security.txt", 200, "security"),
    ("/docs", 301, None),
    ("/images", 301, None),
    ("/missing.css", 404, None),
    ("/missing.css?user", 404, None),
    ("/user/5.", 404, None),
    ("/assets/app.4f5e.js", 404, None),
    ("/user/john.doe", 404, None),
    ("/user/john%2Edoe", 404, None),
    ("/style.css/a.css", 404, None),
    ("/favicon.ico", 404, None),
    ("/.git", 404, None),
    ("/.git/", 404, None),
    ("/.git/config", 404, None),
    ("/.git/HEAD/", 404, None),
    ("/%2Egit/HEAD", 404, None),
    ("/user/.hidden", 404, None),
    ("/.well-known", 301, None),
    ("/.well-known/", 403, None),
    ("/.well-known/change-password", 404, None),
    ("/.well-known/acme-challenge/token", 404, None),
    ("/..", 400, None),
    ("/../user", 400, None),
    ("/%zz", 400, None),
    ("/user%00", 400, None),
]


@pytest.mark.parametrize("target", FALLBACK)
def test_path_that_leads_to_nothing_gets_the_fallback(application: Gateway, target: str) -> None:
    response = ask(application, target)
    assert (response.status, response.body) == (200, APP.encode())
    assert ask(application, target, method="HEAD").timeless() == response.timeless().headless()


@pytest.mark.parametrize(("target", "status", "content"), OTHERS)
def test_other_path_does_not_get_the_fallback(
    application: Gateway, target: str, status: int, content: str | None
) -> None:
    response = ask(application, target)
    assert response.status == status
    assert (response.body == content.encode()) if content else (APP.encode() not in response.body)
    assert "Content-Location" not in response


@pytest.mark.parametrize(
    ("method", "status"), [("POST", 405), ("DELETE", 405), ("BREW", 501), ("OPTIONS", 200)]
)
def test_other_method_does_not_get_the_fallback(
    application: Gateway, method: str, status: int
) -> None:
    response = ask(application, "/user", method=method)
    assert response.status == status
    assert APP.encode() not in response.body


def test_directory_is_listed_rather_than_sent_the_fallback(docroot: Path) -> None:
    gateway = serve(docroot, fallback="/index.html", listing=True)
    assert b"a.png" in ask(gateway, "/images/").body
    assert ask(gateway, "/images/none").body == APP.encode()


names = st.sampled_from(["a", "b", "a.css", "index.html", "", ".", "..", "%61", ".a", "c"])
paths = st.lists(names, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for name in "a/a", "a/index.html", "a/b/a.css", "b", "a.css", "index.html", ".a/a":
        write(root / name, f"{name:20}", age=3600)
    return root


@given(paths, st.sampled_from([False, True]))
@settings(deadline=None)
def test_fallback_hides_nothing(tree: Path, path: str, listing: bool) -> None:
    """Only a 404 is another response with a fallback, or the 403 of a directory."""
    without = ask(serve(tree, listing=listing), path)
    response = ask(serve(tree, listing=listing, fallback="/index.html"), path)
    if without.status == 403 or (without.status == 404 and "Content-Location" in response):
        assert (response.status, response.body) == (200, b"%-20s" % b"index.html")
    else:
        assert response.timeless() == without.timeless()


# ---------------------------------------------------------------- the response


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("/user", "./index.html"),
        ("/user/", "../index.html"),
        ("/user/5?a/b", "../index.html"),
        ("/user//5/", "../../../index.html"),
        ("/" + "a/" * 101, "/index.html"),
    ],
)
def test_fallback_says_where_it_is(application: Gateway, target: str, address: str) -> None:
    """Relative to the path, so that it is right behind a proxy that strips a prefix."""
    assert ask(application, target)["Content-Location"] == address


def test_address_of_a_fallback_is_percent_encoded(tmp_path: Path) -> None:
    write(tmp_path / "a b%.html", "page", age=3600)
    gateway = serve(tmp_path, fallback="/a b%.html")
    assert ask(gateway, "/user")["Content-Location"] == "./a%20b%25.html"


def test_fallback_is_revalidated_each_time(application: Gateway) -> None:
    response = ask(application, "/user")
    assert response["Cache-Control"] == "no-cache"
    assert response["Expires"] == response["Date"]
    assert ask(application, "/index.html")["Cache-Control"] == "max-age=43200"


@pytest.mark.parametrize(
    "condition", ["If-None-Match: {ETag}", "If-Modified-Since: {Last-Modified}"]
)
def test_fallback_that_the_client_has_is_not_modified(application: Gateway, condition: str) -> None:
    first = ask(application, "/user/5")
    line = condition.format(**dict(first.fields))
    assert first["ETag"] == ask(application, "/index.html")["ETag"]
    second = ask(application, "/user/6", line)
    assert (second.status, second.body) == (304, b"")
    for name in "ETag", "Cache-Control", "Content-Location":
        assert second[name] == first[name]


@pytest.mark.parametrize(
    ("lines", "status", "body"),
    [
        (["Range: bytes=1-5"], 206, b"title"),
        (["Range: bytes=1-5", 'If-Range: "other"'], 200, APP.encode()),
        (["Range: bytes=1-2,4-5"], 206, None),
        (["Range: bytes=999-"], 416, None),
        (['If-Match: "other"'], 412, None),
        (["Accept-Encoding: identity;q=0"], 406, None),
    ],
)
def test_fallback_has_ranges_and_conditions(
    application: Gateway, lines: list[str], status: int, body: bytes | None
) -> None:
    response = ask(application, "/user", *lines)
    assert response.status == status
    assert body in (None, response.body)
    assert ("Content-Location" in response) is (status < 400)


def test_fallback_has_precompressed_forms(tmp_path: Path) -> None:
    for name in "index.html", "index.html.br", "index.html.gz":
        write(tmp_path / name, name, age=3600)
    gateway = serve(tmp_path, fallback="/index.html")
    response = ask(gateway, "/user", "Accept-Encoding: br, gzip")
    assert (response.body, response["Content-Encoding"]) == (b"index.html.br", "br")
    assert response["Vary"] == "Accept-Encoding"
    assert ask(gateway, "/user").body == b"index.html"
    assert ask(gateway, "/user")["Vary"] == "Accept-Encoding"


def test_large_fallback_is_sent_from_its_file(tmp_path: Path) -> None:
    write_sparse(tmp_path / "app.bin", 1 << 20)
    gateway = serve(tmp_path, fallback="/app.bin")
    assert ask(gateway, "/user").body == bytes(1 << 20)


def test_fallback_is_not_cached_with_a_file(application: Gateway) -> None:
    data = head(target="/user")
    for _ in range(3):
        response = respond(application, data)
        assert response.cacheability is Cacheability.HEAD
        assert response.owner is None
    assert {*application._files.by_path} == {b"/index.html"}
    assert application.level_of(data) == "exact"
    several = respond(application, head("Range: bytes=0-0,2-2", target="/user"))
    assert several.cacheability is Cacheability.NEVER, "its boundary is random"


IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([Rule(("/assets/**",), None, (("Cache-Control", IMMUTABLE),))], "no-cache"),
        ([Rule(("/assets/**",), 60)], "no-cache"),
        ([Rule(("/**",), 60)], "no-cache"),
        ([Rule(("*.html",), 60)], "no-cache"),
        ([Rule(("/index.html",), None, (("Cache-Control", "max-age=5"),))], "max-age=5"),
        ([Rule(("*.html",), 60, (("Cache-Control", "private"),))], "private"),
        ([Rule(("*.html",), None, (("Cache-Control", "private"),)), Rule(("/**",), 9)], "no-cache"),
        ([Rule(("/index.html",), None, (("Cache-Control", None),))], None),
        ([Rule(("/",), None, (("Cache-Control", IMMUTABLE),))], "no-cache"),
    ],
)
def test_only_rules_for_the_file_set_the_lifetime_of_the_fallback(
    docroot: Path, rules: list[Rule], expected: str | None
) -> None:
    response = ask(serve(docroot, fallback="/index.html", rules=tuple(rules)), "/assets/none")
    assert response.get("Cache-Control") == expected
    if expected == "no-cache":
        assert response["Expires"] == response["Date"]


def test_other_fields_of_the_fallback_are_those_of_the_rules_for_the_file(docroot: Path) -> None:
    rules = (
        Rule(("/**",), None, (("X-All", "a"), ("Content-Security-Policy", "default-src 'self'"))),
        Rule(("/user",), None, (("X-Route", "b"), ("Content-Type", "text/x-own"), ("ETag", None))),
        Rule(("/index.html",), None, (("X-File", "c"), ("Content-Location", "/app"))),
    )
    response = ask(serve(docroot, fallback="/index.html", rules=rules), "/user")
    assert (response["X-All"], response["X-File"]) == ("a", "c")
    assert response["Content-Security-Policy"] == "default-src 'self'"
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert response["Content-Location"] == "/app"
    assert "X-Route" not in response
    assert "ETag" in response


def test_fallback_reloads_in_a_preview(docroot: Path) -> None:
    response = ask(serve(docroot, fallback="/index.html", changes=Changes()), "/user/5")
    assert response.body.startswith(APP.encode())
    assert b"/.phttpd/reload.js" in response.body
    assert response["Cache-Control"] == "no-cache"


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize("name", ["/none.html", "/docs", "/out", "/fifo", "/style.css/a", "/loop"])
def test_fallback_that_is_no_file_leaves_the_error(docroot: Path, name: str) -> None:
    gateway = serve(docroot, fallback=name)
    assert ask(gateway, "/user").status == 404
    assert ask(gateway, "/images/").status == 403


def test_fallback_that_may_not_be_read_is_forbidden() -> None:
    with open_directory() as root:
        write(root / "index.html", APP).chmod(0)
        with as_nobody():
            assert ask(serve(root, fallback="/index.html"), "/user").status == 403


def test_fallback_is_that_of_the_disk_in_each_second(tmp_path: Path) -> None:
    gateway = serve(tmp_path, fallback="/index.html")
    seen = []
    for second, content in enumerate([None, "one", "two", None, "three"], 2):
        if content is None:
            (tmp_path / "index.html").unlink(missing_ok=True)
        else:
            write(tmp_path / "index.html", content, age=3600 - second)
        gateway.begin_second(second)
        seen += [ask(gateway, "/user").body for _ in range(2)]
    assert [b"There is nothing" in body or body.decode() for body in seen[::2]] == [
        *(True, "one", "two", True, "three")
    ]
    assert seen[2:6] == [b"one", b"one", b"two", b"two"]


def test_file_that_is_made_later_takes_the_place_of_the_fallback(tmp_path: Path) -> None:
    write(tmp_path / "index.html", APP, age=3600)
    gateway = serve(tmp_path, fallback="/index.html")
    for _ in range(3):
        assert ask(gateway, "/user").body == APP.encode()
    write(tmp_path / "user", "file")
    gateway.begin_second(2)
    assert ask(gateway, "/user").body == b"file"
    (tmp_path / "user").unlink()
    gateway.begin_second(3)
    assert ask(gateway, "/user").body == APP.encode()


def test_missing_docroot_has_no_fallback(tmp_path: Path) -> None:
    response = ask(serve(tmp_path / "none", fallback="/index.html"), "/user")
    assert response.status == 503

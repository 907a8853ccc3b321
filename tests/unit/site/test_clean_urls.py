"""Clean URLs: which file a path leads to, and which address a file has."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urljoin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.gateway.gateway import Gateway
from httpd.protocol.response import Cacheability
from httpd.site.changes import Changes
from httpd.site.rules import Rule
from httpd.site.settings import SiteSettings
from httpd.site.sites_syntax import NamedSite
from tests.unit.gateway.gateways import make_gateway, respond
from tests.unit.guard import open_descriptors, opened_since
from tests.unit.protocol.heads import head
from tests.unit.site.directories import as_nobody, open_directory, write
from tests.unit.site.served import ask, serve

FILES = [
    "index.html",
    "about.html",
    "both",
    "both.html",
    "team.html",
    "team/index.html",
    "docs.html",
    "docs/guide.html",
    "blog/index.html",
    "blog/post.html",
    "twice.html.html",
    "thrice.html",
    "thrice.html.html",
    "over.html/index.html",
    "over.html.html",
    "v1.2.html",
    "a b.html",
    "a:b.html",
    "ü.html",
    "style.css",
    "page.htm",
    "UPPER.HTML",
    ".hidden.html",
    ".well-known.html",
    ".well-known/security.html",
    ".git/page.html",
    "dir.html/a.txt",
]
"""Each with its name as its content."""


def fill(root: Path) -> Path:
    for name in FILES:
        write(root / name, name, age=3600)
    (root / "link.html").symlink_to("about.html")
    (root / "out.html").symlink_to("/etc/passwd")
    (root / "link").symlink_to("/etc/passwd")
    os.mkfifo(root / "fifo")
    write(root / "fifo.html", "fifo.html", age=3600)
    return root


@pytest.fixture(scope="module")
def docroot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("clean"))


@pytest.fixture
def site(docroot: Path) -> Gateway:
    return serve(docroot, clean_urls=True)


SERVED = {
    "/": "index.html",
    "/about": "about.html",
    "/about?a=b": "about.html",
    "/%61bout": "about.html",
    "//about": "about.html",
    "/x/../about": "about.html",
    "/both": "both",
    "/both.html": "both.html",  # its clean address is that of another file
    "/team": "team.html",
    "/team/": "team/index.html",
    "/docs": "docs.html",
    "/docs/guide": "docs/guide.html",
    "/blog/": "blog/index.html",
    "/blog/post": "blog/post.html",
    "/blog%2Fpost": "blog/post.html",
    "/twice.html": "twice.html.html",
    "/thrice": "thrice.html",
    "/thrice.html.html": "thrice.html.html",  # /thrice.html is taken
    "/over.html": "over.html.html",
    "/over.html/": "over.html/index.html",
    "/v1.2": "v1.2.html",
    "/a%20b": "a b.html",
    "/a:b": "a:b.html",
    "/%C3%BC": "ü.html",
    "/style.css": "style.css",
    "/page.htm": "page.htm",
    "/UPPER.HTML": "UPPER.HTML",
    "/.well-known/security": ".well-known/security.html",
    "/link": "about.html",  # /link itself leads out of the docroot
    "/fifo": "fifo.html",
}
REDIRECTED = {
    "/index.html": "./",
    "/index": "./",
    "/index.html?a=b/c": "./?a=b/c",
    "/about.html": "./about",
    "/about.html?q=1&r=%20": "./about?q=1&r=%20",
    "/about.html?\xfc": "./about?%FC",
    "/about%2Ehtml": "./about",
    "/%61bout.html": "./about",
    "/team.html": "./team",
    "/team/index.html": "./",
    "/team/index": "./",
    "/docs/guide.html": "./guide",
    "/blog/index.html": "./",
    "/blog/post.html": "./post",
    "/twice.html.html": "./twice.html",
    "/thrice.html": "./thrice",
    "/over.html.html": "./over.html",
    "/over.html/index.html": "./",
    "/v1.2.html": "./v1.2",
    "/a%20b.html": "./a%20b",
    "/a:b.html": "./a%3Ab",
    "/%C3%BC.html": "./%C3%BC",
    "/.well-known/security.html": "./security",
    "/link.html": "./link",
    "/fifo.html": "./fifo",
    # where a relative reference would lead elsewhere
    "/blog%2Fpost.html": "/blog/post",
    "/blog%2Findex.html": "/blog/",
    "/blog//post.html?a": "/blog/post?a",
    "//about.html": "/about",
    "/x/../about.html": "/about",
    "/x%2F../about.html": "/about",
}
MISSING = {
    "/about/": 404,
    "/about/index": 404,
    "/about.html.html": 404,
    "/about.htm": 404,
    "/page": 404,
    "/UPPER": 404,
    "/style": 404,
    "/none": 404,
    "/none.html": 404,
    "/out": 404,
    "/out.html": 404,
    "/.hidden": 404,
    "/.hidden.html": 404,
    "/.html": 404,
    "/.well-known.html": 404,
    "/.git/page": 404,
    "/.git/page.html": 404,
    "/docs/": 403,
    "/blog": 301,  # to the directory
    "/.well-known": 301,
    "/dir": 404,
    "/dir.html": 301,
    "/dir.html/": 403,
}


@pytest.mark.parametrize("target", SERVED)
def test_path_leads_to_a_file(site: Gateway, target: str) -> None:
    for _ in range(3):
        response = ask(site, target)
        assert (response.status, response.body) == (200, SERVED[target].encode())
    assert ask(site, target, method="HEAD").timeless() == response.timeless().headless()
    expected = "text/html; charset=utf-8" if SERVED[target].endswith(".html") else None
    assert expected in (None, response["Content-Type"])


@pytest.mark.parametrize("target", REDIRECTED)
def test_other_path_of_a_file_is_redirected_to_its_address(site: Gateway, target: str) -> None:
    for method in "GET", "HEAD", "GET":
        response = ask(site, target, method=method)
        assert (response.status, response["Location"]) == (301, REDIRECTED[target])


@pytest.mark.parametrize("target", MISSING)
def test_path_leads_to_no_file(site: Gateway, target: str) -> None:
    response = ask(site, target)
    assert response.status == MISSING[target]
    if response.status == 301:
        assert response["Location"] == f".{target}/"


def follow(gateway: Gateway, target: str) -> tuple[int, bytes, int]:
    """Return the status and body behind all redirects, and the number of these."""
    url = f"http://localhost{target}"
    for count in range(4):
        response = ask(gateway, url.removeprefix("http://localhost"))
        if response.status != 301:
            return response.status, response.body, count
        url = urljoin(url, response["Location"])
    raise AssertionError("too many redirects")


NAMES = ["a", "a.html", "index.html", "index", "b", "b.html", "index.html.html", "c:d.html"]
trees = st.lists(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join), min_size=1, max_size=8
)


@given(trees, st.sampled_from([("index.html",), ("a", "index.html"), ("a.html", "b.html"), ()]))
@settings(deadline=None)
def test_every_file_can_be_had_and_has_one_address(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], index: tuple[str, ...]
) -> None:
    """A client that follows links to files by their names gets all of them, by one redirect."""
    root = tmp_path_factory.mktemp("tree")
    files = []
    for name in names:
        path = root / name
        if not any(part.is_file() for part in [path, *path.parents]) and not path.is_dir():
            write(path, name, age=3600)
            files.append(name)
    gateway = serve(root, clean_urls=True, index=index)
    plain = serve(root, index=index)
    for name in files:
        status, body, redirects = follow(gateway, f"/{name}")
        assert (status, body) == (200, name.encode())
        assert redirects <= 1
    for name in names:
        for target in f"/{name}", f"/{name}/", f"/{name.removesuffix('.html')}":
            response = ask(plain, target)
            if response.status == 200:
                assert follow(gateway, target)[:2] == (200, response.body), "nothing is hidden"


# ---------------------------------------------------------------- responses


def test_page_has_the_response_of_its_file(docroot: Path, site: Gateway) -> None:
    page = ask(site, "/about")
    file = ask(serve(docroot), "/about.html")
    assert page.timeless() == file.timeless()
    tag = page["ETag"]
    assert ask(site, "/about", f"If-None-Match: {tag}").status == 304
    assert ask(site, "/about", "Range: bytes=0-4").body == b"about"


def test_page_has_the_precompressed_forms_of_its_file(tmp_path: Path) -> None:
    for name in "about.html", "about.html.br", "other.html.gz", "other.html", "other.gz":
        write(tmp_path / name, name, age=3600)
    gateway = serve(tmp_path, clean_urls=True)
    for _ in range(3):
        response = ask(gateway, "/about", "Accept-Encoding: br")
        assert (response.body, response["Vary"]) == (b"about.html.br", "Accept-Encoding")
        assert ask(gateway, "/other", "Accept-Encoding: gzip").body == b"other.html.gz"
        assert ask(gateway, "/about").body == b"about.html"
    assert ask(gateway, "/about.html.br").body == b"about.html.br"
    assert ask(gateway, "/about.html", "Accept-Encoding: br").status == 301


def test_redirect_comes_before_conditions_and_ranges(site: Gateway) -> None:
    for line in "If-None-Match: *", "Range: bytes=0-1", 'If-Match: "other"':
        assert ask(site, "/about.html", line).status == 301


def test_redirect_is_not_cached_with_a_file(site: Gateway) -> None:
    for _ in range(3):
        assert respond(site, head(target="/about.html")).cacheability is Cacheability.HEAD
    assert b"/about.html" not in site._files.by_path


def test_rules_are_those_for_the_path_of_the_request(docroot: Path) -> None:
    rules = (Rule(("*.html",), 60, (("X-File", "a"),)), Rule(("/about",), 5, (("X-Clean", "b"),)))
    gateway = serve(docroot, clean_urls=True, rules=rules)
    page = ask(gateway, "/about")
    assert (page["Cache-Control"], page["X-Clean"], "X-File" in page) == ("max-age=5", "b", False)
    assert ask(gateway, "/about.html")["X-File"] == "a"


def test_other_methods_are_not_redirected(site: Gateway) -> None:
    assert ask(site, "/about.html", method="POST").status == 405
    assert ask(site, "/about.html", method="OPTIONS").status == 200


def test_no_descriptor_stays_open(site: Gateway) -> None:
    before = open_descriptors()
    for target in (*SERVED, *REDIRECTED, *MISSING):
        ask(site, target)
    site.release()
    assert not opened_since(before)


@pytest.mark.parametrize("name", ["about.html", "about"])
def test_page_that_may_not_be_read_is_forbidden(name: str) -> None:
    with open_directory() as root:
        write(root / "about.html", "page")
        write(root / name, "secret").chmod(0)
        with as_nobody():
            assert ask(serve(root, clean_urls=True), "/about").status == 403


def test_without_the_setting_addresses_are_names(docroot: Path) -> None:
    gateway = serve(docroot)
    assert ask(gateway, "/about").status == 404
    assert ask(gateway, "/about.html").body == b"about.html"
    assert ask(gateway, "/index.html").status == 200


def test_missing_docroot_is_unavailable(tmp_path: Path) -> None:
    for target in "/about", "/about.html", "/":
        assert ask(serve(tmp_path / "none", clean_urls=True), target).status == 503


def test_name_that_is_too_long_with_its_extension_is_not_found(tmp_path: Path) -> None:
    write(tmp_path / ("n" * 255), "long", age=3600)
    gateway = serve(tmp_path, clean_urls=True)
    assert ask(gateway, f"/{'n' * 255}").body == b"long"
    assert ask(gateway, f"/{'n' * 254}").status == 404


# ---------------------------------------------------------------- together with other settings


def test_hidden_page_that_is_served_has_a_clean_address(docroot: Path) -> None:
    gateway = serve(docroot, clean_urls=True, serve_hidden=True)
    for target, name in {"/.hidden": ".hidden.html", "/.git/page": ".git/page.html"}.items():
        assert ask(gateway, target).body == name.encode()
        assert ask(gateway, f"{target}.html")["Location"] == f".{target[target.rfind('/') :]}"


@pytest.mark.parametrize("name", [".html", "..html", "...html"])
def test_name_whose_stem_is_no_name_keeps_its_extension(tmp_path: Path, name: str) -> None:
    write(tmp_path / "dir" / name, "page", age=3600)
    gateway = serve(tmp_path, clean_urls=True, serve_hidden=True)
    assert ask(gateway, f"/dir/{name}").body == b"page"


def test_listing_leads_to_all_pages(docroot: Path) -> None:
    gateway = serve(docroot, clean_urls=True, listing=True)
    listing = ask(gateway, "/docs/")
    assert b"guide.html" in listing.body
    assert follow(gateway, "/docs/guide.html")[1] == b"docs/guide.html"


def test_page_reloads_in_a_preview(docroot: Path) -> None:
    gateway = serve(docroot, clean_urls=True, changes=Changes())
    response = ask(gateway, "/about")
    assert response.body.startswith(b"about.html")
    assert b"/.phttpd/reload.js" in response.body
    assert ask(gateway, "/about.html")["Location"] == "./about"
    assert ask(gateway, "/.phttpd/reload.js").status == 200


def test_fallback_is_sent_from_its_address(docroot: Path) -> None:
    gateway = serve(docroot, clean_urls=True, fallback="/index.html")
    response = ask(gateway, "/user/5")
    assert (response.status, response.body) == (200, b"index.html")
    assert response["Content-Location"] == "../"
    assert ask(gateway, "/about").body == b"about.html"
    assert ask(gateway, "/docs/").body == b"index.html"
    other = serve(docroot, clean_urls=True, fallback="/about.html")
    assert ask(other, "/user/5")["Content-Location"] == "../about"
    taken = serve(docroot, clean_urls=True, fallback="/both.html")
    assert ask(taken, "/user/5").body == b"both.html"


def test_error_page_is_a_page_with_a_clean_address(docroot: Path) -> None:
    for name in "/about.html", "/both.html", "/index.html":
        gateway = serve(docroot, clean_urls=True, errors=((404, name),))
        response = ask(gateway, "/none")
        assert (response.status, response.body) == (404, name[1:].encode())


def test_site_of_a_star_has_clean_addresses(docroot: Path, tmp_path: Path) -> None:
    fill(tmp_path / "one")
    named = NamedSite(("*.x",), (("docroot", f"{tmp_path}/*"), ("clean_urls", True)))
    gateway = make_gateway(SiteSettings(docroot=str(docroot)), sites=[named])
    for host, target, status in [
        ("one.x", "/about", 200),
        ("one.x", "/about.html", 301),
        ("two.x", "/about", 404),
        ("two.x", "/about.html", 404),
        ("other", "/about", 404),
        ("other", "/about.html", 200),
    ]:
        data = head(target=target).replace(b"localhost", host.encode())
        assert respond(gateway, data).status == status


# ---------------------------------------------------------------- changes

CHANGES = [
    # what there is, what is made then, and what the paths lead to before and after
    (["a.html"], "a", {"/a": ("a.html", "a"), "/a.html": (301, "a.html")}),
    (["a.html"], "a/index.html", {"/a": ("a.html", "a.html"), "/a/": (404, "a/index.html")}),
    (["a/index.html"], "a.html", {"/a": (301, "a.html"), "/a.html": (404, 301)}),
    ([], "a.html", {"/a": (404, "a.html"), "/a.html": (404, 301)}),
    (["a.html.html"], "a.html", {"/a.html": ("a.html.html", 301), "/a": (404, "a.html")}),
    (["index.html"], "index", {"/index": (301, "index"), "/index.html": (301, 301)}),
    (["index.html"], "index.htm", {"/": ("index.html", "index.htm"), "/index.html": (301, 301)}),
    (["index.html"], "index.htm", {"/index": (301, "index.html")}),
]


@pytest.mark.parametrize(("before", "made", "paths"), CHANGES)
def test_change_of_what_a_path_leads_to_is_seen_in_the_next_second(
    tmp_path: Path,
    before: list[str],
    made: str,
    paths: dict[str, tuple[str | int, str | int]],
) -> None:
    for name in before:
        write(tmp_path / name, name, age=3600)
    gateway = serve(tmp_path, clean_urls=True, index=("index.htm", "index.html"))

    def look(when: int) -> None:
        for path, expected in paths.items():
            for _ in range(3):
                response = ask(gateway, path)
                seen = response.body.decode() if response.status == 200 else response.status
                assert seen == expected[when], (path, when)

    look(0)
    write(tmp_path / made, made, age=3600)
    gateway.begin_second(2)
    look(1)
    (tmp_path / made).unlink()
    if "/" in made:
        (tmp_path / made).parent.rmdir()
    gateway.begin_second(3)
    look(0)

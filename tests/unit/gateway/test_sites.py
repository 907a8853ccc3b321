"""Which site a request gets, and that no cache gives it the response of another one."""

from __future__ import annotations

import os
import re
import traceback
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.gateway.caches import Caches
from httpd.gateway.frontend import Frontend
from httpd.gateway.gateway import Gateway
from httpd.gateway.interface import Hooks
from httpd.gateway.settings import GatewaySettings
from httpd.protocol.messages import HTTPError
from httpd.protocol.response import Response
from httpd.site.rules import Rule
from httpd.site.settings import SiteSettings
from httpd.site.sites_syntax import NamedSite
from tests.unit.gateway.gateways import done
from tests.unit.site.directories import write, write_sparse

OLD = 1_000_000_000_000_000_000
LARGE = 200_000


class Server:
    """A gateway whose seconds pass when the test says so."""

    def __init__(self, frontend: Frontend, second: int = 1) -> None:
        hooks = Hooks(lambda: None, lambda: None, lambda _: None, traceback.print_exc)
        self.gateway = Gateway(frontend, Caches(frontend.gateway.cache), hooks)
        self.second = second - 1
        self.tick()

    def tick(self) -> None:
        self.second += 1
        self.gateway.begin_second(self.second)

    def ask(self, data: bytes) -> Response:
        """Return the response as a connection gets it."""
        gateway = self.gateway
        try:
            at_once = gateway.exact(data) or gateway.respond(data)
            return done(at_once or gateway.respond_to(data, gateway.parse(data)))
        except HTTPError as error:
            return gateway.refuse(error, head_only=data.startswith(b"HEAD"))


def head(target: str, host: str | None, *lines: str, method: str = "GET", minor: int = 1) -> bytes:
    fields = [f"Host: {host}"] if host is not None else []
    text = "".join(f"{line}\r\n" for line in (*fields, *lines))
    return f"{method} {target} HTTP/1.{minor}\r\n{text}\r\n".encode("latin-1")


def site(names: str, docroot: Path | str, **own: object) -> NamedSite:
    return NamedSite(tuple(names.split()), (("docroot", str(docroot)), *own.items()))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directories with the same names in them, and other contents of the same size and time."""
    root = tmp_path_factory.mktemp("sites")
    names = ["top", "a", "b", "wild", "deep", "six", "four", "s/alice", "s/bob", "outside"]
    for number, name in enumerate(names):
        directory = root / name
        content = f"{name:10}"
        write(directory / "which", content)
        write(directory / "a.js", content * 100)
        write_sparse(directory / "large.bin", LARGE + number)
        write(directory / "list" / f"{number}.txt", content)
        write(directory / "page" / "index.html", content)
        write(directory / "page" / "other.html", content[::-1])
    write(root / "a" / "only-a", "a")
    write(root / "b" / "a.js.gz", "gzipped")
    write(root / "s" / "a.b" / "which", "secret")
    write(root / "s" / "file", "no directory")
    (root / "s" / "carol").symlink_to("alice")
    (root / "s" / "mallory").symlink_to("../outside")
    (root / "s" / "eve").symlink_to("../s/.hidden")
    write(root / "s" / ".hidden" / "which", "secret")
    for path in root.rglob("*"):
        if not path.is_symlink():
            os.utime(path, ns=(OLD, OLD))
    return root


def make_frontend(root: Path, *, has_top: bool = True) -> Frontend:
    named = (
        site("a.example www.a.example", root / "a", listing=True, expires=60),
        site("b.example", root / "b", index=("other.html",), charset=None),
        site("*.wild.example", root / "wild", precompressed=False),
        site("*.deep.wild.example", root / "deep"),
        site("exact.wild.example", root / "a"),
        site("*.s.example", f"{root}/s/*", rules=(Rule(("/which",), None, (("X-A", "b"),)),)),
        site("[::1]", root / "six"),
        site("127.0.0.1", root / "four"),
    )
    top = SiteSettings(docroot=str(root / "top") if has_top else "", expires=5)
    return Frontend(top, GatewaySettings(sites=named, cache=1 << 20))


PAIRS: list[tuple[str, str | int]] = [
    # exact names, in every spelling
    ("a.example", "a"),
    ("A.EXAMPLE", "a"),
    ("a.example:80", "a"),
    ("a.example:8080", "a"),
    ("a.example:", "a"),
    ("a.example.", "a"),
    ("a.example.:80", "a"),
    ("www.A.example", "a"),
    ("b.example", "b"),
    ("B.Example.:1", "b"),
    # no name of any site
    ("example", "top"),
    ("c.example", "top"),
    ("x.a.example", "top"),
    ("a.example.com", "top"),
    ("a.example..", "top"),
    ("aa.example", "top"),
    ("wwwa.example", "top"),
    (".a.example", "top"),
    ("%61.example", "top"),
    ("localhost", "top"),
    ("127.0.0.2", "top"),
    ("127.1", "top"),
    ("[::2]", "top"),
    ("[v1.x]", "top"),
    # wildcards
    ("x.wild.example", "wild"),
    ("X.WILD.example.:80", "wild"),
    ("x.y.wild.example", "wild"),
    ("wild.example", "top"),
    (".wild.example", "top"),
    ("x..wild.example", "top"),
    ("xwild.example", "top"),
    ("exact.wild.example", "a"),
    ("x.exact.wild.example", "wild"),
    ("deep.wild.example", "wild"),
    ("x.deep.wild.example", "deep"),
    ("x.y.deep.wild.example", "deep"),
    # the star of a docroot
    ("alice.s.example", "s/alice"),
    ("ALICE.s.example:80", "s/alice"),
    ("bob.s.example.", "s/bob"),
    ("carol.s.example", "s/alice"),
    ("nobody.s.example", 404),
    ("a.b.s.example", 404),
    ("x.alice.s.example", 404),
    ("al_ice.s.example", 404),
    ("file.s.example", 404),
    ("mallory.s.example", 404),
    ("eve.s.example", 404),
    ("...s.example", "top"),
    ("s.example", "top"),
    # addresses
    ("[::1]", "six"),
    ("[::1]:8080", "six"),
    ("[0:0::1]", "six"),
    ("[0:0:0:0:0:0:0:1]:1", "six"),
    ("127.0.0.1", "four"),
    ("127.0.0.1:80", "four"),
    # what is no host at all
    ("", 400),
    ("a.example a", 400),
    ("a.example/", 400),
    ("http://a.example", 400),
    ("::1", 400),
    ("[::1", 400),
    ("a.example:80:80", 400),
    ("a@b.example", 400),
]


def assert_is(response: Response, expected: str | int) -> None:
    if isinstance(expected, int):
        assert response.status == expected
    else:
        assert response.status == 200
        assert response.body.content.decode().strip() == expected


@pytest.mark.parametrize(("host", "expected"), PAIRS)
def test_host_leads_to_its_site(root: Path, host: str, expected: str | int) -> None:
    server = Server(make_frontend(root))
    for _ in range(4):
        assert_is(server.ask(head("/which", host)), expected)


def test_host_leads_to_its_site_whatever_was_asked_before(root: Path) -> None:
    server = Server(make_frontend(root))
    for _ in range(3):
        for host, expected in PAIRS:
            assert_is(server.ask(head("/which", host)), expected)
            assert_is(server.ask(head("/%77hich?a", host)), expected)
        server.tick()


@pytest.mark.parametrize("has_top", [True, False])
def test_response_tells_its_site_from_each_cache(root: Path, has_top: bool) -> None:
    """The access log and the counters depend on it."""
    server = Server(make_frontend(root, has_top=has_top))
    sites = [
        *(("a.example", "a.example"), ("WWW.a.example.:80", "a.example"), ("b.example",) * 2),
        *(("x.wild.example", "*.wild.example"), ("exact.wild.example",) * 2),
        *(("alice.s.example", "*.s.example"), ("bob.s.example", "*.s.example")),
        *(("nobody.s.example", "*.s.example"), ("a.b.s.example", "*.s.example")),
        *(("c.example", "-"), ("localhost", "-"), ("::1", "-")),
    ]
    for _ in range(4):
        for target in ("/which", "/%77hich?a", "/missing", "/list/", "/list"):
            for _ in range(2):
                for host, site in sites:
                    response = server.ask(head(target, host))
                    assert (response.tally.site, response.tally.status) == (site, response.status)
        server.tick()


@pytest.mark.parametrize(("host", "expected"), PAIRS)
def test_name_of_no_site_is_misdirected_without_a_docroot_at_the_top(
    root: Path, host: str, expected: str | int
) -> None:
    server = Server(make_frontend(root, has_top=False))
    for _ in range(3):
        response = server.ask(head("/which", host))
        assert_is(response, 421 if expected == "top" else expected)
        assert response.status != 421 or not response.keep_alive


@pytest.mark.parametrize(
    ("target", "host", "minor", "expected"),
    [
        ("http://b.example/which", "a.example", 1, "b"),
        ("HTTP://B.Example.:80/which", "a.example", 1, "b"),
        ("http://b.example/which", "a.example", 0, "b"),
        ("http://b.example/which", None, 0, "b"),
        ("http://c.example/which", "a.example", 1, "top"),
        ("http://alice.s.example/which", "bob.s.example", 1, "s/alice"),
        ("http://[::1]:80/which", "a.example", 1, "six"),
        ("http://b.example/which", "a b", 1, 400),
        ("http://b b.example/which", "a.example", 1, 400),
        ("https://b.example/which", "a.example", 1, 421),
        ("/which", None, 0, "top"),
        ("/which", "", 0, "top"),
        ("/which", "b.example", 0, "b"),
        ("/which", None, 1, 400),
    ],
)
def test_authority_of_the_target_comes_before_the_host(
    root: Path, target: str, host: str | None, minor: int, expected: str | int
) -> None:
    server = Server(make_frontend(root))
    for _ in range(3):
        assert_is(server.ask(head(target, host, minor=minor)), expected)
        if host in ("a.example", "bob.s.example"):  # the same header section
            own = {"a.example": "a", "bob.s.example": "s/bob"}[host]
            assert_is(server.ask(head("/which", host, minor=minor)), own)


def test_other_fields_name_no_site(root: Path) -> None:
    server = Server(make_frontend(root))
    lines = ["X-Forwarded-Host: b.example", "Forwarded: host=b.example", "X-Host: b.example"]
    assert_is(server.ask(head("/which", "a.example", *lines)), "a")


def test_site_has_its_own_settings(root: Path) -> None:
    server = Server(make_frontend(root))

    def ask(target: str, host: str) -> Response:
        return server.ask(head(target, host))

    for _ in range(3):
        assert b"max-age=60\r\n" in ask("/which", "a.example").head
        assert b"max-age=5\r\n" in ask("/which", "b.example").head
        assert ask("/list/", "a.example").status == 200
        assert ask("/list/", "b.example").status == 403
        assert ask("/page/", "a.example").body.content == f"{'a':10}".encode()
        assert ask("/page/", "b.example").body.content == f"{'b':10}"[::-1].encode()
        assert b"charset" in ask("/page/", "a.example").head
        assert b"charset" not in ask("/page/", "b.example").head
        assert b"X-A: b\r\n" in ask("/which", "bob.s.example").head
        assert b"X-A" not in ask("/which", "a.example").head


def etag(response: Response) -> str:
    match = re.search(rb"\r\nETag: (.*?)\r\n", response.head)
    assert match
    return match[1].decode()


@pytest.mark.parametrize("target", ["/which", "/a.js", "/large.bin"])
@pytest.mark.parametrize("hosts", ["a.example b.example", "alice.s.example bob.s.example"])
def test_entity_tag_of_one_site_is_not_that_of_another(root: Path, target: str, hosts: str) -> None:
    server = Server(make_frontend(root))
    one, other = hosts.split()
    for _ in range(3):
        tag = etag(server.ask(head(target, one)))
        assert etag(server.ask(head(target, other))) != tag
        assert server.ask(head(target, one, f"If-None-Match: {tag}")).status == 304
        assert server.ask(head(target, other, f"If-None-Match: {tag}")).status == 200
        assert server.ask(head(target, other, f"If-Match: {tag}")).status == 412
        ranged = ["Range: bytes=1-2", f"If-Range: {tag}"]
        assert server.ask(head(target, one, *ranged)).status == 206
        assert server.ask(head(target, other, *ranged)).status == 200


HOSTS = st.sampled_from(
    [
        "a.example",
        "www.a.example",
        "b.example",
        "x.wild.example",
        "x.deep.wild.example",
        "alice.s.example",
        "bob.s.example",
        "carol.s.example",
        "nobody.s.example",
        "mallory.s.example",
        "a.b.s.example",
        "c.example",
        "A.example.:80",
        "[::1]",
        "3",
    ]
)
PATHS = st.sampled_from(
    [
        "/which",
        "/a.js",
        "/large.bin",
        "/list/",
        "/list",
        "/page/",
        "/page",
        "/only-a",
        "/none",
        "/%77hich",
        "/x/../which",
        "//which",
        "/which?a",
        "/a.js?b=%20",
        "/%zz",
        "/..",
        "*",
        "0/which",
        "1/which",
        "5.bob/which",
        ".bob/which",
        "\x000/which",
    ]
)
LINES = st.sampled_from(
    [
        *("Accept-Encoding: gzip", "Accept-Encoding: identity;q=0", "Range: bytes=1-3"),
        *("Range: bytes=0-0,2-2", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"),
        *("If-Range: Sun, 09 Sep 2001 01:46:40 GMT", "Connection: close", "Content-Length: 2"),
        *("X-Forwarded-Host: b.example", "Accept: application/json", "If-None-Match: *"),
    ]
)
TARGETS = st.one_of(PATHS, PATHS, st.builds("http://{}{}".format, HOSTS, PATHS))
HEADS = st.builds(
    lambda target, host, lines, method, minor: head(
        target, host, *lines, method=method, minor=minor
    ),
    TARGETS,
    st.one_of(HOSTS, HOSTS, st.none()),
    st.lists(LINES, max_size=2),
    st.sampled_from(["GET", "GET", "HEAD", "OPTIONS", "POST"]),
    st.sampled_from([1, 1, 1, 0]),
)
DAY = re.compile(rb"(?:Date|Expires): .*?\r\n")
BOUNDARY = re.compile(rb"boundary=(\w+)")


def picture(response: Response) -> tuple[object, ...]:
    """Return all that a client sees of a response, but the time and what is random."""
    body = response.body
    source = body.source.name if body.segments and body.source else None
    segments = [part for part in body.segments if isinstance(part, range)]
    found = BOUNDARY.search(response.head)
    head, content = (
        part.replace(found[1], b"") if found else part for part in (response.head, body.content)
    )
    return DAY.sub(b"", head), content, segments, source, response.keep_alive


@pytest.mark.parametrize("has_top", [True, False])
@given(
    st.lists(st.one_of(HEADS, HEADS, HEADS, st.none()), min_size=1, max_size=12),
    st.integers(1, 3),
)
@settings(deadline=None)
def test_response_is_that_of_a_server_with_cold_caches(
    root: Path, has_top: bool, heads: list[bytes | None], times: int
) -> None:
    """Whatever was asked before, at whatever site; None is the end of a second."""
    frontend = make_frontend(root, has_top=has_top)
    server = Server(frontend)
    for data in heads * times:
        if data is None:
            server.tick()
            continue
        cold = Server(frontend, server.second)
        assert picture(server.ask(data)) == picture(cold.ask(data)), data


@pytest.mark.parametrize("host", ["c.example", "b.example", "x.wild.example", "bob.s.example"])
def test_response_of_the_second_before_is_found_by_its_head_at_each_site(
    root: Path, host: str
) -> None:
    server = Server(make_frontend(root))
    data = head("/which", host)
    for _ in range(3):
        response = server.ask(data)
    server.tick()
    with patch.object(server.gateway, "_parser", None):  # the head need not be split
        assert server.ask(data) is response
    assert server.gateway.exact(data) is response


def test_no_cache_gives_a_response_to_a_name_that_is_not_own(root: Path) -> None:
    top = SiteSettings(docroot=str(root / "top"), own_names=frozenset({"box"}))
    server = Server(Frontend(top, GatewaySettings(cache=1 << 20)))
    for _ in range(3):
        for _ in range(3):
            for target in "/which", "/%77hich?a", "http://box/which":
                assert server.ask(head(target, "box")).status == 200
                assert server.ask(head(target, "box", method="HEAD")).status == 200
            assert server.ask(head("/which", None, minor=0)).status == 200
            for target in "/which", "/%77hich?a", "/", "/none":
                assert server.ask(head(target, "evil.example")).status == 421
            assert server.ask(head("http://evil.example/which", "box")).status == 421
            assert server.ask(head("http://box/which", "evil.example")).status == 200
            assert server.ask(head("*", "evil.example", method="OPTIONS")).status == 421
        server.tick()

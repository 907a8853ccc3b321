"""The quick way makes the same responses as the general way, and leaves the same traces.

Each test asks two gateways for the same: one as it is, and one that has only the general way.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.files import docroot as general
from httpd.files.memory import UNCLAIMED
from httpd.files.open_file import SMALL_FILE
from httpd.gateway.gateway import Gateway
from httpd.protocol.messages import HTTPError
from httpd.protocol.response import JOINED, Response
from httpd.site import quick
from httpd.site.changes import Changes
from httpd.site.origins import ANY_ORIGIN
from httpd.site.quick import QuickBuilder, may_be_quick
from httpd.site.redirects import Redirect
from httpd.site.rules import Rule
from httpd.site.settings import SiteSettings
from httpd.site.site import Site
from httpd.site.sites_syntax import NamedSite
from tests.unit.gateway.gateways import done, make_gateway
from tests.unit.protocol.heads import head
from tests.unit.site.directories import settle, write

DIRECTORIES = ["", "/plain", "/forms", "/linked", "/.hidden", "/.well-known", "/plain/deeper"]
SIZES = [0, 1, JOINED, JOINED + 1, UNCLAIMED, UNCLAIMED + 1, SMALL_FILE, SMALL_FILE + 1]
NAMES = [
    *(f"{size}.txt" for size in SIZES),
    *("a.html", "A.HTML", "a.b.js", "a.ts", "stream.ts", "x.svg", "x.unknown", "x.", "noextension"),
    *("README", "html", ".txt", ".a.txt", "b c.txt", "\xe4.txt", "a%62.txt", "a.html?q", "x;y.css"),
    *("future.txt", "old.txt", "fixed.txt", "link.txt", "out.txt", "loop.txt"),
    *("to-hidden.txt", "fifo.txt", "directory.txt", "directory", "", "missing.txt", "a.html/b.txt"),
    *(
        "a.own%62",
        "a.q?b",
        "a.own b",
        "a.own%20b",
        "a.own",
        "A.OWN",
        "a.long.own",
        "own",
        "own.js",
        "b.own.own",
        "lock.own",
        "a.lock",
    ),
    *("coded.css", "index.html", "../a.html", "./a.html", "/a.html", "x" * 300 + ".txt"),
]
LINES = [
    [],
    ["Accept-Encoding: gzip, br"],
    ["Accept-Encoding: gzip;q=0.5"],
    ["Accept-Encoding: identity;q=0"],
    ["Connection: keep-alive"],
    ["Connection: close"],
    ["If-None-Match: *"],
    ["If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"],
    ["Range: bytes=0-1"],
    ["Expect: 100-continue"],
    ["Content-Length: 0"],
    ["Origin: http://localhost"],
    ["Origin: null", "Access-Control-Request-Method: GET"],
]
REDIRECTS = (
    Redirect("/plain/a.html", "/plain/new"),
    Redirect("/forms/**", "/plain/**", 302),
    Redirect("/plain/*.js", None, 410),
    Redirect("/b c.txt", "/plain/"),
    Redirect("/.well-known/ä.txt", "/plain/"),
)
SETTINGS: list[dict[str, Any]] = [
    {},
    {"charset": None},
    {"expires": 0},
    {"listing": True},
    {"precompressed": False},
    {"index": ("first.html", "index.html")},
    {"types": ((".own", "text/x-own"), (".html", "text/html; charset=x"), (".ts", "a/ts"))},
    {"types": ((".own", "text/x-own"), (".long.own", "a/long"), ("own.js", "a/js"))},
    {"types": ((".own%62", "a/b"), (".q?b", "a/b"), (".own b", "a/b"), ("a%62.txt", "a/b"))},
    {"types": (("README", "a/readme"), ("A.HTML", "a/html"), (".Own", "a/own")), "charset": "x"},
    {"default_type": "text/x-unknown", "types": ((".css", "text/css; a=b"),)},
    {"rules": (Rule(("*.html",), 60, (("X-Rule", "yes"),)),)},
    {
        "rules": (
            Rule(("*.html", "/**/"), None, (("cache-control", "no-cache"), ("100%", "%b%%d"))),
            Rule(("/plain/*",), 5, (("Server", None), ("x-content-type-options", None))),
            Rule(("*.txt",), None, (("Expires", None), ("Accept-Patch", "a"))),
            Rule(("1.txt", "*.js"), 0, (("ETag", None),)),
            Rule(("coded.*", "0.txt"), None, (("Content-Encoding", "gzip"),)),
            Rule(("*.svg", "A.HTML"), None, (("Content-Type", "text/x-ruled"),)),
        )
    },
    {
        "rules": (
            Rule(("*.html",), cors=ANY_ORIGIN),
            Rule(("*.js", "/forms/**"), cors=frozenset({"http://localhost"})),
            Rule(("/plain/**",), cors=frozenset()),
            Rule(("/plain/*.css",), None, (("Access-Control-Allow-Origin", "x"),)),
        )
    },
    {"serve_hidden": (".hidden", ".a.txt")},
    {"serve_hidden": True},
    {"symlinks": ("/",)},
    {"changes": Changes()},
    {"own_names": frozenset({"box"})},
    {"fallback": "/plain/a.html"},
    {"clean_urls": True},
    {"errors": ((404, "/plain/a.html"), (403, "/missing"), (416, "/plain/x.svg"))},
    {"redirects": REDIRECTS},
    {"redirects": (Redirect("/**/deeper/**", "/plain/"), Redirect("*.svg", "https://e.example/"))},
]

request_heads = st.builds(
    lambda method, minor, directory, name, lines: head(
        *lines, method=method, target=f"{directory}/{name}", minor=minor
    ),
    st.sampled_from(["GET", "GET", "GET", "HEAD", "OPTIONS"]),
    st.sampled_from([1, 1, 1, 0]),
    st.sampled_from(DIRECTORIES),
    st.sampled_from(NAMES),
    st.sampled_from(LINES),
)


@pytest.fixture(scope="module")
def docroot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("quick")
    outside = write(tmp_path_factory.mktemp("outside") / "out.txt", "outside", age=3600)
    for directory in "plain", "forms", ".hidden", ".well-known", "plain/deeper", ".":
        fill(root / directory, outside)
    for ending in "br", "gz", "zst":
        write(root / "forms" / f"coded.css.{ending}", ending, age=3600)
    (root / "linked").symlink_to("plain")
    return root


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    settle(monkeypatch)


def fill(directory: Path, outside: Path) -> None:
    for size in SIZES:
        write(directory / f"{size}.txt", b"x" * size, age=3600)
    for name in NAMES:
        if "/" not in name and "?" not in name and len(name) < 256 and not name.startswith("dir"):
            path = directory / name.replace("%62", "b")
            if name and not path.exists() and name not in ("missing.txt", "fifo.txt"):
                write(path, f"content of {name}", age=3600)
    for name in "a.own%62", "a.own%20b", "a.q?b":  # of which the paths are encoded
        write(directory / name, f"literally {name}", age=3600)
    write(directory / "stream.ts", (b"G" + bytes(187)) * 3, age=3600)
    for name, modified in ("future", 1e11), ("old", -1e9), ("fixed", 1.0):
        os.utime(directory / f"{name}.txt", (modified, modified))
    (directory / "directory").mkdir()
    write(directory / "directory.txt" / "index.html", "index", age=3600)
    os.mkfifo(directory / "fifo.txt")
    for name, target in [
        ("link.txt", "a.html"),
        ("out.txt", str(outside)),
        ("loop.txt", "loop.txt"),
        ("to-hidden.txt", ".a.txt"),
    ]:
        (directory / name).unlink()
        (directory / name).symlink_to(target)


def pair(docroot: Path, **changed: Any) -> tuple[Gateway, Gateway]:
    """Return a gateway, and one like it without the quick way; both know all directories."""
    both = []
    for is_quick in True, False:
        gateway = make_gateway(SiteSettings(docroot=str(docroot), **changed))
        if not is_quick:
            site_of(gateway).quick = None
        know_directories(gateway)
        both.append(gateway)
    return both[0], both[1]


def site_of(gateway: Gateway) -> Site:
    site = gateway._sites.find("localhost")
    assert isinstance(site, Site)
    return site


def know_directories(gateway: Gateway) -> None:
    """Have it know of each directory whether there are precompressed forms, as after a while."""
    lookup = site_of(gateway).lookup
    root = lookup.docroot.resolver.directory
    for directory in DIRECTORIES:
        state = lookup.docroot.directory_state(root + os.fsencode(f"{directory}/x"))
        gateway._files.plain_directories.known[state] = directory != "/forms"


def outcome(gateway: Gateway, data: bytes) -> Any:
    """Return all that a client, the log and the caches get of a request."""
    try:
        made = gateway.respond(data)
        response = done(gateway.respond_to(data, gateway.parse(data)) if made is None else made)
    except HTTPError as error:
        return error.args
    slots = {
        name: getattr(response, name)
        for name in Response.__slots__
        if name not in ("body", "owner", "tally")
    }
    content, segments, source, claim = response.body
    return (
        slots | {"site": response.tally.site, "status": response.status},
        response.owner and response.owner.path,
        (content, segments, claim and claim.size),
        source and (source.name, source.content, source.is_snapshot),
        source and getattr(source, "claim", None) and source.claim.size,  # type: ignore[attr-defined]
        traces(gateway),
    )


def traces(gateway: Gateway) -> Any:
    """Return the state of the caches, while a response is still held."""
    files, resolver = gateway._files, site_of(gateway).lookup.docroot.resolver
    return (
        [(path, sorted(cached.responses)) for path, cached in files.by_path.items()],
        list(files.marks),
        (files._used, files._claimed, files._claims.total(), files._open_files),
        files.plain_directories.known,
        files.plain_directories._requests,
        sorted(resolver._directories),
        sorted(gateway._responses.responses, key=repr),
        site_of(gateway)._shared.faults,
    )


def is_quick(gateway: Gateway, path: str) -> bool:
    """Tell whether the quick way has the response to a request."""
    quick = site_of(gateway).quick
    assert quick is not None
    made = quick.respond(path.encode("latin-1"), gateway._quick_lines, gateway._dates, lambda: None)
    return isinstance(made, Response)


def assert_same(both: tuple[Gateway, Gateway], heads: Sequence[bytes]) -> None:
    for data in heads:
        outcomes = [outcome(gateway, data) for gateway in both]
        assert outcomes[0] == outcomes[1], data


@given(st.sampled_from(SETTINGS), st.lists(request_heads, min_size=1, max_size=12))
@settings(deadline=None)
def test_quick_way_makes_the_same_responses_and_leaves_the_same_traces(
    docroot: Path, changed: dict[str, Any], heads: list[bytes]
) -> None:
    both = pair(docroot, **changed)
    before = len(os.listdir("/proc/self/fd"))
    assert_same(both, [head(target="/plain/index.html"), *heads])
    for gateway in both:
        gateway.release()
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize("changed", SETTINGS, ids=lambda changed: "-".join(changed) or "defaults")
def test_each_file_gets_the_same_response_either_way(
    docroot: Path, changed: dict[str, Any]
) -> None:
    both = pair(docroot, **changed)
    for directory in DIRECTORIES:
        assert_same(both, [head(target=f"{directory}/{name}") for name in NAMES])


QUICK = ["a.html", "a.b.js", "x.svg", "x;y.css", "link.txt", "old.txt", "fixed.txt", "coded.css"]
QUICK += ["own.js"]


@pytest.mark.parametrize("name", [*QUICK, *(f"{size}.txt" for size in SIZES[:-1])])
def test_small_file_in_a_known_directory_is_served_the_quick_way(docroot: Path, name: str) -> None:
    gateway, _ = pair(docroot)
    for directory in "", "/plain", "/plain/deeper", "/linked", "/.well-known":
        if directory != "/.well-known":
            assert is_quick(gateway, f"{directory}/{name}")
        assert not is_quick(gateway, f"{directory}/{name}"), "the second request admits the file"


@pytest.mark.parametrize("name", sorted({*NAMES} - {*QUICK, *(f"{size}.txt" for size in SIZES)}))
def test_other_file_is_left_to_the_general_way(docroot: Path, name: str) -> None:
    gateway, _ = pair(docroot)
    if name not in ("index.html", "directory.txt"):
        assert not is_quick(gateway, f"/plain/{name}")


def test_own_type_of_an_extension_is_sent_the_quick_way(docroot: Path) -> None:
    types = ((".own", "text/x-own"), (".tar.js", "a/b"), ("LOCK.css", "a/b"))
    gateway, _ = pair(docroot, types=types)
    assert is_quick(gateway, "/plain/a.own")
    for name in "A.OWN", "a.b.js", "x;y.css", "a.lock":
        assert not is_quick(gateway, f"/plain/{name}"), name


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(("/other/**",), 5, (("ETag", None),)), True),
        (Rule(("*.html",), 5), True),
        (Rule(("*.html",), None, (("Cache-Control", "no-cache"), ("Server", None))), True),
        (Rule(("*.html",), None, (("Expires", None), ("Content-Language", "de"))), True),
        (Rule(("*.html",), cors=ANY_ORIGIN), True),
        (Rule(("*.html",), cors=frozenset({"http://a"})), False),
        (Rule(("*.html",), None, (("content-type", "a/b"),)), False),
        (Rule(("*.html",), None, (("Content-Encoding", None),)), False),
        (Rule(("*.html",), None, (("ETag", None),)), False),
        (Rule(("*.html",), None, (("Last-Modified", None),)), False),
    ],
)
def test_rule_is_obeyed_the_quick_way_unless_it_concerns_what_depends_on_the_file(
    docroot: Path, rule: Rule, expected: bool
) -> None:
    gateway, _ = pair(docroot, rules=(rule,))
    assert is_quick(gateway, "/plain/a.html") is expected
    assert is_quick(gateway, "/plain/x;y.css")


def test_heads_of_many_policies_are_not_all_remembered(
    docroot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "_MAX_HEADS", 2)
    rules = tuple(Rule((f"{size}.txt",), size) for size in SIZES)
    both = pair(docroot, rules=rules)
    for directory in "", "/plain":
        assert_same(both, [head(target=f"{directory}/{size}.txt") for size in SIZES])
    made = site_of(both[0]).quick
    assert isinstance(made, QuickBuilder)
    assert len(made._heads) == 2


@dataclass(frozen=True)
class LaterRule(Rule):
    """A rule of a later version, with one more part."""

    later: int = 0


def test_part_of_a_rule_of_a_later_version_forbids_the_quick_way(docroot: Path) -> None:
    for later in 0, 1:
        settings = SiteSettings(docroot=str(docroot), rules=(LaterRule(("*",), 5, later=later),))
        assert (site_of(make_gateway(settings)).quick is None) is bool(later)


@pytest.mark.parametrize("directory", ["/forms", "/.hidden", "/plain/.", "/plain/..", "//plain"])
def test_file_in_another_directory_is_left_to_the_general_way(
    docroot: Path, directory: str
) -> None:
    assert not is_quick(pair(docroot)[0], f"{directory}/a.html")


def test_directory_of_which_nothing_is_known_is_left_to_the_general_way(docroot: Path) -> None:
    gateway, _ = pair(docroot)
    gateway.begin_second(2)
    assert not is_quick(gateway, "/plain/a.html")
    outcome(gateway, head(target="/plain/index.html"))
    assert is_quick(gateway, "/plain/a.html")


@pytest.mark.parametrize("lines", LINES, ids=repr)
def test_usual_header_section_leads_to_the_whole_file(docroot: Path, lines: list[str]) -> None:
    """Over a connection that stays open, so that the quick way need not look at the fields."""
    gateway, _ = pair(docroot)
    request = gateway.parse(head(*lines, target="/plain/a.html"))
    if request.header.is_usual:
        response = outcome(gateway, head(*lines, target="/plain/a.html"))[0]
        assert (response["status"], response["keep_alive"]) == (200, True)


class Failing:
    """Takes the place of a function, and fails a number of times."""

    def __init__(self, real: Any, number: int, times: int) -> None:
        self._real = real
        self._number = number
        self._times = times

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if self._times:
            self._times -= 1
            raise OSError(self._number, os.strerror(self._number))
        return self._real(*arguments, **options)


@pytest.mark.parametrize("times", [1, 9])
@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.EACCES, errno.EWOULDBLOCK])
@pytest.mark.parametrize("function", ["os.stat", "os.pread", "os.fstat", "open_without_links"])
def test_failure_of_a_call_has_the_same_outcome(
    docroot: Path, monkeypatch: pytest.MonkeyPatch, function: str, number: int, times: int
) -> None:
    seen = []
    for gateway in pair(docroot):
        told: list[str] = []
        gateway._hooks = replace(
            gateway._hooks,
            complain=told.append,
            free_descriptors=lambda told=told: told.append("freed"),  # type: ignore[misc]
        )
        know_directories(gateway)
        with monkeypatch.context() as patch:
            module, _, name = function.rpartition(".")
            users: list[Any] = [os] if module == "os" else [general, quick]
            failing = Failing(getattr(users[0], name), number, times)
            for user in users:
                patch.setattr(user, name, failing)
            seen.append((outcome(gateway, head(target="/plain/a.html")), told))
    if function in ("os.pread", "os.fstat") and times == 1:
        assert seen[0][0][0]["status"] == 200, "the general way reads the file again"
    else:
        assert seen[0] == seen[1]


def test_file_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.txt", "before", age=3600)
    gateway = make_gateway(SiteSettings(docroot=str(tmp_path)))
    state = site_of(gateway).lookup.docroot.directory_state(bytes(path))
    gateway._files.plain_directories.known[state] = True
    pread, read = os.pread, []

    def change(fd: int, size: int, offset: int) -> bytes:
        content = pread(fd, size, offset)
        read.append(content)
        if len(read) == 1:
            write(path, "after")
        return content

    monkeypatch.setattr(os, "pread", change)
    response = outcome(gateway, head(target="/a.txt"))
    assert response[2][0] == b"after"
    assert read[0] == b"before"


def test_memory_of_a_file_is_claimed_as_long_as_its_response_is_sent(docroot: Path) -> None:
    gateway, _ = pair(docroot)
    response = gateway.respond(head(target=f"/plain/{UNCLAIMED + 1}.txt"))
    assert isinstance(response, Response)
    assert gateway._files._claims.total() == UNCLAIMED + 1
    del response
    assert gateway._files._claims.total() == 0


def test_file_without_memory_is_left_to_the_general_way(docroot: Path) -> None:
    gateway, _ = pair(docroot)
    held = gateway._files.claim((1 << 19) - UNCLAIMED)
    assert held is not None
    assert not is_quick(gateway, f"/plain/{UNCLAIMED + 1}.txt")
    assert is_quick(gateway, f"/plain/{UNCLAIMED}.txt")


@pytest.mark.parametrize("changed", SETTINGS, ids=lambda changed: "-".join(changed) or "defaults")
def test_site_is_quick_unless_a_setting_is_unknown_to_the_quick_way(
    docroot: Path, changed: dict[str, Any]
) -> None:
    site = site_of(make_gateway(SiteSettings(docroot=str(docroot), **changed)))
    assert (site.quick is not None) is ("changes" not in changed)


def test_setting_of_a_later_version_forbids_the_quick_way_when_it_is_set(
    docroot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SiteSettings(docroot=str(docroot), expires=60)
    steps = site_of(make_gateway(settings)).steps
    assert may_be_quick(settings, steps)
    monkeypatch.setattr(quick, "_UNDERSTOOD", quick._UNDERSTOOD - {"expires"})
    assert not may_be_quick(settings, steps)
    assert may_be_quick(replace(settings, expires=43200), steps)


def test_site_with_redirects_keeps_the_quick_way_for_other_paths(docroot: Path) -> None:
    gateway, _ = pair(docroot, redirects=REDIRECTS)
    assert is_quick(gateway, "/plain/x.svg")
    assert not is_quick(gateway, "/plain/a.html")
    assert not is_quick(gateway, "/plain/a.b.js")


def test_step_before_the_files_forbids_the_quick_way(docroot: Path) -> None:
    settings = SiteSettings(docroot=str(docroot), listing=True)
    steps = site_of(make_gateway(settings)).steps
    assert not may_be_quick(settings, steps[::-1])


def test_file_of_another_site_is_another_file(tmp_path: Path) -> None:
    names = ("a.example", "b.example")
    docroots = [write(tmp_path / name / "a.txt", name, age=3600).parent for name in names]
    sites = [NamedSite((path.name,), (("docroot", str(path)),)) for path in docroots]
    gateway = make_gateway(SiteSettings(docroot=""), sites=sites)
    for number in range(3):
        for name in names:
            site = gateway._sites.find(name)
            assert isinstance(site, Site)
            state = site.lookup.docroot.directory_state(bytes(tmp_path / name / "x"))
            gateway._files.plain_directories.known[state] = True
            data = b"GET /a.txt HTTP/1.1\r\nHost: %b\r\n\r\n" % name.encode()
            response = gateway.respond(data)
            assert isinstance(response, Response)
            assert response.body.content == name.encode()
            assert (b"%d/a.txt" % names.index(name) in gateway._files.by_path) is (number > 0)

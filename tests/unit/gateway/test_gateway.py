"""A response from the caches of a gateway is the same as the response of a new gateway.

A state machine changes files, lets seconds pass, and makes requests of a gateway whose caches are
full.  Each response is compared with that of a gateway whose caches are empty.
"""

from __future__ import annotations

import gc
import os
import re
import shutil
import tempfile
import time
import traceback
import weakref
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from httpd.files.file_cache import LIFETIME, MAX_OPEN_FILES
from httpd.files.open_file import SMALL_FILE
from httpd.gateway.caches import Caches
from httpd.gateway.gateway import Gateway
from httpd.gateway.interface import Hooks
from httpd.protocol.dates import parse_date
from httpd.protocol.messages import HTTPError
from httpd.protocol.parser import parse_head
from httpd.protocol.response import Response
from tests.unit.gateway.gateways import done, make_gateway, respond
from tests.unit.guard import open_descriptors, opened_since
from tests.unit.network.running import make_frontend, site_settings
from tests.unit.protocol.heads import head
from tests.unit.protocol.responses import in_memory
from tests.unit.site.directories import write, write_sparse

LARGE = SMALL_FILE + 1000
NAMES = [
    "a.txt",
    "b.js",
    "index.html",
    "folder/a.txt",
    "folder/index.html",
    "folder",
    "folder.html",
    "index.html.html",
    "a.txt.gz",
    "a.txt.br",
    "b.js.zst",
    "index.html.gz",
    "ruled/typed.txt",
    "ruled/typed.txt.br",
    "ruled/bare.txt",
    "ruled/bare.txt.gz",
    "ruled/coded.js.gz",
]
FIRST = [name for name in NAMES if "." in name and not name.endswith((".br", ".zst"))]
"""What there is in the beginning."""
TARGETS = [
    "/",
    "/a.txt",
    "/b.js",
    "/index.html",
    "/folder",
    "/folder/",
    "/folder/a.txt",
    "/%61.txt",
    "//a.txt",
    "/a.txt.gz",
    "/ruled/",
    "/ruled/typed.txt",
    "/%72uled//typed.txt",
    "/ruled/bare.txt",
    "/ruled/bare.txt.gz",
    "/ruled/coded.js.gz",
    "/folder/?sort=size",
    "//ruled/",
    "/ruled%2F",
    "/folder%2Fa.txt",
    "/folder/../ruled/./typed.txt",
    "/none",
    "/none/",
    "/none.txt",
    "/folder.html",
    "/folder/index.html",
    "/folder/index",
    "/index",
    "//folder.html?a",
]
CODINGS = ["", "gzip", "br", "br;q=0.5, zstd", "*;q=0", "gzip, identity;q=0", "*", "identity"]
LINES = [
    [],
    [],
    ["Range: bytes=0-3,6-8"],
    ["Range: bytes=-5,0-1", 'If-Range: "other"'],
    ["Range: bytes=-70000,0-9"],
    ["Range: bytes=900000-"],
    ["If-Match: *"],
    ['If-None-Match: "other"'],
    ["If-Range: Sun, 09 Sep 2001 01:46:40 GMT", "Range: bytes=1-2"],
    ["If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"],
    ["Accept: application/json"],
    ["Transfer-Encoding: chunked"],
    ["Content-Length: 3", "Expect: 100-continue"],
    ["Connection: close"],
    ["Range: bytes=0-3"],
    ["Range: bytes=-70000"],
    ["Range: bytes=10-"],
    ["If-None-Match: *"],
    ["If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"],
    ["If-Unmodified-Since: Sun, 09 Sep 2001 01:46:40 GMT"],
    ["Content-Length: 3"],
]
BOUNDARY = re.compile(rb"; boundary=(\w+)")
TAG = re.compile(rb"\r\nETag: ([^\r]*)")
PINS = 2
"""Descriptors of the docroot, and of the directory in which the files lie."""
OLD = 1_000_000_000_000_000_000
"""Nanoseconds: modification times in 2001, which tell contents apart because all differ."""


PAGES: dict[str, Any] = {
    "listing": False,
    "clean_urls": True,
    "fallback": "/index.html",
    "errors": (
        *((404, "/a.txt"), (403, "/b.js"), (405, "/folder/a.txt"), (406, "/a.txt")),
        *((412, "/index.html"), (416, "/ruled/typed.txt")),
    ),
}
"""Settings that make a response depend on other files than that of the path."""


class ClockedGateway:
    """A gateway whose seconds pass when the test says so."""

    def __init__(self, root: Path, caches: Caches | None = None, **changed: Any) -> None:
        self.caches = caches or Caches(1 << 20)
        hooks = Hooks(lambda: None, self._free_descriptors, lambda _: None, traceback.print_exc)
        frontend = make_frontend(root)
        frontend = replace(frontend, site=replace(frontend.site, **changed))
        self.gateway = Gateway(frontend, self.caches, hooks)
        self.now = time.monotonic()
        self.tick()

    def _free_descriptors(self) -> None:
        self.gateway.release()

    def tick(self, seconds: float = 1.0) -> None:
        self.now += seconds
        self.gateway.begin_second(int(self.now))

    def ask(self, data: bytes) -> Response | int:
        try:
            gateway = self.gateway
            at_once = gateway.recall(data) or gateway.respond(data)
            if at_once:
                assert not parse_head(data).has_body, "what follows it would be taken for a request"
            return done(at_once or gateway.respond_to(data, gateway.parse(data)))
        except HTTPError as error:
            return error.status

    def ask_twice(self, target: str) -> Response:
        """Return the second response, which is cached."""
        data = head(target=target)
        self.ask(data)
        response = self.ask(data)
        assert isinstance(response, Response)
        return response


def ask_anew(root: Path, data: bytes, **changed: Any) -> Response | int:
    try:
        return respond(make_gateway(replace(site_settings(root), **changed)), data)
    except HTTPError as error:
        return error.status


def show(response: Response | int) -> object:
    """Return what a client gets, without the dates and the boundary of several ranges, to compare.

    Where the memory is short, the same bytes come from the disk.
    """
    if isinstance(response, int):
        return response
    head, _, body = in_memory(response).partition(b"\r\n\r\n")
    assert body == response.body.content
    found = BOUNDARY.search(head)
    boundary = found[1] if found else b"no boundary"
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    date, expires = (
        parse_date(fields[name].decode(), 2026) if name in fields else None
        for name in (b"Date", b"Expires")
    )
    assert date is not None
    lifetime = None if expires is None else expires - date
    fields |= {b"Date": b"", b"Expires": b""}
    fields = {name: value.replace(boundary, b"*") for name, value in fields.items()}
    for segment in response.body.segments:
        if isinstance(segment, range):
            assert response.body.source is not None
            body += os.pread(response.body.source.fd, len(segment), segment.start)
        else:
            body += segment
    shown = (list(fields.items()), lifetime, body.replace(boundary, b"*"))
    return (response.status, *shown, len(body), response.keep_alive, response.lingers)


class Remembered(RuleBasedStateMachine):
    """Files change, seconds pass, and requests are asked again and again."""

    changed: Mapping[str, Any] = {}
    """Settings of the site that are not those of `site_settings`."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="phttpd-")).resolve()
        self.root = self.top / "site"
        self.root.mkdir()
        self.written = 0
        self.tags: dict[tuple[str, str], str] = {}
        self.clocked = ClockedGateway(self.root, **self.changed)

    @initialize()
    def fill(self) -> None:
        for name in FIRST:
            self.write(self.root / name, 20)
        self.ask_all()

    # ---------------------------------------------------------------- asking

    @rule(
        method=st.sampled_from(["GET", "GET", "HEAD", "OPTIONS"]),
        where=st.sampled_from(TARGETS),
        lines=st.sampled_from(LINES),
        minor=st.sampled_from([1, 1, 0]),
        coding=st.sampled_from(CODINGS),
        own_tag=st.booleans(),
    )
    def ask(
        self,
        method: str,
        where: str,
        lines: list[str],
        minor: int,
        coding: str = "",
        own_tag: bool = False,
    ) -> None:
        """Request a file, perhaps with the tag of the last response to the same request."""
        if coding:
            lines = [*lines, f"Accept-Encoding: {coding}"]
        if own_tag and (tag := self.tags.get((where, coding))):
            lines = [line for line in lines if not line.startswith("If-")]
            lines += [f"If-Range: {tag}", f"If-None-Match: {tag}"]
        data = head(*lines, method=method, target=where, minor=minor)
        response = self.clocked.ask(data)
        assert show(response) == show(ask_anew(self.root, data, **self.changed))
        assert show(self.clocked.ask(data)) == show(response)
        if isinstance(response, Response) and (found := TAG.search(response.head)):
            self.tags[where, coding] = found[1].decode()

    def ask_all(self) -> None:
        for target in TARGETS:
            for coding in "", "gzip, br":
                self.ask("GET", target, [], 1, coding)

    @rule(seconds=st.sampled_from([1, 2, LIFETIME + 1]))
    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clocked.tick()

    @rule(seconds=st.sampled_from([0.02, 0.5, 7.25, 1e6]))
    def step(self, seconds: float) -> None:
        """The clock goes on at once, as after a suspend, or hardly."""
        self.clocked.tick(seconds)

    # ---------------------------------------------------------------- changing

    @rule(
        change=st.sampled_from(
            ["write", "young", "overwrite", "touch", "delete", "folder", "link", "move-out"]
        ),
        name=st.sampled_from(NAMES),
        other=st.sampled_from(NAMES[:3]),
        size=st.sampled_from([0, 20, SMALL_FILE, LARGE]),
        asked_meanwhile=st.lists(st.sampled_from(TARGETS), max_size=2),
    )
    def change(
        self, change: str, name: str, other: str, size: int, asked_meanwhile: list[str]
    ) -> None:
        """Something changes, and from the next second on everybody is to know."""
        path = self.root / name
        if change in ("write", "young"):
            self.write(self.clear(path), size, settled=change == "write")
        elif change == "delete":
            self.clear(path)
        elif change == "folder":
            self.clear(path).mkdir()
        elif change == "link" and name != other:
            self.clear(path).symlink_to(self.root / other)
        elif change == "move-out" and path.exists() and not path.is_symlink():
            self.written += 1
            path.symlink_to(path.rename(self.top / str(self.written)))
        elif change in ("touch", "overwrite") and path.is_file():
            if change == "overwrite" and path.stat().st_size >= 20:
                with path.open("r+b") as file:
                    file.write(self.new_content())
            self.settle(path)
        for target in asked_meanwhile:
            response = self.clocked.ask(head(target=target))
            assert isinstance(response, Response)
            assert response.status in (200, 301, 403, 404), "what was, or what is"
        self.clocked.tick()
        self.ask_all()

    def new_content(self) -> bytes:
        self.written += 1
        return b"%020d" % self.written

    def write(self, path: Path, size: int, *, settled: bool = True) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((self.new_content() + bytes(size))[:size])
        if settled:
            self.settle(path)

    def settle(self, path: Path) -> None:
        """Give a file a time of long ago that no other content has had."""
        self.written += 1
        os.utime(path, ns=(OLD + self.written, OLD + self.written))

    def clear(self, path: Path) -> Path:
        """Make room for something new at a path, in a real directory."""
        if path.parent.is_symlink() or not path.parent.is_dir():
            path.parent.unlink(missing_ok=True)
            path.parent.mkdir()
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        return path

    def teardown(self) -> None:
        shutil.rmtree(self.top)


class RememberedWithPages(Remembered):
    """The same of a site with clean URLs, a fallback and error pages."""

    changed = PAGES


TestRemembered = Remembered.TestCase
TestRememberedWithPages = RememberedWithPages.TestCase
TestRemembered.settings = settings(
    max_examples=40, stateful_step_count=30, report_multiple_bugs=False
)
TestRememberedWithPages.settings = settings(TestRemembered.settings, max_examples=15)


def recalled(clocked: ClockedGateway, target: str) -> Response:
    response = clocked.gateway.recall(head(target=target))
    assert response is not None
    return response


def test_cached_response_has_the_same_body_and_the_new_date(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "a", age=3600)
    clocked = ClockedGateway(tmp_path)
    first = clocked.ask_twice("/a.txt")
    assert recalled(clocked, "/a.txt") is first
    for _ in range(5):
        clocked.tick()
        again = recalled(clocked, "/a.txt")
        assert again.second == int(clocked.now)
        assert again.body is first.body


@pytest.mark.parametrize("lines", [[], ["If-None-Match: *"], ["Range: bytes=0-0"]])
def test_response_of_a_file_that_was_requested_once_is_not_cached(
    tmp_path: Path, lines: list[str]
) -> None:
    """Neither by its file nor by its head."""
    write(tmp_path / "a.txt", "abc", age=3600)
    clocked = ClockedGateway(tmp_path)
    data = head(*lines, target="/a.txt")
    first = clocked.ask(data)
    assert clocked.gateway.recall(data) is None
    second = clocked.ask(data)
    assert clocked.gateway.recall(data) is second
    assert second is not first


def test_several_ranges_have_another_boundary_each_time(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "abc", age=3600)
    clocked = ClockedGateway(tmp_path)
    clocked.ask_twice("/a.txt")
    data = head("Range: bytes=0-0,2-2", target="/a.txt")
    bodies = {
        response.body.content
        for _ in range(3)
        if isinstance(response := clocked.ask(data), Response)
    }
    assert len(bodies) == 3
    assert clocked.gateway.recall(data) is None


def test_files_that_are_requested_once_evict_nothing(tmp_path: Path) -> None:
    clocked = ClockedGateway(tmp_path)  # with a store of 1 MiB
    write(tmp_path / "a.txt", "a", age=3600)
    clocked.ask_twice("/a.txt")
    for number in range(100):
        write(tmp_path / str(number), bytes(100_000), age=3600)
        assert isinstance(clocked.ask(head(target=f"/{number}")), Response)
    assert set(clocked.caches.files.by_path) == {b"/a.txt"}


def test_respond_to_a_common_head_needs_no_parsing_before(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / name, name, age=3600)
    gateway = ClockedGateway(tmp_path).gateway
    twice = head("Accept: a", "Accept: b", target="/a")
    assert gateway.respond(twice) is None
    gateway.respond_to(twice, gateway.parse(twice))
    assert isinstance(gateway.respond(twice), Response), "its header section is known"
    assert gateway.respond(head("Content-Length: 0", target="/a")) is None
    for target, status in {"/b": 200, "/b?query": 200, "/%63": 200, "/d": 404, "/..": 400}.items():
        response = gateway.respond(head(target=target))
        assert isinstance(response, Response)
        assert response.status == status
    assert isinstance(gateway.respond(head(target="/")), Generator), "a listing takes several steps"
    for target in ("*", "c", "http://c/c", "/c#", "/c d"):
        assert gateway.respond(head(target=target)) is None
    gateway.drain()
    assert gateway.respond(head(target="/b")) is None


@pytest.mark.parametrize(
    "target",
    [
        "/a.txt?",
        "/a.txt?b=%63",
        "/a.txt?\xc3\xbc",
        "/%61.txt",
        "//a%2etxt",
        "/%61.txt?/",
        "/%2fa.txt",
        "/./a.txt",
        "/x/../a.txt",
        "/x%2F%2e%2e/a.txt?b",
    ],
)
def test_another_spelling_of_a_cached_request_gets_its_response(
    tmp_path: Path, target: str
) -> None:
    write(tmp_path / "a.txt", "a", age=3600)
    clocked = ClockedGateway(tmp_path)
    assert clocked.ask_twice("/a.txt") is recalled(clocked, target)


@pytest.mark.parametrize(
    "target",
    [
        "/a.txt#",
        "/a.txt?#",
        "/a.txt ",
        "/a%2",
        "/../a.txt",
        "/x/../%2e./a.txt",
        "x/../a.txt",
        "%2fa.txt",
        "%2fa.txt?b",
        "a.txt",
    ],
)
def test_another_request_does_not_get_the_cached_response(tmp_path: Path, target: str) -> None:
    write(tmp_path / "a.txt", "a", age=3600)
    clocked = ClockedGateway(tmp_path)
    clocked.ask_twice("/a.txt")
    recalled(clocked, "/%61.txt?b")  # by which others are known from now on
    assert clocked.gateway.recall(head(target=target)) is None


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[tuple[ClockedGateway, ClockedGateway]]:
    """Two loops of a worker, in the same second."""
    write(tmp_path / "a.txt", "a", age=3600)
    first = ClockedGateway(tmp_path)
    second = ClockedGateway(tmp_path, first.caches)
    second.now = first.now
    second.tick(0)
    yield first, second


def test_gateways_of_a_worker_share_their_caches(
    tmp_path: Path, gateways: tuple[ClockedGateway, ClockedGateway]
) -> None:
    first, second = gateways
    write(tmp_path / "other.txt", "b", age=3600)
    second.ask_twice("/other.txt")
    first.ask(head(target="/a.txt"))  # from which it knows the header section
    assert recalled(first, "/other.txt") is recalled(second, "/other.txt")


def test_gateway_without_the_parsed_header_section_uses_the_cached_response(
    gateways: tuple[ClockedGateway, ClockedGateway],
) -> None:
    first, second = gateways
    response = first.ask_twice("/a.txt")
    assert second.ask(head(target="/a.txt")) is response


def test_gateway_begins_a_second_independently_of_others(
    tmp_path: Path, gateways: tuple[ClockedGateway, ClockedGateway]
) -> None:
    """A response that was cached in one second is not used in the next."""
    first, second = gateways
    before = first.ask_twice("/a.txt")
    second.ask(head(target="/b.txt"))  # from which it knows the header section
    assert recalled(second, "/a.txt") is before, "all gateways share the response cache"
    write(tmp_path / "a.txt", "b", age=3600)
    second.tick()
    after = second.ask_twice("/a.txt")
    assert (before.body.content, after.body.content) == (b"a", b"b")
    assert recalled(first, "/a.txt") is before
    assert recalled(second, "/a.txt") is after
    first.tick()
    assert recalled(first, "/a.txt") is after


def test_head_of_the_second_before_needs_no_parsed_header_section(
    gateways: tuple[ClockedGateway, ClockedGateway],
) -> None:
    first, second = gateways
    response = first.ask_twice("/a.txt")
    assert recalled(first, "/a.txt") is response
    before = in_memory(response)
    second.tick()
    assert recalled(second, "/a.txt") is response
    assert response.second == int(second.now)
    assert len(in_memory(response)) == len(before), "its client may have the first bytes already"


def test_evicted_file_is_served_to_no_head_of_the_second_before(
    gateways: tuple[ClockedGateway, ClockedGateway],
) -> None:
    """And nothing holds its memory any longer than the response cache does."""
    first, second = gateways
    first.ask_twice("/a.txt")
    recalled(first, "/a.txt")
    file = weakref.ref(first.caches.files.by_path[b"/a.txt"].original)
    first.caches.files.clear()
    second.tick()
    assert second.gateway.recall(head(target="/a.txt")) is None
    gc.disable()
    try:
        for clocked in gateways:
            clocked.tick(2)
        assert file() is None
    finally:
        gc.enable()


def test_late_gateway_does_not_set_the_date_of_a_response_back(
    gateways: tuple[ClockedGateway, ClockedGateway],
) -> None:
    late, other = gateways
    late.ask(head(target="/b.txt"))  # from which it knows the header section
    other.tick()
    response = other.ask_twice("/a.txt")
    assert recalled(late, "/a.txt") is response
    assert response.second == int(other.now) > int(late.now)


def test_response_that_another_loop_drops_meanwhile_is_not_added_again(
    gateways: tuple[ClockedGateway, ClockedGateway],
) -> None:
    """What the file cache has not counted would be subtracted from its sums all the same."""
    clocked, _ = gateways
    clocked.ask_twice("/a.txt")
    cached = clocked.caches.files.by_path[b"/a.txt"]

    class Dropping(dict[bytes, Response]):
        def get(self, key: bytes, default: object = None) -> Response:
            cached.responses = {}
            return self[key]

    cached.responses = Dropping(cached.responses)
    clocked.tick()
    response = recalled(clocked, "/a.txt")
    assert response.second == int(clocked.now)
    assert not cached.responses


def test_draining_gateway_uses_no_cached_response(
    gateways: tuple[ClockedGateway, ClockedGateway],
) -> None:
    """Its responses close the connection."""
    first, second = gateways
    first.ask_twice("/a.txt")
    second.gateway.drain()
    for _ in range(2):
        assert second.gateway.recall(head(target="/a.txt")) is None
        second.tick()


def test_cached_download_that_would_break_is_made_again(tmp_path: Path) -> None:
    """Also within the second for which a response is cached."""
    path = write_sparse(tmp_path / "large.bin", LARGE)
    os.utime(path, ns=(OLD, OLD))
    clocked = ClockedGateway(tmp_path)
    data = head(target="/large.bin")
    first = clocked.ask_twice("/large.bin")
    assert clocked.ask(data) is first
    with path.open("ab") as file:
        file.write(b"more")
    second = clocked.ask(data)
    assert isinstance(second, Response)
    assert second.after_head == LARGE + 4


@pytest.mark.parametrize("lines", [[], ["Range: bytes=0-"]], ids=["remembered", "kept"])
@pytest.mark.parametrize(("link", "to"), [("site", "2"), ("1/now", "new")])
def test_download_through_a_link_that_is_changed_is_of_the_new_file(
    tmp_path: Path, link: str, to: str, lines: list[str]
) -> None:
    """The old file is whole, but whoever downloads it would be told that another took its place."""
    (tmp_path / "site").symlink_to("1")
    for version, now in ("1", "old"), ("2", "new"):
        for directory, size in ("old", LARGE), ("new", LARGE + 1):
            path = write_sparse(tmp_path / version / directory / "large.bin", size)
            os.utime(path, ns=(OLD, OLD))
        (tmp_path / version / "now").symlink_to(now)
    clocked = ClockedGateway(tmp_path / "site")
    assert clocked.ask_twice("/now/large.bin").after_head == LARGE
    (tmp_path / link).unlink()
    (tmp_path / link).symlink_to(to)
    clocked.gateway.invalidate_roots()
    response = clocked.ask(head(*lines, target="/now/large.bin"))
    assert isinstance(response, Response)
    assert response.after_head == LARGE + 1
    (tmp_path / link).unlink()
    clocked.gateway.invalidate_roots()
    response = clocked.ask(head(*lines, target="/now/large.bin"))
    assert isinstance(response, Response)
    assert response.status == (503 if link == "site" else 404)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_flood_of_large_files_leaves_few_descriptors_open(tmp_path: Path, method: str) -> None:
    """The limit counts the descriptors of cached files and of cached responses together."""
    count = 3 * MAX_OPEN_FILES
    for number in range(count):
        write_sparse(tmp_path / str(number), LARGE)
    clocked = ClockedGateway(tmp_path)
    before = open_descriptors()
    for number in range(count):
        for _ in range(2):
            assert show(clocked.ask(head(target=f"/{number}", method=method)))
    assert len(opened_since(before)) <= MAX_OPEN_FILES + PINS

"""Listings: everything that could be fetched and nothing else, in order, a small step at a time."""

from __future__ import annotations

import gc
import json
import os
import re
import socket
import sys
import threading
import tracemalloc
from collections.abc import Callable, Generator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.files.docroot import Docroot, FoundDirectory
from httpd.files.faults import OutOfDescriptorsError
from httpd.files.open_file import SMALL_FILE
from httpd.protocol.messages import HTTPError
from httpd.protocol.target import decode_path, encode_path
from httpd.site.listing import making, reader
from httpd.site.listing.accept import wants_json
from httpd.site.listing.listing import Listing
from httpd.site.listing.listing_cache import ListingCache
from httpd.site.listing.making import list_directory
from httpd.site.listing.natural_order import natural_key
from httpd.site.listing.order import Order, parse_order
from tests.unit.guard import descriptors_left, must_end, open_descriptors, opened_since
from tests.unit.site.directories import as_nobody, open_directory, open_path, write, write_sparse

VOID = frozenset({"meta", "br", "input"})
KEYS = ["name", "size", "modified"]
ORDERS = [Order(key, descending) for key in KEYS for descending in (False, True)]
BY_NAME = Order()
MANY = 5000


class Page(HTMLParser):
    """Reads a listing and insists that its tags are balanced and that only its filter is active."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: dict[str, str] = {}
        self.links: list[str] = []
        self.rows: list[Row] = []
        self.sorts: dict[str, str] = {}
        self.sort = ""  # that of the head of a column
        self.scripts = 0
        assert text.startswith("<!DOCTYPE html>\n")
        self.feed(text)
        self.close()
        assert self.open == []
        assert self.scripts == bool(self.rows)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("img", "iframe", "object", "embed", "base")
        values = {name: value or "" for name, value in attrs}
        assert len(values) == len(attrs)
        assert not any(name.startswith("on") for name in values)
        if tag not in VOID:
            self.open.append(tag)
        if "aria-sort" in values:
            self.sorts[str(len(self.links))] = values["aria-sort"]
        if tag == "tr" and "tbody" in self.open:
            self.rows.append(Row())
        elif tag == "td":
            self.rows[-1].cells.append("")
            self.rows[-1].titles.append(values.get("title", ""))
        elif tag == "time":
            self.rows[-1].modified = values["datetime"]
        elif tag == "a" and "tbody" in self.open:
            self.rows[-1].href = values["href"]
        elif tag == "a":
            self.links.append(values["href"])
        else:
            self._handle_control(tag, values)

    def _handle_control(self, tag: str, values: dict[str, str]) -> None:
        if tag == "input" and values["type"] == "hidden":
            self.sort = values["value"]
        elif tag == "button":
            self.links.append(f"?sort={self.sort}&order={values['value']}")
        elif tag == "script":
            self.scripts += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in {"title", "h1", "p"} & set(self.open):
            self.text[tag] = self.text.get(tag, "") + data
        if "td" in self.open:
            self.rows[-1].cells[-1] += data


class Row:
    """A line of the table."""

    def __init__(self) -> None:
        self.href = ""
        self.cells: list[str] = []
        self.titles: list[str] = []
        self.modified = ""


class Found(NamedTuple):
    """What a listing says of an entry."""

    name: bytes
    is_directory: bool
    size: int
    modified: str


def finish(steps: Generator[None, None, Listing | str]) -> Listing:
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        made = stop.value
        assert isinstance(made, Listing)
        return made


def read(made: Listing) -> str:
    content = made.content if made.content is not None else os.pread(made.fd, made.size + 1, 0)
    assert len(content) == made.size
    return content.decode()


def list_path(
    docroot: Docroot,
    path: bytes,
    order: Order,
    *,
    as_json: bool,
    known: Callable[[str], Listing | str | None] = lambda _: None,
) -> Generator[None, None, Listing | str]:
    directory = FoundDirectory(decode_path(path))
    return list_directory(docroot, directory, path, order, as_json=as_json, known=known)


def make(
    listings: ListingCache,
    path: bytes,
    order: Order,
    *,
    as_json: bool,
    is_unmodified: Callable[[str], bool] = lambda _: False,
) -> Generator[None, None, Listing | str]:
    directory = FoundDirectory(decode_path(path))
    return listings.make(directory, path, order, as_json=as_json, is_unmodified=is_unmodified)


def render(root: Path, path: bytes = b"/", order: Order = BY_NAME, *, as_json: bool = False) -> str:
    return read(finish(list_path(Docroot(str(root), ()), path, order, as_json=as_json)))


def name_behind(href: str, base: str) -> bytes:
    """Return the name that a browser would ask for, on the page at `base`."""
    # urljoin thinks of a semicolon as RFC 1808 did.
    path = urlsplit(urljoin(base, href.replace(";", "%3B"))).path
    directory = urlsplit(base).path
    assert path.startswith(directory)
    name = path.removeprefix(directory).removesuffix("/")
    assert "/" not in name
    return unquote_to_bytes(name)


BASE = "http://localhost/"


def read_html(text: str, base: str = BASE) -> list[Found]:
    return [
        Found(
            name_behind(row.href, base),
            row.href.endswith("/"),
            int(row.titles[1].removesuffix(" bytes") or 0),
            row.modified,
        )
        for row in Page(text).rows
    ]


def read_json(text: str, base: str = BASE) -> list[Found]:
    assert text.isascii()
    return [
        Found(
            name_behind(entry["href"], base),
            entry["type"] == "folder",
            entry["size"] or 0,
            entry["modified"],
        )
        for entry in json.loads(text)
    ]


def names(root: Path, path: bytes = b"/", order: Order = BY_NAME) -> list[str]:
    """Return the names that both formats list, in their order; directories with a slash."""
    base = f"http://localhost{path.decode()}"
    found = read_html(render(root, path, order), base)
    assert found == read_json(render(root, path, order, as_json=True), base)
    return [os.fsdecode(entry.name) + "/" * entry.is_directory for entry in found]


def make_many(root: Path, count: int) -> None:
    """Fill a directory in no particular order; sizes repeat, and so do times."""
    for number in range(count):
        path = write_sparse(root / f"{number * 7919 % count:05}.txt", number % 1000)
        os.utime(path, (number % 777, number % 777))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More files than one run holds, and a few directories."""
    root = tmp_path_factory.mktemp("many")
    make_many(root, MANY)
    for name in "b", "a", "c":
        (root / name).mkdir()
    return root


# ---------------------------------------------------------------- what is listed


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    write(tmp_path / "outside" / "secret")
    write(root / "a.txt", "a")
    write(root / "sub" / "b.txt", "b")
    write(root / ".hidden")
    write(root / ".git" / "config")
    write(root / ".well-known" / "security.txt")
    write(root / "sub" / ".well-known" / "security.txt")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(root / "socket"))
    links = {
        "to-file": "a.txt",
        "to-folder": "sub",
        "to-fifo": "fifo",
        "round-trip": "../outside/back/a.txt",
        "dangling": "nowhere",
        "self": "self",
        "out-file": "../outside/secret",
        "out-folder": "../outside",
        "out-null": "/dev/null",
        ".dot-link": "a.txt",
        "to-hidden": ".hidden",
        "to-hidden-absolute": str(root / ".hidden"),
        "to-git": ".git",
        "to-git-config": "to-git/config",
        "to-other-well-known": "sub/.well-known",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    (tmp_path / "outside" / "back").symlink_to("../site")
    return root


def test_what_is_listed_is_what_is_served(site: Path) -> None:
    expected = [".well-known/", "sub/", "to-folder/", "a.txt", "round-trip", "to-file"]
    with must_end():
        assert names(site) == expected
    docroot = Docroot(str(site), ())
    for name in expected:
        if name.endswith("/"):
            os.close(docroot.open_directory(FoundDirectory(b"/" + name.encode())))
        else:
            os.close(open_path(docroot, b"/" + name.encode()).fd)


@pytest.mark.parametrize("path", [b"/sub/", b"/to-folder/", b"/%73ub/"])
def test_a_directory_below(site: Path, path: bytes) -> None:
    assert names(site, path) == ["b.txt"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/nothing/", 404),
        (b"/out-folder/", 404),
        (b"/.git/", 404),
        (b"/a.txt/", 404),
        (b"/fifo/", 404),
        (b"/../", 400),
        (b"/%zz/", 400),
    ],
)
def test_what_is_no_directory_is_said_by_the_first_step(
    site: Path, path: bytes, status: int
) -> None:
    docroot = Docroot(str(site), ())
    before = open_descriptors()
    with pytest.raises(HTTPError) as error:
        next(list_path(docroot, path, Order(), as_json=False))
    assert error.value.status == status
    docroot.release()
    assert opened_since(before) == []


def test_what_may_not_be_read() -> None:
    with open_directory() as root:
        write(root / "closed" / "a.txt").parent.chmod(0o711)
        write(root / "list-only" / "a.txt").parent.chmod(0o744)
        write(root / "a.txt").chmod(0)
        with as_nobody():
            with pytest.raises(HTTPError) as error:
                render(root, b"/closed/")
            assert error.value.status == 403
            assert names(root, b"/list-only/") == []  # nothing in there can be reached
            assert names(root) == ["closed/", "list-only/", "a.txt"]


def test_entries_that_vanish_and_appear_meanwhile(tmp_path: Path) -> None:
    make_many(tmp_path, 300)
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            for number in range(0, 300, 2):
                (tmp_path / f"{number:05}.txt").unlink()
            for number in range(0, 300, 2):
                write(tmp_path / f"{number:05}.txt")

    thread = threading.Thread(target=change)
    thread.start()
    try:
        stay = {b"%05d.txt" % number for number in range(1, 300, 2)}
        for _ in range(20):
            assert stay <= {entry.name for entry in read_html(render(tmp_path))}
    finally:
        stop.set()
        thread.join()


def test_an_empty_directory(tmp_path: Path) -> None:
    page = Page(render(tmp_path))
    assert page.rows == []
    assert page.text["p"] == "This directory is empty."
    assert json.loads(render(tmp_path, as_json=True)) == []


@pytest.mark.parametrize("as_json", [False, True])
def test_sizes_and_times(tmp_path: Path, as_json: bool) -> None:
    moments = {
        "a": (1_790_000_000, "2026-09-21T14:13:20Z"),
        "b": (-1, "1969-12-31T23:59:59Z"),
        "c": (2**32, "2106-02-07T06:28:16Z"),
    }
    for name, (moment, _) in moments.items():
        os.utime(write_sparse(tmp_path / name, 2**32 + 5), (moment, moment))
    text = render(tmp_path, as_json=as_json)
    assert (read_json if as_json else read_html)(text) == [
        Found(name.encode(), False, 2**32 + 5, said) for name, (_, said) in moments.items()
    ]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (10 * 1024, "10 KiB"),
        (10189, "10 KiB"),
        (999 * 1024, "999 KiB"),
        (1023 * 1024, "1.0 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (2**42, "4.0 TiB"),
    ],
)
def test_sizes_for_people(tmp_path: Path, size: int, text: str) -> None:
    write_sparse(tmp_path / "a", size)
    row = Page(render(tmp_path)).rows[0]
    assert row.cells[1] == text
    assert row.titles[1] == f"{size} bytes"


# ---------------------------------------------------------------- names

NAMES = st.one_of(
    st.binary(min_size=1, max_size=255),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).map(str.encode),
    st.lists(
        st.sampled_from(
            [*" .:;&<>\"'/\\%?#+~\t\n\r\x7f\u202e\u200d\u0085\u3000é", "..", "&amp;", "</td>", "a"]
        ),
        min_size=1,
        max_size=6,
    ).map(lambda parts: "".join(parts).encode()),
).filter(
    lambda name: (
        len(name) < 256 and not name.startswith(b".") and b"/" not in name and b"\0" not in name
    )
)


def by_name(name: bytes) -> tuple[bytes, bytes]:
    return natural_key(name), name


@given(st.dictionaries(NAMES, st.booleans(), max_size=12), st.sampled_from(ORDERS))
@settings(max_examples=80)
def test_any_name(found: dict[bytes, bool], order: Order) -> None:
    with open_directory() as root:
        for name, is_directory in found.items():
            path = os.path.join(os.fsencode(root), name)
            if is_directory:
                os.mkdir(path)
            else:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            os.utime(path, (1, 1))
        expected = sorted(found, key=by_name, reverse=order.descending)
        expected.sort(key=lambda name: not found[name])
        pairs = [(name, found[name]) for name in expected]
        text = render(root, b"/", order)
        assert [(entry.name, entry.is_directory) for entry in read_html(text)] == pairs
        for row, name in zip(Page(text).rows, expected, strict=True):
            assert row.cells[0].replace("\u200c", "").replace("\u200d", "").isprintable()
            assert row.cells[0] == row.cells[0].strip()
            if name.isalnum():
                assert row.cells[0] == name.decode() + "/" * found[name]
        text = render(root, b"/", order, as_json=True)
        assert [(entry.name, entry.is_directory) for entry in read_json(text)] == pairs
        for entry, name in zip(json.loads(text), expected, strict=True):
            assert entry["name"] == name.decode("utf-8", "backslashreplace")


@given(NAMES)
@settings(max_examples=60)
def test_any_name_in_the_way(name: bytes) -> None:
    """The directory itself has it: title, heading and the links upwards."""
    with open_directory() as root:
        write(root / os.fsdecode(name) / os.fsdecode(name) / "a")
        path = f"/{encode_path(name)}/"
        page = Page(render(root, path.encode()))
        assert [row.href for row in page.rows] == [row.href for row in Page(render(root)).rows]
        assert page.text["title"] == page.text["h1"]
        assert page.text["h1"].startswith("/")
        assert page.links[:2] == ["../", "../"]
        page = Page(render(root, (path + path).encode().replace(b"//", b"/")))
        assert [row.href for row in page.rows] == ["a"]
        assert page.links[:3] == ["../../", "../", "../"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"a&amp;<b>", "a&amp;amp;&lt;b&gt;"),
        (b"caf\xe9", r"caf<code>\xe9</code>"),
        (b"\xff\xfe.txt", r"<code>\xff\xfe</code>.txt"),
        (b"new\nline\ttab", r"new<code>\x0a</code>line<code>\x09</code>tab"),
        ("\u202egpj.exe".encode(), r"<code>\u202e</code>gpj.exe"),
        ("\u0085".encode(), r"<code>\u0085</code>"),
        ("\U000e0041".encode(), r"<code>\U000e0041</code>"),
        (b" ", r"<code>\x20</code>"),
        (b" a b ", r"<code>\x20</code>a b<code>\x20</code>"),
        (b"\\x0a", r"\x0a"),
        ("Ωμέγα".encode(), "Ωμέγα"),
        ("👩\u200d👧".encode(), "👩\u200d👧"),
    ],
)
def test_names_for_people(tmp_path: Path, name: bytes, shown: str) -> None:
    write(tmp_path / os.fsdecode(name))
    assert f">{shown}</a>" in render(tmp_path)


@pytest.mark.parametrize(
    "name", ["a:b", "javascript:alert(1)", "http:", "::", "?a", "#a", "a;", "%41"]
)
def test_a_name_that_looks_like_another_address(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    assert names(tmp_path) == [name]


def test_the_way_up(tmp_path: Path) -> None:
    write(tmp_path / "one & two" / "three" / "a.txt")
    assert Page(render(tmp_path)).links[:1] == ["?sort=name&order=desc"]  # nothing is above
    for path in (
        b"//one%20&%20two//three//",
        b"/one%20&%20two%2Fthree/",
        b"/one%20&%20two/./three/",
    ):
        page = Page(render(tmp_path, path))
        assert page.text["title"] == page.text["h1"] == "/one & two/three/"
        assert page.links[:3] == ["/", "/one%20%26%20two/", "/one%20%26%20two/"]
        assert page.text["p"] == "↑ Up 1 entry 0 BFilter "
    assert Page(render(tmp_path, b"/one%20&%20two/three/")).links[:3] == ["../../", "../", "../"]


# ---------------------------------------------------------------- order


@pytest.mark.parametrize(
    ("query", "order"),
    [
        (b"", Order("name", False)),
        (b"?", Order("name", False)),
        (b"?sort=name", Order("name", False)),
        (b"?sort=size", Order("size", False)),
        (b"?sort=modified&order=asc", Order("modified", False)),
        (b"?sort=size&order=desc", Order("size", True)),
        (b"?order=desc&sort=modified", Order("modified", True)),
        (b"?order=desc", Order("name", True)),
        (b"?from=mail&sort=size&order=desc", Order("size", True)),
        (b"?sort=colour&order=desc", Order()),
        (b"?sort=size&order=up", Order()),
        (b"?sort=size&order", Order()),
        (b"?sort=SIZE", Order()),
        (b"?sort=%ff", Order()),
        (b"?&&==&=&sort", Order()),
    ],
)
def test_the_order_of_a_query(query: bytes, order: Order) -> None:
    assert parse_order(query) == order


@given(st.binary())
def test_any_query_has_an_order(query: bytes) -> None:
    assert parse_order(b"?" + query) in ORDERS


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_many(many: Path, order: Order) -> None:
    def rank(entry: Found) -> tuple[object, ...]:
        key = {"name": 0, "size": entry.size, "modified": entry.modified}[order.key]
        return entry.is_directory is order.descending, key, *by_name(entry.name)

    for found in (
        read_html(render(many, b"/", order)),
        read_json(render(many, b"/", order, as_json=True)),
    ):
        assert len({entry.name for entry in found}) == len(found) == MANY + 3
        assert [entry.is_directory for entry in found[:4]] == [True, True, True, False]
        if order.key == "modified":
            del found[:3]  # the directories were made just now, in whatever second
        assert found == sorted(found, key=rank, reverse=order.descending)


@pytest.mark.parametrize("order", ORDERS)
def test_the_heads_of_the_columns_sort(tmp_path: Path, order: Order) -> None:
    write(tmp_path / "a")
    text = render(tmp_path, b"/", order)
    page = Page(text)
    assert [parse_order(link.encode()).key for link in page.links] == KEYS
    position = KEYS.index(order.key)
    assert page.sorts == {str(position): "descending" if order.descending else "ascending"}
    for link in page.links:
        assert parse_order(link.encode()) != order
    assert parse_order(page.links[position].encode()).descending is not order.descending


# ---------------------------------------------------------------- steps


def count_calls(steps: Generator[None, None, Listing | str]) -> list[int]:
    """Return how many calls each step took: what it worked, whatever else the machine does."""
    calls = [0]

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        calls[-1] += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        for _ in steps:
            calls.append(0)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("as_json", [False, True])
def test_no_step_is_longer_in_a_larger_directory(many: Path, tmp_path: Path, as_json: bool) -> None:
    make_many(tmp_path, MANY // 3)
    fewer, more = (
        count_calls(list_path(Docroot(str(root), ()), b"/", Order(), as_json=as_json))
        for root in (tmp_path, many)
    )
    assert max(more) < 1.2 * max(fewer)
    assert max(more) < sum(more) / 20
    assert len(more) > MANY / reader.STEP + MANY * 100 / making.STEP


def test_hidden_entries_take_their_steps_too(tmp_path: Path) -> None:
    for number in range(1000):
        write(tmp_path / f".{number}")
    steps = list_path(Docroot(str(tmp_path), ()), b"/", Order(), as_json=True)
    assert sum(1 for _ in steps) >= 1000 // reader.STEP


def test_no_step_writes_much(many: Path) -> None:
    before = open_descriptors()
    sizes = [0]
    for _ in list_path(Docroot(str(many), ()), b"/", Order(), as_json=False):
        after = open_descriptors()
        (fd,) = [fd for fd in after if "memfd" in after[fd] and before.get(fd) != after[fd]]
        sizes.append(os.fstat(fd).st_size)
    grown = [size - before for before, size in pairwise(sizes)]
    assert 0 < max(grown) < 2 * making.STEP


def test_many_entries_take_little_memory(many: Path) -> None:
    tracemalloc.start()
    try:
        made = finish(list_path(Docroot(str(many), ()), b"/", Order(), as_json=False))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made.size > 150 * MANY
    assert peak < 120 * MANY


@pytest.mark.parametrize("as_json", [False, True])
def test_closing_half_way_leaves_nothing_open(tmp_path: Path, as_json: bool) -> None:
    make_many(tmp_path, 1200)
    docroot = Docroot(str(tmp_path), ())
    before = open_descriptors()
    count = sum(1 for _ in list_path(docroot, b"/", Order(), as_json=as_json))
    for taken in range(count + 1):
        steps = list_path(docroot, b"/", Order(), as_json=as_json)
        for _ in range(taken):
            next(steps)
        docroot.release()
        assert bool(taken) == bool(opened_since(before))
        steps.close()
        assert opened_since(before) == []


def test_dropping_it_closes_it(tmp_path: Path) -> None:
    write(tmp_path / "a")
    before = open_descriptors()
    steps = list_path(Docroot(str(tmp_path), ()), b"/", Order(), as_json=False)
    next(steps)
    del steps
    gc.collect()
    assert opened_since(before) == []


def test_without_descriptors_it_fails_at_the_first_step(tmp_path: Path) -> None:
    write(tmp_path / "a")
    before = open_descriptors()
    failed = 0
    for left in range(10):
        steps = list_path(Docroot(str(tmp_path), ()), b"/", Order(), as_json=False)
        with descriptors_left(left):
            try:
                next(steps)
            except OutOfDescriptorsError as error:
                assert error.http_error.status == 503
                failed += 1
                continue
            finish(steps)
    assert 3 <= failed < 10
    del steps
    assert opened_since(before) == []


# ---------------------------------------------------------------- all that a loop makes


def test_one_listing_for_all_ways_to_write_a_path(many: Path) -> None:
    """Or a client could have memory filled by asking for /, //, ///, …"""
    listings = ListingCache(Docroot(str(many.parent), ()), 0)
    name = many.name
    paths = [f"/{name}/", f"//{name}/", f"/{name}//", f"/%{ord(name[0]):x}{name[1:]}/"]
    made = [finish(make(listings, path.encode(), Order(), as_json=True)) for path in paths]
    assert made[0].content is None
    assert {id(listing) for listing in made} == {id(made[0])}


@pytest.mark.parametrize("crooked", [b"//one/two/", b"/one%2Ftwo//", b"/%2F/one%2Ftwo/"])
def test_the_way_up_is_right_for_each_spelling_at_the_same_time(
    tmp_path: Path, crooked: bytes
) -> None:
    write(tmp_path / "one" / "two" / "a.txt")
    for paths in ((crooked, b"/one/two/"), (b"/one/two/", crooked)):
        listings = ListingCache(Docroot(str(tmp_path), ()), 1 << 20)
        made = [finish(make(listings, path, Order(), as_json=False)) for path in paths]
        assert made[0].etag != made[1].etag
        for path, own in zip(paths, made, strict=True):
            ways = Page(read(own)).links[:2]
            assert ways == (["../../", "../"] if path == b"/one/two/" else ["/", "/one/"])


@pytest.mark.parametrize("budget", [0, 1 << 20])
def test_many_who_ask_at_once_get_one_listing(many: Path, budget: int) -> None:
    """Also when it is too large to be kept, as long as somebody has it."""
    listings = ListingCache(Docroot(str(many), ()), budget)
    waiting = [make(listings, b"/", Order(), as_json=False) for _ in range(50)]
    first = waiting.pop(0)
    next(first)
    for other in waiting:
        next(other)
    made = finish(first)
    for other in waiting:
        with pytest.raises(StopIteration) as end:
            next(other)
        assert end.value.value is made


def test_a_second_later_it_is_made_again(tmp_path: Path) -> None:
    write(tmp_path / "a")
    listings = ListingCache(Docroot(str(tmp_path), ()), 1 << 20)
    first = finish(make(listings, b"/", Order(), as_json=True))
    write(tmp_path / "b")
    assert finish(make(listings, b"/", Order(), as_json=True)) is first
    listings.begin_second()
    assert len(json.loads(read(finish(make(listings, b"/", Order(), as_json=True))))) == 2


def test_one_that_took_until_the_next_second_is_not_of_that(tmp_path: Path) -> None:
    """Who asks in the next second gets one that was begun then, and all of them the same."""
    make_many(tmp_path, 1200)
    docroot = Docroot(str(tmp_path), ())
    count = sum(1 for _ in list_path(docroot, b"/", Order(), as_json=True))
    listings = ListingCache(docroot, 0)
    first, *others = (make(listings, b"/", Order(), as_json=True) for _ in range(4))
    for _ in range(count):
        next(first)
    listings.begin_second()
    write(tmp_path / "new")
    for other in others:
        next(other)
    old = finish(first)
    next(others[0])
    listings.begin_second()
    for other in others[1:]:
        next(other)
    made = finish(others[0])
    assert len(json.loads(read(made))) == len(json.loads(read(old))) + 1
    assert all(finish(other) is made for other in others[1:])


def test_one_that_has_not_changed_is_not_held_twice(many: Path) -> None:
    listings = ListingCache(Docroot(str(many), ()), 0)
    first = finish(make(listings, b"/", Order(), as_json=True))
    listings.begin_second()
    assert finish(make(listings, b"/", Order(), as_json=True)) is first
    assert finish(make(listings, b"/", Order("size"), as_json=True)) is not first


@pytest.mark.parametrize("budget", [0, 1 << 20])
def test_what_was_made_is_given_up(many: Path, budget: int) -> None:
    before = open_descriptors()
    docroot = Docroot(str(many), ())
    listings = ListingCache(docroot, budget)
    finish(make(listings, b"/", Order(), as_json=True))
    listings.begin_second()
    docroot.release()
    assert opened_since(before) == []


def test_who_goes_away_half_way_leaves_the_way_free(many: Path) -> None:
    before = open_descriptors()
    docroot = Docroot(str(many), ())
    listings = ListingCache(docroot, 0)
    first = make(listings, b"/", Order(), as_json=True)
    second = make(listings, b"/", Order("size"), as_json=True)
    third = make(listings, b"/nothing/", Order(), as_json=True)
    for steps in first, second, third, first:
        next(steps)
    second.close()  # who only waited
    next(third)
    first.close()  # whose turn it was
    docroot.release()
    assert opened_since(before) == []
    with pytest.raises(HTTPError):
        next(third)
    assert finish(make(listings, b"/", Order(), as_json=True)).size > 0


# ---------------------------------------------------------------- the finished listing


def test_a_small_one_is_in_memory(tmp_path: Path) -> None:
    write(tmp_path / "a")
    before = open_descriptors()
    made = finish(list_path(Docroot(str(tmp_path), ()), b"/", Order(), as_json=False))
    assert made.fd == -1
    assert made.content is not None
    assert made.size == len(made.content)
    assert made.media_type == "text/html; charset=utf-8"
    assert opened_since(before) == []


def test_a_large_one_is_a_descriptor(many: Path) -> None:
    before = open_descriptors()
    made = finish(list_path(Docroot(str(many), ()), b"/", Order(), as_json=True))
    assert made.content is None
    assert made.size > SMALL_FILE
    assert os.fstat(made.fd).st_size == made.size
    assert not os.get_inheritable(made.fd)
    assert made.media_type == "application/json"
    assert len(json.loads(read(made))) == MANY + 3
    del made
    assert opened_since(before) == []


def test_listing_that_a_client_has_is_read_and_not_rendered(many: Path) -> None:
    docroot = Docroot(str(many), ())
    made = finish(list_path(docroot, b"/", BY_NAME, as_json=False))
    asked: list[str] = []

    def known(etag: str) -> str:
        asked.append(etag)
        return "nothing to do"

    steps = list_path(docroot, b"/", BY_NAME, as_json=False, known=known)
    assert returned(steps) == ("nothing to do", -(-(MANY + 3) // reader.STEP))
    assert asked == [made.etag]


def returned(steps: Generator[None, None, Listing | str]) -> tuple[Listing | str, int]:
    """Return what comes of it all, and the number of steps."""
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value, count
        count += 1


@pytest.mark.parametrize("is_of_this_second", [False, True])
def test_listing_that_a_client_has_is_told_by_its_tag(many: Path, is_of_this_second: bool) -> None:
    listings = ListingCache(Docroot(str(many), ()), 1 << 30)
    etag = finish(make(listings, b"/", BY_NAME, as_json=False)).etag
    if not is_of_this_second:
        listings.begin_second()
    steps = make(listings, b"/", BY_NAME, as_json=False, is_unmodified=lambda tag: tag == etag)
    assert returned(steps)[0] == etag


def test_listing_that_many_clients_have_is_read_once_a_second(many: Path) -> None:
    listings = ListingCache(Docroot(str(many), ()), 1 << 30)
    steps = []
    for _ in range(3):
        made = make(listings, b"/", BY_NAME, as_json=False, is_unmodified=lambda _: True)
        steps.append(returned(made)[1])
    assert steps[0] > 0
    assert steps[1:] == [0, 0]
    listings.begin_second()
    made = make(listings, b"/", BY_NAME, as_json=False, is_unmodified=lambda _: True)
    assert returned(made)[1] == steps[0]


def test_entity_tag_of_the_same_entries_is_the_same_in_any_order(tmp_path: Path) -> None:
    names = [f"{number}.txt" for number in range(100)]
    for directory, order in (("one", names), ("two", names[::-1])):
        for name in order:
            path = tmp_path / directory / name
            write(path, name)
            os.utime(path, (1, 1))
    docroot = Docroot(str(tmp_path), ())
    one, two = (
        finish(list_path(docroot, path, BY_NAME, as_json=True)) for path in (b"/one/", b"/two/")
    )
    assert one.etag == two.etag
    assert read(one) == read(two)


def test_the_entity_tag_is_that_of_the_content(tmp_path: Path) -> None:
    write(tmp_path / "a", "1")
    os.utime(tmp_path / "a", (1, 1))

    def tags() -> list[str]:
        docroot = Docroot(str(tmp_path), ())
        return [
            finish(list_path(docroot, b"/", order, as_json=as_json)).etag
            for order in ORDERS[:2]
            for as_json in (False, True)
        ]

    first = tags()
    assert all(re.fullmatch('"[!#-~]+"', tag) for tag in first)
    assert len(set(first)) == 4  # each is another representation
    assert tags() == first
    write(tmp_path / "a", "22")
    os.utime(tmp_path / "a", (1, 1))
    assert not set(tags()) & set(first)


# ---------------------------------------------------------------- negotiation


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("text/html", False),
        ("application/json", True),
        ("Application/JSON", True),
        ("application/json;charset=utf-8", True),
        ("application/*", True),
        ("application/json, */*;q=0.1", True),
        ("application/json, text/plain, */*", True),
        ("application/json, text/html", False),
        ("application/json;q=0.9, text/html", False),
        ("application/json, text/html;q=0.999", True),
        ("application/json ; q=0.8 , text/*;q=0.7", True),
        ("application/json;Q=0.8,text/html;Q=0.7", True),
        ("application/json;q=0.5, */*;q=0.8", False),
        ("application/json;q=0.5, text/html;q=0.3, */*", True),
        ("application/*;q=0.9, application/json;q=0.1, text/html;q=0.5", False),
        ("application/json;q=0", False),
        ("application/json;q=0, text/html;q=0", False),
        ("*/*;q=0, application/json;q=0.001", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("application/json;q=2", False),
        ("application/json;q=0.1234", False),
        ("application/json;q=-1", False),
        ("application/json;q=", False),
        ("application/json;q=nan, text/html;q=0.1", False),
        ("application/json;q=x, application/json;q=0.2", True),
        ("application/json;q=1.000", True),
        ("application/json;q=1.", True),
        ('text/html;level="1,2;q=0";q=0.1, application/json;q=0.2', True),
        ('text/plain;x="a, application/json', False),
        (r'text/plain;x="\", application/json;q=1", text/html', False),
        (",,application/json,,", True),
        (";;;,;q=1,/,*", False),
    ],
)
def test_who_gets_json(accept: str | None, expected: bool) -> None:
    assert wants_json(accept) is expected


@given(st.text(st.sampled_from('aq=;,"\\ /*0.1')))
def test_any_accept_field(accept: str) -> None:
    assert wants_json(accept) in (False, True)


@pytest.mark.parametrize(
    "unit", [",", ";", '"', "\\", '"\\', '\\"', 'a/b;q="', "*/*,", "q=0.5;", "text/html;q=1,"]
)
def test_a_hostile_accept_field_takes_linear_time(unit: str) -> None:
    for start in "", '"':
        with must_end():
            assert wants_json(start + unit * (1_000_000 // len(unit))) is False

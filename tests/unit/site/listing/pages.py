"""Listings as a client reads them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from httpd.files.docroot import Docroot, FoundDirectory
from httpd.protocol.target import decode_path
from httpd.site.listing.listing import Listing
from httpd.site.listing.making import list_directory
from httpd.site.listing.natural_order import natural_key
from httpd.site.listing.order import Order
from tests.unit.site.directories import write_sparse

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


def by_name(name: bytes) -> tuple[bytes, bytes]:
    return natural_key(name), name

"""The listings of a loop, and their entity tags."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from httpd.files.docroot import Docroot, FoundDirectory
from httpd.files.open_file import SMALL_FILE
from httpd.protocol.messages import HTTPError
from httpd.protocol.target import decode_path
from httpd.site.listing import reader
from httpd.site.listing.listing import Listing
from httpd.site.listing.listing_cache import ListingCache
from httpd.site.listing.order import Order
from tests.unit.guard import open_descriptors, opened_since
from tests.unit.site.directories import write
from tests.unit.site.listing.pages import (
    BY_NAME,
    MANY,
    ORDERS,
    Page,
    finish,
    list_path,
    make_many,
    read,
)


class Listings:
    """The listings of one docroot."""

    def __init__(self, docroot: Docroot, budget: int) -> None:
        self.docroot = docroot
        self.cache = ListingCache(budget)
        self.begin_second = self.cache.begin_second


def make(
    listings: Listings,
    path: bytes,
    order: Order,
    *,
    as_json: bool,
    is_unmodified: Callable[[str], bool] = lambda _: False,
) -> Generator[None, None, Listing | str]:
    directory = FoundDirectory(decode_path(path))
    return listings.cache.make(
        listings.docroot, directory, path, order, as_json=as_json, is_unmodified=is_unmodified
    )


def test_one_listing_for_all_ways_to_write_a_path(many: Path) -> None:
    """Or a client could have memory filled by asking for /, //, ///, …"""
    listings = Listings(Docroot(str(many.parent), ()), 0)
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
        listings = Listings(Docroot(str(tmp_path), ()), 1 << 20)
        made = [finish(make(listings, path, Order(), as_json=False)) for path in paths]
        assert made[0].etag != made[1].etag
        for path, own in zip(paths, made, strict=True):
            ways = Page(read(own)).links[:2]
            assert ways == (["../../", "../"] if path == b"/one/two/" else ["/", "/one/"])


@pytest.mark.parametrize("budget", [0, 1 << 20])
def test_many_clients_at_once_get_one_listing(many: Path, budget: int) -> None:
    """Also when it is too large to be kept, as long as somebody has it."""
    listings = Listings(Docroot(str(many), ()), budget)
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


def test_a_listing_is_made_again_in_the_next_second(tmp_path: Path) -> None:
    write(tmp_path / "a")
    listings = Listings(Docroot(str(tmp_path), ()), 1 << 20)
    first = finish(make(listings, b"/", Order(), as_json=True))
    write(tmp_path / "b")
    assert finish(make(listings, b"/", Order(), as_json=True)) is first
    listings.begin_second()
    assert len(json.loads(read(finish(make(listings, b"/", Order(), as_json=True))))) == 2


def test_a_listing_that_took_until_the_next_second_is_not_of_that(tmp_path: Path) -> None:
    """Who asks in the next second gets one that was begun then, and all of them the same."""
    make_many(tmp_path, 1200)
    docroot = Docroot(str(tmp_path), ())
    count = sum(1 for _ in list_path(docroot, b"/", Order(), as_json=True))
    listings = Listings(docroot, 0)
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


def test_a_listing_that_has_not_changed_is_not_stored_twice(many: Path) -> None:
    listings = Listings(Docroot(str(many), ()), 0)
    first = finish(make(listings, b"/", Order(), as_json=True))
    listings.begin_second()
    assert finish(make(listings, b"/", Order(), as_json=True)) is first
    assert finish(make(listings, b"/", Order("size"), as_json=True)) is not first


@pytest.mark.parametrize("budget", [0, 1 << 20])
def test_a_listing_is_dropped_in_the_next_second(many: Path, budget: int) -> None:
    before = open_descriptors()
    docroot = Docroot(str(many), ())
    listings = Listings(docroot, budget)
    finish(make(listings, b"/", Order(), as_json=True))
    listings.begin_second()
    docroot.release()
    assert opened_since(before) == []


def test_a_listing_that_is_being_sent_keeps_no_directory_open(many: Path) -> None:
    before = open_descriptors()
    listings = Listings(Docroot(str(many), ()), 0)
    made = finish(make(listings, b"/", Order(), as_json=True))
    listings.begin_second()
    del listings.docroot
    assert opened_since(before) == [os.readlink(f"/proc/self/fd/{made.fd}")]


def test_a_listing_that_is_given_up_leaves_the_way_free(many: Path) -> None:
    before = open_descriptors()
    docroot = Docroot(str(many), ())
    listings = Listings(docroot, 0)
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


def test_a_small_listing_is_in_memory(tmp_path: Path) -> None:
    write(tmp_path / "a")
    before = open_descriptors()
    made = finish(list_path(Docroot(str(tmp_path), ()), b"/", Order(), as_json=False))
    assert made.fd == -1
    assert made.content is not None
    assert made.size == len(made.content)
    assert made.media_type == "text/html; charset=utf-8"
    assert opened_since(before) == []


def test_a_large_listing_is_a_descriptor(many: Path) -> None:
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
    listings = Listings(Docroot(str(many), ()), 1 << 30)
    etag = finish(make(listings, b"/", BY_NAME, as_json=False)).etag
    if not is_of_this_second:
        listings.begin_second()
    steps = make(listings, b"/", BY_NAME, as_json=False, is_unmodified=lambda tag: tag == etag)
    assert returned(steps)[0] == etag


def test_listing_that_many_clients_have_is_read_once_a_second(many: Path) -> None:
    listings = Listings(Docroot(str(many), ()), 1 << 30)
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

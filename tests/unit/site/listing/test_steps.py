"""A listing is made a small step at a time."""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
from collections.abc import Generator
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from httpd.files.docroot import Docroot
from httpd.files.faults import OutOfDescriptorsError
from httpd.site.listing import making, reader
from httpd.site.listing.listing import Listing
from httpd.site.listing.order import Order
from tests.unit.guard import descriptors_left, open_descriptors, opened_since
from tests.unit.site.directories import write
from tests.unit.site.listing.pages import MANY, finish, list_path, make_many


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


def test_dropping_a_listing_closes_it(tmp_path: Path) -> None:
    write(tmp_path / "a")
    before = open_descriptors()
    steps = list_path(Docroot(str(tmp_path), ()), b"/", Order(), as_json=False)
    next(steps)
    del steps
    gc.collect()
    assert opened_since(before) == []


def test_a_listing_without_descriptors_fails_at_the_first_step(tmp_path: Path) -> None:
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

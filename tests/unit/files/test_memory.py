"""Memory counts until its last holder is gone; a plain sum is the model."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from httpd.files.docroot import Docroot
from httpd.files.file_cache import CachedFile, FileCache
from httpd.files.memory import UNCLAIMED, Claim, Claims
from httpd.files.open_file import SMALL_FILE, OpenFile
from httpd.protocol.messages import HTTPError
from httpd.site.listing.listing import Listing
from tests.unit.guard import open_descriptors, opened_since
from tests.unit.site.directories import open_path, write

BUDGET = 1 << 20


def refuse(_: int, __: int = 0) -> None:
    """Be out of memory."""


def open_file(path: Path) -> OpenFile:
    opened = open_path(Docroot(str(path.parent), ()), b"/" + path.name.encode())
    return OpenFile(opened, int(time.time()), claim_memory=refuse)


def test_claim_counts_until_its_last_reference_is_gone() -> None:
    claims = Claims()
    first = claims.make(5)
    other = first
    assert claims.total() == 5
    second = claims.make(7)
    assert claims.total() == 12
    del first
    assert claims.total() == 12
    del other
    assert claims.total() == 7
    del second
    assert claims.total() == 0


def test_claim_can_end_in_any_thread() -> None:
    file_cache = FileCache(BUDGET)

    def claim_and_forget() -> None:
        held: list[Claim | None] = []
        for size in range(3000):
            held.append(file_cache.claim(size % 100))
            if size % 7 == 0:
                held.clear()
                gc.collect(0)

    threads = [threading.Thread(target=claim_and_forget) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file_cache._claims.total() == 0


class Ledger(RuleBasedStateMachine):
    """A file cache, and clients that hold what they received, evicted or not."""

    def __init__(self) -> None:
        super().__init__()
        self.file_cache = FileCache(BUDGET)
        self.held: list[tuple[int, Claim]] = []
        self.number = 0

    def live(self) -> int:
        """Return the claimed bytes of what clients hold or the cache has, each once."""
        kept = {
            id(own.original.claim): own.original.claim for own in self.file_cache.by_path.values()
        }
        return sum({id(c): c.size for c in (*kept.values(), *self.claims()) if c}.values())

    def claims(self) -> list[Claim]:
        return [claim for _, claim in self.held]

    @rule(size=st.integers(0, BUDGET // 3))
    def hold(self, size: int) -> None:
        unkept = self.file_cache._uncached()
        has_room = unkept + size <= BUDGET // 2 and self.file_cache._used + unkept + size <= BUDGET
        claim = self.file_cache.claim(size)
        if claim is not None:
            self.held.append((size, claim))
        else:
            assert not has_room

    @rule(size=st.integers(0, BUDGET // 8), is_sent=st.booleans())
    def keep(self, size: int, is_sent: bool) -> None:
        claim = self.file_cache.claim(size)
        if claim is None:
            return
        open_file = _Kept(size, claim)
        self.number += 1
        self.file_cache.admit(CachedFile(b"/%d" % self.number, open_file, None, 1))  # type: ignore[arg-type]
        if is_sent:
            self.held.append((size, claim))

    @rule(place=st.integers(0, 1000))
    def read(self, place: int) -> None:
        if self.held:
            self.held.pop(place % len(self.held))

    @rule()
    def forget_all(self) -> None:
        self.file_cache.clear()

    @invariant()
    def it_is_exact(self) -> None:
        assert self.file_cache._claims.total() == self.live()
        kept = self.file_cache.by_path.values()
        assert self.file_cache._claimed == sum(own.claimed for own in kept)
        assert self.file_cache._used == sum(own.cost for own in kept)

    @invariant()
    def it_is_within_the_budget(self) -> None:
        overhead = 1024 + len(b"name")
        total = self.file_cache._used + self.file_cache._uncached()
        assert total <= BUDGET + overhead * (1 + len(self.held))


class _Kept:
    """A small file, as far as the file cache uses it."""

    name = b"name"
    content = b""
    may_change = False

    def __init__(self, size: int, claim: Claim) -> None:
        self.size = size
        self.claim = claim


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_claims_leave_half_of_the_budget_to_the_cache() -> None:
    file_cache = FileCache(BUDGET)
    held = []
    while (claim := file_cache.claim(BUDGET // 16)) is not None:
        held.append(claim)
    assert len(held) == 8
    held.pop()
    assert file_cache.claim(BUDGET // 16) is not None


@pytest.mark.parametrize("size", [UNCLAIMED + 1, UNCLAIMED + 100, 50_000, SMALL_FILE])
def test_small_file_without_memory_is_sent_from_its_descriptor(tmp_path: Path, size: int) -> None:
    before = open_descriptors()
    write(tmp_path / "a", bytes(range(256)) * (size // 256 + 1))
    with (tmp_path / "a").open("r+b") as file:
        file.truncate(size)
    content = (tmp_path / "a").read_bytes()
    short = open_file(tmp_path / "a")
    usual = OpenFile(open_path(Docroot(str(tmp_path), ()), b"/a"), int(time.time()))
    assert usual.content == content
    assert (short.content, short.may_change, short.etag) == (None, True, usual.etag)
    assert short.read((range(size),)) == content
    assert short.is_intact(range(size), is_last=True)
    with (tmp_path / "a").open("r+b") as file:
        file.write(b"changed")
    assert not short.is_intact(range(size), is_last=True)
    del short
    assert opened_since(before) == []


def test_very_small_file_needs_no_claim(tmp_path: Path) -> None:
    write(tmp_path / "a", "x" * UNCLAIMED)
    assert open_file(tmp_path / "a").content == b"x" * UNCLAIMED


def test_snapshot_without_memory_is_none(tmp_path: Path) -> None:
    before = open_descriptors()
    write(tmp_path / "a", "x" * SMALL_FILE)
    file = open_file(tmp_path / "a")
    assert file.snapshot(refuse) is None
    del file
    assert opened_since(before) == []


def test_listing_without_memory_is_refused_as_it_grows() -> None:
    before = open_descriptors()
    listing = Listing(b"/", "text/html", claim_memory=refuse)
    listing.append("x" * UNCLAIMED)
    with pytest.raises(HTTPError) as error:
        listing.append("x")
    assert (error.value.status, error.value.fields) == (503, (("Retry-After", "1"),))
    del listing, error  # which refers to the frames that it came through
    assert opened_since(before) == []


def test_listing_claims_what_it_takes_and_little_more() -> None:
    file_cache = FileCache(BUDGET)
    listing = Listing(b"/", "text/html", claim_memory=file_cache.claim)
    for _ in range(40):
        listing.append("x" * 8000)
    assert 0 <= file_cache._claims.total() + UNCLAIMED - listing.size <= 64 * 1024 + 8000
    del listing
    assert file_cache._claims.total() == 0


def test_listing_that_is_the_only_one_is_made_whatever_the_budget() -> None:
    file_cache = FileCache(0)
    first = Listing(b"/", "text/html", claim_memory=file_cache.claim)
    for _ in range(40):
        first.append("x" * 8000)
    second = Listing(b"/", "text/html", claim_memory=file_cache.claim)
    with pytest.raises(HTTPError) as error:
        second.append("x" * 10_000)
    assert error.value.status == 503
    del first, error
    second.append("x" * 10_000)

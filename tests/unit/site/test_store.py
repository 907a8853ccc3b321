"""The store of a worker: what it holds, for how long, and that it never holds more."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.site.answer import Answer
from httpd.site.docroot import Docroot
from httpd.site.resource import SMALL_FILE, Resource
from httpd.site.store import KEPT_SECONDS, MAX_OPEN_FILES, OPEN_SECONDS, Store, Variants
from tests.unit.site.folders import write, write_sparse

SIZES = (0, 1000, 50_000, SMALL_FILE + 1)


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> list[Resource]:
    """Files of several sizes, the last one open, and a snapshot of that."""
    root = tmp_path_factory.mktemp("store")
    docroot = Docroot(str(root), ())
    for size in SIZES[:-1]:
        write(root / str(size), bytes(size))
    write_sparse(root / str(SIZES[-1]), SIZES[-1])
    opened = [docroot.open([str(size).encode()]) for size in SIZES]
    files = [Resource(file, int(time.time())) for file in opened if file]
    snapshot = files[-1].snapshot()
    assert snapshot is not None
    return [*files, snapshot]


def variants(path: bytes, resource: Resource, checked: int = 1) -> Variants:
    return Variants(path, resource, {}, None, checked)


def answer(body: bytes = b"") -> Answer:
    return Answer(200, b"", body=body, wire=bytes(100))


def size_of(store: Store) -> int:
    """Return the bytes of contents and answers that a store holds."""
    return sum(
        len(own.original.content or b"")
        + sum(len(key) + len(kept.wire + kept.body) for key, kept in own.answers.items())
        for own in store.kept.values()
    )


def test_the_second_request_for_a_path_is_told_from_the_first() -> None:
    store = Store(1 << 30)
    paths = [b"/%d" % number for number in range(1000)]
    assert not any(map(store.was_asked_for, paths[:500]))
    known = sum(map(store.was_asked_for, paths[:500]))
    assert known > 450, "a few have the place of another one"
    assert not any(map(store.was_asked_for, paths[500:]))


def test_a_request_of_the_minute_before_does_not_count() -> None:
    store = Store(1 << 20)
    for second, expected in (0, False), (59, True), (60, False), (60, True), (179, False):
        store.tick(second)
        assert store.was_asked_for(b"/a") is expected


def test_without_a_budget_only_the_last_path_is_known() -> None:
    store = Store(0)
    asked = [store.was_asked_for(path) for path in (b"/a", b"/a", b"/b", b"/b", b"/a")]
    assert asked == [False, True, False, True, False]


def test_what_is_kept_is_found_until_it_is_forgotten(resources: list[Resource]) -> None:
    store = Store(1 << 20)
    first, second = variants(b"/a", resources[1]), variants(b"/a", resources[1])
    store.keep(first)
    store.keep(second)
    assert store.kept == {b"/a": second}
    store.forget(first)
    assert store.kept == {b"/a": second}, "what is not there any more is not taken out"
    store.forget(second)
    assert store.kept == {}


@pytest.mark.parametrize(
    ("number", "seconds"), [(1, KEPT_SECONDS), (3, OPEN_SECONDS), (4, KEPT_SECONDS)]
)
def test_it_is_let_go_when_it_was_not_checked_for_long(
    resources: list[Resource], number: int, seconds: int
) -> None:
    store = Store(1 << 20)
    kept = variants(b"/a", resources[number])
    store.keep(kept)
    store.note_check(kept, 100)
    store.tick(100 + seconds - 1)
    assert b"/a" in store.kept
    store.tick(100 + seconds)
    assert store.kept == {}


def test_a_snapshot_stays_longer_than_an_open_file(resources: list[Resource]) -> None:
    store = Store(1 << 20)
    store.keep(variants(b"/snapshot", resources[4]))
    store.keep(variants(b"/open", resources[3]))
    store.tick(1 + OPEN_SECONDS)
    assert set(store.kept) == {b"/snapshot"}


def test_the_one_that_was_not_checked_for_longest_goes_first(resources: list[Resource]) -> None:
    store = Store(4 * 52_000)
    for name in (b"/a", b"/b", b"/c"):
        store.keep(variants(name, resources[2]))
    store.note_check(store.kept[b"/a"], 9)
    store.keep(variants(b"/d", resources[2]))
    store.keep(variants(b"/e", resources[2]))
    assert set(store.kept) == {b"/a", b"/c", b"/d", b"/e"}


def test_an_answer_lives_with_its_file(resources: list[Resource]) -> None:
    store = Store(1 << 20)
    kept = variants(b"/a", resources[1])
    store.remember(kept, b"selector", answer())
    assert kept.answers == {}, "it is not kept"
    store.keep(kept)
    store.remember(kept, b"selector", answer())
    assert set(store.kept[b"/a"].answers) == {b"selector"}


def test_there_is_no_end_of_answers_to_one_file(resources: list[Resource]) -> None:
    store = Store(1 << 20)
    kept = variants(b"/a", resources[1])
    store.keep(kept)
    for number in range(10_000):
        store.remember(kept, b"%d" % number, answer())
        assert len(kept.answers) <= 64
    assert b"9999" in kept.answers


def test_a_large_answer_drives_out_nothing(resources: list[Resource]) -> None:
    store = Store(200_000)
    kept = variants(b"/a", resources[1])
    store.keep(kept)
    store.remember(kept, b"large", answer(bytes(100_000)))
    assert kept.answers == {}
    assert b"/a" in store.kept


def test_an_answer_counts_once_however_often_it_is_made(resources: list[Resource]) -> None:
    store = Store(1 << 20)
    kept = variants(b"/a", resources[1])
    store.keep(kept)
    store.remember(kept, b"selector", claimed(store, 20_000))
    used, unkept = store._used, store._unkept()
    for _ in range(10):
        store.remember(kept, b"selector", claimed(store, 20_000))
    assert (store._used, store._unkept()) == (used, unkept) == (kept.cost, 0)


def claimed(store: Store, size: int) -> Answer:
    made = answer(bytes(size))
    made.claim = store.claim(size)
    return made


def test_the_content_of_a_coded_form_counts_once(resources: list[Resource]) -> None:
    original, coded = resources[1:3]
    store = Store(1 << 20)
    kept = Variants(b"/a", original, {"gzip": coded}, None, 1)
    store.keep(kept)
    made = answer(coded.content or b"")
    made.source = coded
    store.remember(kept, b"selector", made)
    assert store._used < original.size + coded.size + 10_000


def test_descriptors_are_bounded(resources: list[Resource]) -> None:
    store = Store(1 << 30)
    for number in range(MAX_OPEN_FILES + 10):
        store.keep(variants(b"/%d" % number, resources[3]))
    store.keep(variants(b"/small", resources[1]))
    assert len(store.kept) == MAX_OPEN_FILES + 1
    assert b"/9" not in store.kept
    store.clear()
    assert store.kept == {}
    store.keep(variants(b"/a", resources[3]))
    assert b"/a" in store.kept


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["keep", "remember", "check", "forget", "tick"]),
            st.sampled_from([b"/a", b"/b", b"/c", b"/d"]),
            st.integers(0, 3),
            st.integers(0, 20_000),
        ),
        max_size=100,
    )
)
@settings(max_examples=200)
def test_it_never_holds_more_than_its_budget(
    resources: list[Resource], steps: list[tuple[str, bytes, int, int]]
) -> None:
    budget = 110_000
    store = Store(budget)
    second = 1
    for action, path, number, size in steps:
        kept = store.kept.get(path)
        if action == "keep":
            store.keep(variants(path, resources[number], second))
        elif action == "tick":
            second += number
            store.tick(second)
        elif kept is None:
            continue
        elif action == "remember":
            store.remember(kept, b"%d" % size, answer(bytes(size)))
        elif action == "check":
            store.note_check(kept, second)
        else:
            store.forget(kept)
        assert size_of(store) <= budget
    for kept in list(store.kept.values()):
        store.forget(kept)
    # Nothing is left in the books either: as much as ever fits in.
    for path in (b"/a", b"/b"):
        store.keep(variants(path, resources[2], second))
    assert set(store.kept) == {b"/a", b"/b"}


def test_a_second_has_one_memo() -> None:
    store = Store(100_000)
    first = store.memo(5)
    first.remember(b"head", answer())
    assert store.memo(5) is first
    second = store.memo(6)
    assert second.answers == {}
    late = store.memo(5)
    late.remember(b"head", answer())
    assert late.answers == {}, "what was checked in the second before was remembered in this one"
    assert store.memo(6) is second


def test_what_is_evicted_is_not_remembered_either(resources: list[Resource]) -> None:
    """Or the memory that it takes would not be free."""
    store = Store(110_000)
    memo = store.memo(5)
    memo.remember(b"head", answer())
    for number in range(3):
        store.keep(variants(b"/%d" % number, resources[2]))
    assert len(store.kept) < 3
    assert memo.answers == {}
    store.memo(6).remember(b"head", answer())
    assert set(store.memo(6).answers) == {b"head"}


def test_several_threads_share_it(resources: list[Resource], tmp_path: Path) -> None:
    store = Store(300_000)
    failures = []

    def work(seed: int) -> None:
        try:
            for number in range(3000):
                path = b"/%d" % ((number * seed) % 13)
                if kept := store.kept.get(path):
                    store.remember(kept, b"%d" % number, answer(bytes(number % 5000)))
                    store.note_check(kept, number // 100)
                else:
                    store.keep(variants(path, resources[number % 4], number // 100))
                if number % 50 == 0:
                    store.tick(number // 100)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 3, 5, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert size_of(store) <= 300_000


def test_of_very_many_unused_files_some_are_let_go_in_each_second(
    resources: list[Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("httpd.site.store._MOST_DROPPED", 3)
    store = Store(1 << 30)
    for number in range(7):
        store.keep(variants(b"/%d" % number, resources[0]))
    left = []
    for second in range(3):
        store.tick(100 + second)
        left.append(len(store.kept))
    assert left == [4, 1, 0]

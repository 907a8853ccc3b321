"""The file cache of a worker: what it holds, for how long, and never more than its budget."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.files.docroot import Docroot
from httpd.files.file_cache import LIFETIME, MAX_OPEN_FILES, OPEN_LIFETIME, CachedFile, FileCache
from httpd.files.open_file import SMALL_FILE, OpenFile
from httpd.protocol.response import Body, Response
from tests.unit.protocol.responses import make_response
from tests.unit.site.directories import open_path, write, write_sparse

SIZES = (0, 1000, 50_000, SMALL_FILE + 1)


@pytest.fixture(scope="module")
def open_files(tmp_path_factory: pytest.TempPathFactory) -> list[OpenFile]:
    """Files of several sizes, the last one open, and a snapshot of that."""
    root = tmp_path_factory.mktemp("files")
    docroot = Docroot(str(root), ())
    for size in SIZES[:-1]:
        write(root / str(size), bytes(size))
    write_sparse(root / str(SIZES[-1]), SIZES[-1])
    opened = [open_path(docroot, b"/%d" % size) for size in SIZES]
    files = [OpenFile(file, int(time.time())) for file in opened]
    snapshot = files[-1].snapshot()
    assert snapshot is not None
    return [*files, snapshot]


def cached(path: bytes, open_file: OpenFile, validated_at: int = 1) -> CachedFile:
    return CachedFile(path, open_file, None, validated_at)


def response(body: bytes = b"") -> Response:
    return make_response(100, Body(body))


def size_of(file_cache: FileCache) -> int:
    """Return the bytes of contents and responses that a file cache holds."""
    return sum(
        len(own.original.content or b"")
        + sum(len(key) + len(kept.head + kept.body.content) for key, kept in own.responses.items())
        for own in file_cache.by_path.values()
    )


def test_file_cache_tells_the_second_request_for_a_path_from_the_first() -> None:
    file_cache = FileCache(1 << 30)
    paths = [b"/%d" % number for number in range(1000)]
    assert not any(map(file_cache.note_request, paths[:500]))
    known = sum(map(file_cache.note_request, paths[:500]))
    assert known > 450, "a few have the place of another one"
    assert not any(map(file_cache.note_request, paths[500:]))


def test_file_cache_does_not_count_a_request_of_the_previous_minute() -> None:
    file_cache = FileCache(1 << 20)
    for second, expected in (0, False), (59, True), (60, False), (60, True), (179, False):
        file_cache.begin_second(second)
        assert file_cache.note_request(b"/a") is expected


def test_file_cache_without_a_budget_knows_only_the_last_path() -> None:
    file_cache = FileCache(0)
    asked = [file_cache.note_request(path) for path in (b"/a", b"/a", b"/b", b"/b", b"/a")]
    assert asked == [False, True, False, True, False]


def test_cached_file_is_found_until_it_is_removed(open_files: list[OpenFile]) -> None:
    file_cache = FileCache(1 << 20)
    first, second = cached(b"/a", open_files[1]), cached(b"/a", open_files[1])
    file_cache.admit(first)
    file_cache.admit(second)
    assert file_cache.by_path == {b"/a": second}
    file_cache.remove(first)
    assert file_cache.by_path == {b"/a": second}, "a file that is no longer cached removes no other"
    file_cache.remove(second)
    assert file_cache.by_path == {}


@pytest.mark.parametrize(("number", "seconds"), [(1, LIFETIME), (3, OPEN_LIFETIME), (4, LIFETIME)])
def test_cached_file_without_a_validation_for_its_lifetime_is_evicted(
    open_files: list[OpenFile], number: int, seconds: int
) -> None:
    file_cache = FileCache(1 << 20)
    kept = cached(b"/a", open_files[number])
    file_cache.admit(kept)
    file_cache.note_validation(kept, 100)
    file_cache.begin_second(100 + seconds - 1)
    assert b"/a" in file_cache.by_path
    file_cache.begin_second(100 + seconds)
    assert file_cache.by_path == {}


def test_cached_snapshot_stays_longer_than_an_open_file(open_files: list[OpenFile]) -> None:
    file_cache = FileCache(1 << 20)
    file_cache.admit(cached(b"/snapshot", open_files[4]))
    file_cache.admit(cached(b"/open", open_files[3]))
    file_cache.begin_second(1 + OPEN_LIFETIME)
    assert set(file_cache.by_path) == {b"/snapshot"}


def test_cached_file_with_the_oldest_validation_is_evicted_first(
    open_files: list[OpenFile],
) -> None:
    file_cache = FileCache(4 * 52_000)
    for name in (b"/a", b"/b", b"/c"):
        file_cache.admit(cached(name, open_files[2]))
    file_cache.note_validation(file_cache.by_path[b"/a"], 9)
    file_cache.admit(cached(b"/d", open_files[2]))
    file_cache.admit(cached(b"/e", open_files[2]))
    assert set(file_cache.by_path) == {b"/a", b"/c", b"/d", b"/e"}


def test_cached_response_lives_as_long_as_its_file(open_files: list[OpenFile]) -> None:
    file_cache = FileCache(1 << 20)
    kept = cached(b"/a", open_files[1])
    file_cache.add_response(kept, b"key", response())
    assert kept.responses == {}, "its file is not in the cache"
    file_cache.admit(kept)
    file_cache.add_response(kept, b"key", response())
    assert set(file_cache.by_path[b"/a"].responses) == {b"key"}


def test_cached_responses_of_one_file_are_bounded(open_files: list[OpenFile]) -> None:
    file_cache = FileCache(1 << 20)
    kept = cached(b"/a", open_files[1])
    file_cache.admit(kept)
    added = [response() for _ in range(10_000)]
    for number, own in enumerate(added):
        file_cache.add_response(kept, b"%d" % number, own)
        assert len(kept.responses) <= 64
    assert b"9999" in kept.responses
    assert [own for own in added if own.owner] == list(kept.responses.values())


def test_response_has_its_owner_as_long_as_that_is_cached(open_files: list[OpenFile]) -> None:
    file_cache = FileCache(1 << 20)
    kept, own = cached(b"/a", open_files[1]), response()
    file_cache.admit(kept)
    file_cache.add_response(kept, b"key", own)
    assert own.owner is kept
    file_cache.remove(kept)
    assert own.owner is None


def test_response_that_is_too_large_evicts_nothing(open_files: list[OpenFile]) -> None:
    file_cache = FileCache(200_000)
    kept = cached(b"/a", open_files[1])
    file_cache.admit(kept)
    file_cache.add_response(kept, b"large", response(bytes(100_000)))
    assert kept.responses == {}
    assert b"/a" in file_cache.by_path


def test_response_that_is_made_again_counts_once(open_files: list[OpenFile]) -> None:
    file_cache = FileCache(1 << 20)
    kept = cached(b"/a", open_files[1])
    file_cache.admit(kept)
    file_cache.add_response(kept, b"key", claimed(file_cache, 20_000))
    used, uncached = file_cache._used, file_cache._uncached()
    for _ in range(10):
        file_cache.add_response(kept, b"key", claimed(file_cache, 20_000))
    assert (file_cache._used, file_cache._uncached()) == (used, uncached) == (kept.cost, 0)


def claimed(file_cache: FileCache, size: int) -> Response:
    return make_response(100, Body(bytes(size), claim=file_cache.claim(size)))


def test_content_of_a_precompressed_form_counts_once(open_files: list[OpenFile]) -> None:
    original, coded = open_files[1:3]
    file_cache = FileCache(1 << 20)
    kept = CachedFile(b"/a", original, None, 1, {"gzip": coded})
    file_cache.admit(kept)
    made = make_response(100, Body(coded.content or b"", source=coded))
    file_cache.add_response(kept, b"key", made)
    assert file_cache._used < original.size + coded.size + 10_000


def test_descriptors_of_cached_files_are_bounded(open_files: list[OpenFile]) -> None:
    file_cache = FileCache(1 << 30)
    for number in range(MAX_OPEN_FILES + 10):
        file_cache.admit(cached(b"/%d" % number, open_files[3]))
    file_cache.admit(cached(b"/small", open_files[1]))
    assert len(file_cache.by_path) == MAX_OPEN_FILES + 1
    assert b"/9" not in file_cache.by_path
    file_cache.clear()
    assert file_cache.by_path == {}
    file_cache.admit(cached(b"/a", open_files[3]))
    assert b"/a" in file_cache.by_path


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
def test_file_cache_never_holds_more_than_its_budget(
    open_files: list[OpenFile], steps: list[tuple[str, bytes, int, int]]
) -> None:
    budget = 110_000
    file_cache = FileCache(budget)
    second = 1
    for action, path, number, size in steps:
        kept = file_cache.by_path.get(path)
        if action == "keep":
            file_cache.admit(cached(path, open_files[number], second))
        elif action == "tick":
            second += number
            file_cache.begin_second(second)
        elif kept is None:
            continue
        elif action == "remember":
            file_cache.add_response(kept, b"%d" % size, response(bytes(size)))
        elif action == "check":
            file_cache.note_validation(kept, second)
        else:
            file_cache.remove(kept)
        assert size_of(file_cache) <= budget
    for kept in list(file_cache.by_path.values()):
        file_cache.remove(kept)
    # Nothing is counted any more: the cache takes as much as in the beginning.
    for path in (b"/a", b"/b"):
        file_cache.admit(cached(path, open_files[2], second))
    assert set(file_cache.by_path) == {b"/a", b"/b"}


def test_file_cache_reports_what_it_evicts(open_files: list[OpenFile]) -> None:
    evicted: list[int] = []
    file_cache = FileCache(110_000, evicted.append)
    files = [cached(b"/%d" % number, open_files[2]) for number in range(3)]
    for file in files:
        file_cache.admit(file)
    gone = [file.cost for file in files if file.path not in file_cache.by_path]
    assert gone
    assert sum(evicted) == sum(gone)


def test_file_cache_is_shared_by_several_threads(
    open_files: list[OpenFile], tmp_path: Path
) -> None:
    file_cache = FileCache(300_000)
    failures = []

    def work(seed: int) -> None:
        try:
            for number in range(3000):
                path = b"/%d" % ((number * seed) % 13)
                if kept := file_cache.by_path.get(path):
                    file_cache.add_response(kept, b"%d" % number, response(bytes(number % 5000)))
                    file_cache.note_validation(kept, number // 100)
                else:
                    file_cache.admit(cached(path, open_files[number % 4], number // 100))
                if number % 50 == 0:
                    file_cache.begin_second(number // 100)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 3, 5, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert size_of(file_cache) <= 300_000


def test_file_cache_with_very_many_unused_files_evicts_some_each_second(
    open_files: list[OpenFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("httpd.files.file_cache._MAX_DROPPED", 3)
    file_cache = FileCache(1 << 30)
    for number in range(7):
        file_cache.admit(cached(b"/%d" % number, open_files[0]))
    left = []
    for second in range(3):
        file_cache.begin_second(100 + second)
        left.append(len(file_cache.by_path))
    assert left == [4, 1, 0]

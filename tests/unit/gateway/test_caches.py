"""What the loops of a worker share: one response cache a second, and the memory of both caches."""

from __future__ import annotations

import time
from pathlib import Path

from httpd.files.docroot import Docroot, OpenResult
from httpd.files.file_cache import CachedFile
from httpd.files.open_file import OpenFile
from httpd.gateway.caches import Caches
from tests.unit.gateway.test_gateway import ClockedGateway
from tests.unit.protocol.heads import head
from tests.unit.protocol.responses import make_response
from tests.unit.site.directories import write


def test_caches_have_one_response_cache_a_second() -> None:
    caches = Caches(100_000)
    first = caches.responses(5)
    first.remember(b"head", make_response())
    assert caches.responses(5) is first
    second = caches.responses(6)
    assert second.responses == {}
    late = caches.responses(5)
    late.remember(b"head", make_response())
    assert late.responses == {}, "what is of the second before was remembered in this one"
    assert caches.responses(6) is second


def test_response_cache_closes_when_many_files_are_evicted(tmp_path: Path) -> None:
    """Else the memory of evicted files would not be free: responses refer to it."""
    caches = Caches(110_000)
    responses = caches.responses(5)
    responses.remember(b"head", make_response())
    write(tmp_path / "a", bytes(50_000))
    opened = Docroot(str(tmp_path), ()).open(b"/a")
    assert isinstance(opened, OpenResult)
    file = OpenFile(opened, int(time.time()))
    for number in range(2):
        caches.files.admit(CachedFile(b"/%d" % number, file, None, 1, {}))
    assert set(responses.responses) == {b"head"}
    caches.files.admit(CachedFile(b"/2", file, None, 1, {}))
    assert len(caches.files.by_path) < 3
    assert responses.responses == {}
    caches.responses(6).remember(b"head", make_response())
    assert set(caches.responses(6).responses) == {b"head"}


def test_second_before_leaves_the_responses_of_cached_files_only(tmp_path: Path) -> None:
    """Others cannot be renewed, and would hold memory for one more second."""
    (tmp_path / "a.txt").write_bytes(b"a")
    clocked = ClockedGateway(tmp_path)
    for target in "/a.txt", "/missing", "/b.txt":
        for _ in range(2):  # the third response is cached by its head
            clocked.ask_twice(target)
    (tmp_path / "b.txt").write_bytes(b"b")
    clocked.tick()
    left = clocked.caches.responses(int(clocked.now)).previous
    assert list(left) == [head(target="/a.txt")]

"""The memory of the caches stays bounded, whatever clients request."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.raw import Client, pipeline, request
from tests.support.server import serve

MIB = 1024 * 1024
PAGE = 7 * 1024
TARGETS = 20_000
BOUND = 40 * MIB
"""The 16 MiB of the cache, as much again for the objects of Python, and a margin."""


def proportional_size(pid: int) -> int:
    """Return the memory of a process and its children, shared pages counted by their share."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kib = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return kib * 1024 + sum(proportional_size(int(child)) for child in children)


def test_memory_stays_bounded_with_20_000_distinct_targets(tmp_path: Path) -> None:
    assert TARGETS * PAGE > 3 * BOUND
    (tmp_path / "page.html").write_bytes(b"x" * PAGE)
    with serve(tmp_path, "--workers", "1", "--threads", "1") as server:
        with Client(server.port) as client:
            assert client.ask("/page.html").status == 200
        before = proportional_size(server.pid)
        with Client(server.port) as client:
            for number in range(TARGETS):
                assert len(client.ask(f"/page.html?{number}").body) == PAGE
        assert proportional_size(server.pid) - before < BOUND


@pytest.mark.slow
def test_memory_stays_bounded_with_10_000_long_names_of_missing_files(tmp_path: Path) -> None:
    with serve(tmp_path, "--workers", "1", "--threads", "1") as server:
        with Client(server.port) as client:
            assert client.ask("/missing").status == 404
        before = proportional_size(server.pid)
        for start in range(0, TARGETS // 2, 20):
            batch = [("GET", request(f"/missing/{start + n}/" + "m" * PAGE)) for n in range(20)]
            assert all(response.status == 404 for response in pipeline(server.port, batch))
        assert proportional_size(server.pid) - before < BOUND


def test_memory_stays_bounded_during_a_crawl(tmp_path: Path) -> None:
    """Of files that are asked for once, nothing stays."""
    for number in range(1000):
        with (tmp_path / f"{number}.bin").open("wb") as file:
            file.truncate(64 * 1024)
    with (
        serve(tmp_path, "--workers", "1", "--threads", "1") as server,
        Client(server.port) as client,
    ):
        assert client.ask("/0.bin").status == 200
        before = proportional_size(server.pid)
        for number in range(1, 1000):
            assert len(client.ask(f"/{number}.bin").body) == 64 * 1024
        assert proportional_size(server.pid) - before < 10 * MIB

"""In real control groups: no more workers and no more memory than they allow."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import run

import pytest

from tests.process.launch import ROOT, foreground
from tests.support.cgroup import limited
from tests.support.raw import Client

pytestmark = pytest.mark.root

MIB = 1024**2
LIMIT = 96 * MIB
FILES, SIZE = 1500, 100 * 1024


def test_quota_of_half_a_core_is_one_worker(site: Path) -> None:
    with (
        limited("cpu", cpu__max="50000 100000", cpu__cfs_quota_us="50000") as prefix,
        foreground(site, prefix=prefix, workers="auto") as server,
    ):
        assert len(server.workers()) == 1


def test_cache_is_a_share_of_the_memory_limit() -> None:
    with limited("memory", memory__max=f"{LIMIT}", memory__limit_in_bytes=f"{LIMIT}") as prefix:
        ask = "from httpd.settings.machine import share_memory; print(share_memory())"
        done = run([*prefix, sys.executable, "-c", ask], capture_output=True, check=True, cwd=ROOT)
    assert int(done.stdout) == LIMIT // 4


def test_workers_under_a_memory_limit_are_not_killed(site: Path) -> None:
    """All workers together are asked for more files than fit into the limit."""
    for number in range(FILES):
        with (site / f"{number}.bin").open("wb") as file:
            file.truncate(SIZE)
    with (
        limited("memory", memory__max=f"{LIMIT}", memory__limit_in_bytes=f"{LIMIT}") as prefix,
        foreground(site, prefix=prefix, workers=2, threads=1) as server,
    ):
        workers = server.workers()
        for _ in range(4):  # connections go to either worker
            with Client(server.port) as client:
                for number in range(FILES):
                    assert len(client.ask(f"/{number}.bin").body) == SIZE
        assert server.workers() == workers

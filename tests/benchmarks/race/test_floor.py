"""The floor: it answers as phttpd does, and makes no system call that phttpd does not make."""

from __future__ import annotations

import re
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import kinds, servers
from benchmarks.processes import tree
from benchmarks.race.cells import CELLS
from benchmarks.race.check import ask, check, connected, paths_of
from tests.support import require

pytestmark = pytest.mark.debian("gcc", "strace")

REQUESTS = 20

CONTENT = bytes(range(256)) * 16

NAMES = {
    "recvfrom": "read",
    "sendto": "write",
    "writev": "write",
    "newfstatat": "stat",
    "fstat": "stat",
    "statx": "stat",
}
"""Calls that do the same as others."""


def setups(directory: Path, name: str) -> tuple[kinds.Setup, kinds.Setup]:
    """Write the files of a cell; return how phttpd and the floor serve them."""
    require.command("gcc", "gcc")
    require.module("rich", "bench")
    cell = CELLS[name]
    paths = [cell.path, *paths_of(cell), *(f"/first/00/{number:06}.txt" for number in range(100))]
    for path in paths:
        file = directory / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        if path != "/missing.txt":
            file.write_bytes(CONTENT * (250 if path == "/1m.bin" else 1))
    return (
        kinds.Setup("phttpd", directory, workers=1, threads=1, log=cell.log),
        kinds.Setup("floor", directory, log=cell.log),
    )


def floor_for(name: str, phttpd: servers.Server, floor: kinds.Setup) -> kinds.Setup:
    from benchmarks.race.running import for_floor  # noqa: PLC0415  # needs rich

    return for_floor(floor, CELLS[name], phttpd.port)


@pytest.mark.parametrize(
    "name", ["4k", "close", "100k", "1m", "304", "404", "range", "first", "mix", "log"]
)
def test_floor_answers_as_phttpd_does(tmp_path: Path, name: str) -> None:
    ours, floor = setups(tmp_path, name)
    with servers.run(ours) as phttpd, servers.run(floor_for(name, phttpd, floor)) as server:
        for _ in range(2):  # what was read is kept, or read again
            check(server.port, CELLS[name], tmp_path)


@pytest.mark.parametrize("name", ["4k", "1m", "404", "range", "first"])
def test_floor_makes_no_more_system_calls_than_phttpd(tmp_path: Path, name: str) -> None:
    ours, floor = setups(tmp_path, name)
    with servers.run(ours) as phttpd, servers.run(floor_for(name, phttpd, floor)) as server:
        made = {each.port: calls(each, name, tmp_path) for each in (phttpd, server)}
    theirs, least = made[phttpd.port], made[server.port]
    assert least["read"] == 1
    more = {call: number for call, number in least.items() if number > theirs[call]}
    assert not more, theirs


def calls(server: servers.Server, name: str, docroot: Path) -> Counter[str]:
    """Return how often a server makes each system call for a request of a cell."""
    trace = docroot / "trace"
    pids = tree(server.pid)
    attached = [word for pid in pids for word in ("-p", str(pid))]
    strace = subprocess.Popen(
        [require.command("strace", "strace"), "-f", "-o", str(trace), *attached],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert strace.stderr is not None
    try:
        for _ in pids:
            assert "attached" in strace.stderr.readline()
        cell = CELLS[name]
        with connected(server.port) as client:
            for number in range(REQUESTS):
                path = f"/first/00/{number + 5:06}.txt" if name == "first" else cell.path
                assert ask(client, b"", cell, path, list(cell.fields), docroot) == b""
    finally:
        strace.send_signal(signal.SIGINT)
        strace.wait()
        strace.stderr.close()
    found = re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.MULTILINE)
    made = Counter(NAMES.get(each, each) for each in found)
    return Counter({call: round(number / REQUESTS) for call, number in made.items()})

"""The system calls of each kind of request are counted, so that none creeps in.

The numbers are upper bounds: who makes one smaller lowers it here.
"""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from httpd.files.fingerprint import COUNT
from tests.process import proc
from tests.process.events import Process, until
from tests.process.launch import Foreground, free_port, refused, write_config
from tests.support.raw import Client, ask, request
from tests.support.require import command

pytestmark = pytest.mark.debian("strace")

REQUESTS = 20
"""Requests of each kind; the calls that most of them make count."""

PIPELINED = 16
"""Requests that are sent at once."""

MIB = 1 << 20

LARGE = 16 * MIB

MEMORY = {"brk", "madvise", "mmap", "mprotect", "mremap", "munmap", "futex"}
"""Calls that the allocator and the interpreter make now and then."""

WAY_TO_A_FILE = 3
"""Looking up the docroot and the name, and opening the file below the docroot."""

READING = 3

PRECOMPRESSED = 3
"""Asking whether there is one, for each form of a file of a type that compresses."""

TURN = 2
"""Waiting, and giving way: once for all requests of a turn."""

BOUNDS = {
    "hit": TURN + 2,  # read, write
    "pipelined": TURN + 2,  # for many at once
    "query": TURN + 2,  # a miss, but of a known file
    "file": TURN + 2 + WAY_TO_A_FILE + READING + PRECOMPRESSED,
    # read, fstat, sendto, sendfile, ioctl, pread, fstat, write, close
    "opened": TURN + 9 + WAY_TO_A_FILE + COUNT,
    "missing": TURN + 4,
    "range": TURN + 2,
    # read, stat, sendto, sendfile, ioctl, pread, fstat, write
    "download": TURN + 8 + PRECOMPRESSED,  # its directory was changed just now
    "closed": TURN + 6,  # accept, ioctl, read, write, close, accept
}
"""System calls of a request by what its path begins with, from one wait to the next."""

SNAPSHOT = TURN + 3  # read, sendto, sendfile
"""System calls of a download of 1 MB that is requested often, where the socket takes it at once."""

PER_MIB = 3.51
"""System calls of a large download: 2 MiB at a time, in whole segments, are waited for, sent in
four pieces, the file looked at, and way given to others.
"""

SEGMENT = re.compile(r"getsockopt\(\d+, SOL_TCP, TCP_MAXSEG, \[(\d+)\], \[4\]\) += 0")

ASKED = re.compile(r"sendfile(?:\(| resumed>).*\], (\d+)\)")

LINE = re.compile(r"(?P<thread>\d+) +(?P<name>\w+)\((?P<rest>.*)")


class Turn(NamedTuple):
    """The calls of a loop from one wait to the next."""

    calls: tuple[str, ...]
    request: str
    """The beginning of the path."""
    sent: int
    """Bytes of a file."""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    docroot = tmp_path / "files"
    docroot.mkdir()
    for name in [
        "hit",
        "pipelined",
        "query",
        "closed",
        "range",
        *(f"file{n}.txt" for n in range(REQUESTS)),
    ]:
        (docroot / name).write_bytes(b"x" * 4096)
    for number in range(REQUESTS):
        (docroot / f"opened{number}").write_bytes(b"x" * 300_000)
    (docroot / "download.txt").write_bytes(b"x" * 300_000)
    (docroot / "medium").write_bytes(b"x" * 1_000_000)
    with (docroot / "large").open("wb") as file:
        file.truncate(LARGE)
    for path in docroot.iterdir():
        os.utime(path, (1e9, 1e9))
    return docroot


@contextmanager
def traced(docroot: Path) -> Iterator[int]:
    """Run a silent server of one loop under strace for a `with` block, and yield its port."""
    port = free_port()
    directory = docroot.parent
    config = write_config(
        directory / "traced.yaml",
        docroot=str(docroot),
        host="127.0.0.1",
        port=port,
        workers=1,
        threads=1,
        pidfile=str(directory / "traced.pid"),
    )
    strace = [command("strace", "strace"), "-f", "-qq", "-s", "64", "-o", str(directory / "trace")]
    server = Foreground("-c", config, prefix=strace)
    try:
        until(lambda: server.process.poll() is not None or not refused(port), "serving")
        yield port
        # strace itself would not pass the signal on.
        with Process(proc.children(server.pid)[0]) as supervisor:
            supervisor.signal(signal.SIGTERM)
        assert server.wait() == 0, server.err.seen
    finally:
        server.kill()


def use(port: int) -> None:
    """Make requests of each kind, one at a time."""
    with Client(port) as client:
        for number in range(REQUESTS):
            client.ask("/hit")
            client.send(request("/pipelined") * PIPELINED)
            for _ in range(PIPELINED):
                client.response()
            client.ask(f"/query?{number}")
            client.ask(f"/file{number}.txt")
            client.ask(f"/opened{number}")
            client.ask(f"/missing{number}")
            client.ask("/range", f"Range: bytes={number}-99")
            client.ask("/download.txt")
            ask(port, "/closed", "Connection: close")
        client.ask("/large")


def turns(trace: str) -> Iterator[Turn]:
    """Yield the turns of the loop, which is the thread that accepts."""
    lines = [match for line in trace.splitlines() if (match := LINE.match(line))]
    loop = next(line["thread"] for line in lines if line["name"] == "accept4")
    calls: list[str] = []
    request, sent = "", 0
    for line in lines:
        name, rest = line["name"], line["rest"]
        if line["thread"] != loop or name in MEMORY:
            continue
        if name == "epoll_wait":
            yield Turn(tuple(calls), request, sent)
            calls, request, sent = [], "", 0
        calls.append(name)
        if name == "read" and (asked := re.search(r'"GET /([a-z]+)', rest)):
            request = asked[1]
        if name == "sendfile" and (result := re.search(r"= (\d+)$", rest)):
            sent += int(result[1])


def test_request_makes_no_more_system_calls(files: Path) -> None:
    with traced(files) as port:
        use(port)
    made = list(turns((files.parent / "trace").read_text()))
    usual = {
        kind: Counter(turn.calls for turn in made if turn.request == kind).most_common(1)[0][0]
        for kind in BOUNDS
    }
    grown = {kind: calls for kind, calls in usual.items() if len(calls) > BOUNDS[kind]}
    assert not grown, f"{grown} where {BOUNDS} are allowed"
    # How much the socket takes is up to the client; the first slices are whole ones.
    slices = [turn for turn in made if turn.sent and not turn.request]
    best = min(slices, key=lambda turn: len(turn.calls) / turn.sent)
    assert len(best.calls) * MIB / best.sent <= PER_MIB, best


def test_download_of_a_snapshot_makes_no_more_system_calls(files: Path) -> None:
    with traced(files) as port, Client(port) as client:
        dates: set[str] = set()
        while len(dates) < 3:  # the snapshot is made when a second has begun
            dates.add(client.ask("/medium")["Date"])
        for _ in range(REQUESTS):
            client.ask("/medium")
    made = turns((files.parent / "trace").read_text())
    best = min((turn.calls for turn in made if turn.request == "medium"), key=len)
    assert len(best) <= SNAPSHOT, best


def test_download_sends_no_small_segment_between_two_slices(files: Path) -> None:
    with traced(files) as port, Client(port) as client:
        client.ask("/large")
    trace = (files.parent / "trace").read_text()
    sizes = list(SEGMENT.finditer(trace))
    assert sizes
    for size in sizes:
        asked = ASKED.search(trace, size.end())
        assert asked is not None
        assert int(asked[1]) % int(size[1]) == 0, trace[size.start() : asked.end()]
    pieces = [int(asked[1]) for asked in ASKED.finditer(trace, sizes[-1].end())]
    assert len(pieces) > LARGE // (2 * MIB), "each slice is several"
    assert not any(piece % int(sizes[-1][1]) for piece in pieces[:-1])


def test_download_sends_its_head_with_the_first_bytes(files: Path) -> None:
    with traced(files) as port, Client(port) as client:
        client.ask("/download.txt")
    trace = (files.parent / "trace").read_text()
    head = re.search(r'(\d+) +sendto\(\d+, "HTTP/1.1 200 OK.*, MSG_MORE, NULL, 0', trace)
    assert head is not None
    calls = re.findall(rf"(?m)^{head[1]} +(\w+)\(", trace[head.end() :])
    assert calls[0] == "sendfile"

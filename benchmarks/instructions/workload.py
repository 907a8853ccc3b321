"""Serves requests of each kind between marks; `counting.py` runs it under callgrind.

A mark is a call of getppid(2), at which callgrind writes what it has counted since the last mark.
So start and warm-up do not count.  The kinds of all that was marked are printed as JSON, in order.

`httpd` and `tests` are those of PYTHONPATH, so that other commits are counted, too.  So this uses
only what is in all of them.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

OPENAT2 = 437


class Flags(dict[bytes, int]):
    """The flags of open(2), by struct open_how of openat2(2), of which they are the first field."""

    def __missing__(self, how: bytes) -> int:
        return self.setdefault(how, int.from_bytes(how[:8], sys.byteorder))


def replace_openat2() -> None:
    """Have phttpd call openat(2) in place of openat2, which valgrind does not know.

    ctypes calls either function, with nearly the same arguments.
    """
    library = ctypes.CDLL(None, use_errno=True)
    call, openat, flags = library.syscall, library.openat, Flags()
    call.restype = ctypes.c_long

    def syscall(number: int, directory: Any, name: Any, how: Any, *others: Any) -> Any:
        if number != OPENAT2:
            return call(number, directory, name, how, *others)
        return openat(directory, name, flags[how], 0)

    class Library(ctypes.CDLL):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.syscall = syscall

    original, ctypes.CDLL = ctypes.CDLL, Library  # type: ignore[misc]
    import httpd.files.openat2  # noqa: F401, PLC0415

    ctypes.CDLL = original  # type: ignore[misc]


if __name__ == "__main__":
    # The addresses of names and types decide which of them collide in a cache of the interpreter,
    # which is up to 2 % of a close.  So each layout has them elsewhere.
    layout = [bytes(size) for _ in range(37 * int(sys.argv[1])) for size in range(100)]
    replace_openat2()

from httpd.files.precompressed import PATIENCE  # noqa: E402
from httpd.network.state import IDLE  # noqa: E402
from tests.support.raw import request  # noqa: E402
from tests.unit.network import running as running_loops  # noqa: E402
from tests.unit.network.bytecodes import TURN, connect, new_loop, usual_lines  # noqa: E402
from tests.unit.network.running import RunningLoop  # noqa: E402

setattr(running_loops, "RULES", ())  # noqa: B010 - earlier commits have rules in `new_loop`

WARM_UP = 30
"""Requests before those that are counted: the interpreter has specialised the bytecodes by then."""
LISTING_WARM_UP = 3
"""The same for listings, in which each entry does the same."""
REPEATED = 5
"""Requests of each kind that are counted."""
MODIFIED = 1_500_000_000
"""When all files were modified, in seconds since the epoch."""
SIZE = 4096
"""Bytes of each file."""
LETTERS = "abcdefghijklmnopqrstuvwx"
ENTRIES = 100
"""Files of the directory that is listed."""

marked: list[tuple[str | None, int]] = []
"""Kind and number of the requests between each pair of marks; no kind where there is nothing."""

Target = tuple[str, Sequence[str]]
"""A path, and field lines."""


def mark(kind: str | None, requests: int, act: Callable[[], None]) -> None:
    os.getppid()
    act()
    os.getppid()
    marked.append((kind, requests))


def stop_clocks() -> None:
    """Let all clocks stand still an hour later, since what was changed just now costs more."""
    later = int(time.time()) + 3600
    time.time = itertools.repeat(float(later)).__next__
    time.time_ns = itertools.repeat(later * 10**9).__next__
    set_monotonic_clock(time.monotonic())


def set_monotonic_clock(seconds: float) -> None:
    time.monotonic = itertools.repeat(seconds).__next__


def write(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * SIZE)
    os.utime(path, (MODIFIED, MODIFIED))


class Visit:
    """Connections of a loop, of which each sends the same request at once."""

    def __init__(self, running: RunningLoop, connections: int = 1) -> None:
        self.running = running
        self._asked = [connect(running) for _ in range(connections)]

    def ask(self, path: str, lines: Sequence[str] = (), kind: str | None = None) -> None:
        """Have a request served, between marks if a kind is given."""
        for _, client in self._asked:
            client.sendall(request(path, *lines))
        for gateway in self.running.loop.gateways.values():
            gateway.invalidate_roots()  # as each turn of a loop does
        if kind is None:
            self._serve()
        else:
            mark(kind, len(self._asked), self._serve)
        for _, client in self._asked:
            assert client.recv(1 << 20).startswith(b"HTTP/1.1 200 "), path

    def _serve(self) -> None:
        for connection, _ in self._asked:
            connection.on_event()
        self.running.loop.queue.send()
        for connection, _ in self._asked:
            while connection.state is not IDLE:  # a listing is made in several turns
                connection.on_event()

    def begin_second(self) -> None:
        """Let a second pass, so that cached files are validated again."""
        context = self.running.loop.context
        context.now += 1
        set_monotonic_clock(context.now)
        self.running.loop._tick()

    def close(self) -> None:
        for _, client in self._asked:
            client.close()


# Each of the following takes the number of a request, asks for what must be there before, and
# returns what is to be counted.


def hit(_: Visit, __: int) -> Target:
    return "/a.txt", ()


def found_by_parts(visit: Visit, number: int) -> Target:
    lines = usual_lines(number)
    visit.ask("/b.txt", lines)
    return "/a.txt", lines


def new_query(_: Visit, number: int) -> Target:
    return f"/a.txt?number={number:03}", ()


def new_spelling(_: Visit, number: int) -> Target:
    """Half of the letters are percent-encoded, each time others."""
    subsets = itertools.combinations(range(len(LETTERS)), len(LETTERS) // 2)
    encoded = next(itertools.islice(subsets, number, None))
    letters = [f"%{ord(c):02X}" if i in encoded else c for i, c in enumerate(LETTERS)]
    return "/" + "".join(letters), ()


def revalidation(visit: Visit, _: int) -> Target:
    visit.begin_second()
    return "/a.txt", ()


def new_header_section(_: Visit, number: int) -> Target:
    return "/a.txt", usual_lines(number)


def second_request(visit: Visit, number: int) -> Target:
    path, lines = cold(visit, number)
    visit.ask(path, lines)
    return path, lines


def cold(_: Visit, number: int) -> Target:
    return f"/cold/{number:03}.txt", ()


def cold_with_new_header_section(_: Visit, number: int) -> Target:
    return f"/cold/{number:03}.txt", usual_lines(number)


def listing(visit: Visit, _: int) -> Target:
    visit.begin_second()
    return "/listed/", ()


KINDS = (
    hit,
    found_by_parts,
    new_query,
    new_spelling,
    revalidation,
    new_header_section,
    second_request,
    cold,
    cold_with_new_header_section,
    listing,
)


def serve(site: Path, prepare: Callable[[Visit, int], Target]) -> None:
    kind = prepare.__name__.replace("_", " ")
    warm_up = LISTING_WARM_UP if prepare is listing else WARM_UP
    with new_loop(site) as running:
        visit = Visit(running, TURN if prepare is hit else 1)
        for number in range(warm_up + REPEATED):
            target = prepare(visit, number)
            visit.ask(*target, kind if number >= warm_up else None)
        visit.close()


def serve_closes(site: Path) -> None:
    """From one accept to the next, with a hit and the close."""
    with new_loop(site, verbose=False) as running:
        accept = partial(running.loop._on_other_event, running.listener.fileno())
        for number in range(WARM_UP + REPEATED):
            clients = [running.connect() for _ in range(TURN)]
            for client in clients:
                client.send(request("/a.txt", "Connection: close"))
            if number < WARM_UP:
                accept()
            else:
                mark("close", TURN, accept)
            for client in clients:
                assert client.response().status == 200
                client.close()


def make_site(site: Path) -> None:
    for name in ("a.txt", "b.txt", LETTERS):
        write(site / name)
    for number in range(WARM_UP + REPEATED):
        write(site / f"cold/{number:03}.txt")
    for number in range(ENTRIES):
        write(site / f"listed/entry-{number:03}.txt")
    assert WARM_UP > PATIENCE  # no precompressed form is looked for in directories without any


def main() -> None:
    gc.disable()  # what is collected is not of the request
    with tempfile.TemporaryDirectory() as directory:
        site = Path(directory)
        make_site(site)
        stop_clocks()
        for _ in range(REPEATED):
            mark(None, 1, lambda: None)
        for kind in KINDS:
            serve(site, kind)
        serve_closes(site)
    print(json.dumps({"build": sys.version, "marked": marked}))


if __name__ == "__main__":
    main()

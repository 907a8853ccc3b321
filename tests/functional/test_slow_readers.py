"""Clients that hardly read pin no more memory than `cache`, whatever they ask for.

What the kernel holds for their sockets is not counted, and neither is a small constant for each of
them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.functional.configured import serve_with
from tests.functional.test_memory import MIB, proportional_size
from tests.process import proc
from tests.support.raw import Client, ask, request
from tests.support.server import Server

KIB = 1024
CACHE = 16 * MIB
READERS = 400
EACH = 16 * KIB
"""A connection, its response of up to 8 KiB without a claim, and overhead of the allocator."""
SLACK = 6 * MIB
"""For modules that are loaded late, and memory that the allocator keeps."""
PART = 128 * KIB
LARGE = READERS * PART
MEDIUM = 256 * KIB


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("slow")
    sizes = {"large.bin": LARGE, "page.html": KIB}
    sizes |= {f"small{number}.bin": PART for number in range(READERS)}
    sizes |= {f"medium{number}.bin": MEDIUM for number in range(48)}
    for name, size in sizes.items():
        with (site / name).open("wb") as file:
            file.truncate(size)
        os.utime(site / name, (10**9, 10**9))
    (site / "many").mkdir()
    for number in range(3000):
        (site / "many" / f"{number:060}.txt").touch()
    return site


@pytest.fixture
def server(site: Path) -> Iterator[Server]:
    with serve_with(site, cache=CACHE, listing=True) as server, Client(server.port) as client:
        for target in ("/page.html", "/large.bin"):
            assert client.ask(target, method="HEAD").status == 200
        yield server


def held(server: Server) -> int:
    """Return the bytes that the server has in its heap and in files in memory."""
    workers = proc.children(server.pid)
    return proportional_size(server.pid) + sum(map(proc.memory_files, workers))


def read_slowly(stack: ExitStack, port: int, data: bytes) -> tuple[Client, int]:
    """Ask for something and read its head; return the client, and the status."""
    client = stack.enter_context(Client(port, receive_buffer=2048, segment=536))
    client.send(data)
    return client, client.head().status


REQUESTS: dict[str, Callable[[int], bytes]] = {
    "ranges of one file": lambda n: request(
        "/large.bin", f"Range: bytes={n * PART}-{(n + 1) * PART - 1}"
    ),
    "many ranges": lambda n: request(
        "/large.bin",
        "Range: bytes=" + ",".join(f"{k * 900 + n}-{k * 900 + n + 299}" for k in range(200)),
    ),
    "distinct small files": lambda n: request(f"/small{n}.bin"),
    "a range of distinct small files": lambda n: request(f"/small{n}.bin", "Range: bytes=1-"),
}


@pytest.mark.parametrize("make", REQUESTS.values(), ids=REQUESTS)
def test_slow_readers_of_small_files_pin_bounded_memory(
    server: Server, make: Callable[[int], bytes]
) -> None:
    before = held(server)
    with ExitStack() as stack:
        readers = [read_slowly(stack, server.port, make(number)) for number in range(READERS)]
        assert {status for _, status in readers} <= {200, 206}
        assert held(server) - before < CACHE + READERS * EACH + SLACK
        last, _ = readers[-1]
        assert last.body(2 * KIB)
    with Client(server.port) as client:
        assert client.ask("/small0.bin").body == bytes(PART)


def test_slow_readers_of_cached_files_pin_bounded_memory(site: Path) -> None:
    """Each is copied into memory when it is asked for in another second."""
    cache = 16 * MEDIUM
    with serve_with(site, cache=cache) as server, ExitStack() as stack:
        workers = proc.children(server.pid)
        client = stack.enter_context(Client(server.port))
        targets = [f"/medium{number}.bin" for number in range(48)]
        for start in range(0, len(targets), 12):
            batch = targets[start : start + 12]
            for target in batch * 2:
                date = client.ask(target, method="HEAD")["Date"]
            while client.ask("/page.html")["Date"] == date:
                pass
            for target in batch:
                reader, status = read_slowly(stack, server.port, request(target))
                assert status == 200
                assert sum(map(proc.memory_files, workers)) <= cache
            assert sum(map(proc.memory_files, workers)) >= cache // 4
        assert reader.body(MEDIUM) == bytes(MEDIUM)


def test_slow_readers_of_listings_pin_bounded_memory(site: Path) -> None:
    """One that finds no memory left is asked to try again; afterwards there is some again."""
    cache = 4 * MIB
    targets = [
        f"/many/?sort={key}&order={order}"
        for key in ("name", "size", "modified")
        for order in ("asc", "desc")
    ]
    with serve_with(site, cache=cache, listing=True) as server:
        workers = proc.children(server.pid)
        statuses = []
        with ExitStack() as stack:
            for target in targets:
                for accept in ("text/html", "application/json"):
                    data = request(target, f"Accept: {accept}")
                    statuses.append(read_slowly(stack, server.port, data)[1])
                    assert sum(map(proc.memory_files, workers)) <= cache // 2
        assert statuses[0] == 200
        assert set(statuses) == {200, 503}
        response = ask(server.port, "/many/")
        while response.status == 503:  # until the server has found them gone
            assert response["Retry-After"] == "1"
            response = ask(server.port, "/many/")
        assert response.status == 200

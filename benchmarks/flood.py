"""Clients that cause much work with few bytes: how long does another client wait?

`python -m benchmarks.flood KIND PORT SECONDS CLIENTS` plays these clients, each over a connection
of its own, which it opens again when the server closes it.  `benchmarks.slow` measures meanwhile.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

HOST = "127.0.0.1"
PACE = 300_000
"""Bytes that each client sends in a second at the most."""
PIECE = 6_000
"""Bytes that it sends at a time."""


def head(target: str, *lines: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: a", *lines, "", ""]).encode()


def ranges(count: int, length: int) -> str:
    starts = range(0, 5000 * count, 5000)
    return "Range: bytes=" + ",".join(f"{start}-{start + length - 1}" for start in starts)


def chunks() -> Iterator[bytes]:
    """Bodies in chunks of a few bytes, which do not have too much framing to be skipped."""
    return bodies(b"6\r\nabcdef\r\n" * 6000)


def tiny_chunks() -> Iterator[bytes]:
    """Bodies in chunks of one byte."""
    return bodies(b"1\r\nx\r\n" * 10_000)


def bodies(chunks: bytes) -> Iterator[bytes]:
    """Requests without end, each with these chunks ten times."""
    while True:
        yield head("/4k.txt", "Transfer-Encoding: chunked", method="POST")
        for _ in range(10):
            yield chunks
        yield b"0\r\n\r\n"


def pipelined() -> Iterator[bytes]:
    """Requests for files that are not there, many at a time."""
    number = 0
    while True:
        yield b"".join(head(f"/missing/{number + n}") for n in range(100))
        number += 100


def repeated(request: bytes) -> Callable[[], Iterator[bytes]]:
    def make() -> Iterator[bytes]:
        while True:
            yield request * max(1, PIECE // len(request))

    return make


KINDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "chunks": chunks,
    "tiny-chunks": tiny_chunks,
    "ranges": repeated(head("/large.bin", ranges(64, 1))),
    "parts": repeated(head("/large.bin", ranges(256, 40))),
    "pipelined": pipelined,
}


def drain(connection: socket.socket) -> None:
    """Read and discard all that arrives."""
    try:
        while connection.recv(1 << 20):
            pass
    except OSError:
        pass


def attack(kind: str, port: int, end: float) -> None:
    while time.monotonic() < end:
        try:
            with socket.create_connection((HOST, port), timeout=1) as connection:
                reader = threading.Thread(target=drain, args=(connection,), daemon=True)
                reader.start()
                for piece in KINDS[kind]():
                    connection.sendall(piece)
                    time.sleep(len(piece) / PACE)
                    if time.monotonic() >= end or not reader.is_alive():
                        break
        except OSError:
            time.sleep(0.01)


def main() -> None:
    kind, port, seconds, clients = sys.argv[1], *map(int, sys.argv[2:5])
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=attack, args=(kind, port, end)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()

"""The client side: connections by the thousand from one process, and what they receive."""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.environment import MeasurementError
from benchmarks.kinds import HOST
from benchmarks.processes import Address

TIMEOUT = 60.0
"""Seconds that a single connection or response may take before the benchmark gives up."""

PER_ADDRESS = 10_000
"""Connections from one address of 127.0.0.0/8; a third of the ports that Linux hands out."""

LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)

HEAD_LIMIT = 16384

DISCARD = socket.MSG_TRUNC
"""Lets the kernel drop what a TCP socket has received, without copying it (tcp(7))."""


def request(path: str, start: int = 0) -> bytes:
    """Return a request for a file, or for the part of it from `start` on."""
    fields = f"Host: {HOST}\r\nUser-Agent: bench\r\n"
    if start:
        fields += f"Range: bytes={start}-\r\n"
    return f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode()


def connect(port: int, number: int, receive_buffer: int | None = None) -> socket.socket:
    """Open connection `number` of many to a server."""
    client = socket.socket()
    client.settimeout(TIMEOUT)
    if receive_buffer is not None:
        # Before the connection is made, as the window that TCP announces depends on it.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.bind((f"127.0.0.{2 + number // PER_ADDRESS}", 0))
    client.connect((HOST, port))
    return client


@contextmanager
def connections(
    port: int, requests: Sequence[bytes], receive_buffer: int | None = None
) -> Iterator[list[socket.socket]]:
    """Open one connection per request and send it, as fast as possible; close all at the end."""
    opened: list[socket.socket] = []
    try:
        for number, head in enumerate(requests):
            opened.append(connect(port, number, receive_buffer))
            opened[-1].sendall(head)
        yield opened
    finally:
        close(opened)


def close(opened: Sequence[socket.socket]) -> None:
    for client in opened:
        client.close()


def read_head(client: socket.socket) -> tuple[int, int]:
    """Read a response's head; return the length of its body and how much of that came along."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = client.recv(HEAD_LIMIT)
        if not piece or len(received) > HEAD_LIMIT:
            raise MeasurementError(f"no response but {received[:200]!r}")
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    length = LENGTH.search(head)
    if not head.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 206 ")) or length is None:
        raise MeasurementError(f"not the wanted answer: {head[:200]!r}")
    return int(length[1]), len(body)


def read_response(client: socket.socket) -> None:
    """Read a whole response."""
    length, received = read_head(client)
    while received < length:
        piece = client.recv(min(length - received, 1 << 20))
        if not piece:
            raise MeasurementError(f"the response ended after {received} of {length} bytes")
        received += len(piece)


def quantile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


@dataclass
class Downloads:
    """What many clients received from one large file, in windows of equal length."""

    seconds: float = 0.0
    windows: list[list[int]] = field(default_factory=list)
    """Bytes of each client for each window."""

    closed: int = 0
    """Connections that the server closed."""

    @property
    def totals(self) -> list[int]:
        return [sum(of_client) for of_client in zip(*self.windows, strict=True)]

    @property
    def starved(self) -> int:
        """How many clients received nothing in at least one window."""
        return sum(0 in of_client for of_client in zip(*self.windows, strict=True))


def download(
    opened: Sequence[socket.socket],
    *,
    windows: int,
    window: float,
    read: int,
    flags: int = 0,
    tick: Callable[[], None],
) -> Downloads:
    """Receive the requested large file on every connection, for some windows of time.

    Each connection that has data gets one small read in turn, so that the shares are the
    server's and not the client's.  `tick` is called at the start and about once a second.
    """
    result = Downloads()
    for client in opened:
        read_head(client)
        client.setblocking(False)
    numbers = {client.fileno(): number for number, client in enumerate(opened)}
    receivers = {client.fileno(): client.recv_into for client in opened}
    buffer = memoryview(bytearray(read))
    counts = [0] * len(opened)
    with select.epoll() as epoll:
        for descriptor in receivers:
            epoll.register(descriptor, select.EPOLLIN)
        start = now = time.monotonic()
        next_window, next_tick = start + window, start
        while len(result.windows) < windows:
            for descriptor, _ in epoll.poll(min(next_window, next_tick) - now, 1024):
                try:
                    received = receivers[descriptor](buffer, 0, flags)
                except BlockingIOError:
                    continue
                except ConnectionResetError:
                    received = 0
                counts[numbers[descriptor]] += received
                if not received:
                    result.closed += 1
                    epoll.unregister(descriptor)
            now = time.monotonic()
            if now >= next_tick:
                tick()
                next_tick += 1
            if now >= next_window:
                result.windows.append(counts)
                counts = [0] * len(opened)
                next_window += window
        result.seconds = now - start
    return result


def download_again(port: int, path: str, seconds: float) -> list[float]:
    """Download a file over one connection again and again, and discard it, for some time.

    Returns:
        The seconds that each whole download took.
    """
    durations: list[float] = []
    buffer = bytearray(1 << 20)
    client = connect(port, 0)
    try:
        start = now = time.monotonic()
        while now < start + seconds:
            client.sendall(request(path))
            length, received = read_head(client)
            while received < length:
                piece = client.recv_into(buffer, min(length - received, len(buffer)), DISCARD)
                if not piece:
                    raise MeasurementError(f"the response ended after {received} of {length} bytes")
                received += piece
            before, now = now, time.monotonic()
            durations.append(now - before)
    finally:
        client.close()
    return durations


@dataclass
class Arrivals:
    """Connections that come one after another at a given pace, and how long the responses took."""

    port: int
    path: str
    receive_buffer: int | None = None
    opened: list[socket.socket] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def come(self, count: int, gap: float) -> None:
        """Open more connections `gap` seconds apart, send one request on each, read the responses.

        The next connection comes on time even if responses are late.
        """
        head = request(self.path)
        sent: dict[int, tuple[float, socket.socket]] = {}
        with select.epoll() as epoll:
            due = time.monotonic()
            for _ in range(count):
                self._read_until(due, epoll, sent)
                client = connect(self.port, len(self.opened), self.receive_buffer)
                self.opened.append(client)
                client.sendall(head)
                sent[client.fileno()] = (time.monotonic(), client)
                epoll.register(client, select.EPOLLIN)
                due += gap
            self._read_until(None, epoll, sent)

    def _read_until(
        self,
        due: float | None,
        epoll: select.epoll,
        sent: dict[int, tuple[float, socket.socket]],
    ) -> None:
        """Read responses until a time, or until all are read."""
        deadline = time.monotonic() + TIMEOUT if due is None else due
        while sent or due is not None:
            left = deadline - time.monotonic()
            # epoll_wait counts milliseconds, select on the epoll instance microseconds.
            if not select.select([epoll], [], [], max(left, 0))[0]:
                if due is None:
                    raise MeasurementError(f"{len(sent)} requests were not answered in {TIMEOUT} s")
                return
            for descriptor, _ in epoll.poll(0):
                since, client = sent.pop(descriptor)
                epoll.unregister(descriptor)
                self._answered(client)
                self.latencies.append(time.monotonic() - since)

    def _answered(self, client: socket.socket) -> None:
        if self.receive_buffer is None:
            read_response(client)
        else:  # a download: the rest is for `trickle`
            read_head(client)

    def addresses(self) -> list[Address]:
        return [client.getsockname() for client in self.opened]

    def close(self) -> None:
        close(self.opened)
        self.opened = []


def trickle(opened: Sequence[socket.socket], rate: int, seconds: float) -> int:
    """Read so many bytes a second from every connection; return how many had less at some time."""
    turn = 0.1
    buffer = memoryview(bytearray(int(rate * turn)))
    short = set()
    due = time.monotonic()
    for _ in range(int(seconds / turn)):
        due += turn
        time.sleep(max(0.0, due - time.monotonic()))  # this is the pace, not a wait for an event
        for client in opened:
            client.setblocking(False)
            try:
                received = client.recv_into(buffer)
            except BlockingIOError:
                received = 0
            if received < len(buffer):
                short.add(client.fileno())
    return len(short)

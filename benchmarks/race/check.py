"""Whether a server sends the right response to each request of a cell; others take no part."""

from __future__ import annotations

import mmap
import random
import re
import socket
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from benchmarks.clients import HEAD_LIMIT, LENGTH, TIMEOUT
from benchmarks.environment import MeasurementError
from benchmarks.kinds import HOST
from benchmarks.race import site
from benchmarks.race.cells import Cell

PIECE = 1 << 20

SAMPLES = 50
"""Files of the mix that are checked."""

ENTITY_TAG = re.compile(rb"\r\nETag: *(\S+)", re.IGNORECASE)


class Head(NamedTuple):
    """A response head, and the bytes that came along behind it."""

    raw: bytes
    status: int
    length: int
    behind: bytes


def check(port: int, cell: Cell, docroot: Path) -> None:
    """Send a cell's requests to a server over one connection, and check every byte.

    Raises:
        MeasurementError: a response is wrong.
    """
    fields = fields_of(port, cell)
    with connected(port) as client:
        rest = b""
        for path in paths_of(cell):
            rest = ask(client, rest, cell, path, fields, docroot)
            if "Connection: close" in fields:
                if rest or client.recv(1):
                    raise MeasurementError("the connection was not closed")
                return
        if rest:
            raise MeasurementError(f"bytes behind the last response: {rest[:200]!r}")


def ask(
    client: socket.socket, rest: bytes, cell: Cell, path: str, fields: list[str], docroot: Path
) -> bytes:
    """Send one batch of requests, check the responses, and return what came behind them."""
    client.sendall(request(path, fields) * cell.pipelined)
    for _ in range(cell.pipelined):
        head = read_head(client, rest)
        if head.status != cell.status:
            raise MeasurementError(f"status {head.status} and not {cell.status}")
        if cell.status == 304:
            rest = head.behind
        elif cell.status == 404:
            rest = read_body(client, head, None, range(head.length))
        else:
            file = docroot / unquote(path).lstrip("/")
            rest = read_body(client, head, file, cell.part or range(file.stat().st_size))
    return rest


def fields_of(port: int, cell: Cell) -> list[str]:
    """Return the further field lines of a cell's requests to a server."""
    return [*cell.fields, *([f"If-None-Match: {etag(port, cell)}"] if cell.revalidates else [])]


def response_of(port: int, cell: Cell) -> bytes:
    """Return the bytes of a server's response to a cell's request."""
    with connected(port) as client:
        client.sendall(request(cell.path, fields_of(port, cell)))
        head = read_head(client)
        response = bytearray(head.raw + head.behind)
        while len(response) < len(head.raw) + head.length:
            response += receive(client)
        return bytes(response)


def head_of(port: int, cell: Cell) -> bytes:
    """Return the bytes of the head of a server's response to a cell's request."""
    with connected(port) as client:
        client.sendall(request(cell.path, fields_of(port, cell)))
        return read_head(client).raw


def etag(port: int, cell: Cell) -> str:
    """Return the entity tag that a server gives a cell's file."""
    with connected(port) as client:
        client.sendall(request(cell.path, ["Connection: close"]))
        found = ENTITY_TAG.search(read_head(client).raw)
    if found is None:
        raise MeasurementError("no ETag")
    return found[1].decode()


def connected(port: int) -> closing[socket.socket]:
    return closing(socket.create_connection((HOST, port), TIMEOUT))


def paths_of(cell: Cell) -> list[str]:
    """Return the paths to ask for, more than one wherever that does not take too long."""
    if cell.by_downloads:
        return [cell.path]
    if not cell.path.startswith("/mix/"):
        return [cell.path, cell.path.replace("a", "%61") if "cold" in cell.path else cell.path]
    numbers = random.Random(2).sample(range(site.MIX_FILES), SAMPLES)
    return [f"/mix/{site.mix_name(number)}" for number in numbers]


def request(path: str, fields: list[str]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: {HOST}", *fields]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def receive(client: socket.socket) -> bytes:
    try:
        piece = client.recv(PIECE)
    except ConnectionResetError:  # the end came before the request
        piece = b""
    if not piece:
        raise MeasurementError("the response ended too early")
    return piece


def read_head(client: socket.socket, received: bytes = b"") -> Head:
    while b"\r\n\r\n" not in received:
        if len(received) > HEAD_LIMIT:
            raise MeasurementError(f"no response but {received[:200]!r}")
        received += receive(client)
    raw, end, behind = received.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.1 (\d{3}) ", raw)
    length = LENGTH.search(raw)
    if status is None or (length is None and status[1] != b"304"):
        raise MeasurementError(f"not the wanted answer: {raw[:200]!r}")
    return Head(raw + end, int(status[1]), int(length[1]) if length else 0, behind)


def read_body(client: socket.socket, head: Head, file: Path | None, part: range) -> bytes:
    """Read a body, compare it with a part of a file, if there is one, and return what is behind."""
    if head.length != len(part):
        raise MeasurementError(f"{head.length} bytes and not {len(part)}")
    if file is None or not head.length:
        body = head.behind
        while len(body) < head.length:
            body += receive(client)
        return body[head.length :]
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as content:
        piece, done = head.behind, 0
        while True:
            wanted = piece[: len(part) - done]
            start = part.start + done
            if content[start : start + len(wanted)] != wanted:
                raise MeasurementError(f"wrong bytes within {len(wanted)} from {done} on")
            done += len(wanted)
            if done == len(part):
                return piece[len(wanted) :]
            piece = receive(client)

"""A raw-socket HTTP client for tests: sends exactly the given bytes, believes nothing it reads.

It knows just enough of HTTP to cut responses out of a stream by their framing (RFC 9112, section
6), and is strict about it: a response with a malformed head, a field twice, no Content-Length or
too few bytes is an AssertionError.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Self

from tests.support.server import DEADLINE

STATUS_LINE = re.compile(r"HTTP/1\.1 ([1-5][0-9]{2}) ([\t\x20-\x7e]+)")
FIELD_LINE = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*((?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?)[\t ]*"
)

CLOCK_FIELDS = frozenset({"date", "expires"})
"""The fields whose values tell the time of the response."""


def request(
    target: str = "/",
    *lines: str,
    method: str = "GET",
    version: str = "HTTP/1.1",
    host: str | None = "localhost",
) -> bytes:
    """Return the bytes of a request without a body; `lines` are further field lines."""
    head = [f"{method} {target} {version}", *([] if host is None else [f"Host: {host}"]), *lines]
    return "".join(f"{line}\r\n" for line in [*head, ""]).encode("latin-1")


@dataclass(frozen=True)
class Response:
    """One response as it came over the wire."""

    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def get(self, name: str) -> str | None:
        """Return the value of the field, or None if the response has none."""
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        assert value is not None, f"no {name} in {self.fields}"
        return value

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def timeless(self) -> Response:
        """Return the response without what is random: values of the clock, and what
        stands between several ranges.
        """
        fields = [(name, "*" if name.lower() in CLOCK_FIELDS else v) for name, v in self.fields]
        body = self.body
        if found := re.search("; boundary=(.+)", self.get("Content-Type") or ""):
            fields = [(name, value.replace(found[1], "*")) for name, value in fields]
            body = body.replace(found[1].encode(), b"*")
        return replace(self, fields=tuple(fields), body=body)

    def headless(self) -> Response:
        """Return the response that HEAD should get: the same without the body."""
        return replace(self, body=b"")


def parse_head(head: bytes) -> Response:
    """Return the response, still without its body, that begins with this head."""
    status_line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    status = STATUS_LINE.fullmatch(status_line)
    assert status, f"malformed status line {status_line!r}"
    fields = []
    for line in lines:
        match = FIELD_LINE.fullmatch(line)
        assert match, f"malformed field line {line!r}"
        fields.append((match[1], match[2]))
    names = [name.lower() for name, _ in fields]
    assert len(names) == len(set(names)), f"a field comes twice: {names}"
    return Response(int(status[1]), status[2], tuple(fields), b"")


class Client:
    """One connection to the server under test."""

    def __init__(
        self, port: int, host: str = "127.0.0.1", receive_buffer: int = 0, segment: int = 0
    ) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.socket.settimeout(DEADLINE)
        if receive_buffer:  # before connect(), or the window does not follow
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if segment:  # of the loopback interface, 64 KiB, for which the server's socket takes 2.5 MB
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
        try:
            self.socket.connect((host, port))
        except OSError:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address = "{}:{}".format(*self.socket.getsockname())
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        """Send each piece in a segment of its own."""
        for piece in pieces:
            self.socket.sendall(piece)

    def send_if_open(self, *pieces: bytes) -> None:
        """Like `send`, but stop where the server has closed the connection already."""
        with suppress(ConnectionResetError, BrokenPipeError):
            self.send(*pieces)

    def finish_sending(self) -> None:
        """Tell the server that nothing more will come."""
        self.socket.shutdown(socket.SHUT_WR)

    def head(self) -> Response:
        """Read the head of the next response and leave its body on the connection."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            self._receive("the end of a head")
        return parse_head(self._take(end + 4))

    def body(self, size: int) -> bytes:
        """Read exactly `size` bytes."""
        while len(self._buffer) < size:
            self._receive(f"{size} bytes of body")
        return self._take(size)

    def response(self, method: str = "GET") -> Response:
        """Read the next response, which is to a request with this method."""
        response = self.head()
        assert "Transfer-Encoding" not in response, response
        if method == "HEAD" or response.status in {204, 304}:
            return response
        length = response["Content-Length"]
        assert re.fullmatch("[0-9]+", length), response
        return replace(response, body=self.body(int(length)))

    def ask(
        self, target: str, *lines: str, method: str = "GET", version: str = "HTTP/1.1"
    ) -> Response:
        """Send a request and read its response."""
        self.send(request(target, *lines, method=method, version=version))
        return self.response(method)

    def rest(self) -> bytes:
        """Return all that comes until the server closes the connection."""
        while data := self.socket.recv(65536):
            self._buffer += data
        return self._take(len(self._buffer))

    def rest_or_reset(self) -> bytes:
        """Like `rest`, for a client that has no right to complain about a reset."""
        with suppress(ConnectionResetError):
            self.rest()
        return self._take(len(self._buffer))

    def _receive(self, what: str) -> None:
        try:
            data = self.socket.recv(262144)
        except TimeoutError:
            raise AssertionError(f"{what} did not come in {DEADLINE} s: {self._seen()}") from None
        assert data, f"the server closed the connection before {what}: {self._seen()}"
        self._buffer += data

    def _seen(self) -> str:
        return f"{len(self._buffer)} bytes, {bytes(self._buffer[:200])!r}"

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def ask(port: int, target: str, *lines: str, method: str = "GET") -> Response:
    """Send one request over a connection of its own and return its response."""
    with Client(port) as client:
        return client.ask(target, *lines, method=method)


def pipeline(port: int, requests: Iterable[tuple[str, bytes]]) -> Iterator[Response]:
    """Send all requests, given with their methods, at once and yield their responses in order."""
    requests = list(requests)
    with Client(port) as client:
        client.send(b"".join(data for _, data in requests))
        for method, _ in requests:
            yield client.response(method)

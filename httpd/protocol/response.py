"""An answer: all that a connection needs to know in order to send it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from httpd.protocol.dates import format_date
from httpd.protocol.messages import STATUSES

JOINED = 4096
"""Bytes up to which a body is copied behind its head; a larger one is handed to the kernel from
where it is."""
_STATUS_LINES = {
    number: f"HTTP/1.1 {number} {status.phrase}\r\n".encode() for number, status in STATUSES.items()
}


class DateHeaders:
    """The header lines that depend on the time of day, made once a second.

    Args:
        second: number of the second in which answers get this stamp.
        now: seconds since the epoch.
    """

    __slots__ = ("_lines", "_now", "second")

    def __init__(self, second: int, now: int) -> None:
        self.second = second
        self._now = now
        self._lines: dict[int | None, bytes] = {None: f"Date: {format_date(now)}\r\n".encode()}

    def lines(self, expires: int | None) -> bytes:
        """Return Date, and Expires if the answer may be kept for so many seconds."""
        lines = self._lines.get(expires)
        if lines is None:
            assert expires is not None
            date = format_date(self._now + expires)
            lines = self._lines[None] + f"Expires: {date}\r\n".encode()
            self._lines[expires] = lines
        return lines


class Source(Protocol):
    """What the body of a response is sent from: a file or a listing."""

    @property
    def name(self) -> bytes:
        """The name, for the log."""

    @property
    def fd(self) -> int:
        """An open descriptor, where `content` is None."""

    @property
    def content(self) -> bytes | None:
        """All of it, if it is in memory."""

    @property
    def is_snapshot(self) -> bool:
        """Whether nobody can change it."""

    def is_intact(self, part: range, *, is_last: bool) -> bool:
        """Tell whether a part is still what it was when the response was made.

        Args:
            part: what the client was promised, in bytes of the source.
            is_last: whether no other look comes before the client has all of it.

        Raises:
            OSError: of the source.
        """


class Claim(Protocol):
    """A claim to memory, which ends with the last reference to it."""

    @property
    def size(self) -> int:
        """Bytes."""


@dataclass(slots=True)
class Response:
    """A response head and the body that follows it; only `stamp` and the store change it.

    Sent are the bytes of `wire`, then those of `behind`, and then `segments`: bytes, and ranges of
    `source`, `length` bytes in all.  A small `body` is part of `wire`, so that it goes out with its
    head in one system call; a larger one is `behind`.  Whoever holds such bytes holds the answer:
    `source` and `claim` are what they are claimed by.

    `fields` are the header lines that do not depend on the time, up to the empty line.  `expires`
    is how many seconds it may be kept, if the answer says so.  `lingers` tells that the client may
    still be sending when the connection is to be closed, as one may that asked to keep it alive.
    `second` is that of the stamp.  `is_of_file` tells that it was made of a file: if it is kept,
    then by the store, with the file.
    """

    status: int
    fields: bytes
    keep_alive: bool = False
    body: bytes = b""
    source: Source | None = None
    segments: tuple[bytes | range, ...] = ()
    length: int = 0
    expires: int | None = None
    lingers: bool = False
    wire: bytes = b""
    behind: bytes = b""
    second: int = -1
    is_of_file: bool = False
    claim: Claim | None = None

    def stamp(self, stamp: DateHeaders) -> Response:
        """Fill `wire` with the time of `stamp`, and return the answer itself.

        A loop may do that while another one sends it: what is sent was taken out before, and is as
        long as what takes its place.
        """
        body = self.body
        if len(body) > JOINED:
            self.behind = body
            body = b""
        dates = stamp.lines(self.expires)
        self.wire = b"".join((_STATUS_LINES[self.status], dates, self.fields, body))
        self.second = stamp.second
        return self


PendingResponse = Generator[None, None, Response]
"""A response that takes several steps to make, such as a listing; each step is a `next`."""

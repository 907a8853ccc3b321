"""An answer: all that a connection needs to know in order to send it."""

from __future__ import annotations

from dataclasses import dataclass, field

from httpd.protocol.dates import format_date
from httpd.protocol.messages import REASONS
from httpd.site.listing import Listing
from httpd.site.resource import Resource, Variants

_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {reason}\r\n".encode() for status, reason in REASONS.items()
}


class Stamp:
    """The header lines that depend on the time of day, made once a second.

    Args:
        now: seconds since the epoch.
    """

    __slots__ = ("_lines", "_now")

    def __init__(self, now: float) -> None:
        self._now = now
        self._lines: dict[int | None, bytes] = {None: f"Date: {format_date(now)}\r\n".encode()}

    def lines(self, expires: int | None) -> bytes:
        """Return Date, and Expires if the answer may be kept for so many seconds."""
        if expires is not None and expires not in self._lines:
            date = format_date(self._now + expires)
            self._lines[expires] = self._lines[None] + f"Expires: {date}\r\n".encode()
        return self._lines[expires]


@dataclass(slots=True)
class Answer:
    """A response head and the body that follows it.

    Sent are the bytes of `wire` and then `segments`: bytes, and ranges of the file behind `source`,
    `length` bytes in all.  A small body is part of `wire`, so that it goes out with its head in one
    system call.

    `fields` are the header lines that do not depend on the time, up to the empty line.  `expires`
    is how many seconds it may be kept, if the answer says so.  `variants` are what the file was
    chosen from, at the request's `path`.  `lingers` tells that the client may still be sending when
    the connection is to be closed.
    """

    status: int
    fields: bytes
    keep_alive: bool = False
    body: bytes = b""
    source: Resource | Listing | None = None
    variants: Variants | None = None
    segments: tuple[bytes | range, ...] = ()
    length: int = 0
    expires: int | None = None
    lingers: bool = False
    path: bytes = b""
    wire: bytes = b""
    log_parts: tuple[bytes, bytes] | None = field(default=None, repr=False)

    def is_intact(self) -> bool:
        """Tell whether the file that the body is taken from is still what the head says."""
        return self.source is None or self.source.is_intact()

    def stamp(self, stamp: Stamp) -> Answer:
        """Fill `wire` with the time of `stamp`, and return the answer itself."""
        dates = stamp.lines(self.expires)
        self.wire = b"".join((_STATUS_LINES[self.status], dates, self.fields, self.body))
        return self

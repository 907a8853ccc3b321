"""An answer: all that a connection needs to know in order to send it."""

from __future__ import annotations

from dataclasses import dataclass, field

from httpd.protocol.dates import format_date
from httpd.protocol.messages import REASONS
from httpd.site.resource import Resource

_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {reason}\r\n".encode() for status, reason in REASONS.items()
}


class Stamp:
    """The header lines that depend on the time of day, made once a second."""

    __slots__ = ("date", "date_and_expires")

    def __init__(self, now: float, expires: int) -> None:
        self.date = f"Date: {format_date(now)}\r\n".encode()
        self.date_and_expires = self.date + f"Expires: {format_date(now + expires)}\r\n".encode()


@dataclass(slots=True)
class Answer:
    """A response head and the body that follows it.

    Sent are the bytes of `wire` and then `length` bytes of the file behind `resource` from `offset`
    on.  A small body is part of `wire`, so that it goes out with its head in one system call.

    `fields` are the header lines that do not depend on the time, up to the empty line.  `path` is
    that of the request.  `lingers` tells that the client may still be sending when it is to be
    closed.
    """

    status: int
    fields: bytes
    keep_alive: bool
    body: bytes = b""
    resource: Resource | None = None
    offset: int = 0
    length: int = 0
    expires: bool = False
    lingers: bool = False
    path: bytes = b""
    wire: bytes = b""
    log_parts: tuple[bytes, bytes] | None = field(default=None, repr=False)

    def is_intact(self) -> bool:
        """Tell whether the file that the body is taken from is still what the head says."""
        return self.resource is None or self.resource.is_intact()

    def stamp(self, stamp: Stamp) -> Answer:
        """Fill `wire` with the time of `stamp`, and return the answer itself."""
        dates = stamp.date_and_expires if self.expires else stamp.date
        self.wire = b"".join((_STATUS_LINES[self.status], dates, self.fields, self.body))
        return self

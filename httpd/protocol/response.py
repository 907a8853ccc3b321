"""A response: what a connection needs in order to send it, and where it may be cached."""

from __future__ import annotations

import enum
from collections.abc import Generator
from typing import Any, Final, NamedTuple, Protocol

from httpd.protocol.dates import format_date
from httpd.protocol.messages import STATUSES
from httpd.protocol.tally import Tally

JOINED = 4096
"""Bytes up to which a body is copied behind its head; a larger one is handed to the kernel from
where it is."""
_STATUS_LINES = {
    number: f"HTTP/1.1 {number} {status.phrase}\r\n".encode() for number, status in STATUSES.items()
}


class DateHeaders:
    """The header lines that depend on the time of day, rendered once a second.

    Args:
        second: of the monotonic clock, in which responses get these lines.
        date: seconds since the epoch.

    Attributes:
        rendered: the results of `lines`, by its argument.
    """

    __slots__ = ("date", "rendered", "second")

    def __init__(self, second: int, date: int) -> None:
        self.second = second
        self.date = date
        self.rendered: dict[int | None, bytes] = {None: f"Date: {format_date(date)}\r\n".encode()}

    def lines(self, expires: int | None) -> bytes:
        """Return Date, and Expires if clients may cache the response for so many seconds."""
        if expires is not None and expires not in self.rendered:
            expiry = format_date(self.date + expires)
            self.rendered[expires] = self.rendered[None] + f"Expires: {expiry}\r\n".encode()
        return self.rendered[expires]


class Source(Protocol):
    """A file or a listing from which the body of a response is sent."""

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
        """Whether no other process can change the content."""

    def is_intact(self, part: range, *, is_last: bool) -> bool:
        """Tell whether a part is still what it was when the response was made.

        Args:
            part: the bytes of the source that the head of the response announces.
            is_last: whether this is the last check before the client has all of the part.

        Raises:
            OSError: of the source.
        """


class Claim(Protocol):
    """A claim to memory, which ends with the last reference to it."""

    @property
    def size(self) -> int:
        """Bytes."""


class Cacheability(enum.Enum):
    """Where a response may be cached: decided in `httpd.site`, obeyed by `httpd.gateway`."""

    NEVER = enum.auto()
    """Nowhere: the next request may get another response."""
    HEAD = enum.auto()
    """By the bytes of the request head, for the rest of this second."""
    FILE = enum.auto()
    """With the file that it was made of, by the variant key, as long as that file stays."""


class Body(NamedTuple):
    """The body of a response: `content`, or else `segments`.

    `source` and `claim` keep the memory of the body claimed as long as the body is referred to.

    Args:
        content: all of the body, where that is in memory.
        segments: the parts of the body in their order: bytes, and ranges of the content of
            `source`.
        source: the file or listing that the ranges are sent from, or that owns `content`.
        claim: to the memory of the body, in addition to the claim of `source`.
    """

    content: bytes = b""
    segments: tuple[bytes | range, ...] = ()
    source: Source | None = None
    claim: Claim | None = None


NO_BODY = Body()


class Response:
    """A response head and the body that follows it.  Nothing of it changes but the dates.

    Args:
        tally: that of its site and status.
        fields: the header lines that do not depend on the time, up to the empty line.
        dates: of the second in which the response is sent.
        body: the whole body, also if it is joined to the head.
        keep_alive: whether the connection is kept open after the response.
        lingers: whether the client may still be sending when the connection is to be closed, as a
            client may that asked to keep it open.
        cacheability: where the response may be cached.
        expires: seconds for which clients may cache the response, None for no Expires.

    Attributes:
        second: that of `dates`.
        head: the head, with a small body joined to it, so that both are sent by one system call;
            its length never changes.
        after_head: the bytes of a body that is not joined to the head.
        owner: the cached file that the response is stored with, as long as it is.
    """

    __slots__ = (
        "after_head",
        "body",
        "cacheability",
        "expires",
        "fields",
        "head",
        "keep_alive",
        "lingers",
        "owner",
        "second",
        "tally",
    )

    def __init__(
        self,
        tally: Tally,
        fields: bytes,
        dates: DateHeaders,
        body: Body = NO_BODY,
        keep_alive: bool = False,
        lingers: bool = False,
        cacheability: Cacheability = Cacheability.NEVER,
        expires: int | None = None,
    ) -> None:
        content, segments, _, _ = body
        is_joined = len(content) <= JOINED
        self.tally: Final = tally
        self.fields: Final = fields
        self.body: Final = body
        self.keep_alive: Final = keep_alive
        self.lingers: Final = lingers
        self.cacheability: Final = cacheability
        self.expires: Final = expires
        self.after_head: Final = (
            sum(map(len, segments)) if segments else 0 if is_joined else len(content)
        )
        self.owner: Any = None
        self.second = dates.second
        self.head = b"".join(
            (
                _STATUS_LINES[tally.status],
                dates.rendered.get(expires) or dates.lines(expires),
                fields,
                content if is_joined else b"",
            )
        )

    @property
    def status(self) -> int:
        """A key of `STATUSES`."""
        return self.tally.status

    def __repr__(self) -> str:
        size = len(self.head) + self.after_head
        return f"<Response {self.status}, {size} bytes, cacheable: {self.cacheability.name}>"

    def set_dates(self, dates: DateHeaders) -> None:
        """Give the response the time of another second.

        Other threads may be sending the response, so `head` is replaced as a whole.
        """
        expires = self.expires
        self.head = b"".join(
            (
                _STATUS_LINES[self.tally.status],
                dates.rendered.get(expires) or dates.lines(expires),
                self.fields,
                b"" if self.after_head else self.body.content,
            )
        )
        self.second = dates.second


class Pause(enum.Enum):
    """What a pending response yields that waits for something else than its next turn."""

    UNTIL_WOKEN = enum.auto()
    """It is continued when its connection is woken, a drain begins, or the wait takes too long."""


class Part(NamedTuple):
    """Bytes of a response that is sent as it is made, from its status line on.

    The first part has the head, with ``Connection: close``: the end of the connection is the end of
    the response (RFC 9112 §6.3).  There is no tally: only the monitor sends parts, and
    nobody counts its responses.

    Args:
        data: one byte at least.
        is_last: whether the response ends here.
    """

    data: bytes
    is_last: bool = False


PendingResponse = Generator[Pause | Part | None, None, Response]
"""A response that takes several steps to make, such as a listing; each step is a `next`.  It is
sent when it is returned, or part by part."""

"""What a case of the corpus is, and the short words that the tables are written in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.raw import Response, request

CLOSING = frozenset({400, 408, 413, 414, 417, 431, 501, 505})
"""The statuses after which the rest of the stream can't be trusted, so that the connection ends."""

LAST = re.compile(rb"^.* HTTP/1\.0\r\n|\r\nConnection:[^\r]*\bclose\b", re.IGNORECASE)

ETAG = "@ETAG@"
"""Stands in a request for the entity tag of /plain.txt."""


@dataclass(frozen=True)
class Case:
    """One request and what is known about its response."""

    name: str
    clause: str
    """The RFC and section, or the sentence of the specification, that demands this response."""
    request: bytes
    status: int | tuple[int, ...]
    """Several, where the clause leaves a choice; all replays must then make the same one."""
    body: bytes | None = None
    """The body of a 200 or 206; other responses have a body of their own making."""
    body_pattern: bytes | None = None
    """Where the body has something of the server's own making, what must match it in full."""
    keeps: bool = True
    """False where the request ends the connection; some statuses do that by themselves."""
    fields: Mapping[str, str | None] = field(default_factory=dict)
    """Patterns that fields must match in full; None where there must not be such a field."""

    @property
    def statuses(self) -> tuple[int, ...]:
        return self.status if isinstance(self.status, tuple) else (self.status,)

    @property
    def method(self) -> str:
        return "HEAD" if self.request.lstrip(b"\r\n").startswith(b"HEAD ") else "GET"

    @property
    def is_last(self) -> bool:
        """Whether the client said itself that nothing follows (RFC 9112, section 9.6)."""
        return bool(LAST.search(self.request))

    def keeps_after(self, status: int) -> bool:
        """Whether the connection stays open after a response with this status."""
        return self.keeps and status not in CLOSING

    @property
    def may_keep(self) -> bool:
        """Whether the connection stays open after some of the responses."""
        return any(map(self.keeps_after, self.statuses))

    def bytes(self, etag: str) -> bytes:
        """The request as it is sent."""
        return self.request.replace(ETAG.encode(), etag.encode())

    def check(self, response: Response) -> None:
        """Assert all that the case knows about its response."""
        assert response.status in self.statuses, f"{self.clause}: {self.request[:200]!r}"
        closes = not self.keeps_after(response.status)
        assert (response.get("Connection") == "close") == closes, (
            f"{self.clause}: {response.fields}"
        )
        for name, pattern in self.fields.items():
            value = response.get(name)
            if pattern is None:
                assert value is None, f"{self.clause}: {name}: {value}"
            else:
                assert value is not None, f"{self.clause}: no {name} in {response.fields}"
                assert re.fullmatch(pattern, value), f"{self.clause}: {name}: {value}"
        if self.method == "HEAD":
            assert response.body == b""
        elif response.status in {200, 206} and self.body is not None:
            assert response.body == self.body, self.clause
        elif self.body_pattern is not None:
            assert re.fullmatch(self.body_pattern, response.body, re.DOTALL), response.body


def line(request_line: str) -> bytes:
    """A request whose request line is the point."""
    return f"{request_line}\r\nHost: localhost\r\n\r\n".encode("latin-1")


def fields(*lines: str, method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    """A request whose field lines are the point; Host is not added to them."""
    return request("/plain.txt", *lines, method=method, version=version, host=None)


def multipart(*parts: range, media_type: str, content: bytes) -> bytes:
    """The pattern of a multipart/byteranges body (RFC 9110, section 14.6)."""
    delimiter = rb"--[0-9A-Za-z]{16,70}"
    return b"\r\n".join(
        [
            *(
                delimiter
                + re.escape(
                    f"\r\nContent-Type: {media_type}\r\nContent-Range: "
                    f"bytes {part.start}-{part.stop - 1}/{len(content)}\r\n\r\n".encode()
                    + content[part.start : part.stop]
                )
                for part in parts
            ),
            delimiter + rb"--\r\n",
        ]
    )


def get(target: str, *lines: str) -> bytes:
    """A GET with a Host and further field lines."""
    return request(target, *lines)


def plain(*lines: str, method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    """A request for /plain.txt with a Host and further field lines."""
    return request("/plain.txt", *lines, method=method, version=version)

"""The values that the other modules speak of: requests, errors and status codes (RFC 9110)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

REASONS: Mapping[int, str] = {
    200: "OK",
    206: "Partial Content",
    301: "Moved Permanently",
    304: "Not Modified",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    412: "Precondition Failed",
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    417: "Expectation Failed",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
"""Every status that phttpd answers with, and its reason phrase (RFC 9110 §15)."""


class Header(NamedTuple):
    """What a request head says beside its method and target: its version and its header section.

    `fields` maps lower-case names to values; repeated fields are joined with a comma (RFC 9110
    §5.3).  `body_length` is the bytes of the body that follows, or None when it is chunked.
    `expects_continue` tells that the client waits to be asked for that body (RFC 9110 §10.1.1).

    `is_plain` tells that it has neither a condition nor a Range (RFC 9110 §13.1, §14.2).

    Two requests for a file that have the same `variant_key` have the same answer; it is empty where
    a body follows, since such a request is not understood by its head alone.
    """

    minor_version: int
    fields: Mapping[str, str]
    keep_alive: bool
    body_length: int | None
    expects_continue: bool
    is_plain: bool
    variant_key: bytes


class Request(NamedTuple):
    """One parsed request head.

    `path` and `query` are as they were sent, percent-encoded; `query` includes its question mark.
    `path` is empty for a target that names no path (``*`` and CONNECT's authority).
    """

    method: str
    path: bytes
    query: bytes
    header: Header

    @property
    def fields(self) -> Mapping[str, str]:
        """The header fields; see `Header`."""
        return self.header.fields

    @property
    def has_body(self) -> bool:
        """Tell whether a body follows the head."""
        return self.header.body_length != 0


class HTTPError(Exception):
    """A request that is answered with an error status.

    Args:
        status: one of `REASONS`.
        detail: a sentence for the person who reads the error page.
        fields: more header fields for the answer, names and values.
        reason: what the log says when the connection is closed for this; empty for what it says of
            others with that status.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        fields: tuple[tuple[str, str], ...] = (),
        reason: str = "",
    ) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.fields = fields
        self.reason = reason

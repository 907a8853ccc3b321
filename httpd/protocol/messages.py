"""The values that the other modules speak of: requests, errors and status codes (RFC 9110)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Status(NamedTuple):
    """The properties of a status code.

    `phrase` is its reason phrase (RFC 9110 §15).  `close_reason` is empty unless the connection is
    closed after a response with this status; then it is the reason that the log gives for that.
    """

    phrase: str
    close_reason: str = ""


STATUSES: Mapping[int, Status] = {
    200: Status("OK"),
    204: Status("No Content"),
    206: Status("Partial Content"),
    301: Status("Moved Permanently"),
    302: Status("Found"),
    303: Status("See Other"),
    304: Status("Not Modified"),
    307: Status("Temporary Redirect"),
    308: Status("Permanent Redirect"),
    400: Status("Bad Request", "bad request"),
    403: Status("Forbidden"),
    404: Status("Not Found"),
    405: Status("Method Not Allowed"),
    406: Status("Not Acceptable"),
    408: Status("Request Timeout", "bad request"),
    410: Status("Gone"),
    412: Status("Precondition Failed"),
    413: Status("Content Too Large", "body too large"),
    414: Status("URI Too Long", "bad request"),
    416: Status("Range Not Satisfiable"),
    417: Status("Expectation Failed", "bad request"),
    421: Status("Misdirected Request", "bad request"),
    431: Status("Request Header Fields Too Large", "bad request"),
    500: Status("Internal Server Error", "internal error"),
    501: Status("Not Implemented", "bad request"),
    503: Status("Service Unavailable", "service unavailable"),
    505: Status("HTTP Version Not Supported", "bad request"),
}
"""Every status that phttpd sends."""
CLOSING = frozenset(number for number, status in STATUSES.items() if status.close_reason)
"""The statuses after which the connection is closed."""


class Header(NamedTuple):
    """The parsed version and header section of a request head.

    `fields` maps lower-case names to values; repeated fields are joined with a comma (RFC 9110
    §5.3).  `body_length` is the bytes of the body that follows, or None when it is chunked.
    `expects_continue` tells that the client waits to be asked for that body (RFC 9110 §10.1.1).

    `is_plain` tells that the request has neither a condition nor a Range (RFC 9110 §13.1, §14.2).

    Two requests for a file that have the same `variant_key` get the same response (RFC 9111 §4.1).
    The key is empty where a body follows, since the head alone does not determine the response to
    such a request.

    `is_usual` tells that a GET gets the whole of a file without precompressed forms, and that the
    connection is kept open in HTTP/1.1.

    `site` is that of the host, of which this module knows nothing; None if nothing was asked.
    """

    minor_version: int
    fields: Mapping[str, str]
    keep_alive: bool
    body_length: int | None
    expects_continue: bool
    is_plain: bool
    variant_key: bytes
    site: Any
    is_usual: bool


class Request(NamedTuple):
    """One parsed request head.

    `path` and `query` are as they were sent, percent-encoded; `query` includes its question mark.
    `path` is empty for a target that names no path (``*`` and CONNECT's authority).

    `authority` is that of the target, which takes the place of the Host field (RFC 9112 §3.2.2);
    None if the target has none.
    """

    method: str
    path: bytes
    query: bytes
    header: Header
    authority: bytes | None = None

    @property
    def fields(self) -> Mapping[str, str]:
        """The header fields; see `Header`."""
        return self.header.fields

    @property
    def has_body(self) -> bool:
        """Tell whether a body follows the head."""
        return self.header.body_length != 0


class HTTPError(Exception):
    """An error status for the response to a request.

    Args:
        status: a key of `STATUSES`.
        detail: a sentence for the person who reads the error page.
        fields: more header fields of the response, names and values.
        close_reason: why the connection is closed, for the log; empty for what `STATUSES` says.
    """

    is_silent = False
    """Whether the response is neither counted nor logged."""

    def __init__(
        self,
        status: int,
        detail: str,
        fields: tuple[tuple[str, str], ...] = (),
        close_reason: str = "",
    ) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.fields = fields
        self.close_reason = close_reason or STATUSES[status].close_reason

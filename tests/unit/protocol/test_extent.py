"""What a response says of the representation that it is taken from."""

from __future__ import annotations

import pytest

from httpd.protocol.extent import Extent, find_extent
from httpd.protocol.response import Body, DateHeaders, Response
from httpd.protocol.tally import NO_NAME, Tally


def respond(status: int, *lines: str, body: Body | None = None) -> Response:
    fields = "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")
    return Response(Tally(NO_NAME, status), fields, DateHeaders(0, 0), body or Body())


PART = b"\r\n--x\r\nContent-Type: a/b\r\nContent-Range: bytes 5-9/100\r\n\r\n"


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (
            respond(200, 'ETag: "a-1"', "Last-Modified: then", "Content-Length: 77"),
            Extent(77, ((0, 0, 77),), b'"a-1"'),
        ),
        (
            respond(200, "last-modified: then", "content-length: 0"),
            Extent(0, ((0, 0, 0),), b"then"),
        ),
        (respond(200, "X-Content-Length: 5"), Extent(0, ((0, 0, 0),), b"")),
        (
            respond(206, "Content-Range: bytes 10-19/500", 'ETag: W/"x"', "Content-Length: 10"),
            Extent(500, ((0, 10, 20),), b'W/"x"'),
        ),
        (
            respond(
                206,
                "Content-Length: 300",
                body=Body(b"", (PART, range(5, 10), PART, range(20, 30), b"--")),
            ),
            Extent(
                100,
                ((len(PART), 5, 10), (2 * len(PART) + 5, 20, 30)),
                b"",
            ),
        ),
        (respond(206, "Content-Length: 300", body=Body(PART + b"12345")), Extent(0, (), b"")),
    ],
    ids=["whole", "empty", "unknown", "range", "ranges", "ranges-in-memory"],
)
def test_extent_is_what_the_fields_say(response: Response, expected: Extent) -> None:
    assert find_extent(response) == expected

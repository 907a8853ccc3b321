"""Request heads for tests: how they are written, cut and parsed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import strategies as st

from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.parser import find_head_end, parse_head

Outcome = Request | int | None
"""A request, the status of an error, or None for “more bytes are needed”."""


def head(*lines: str | bytes, target: str = "/", method: str = "GET", minor: int = 1) -> bytes:
    """Return a head with a Host field and further field lines."""
    first = f"{method} {target} HTTP/1.{minor}"
    return join(first, "Host: localhost", *lines)


def join(*lines: str | bytes) -> bytes:
    """Return a head of exactly these lines."""
    encoded = [line.encode("latin-1") if isinstance(line, str) else line for line in lines]
    return b"\r\n".join([*encoded, b"", b""])


def parse_whole(data: bytes) -> Outcome:
    """Return what comes out when all bytes arrive at once."""
    return feed([data])


def feed(pieces: Iterable[bytes]) -> Outcome:
    """Return what comes out when the bytes arrive piece by piece."""
    buffer = bytearray()
    for piece in pieces:
        seen = len(buffer)
        buffer += piece
        try:
            if end := find_head_end(buffer, seen):
                return parse_head(bytes(buffer[:end]))
        except HTTPError as error:
            return error.status
    return None


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut at these places, wherever they lie."""
    inside = sorted({place % (len(data) + 1) for place in places})
    return [data[i:j] for i, j in zip([0, *inside], [*inside, len(data)], strict=True)]


# Lines that have something to say to a parser, right and wrong.
FIELD_LINES = st.sampled_from(
    [
        b"Host: localhost",
        b"Host: [::1]:80",
        b"Host:",
        b"host: a b",
        b"Connection: close",
        b"Connection: keep-alive, Upgrade",
        b"Content-Length: 0",
        b"Content-Length: 5",
        b"Content-Length: +5",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip",
        b"Expect: 100-continue",
        b"Expect: 200-ok",
        b"Accept: */*",
        b"X-Latin: \xe4\xff",
        b"X-Folded: a",
        b" folded",
        b"no colon",
        b"Space : before",
        b"Nul: \0",
        b": nameless",
        b"Range: bytes=0-1",
        b"If-None-Match: *",
    ]
)
REQUEST_LINES = st.sampled_from(
    [
        b"GET / HTTP/1.1",
        b"GET /a%20b?c=d HTTP/1.0",
        b"HEAD http://localhost/x HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT localhost:80 HTTP/1.1",
        b"get / HTTP/1.1",
        b"GET / HTTP/2.0",
        b"GET / HTTP/1.9",
        b"GET /",
        b"GET  / HTTP/1.1",
        b"G\xe4T / HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
    ]
)


@st.composite
def likely_heads(draw: st.DrawFn) -> bytes:
    """Heads that get far into the parser."""
    lines = [draw(REQUEST_LINES), *draw(st.lists(FIELD_LINES, max_size=6))]
    return draw(st.sampled_from([b"", b"", b"\r\n"])) + b"\r\n".join([*lines, b"", b""])


@st.composite
def usual_heads(draw: st.DrawFn) -> bytes:
    """Heads with the fields that clients send, of which some bytes may be wrong."""
    values = st.text(st.characters(codec="latin-1"), max_size=12)
    value = st.sampled_from(["", " ", "a", "localhost:80", "keep-alive", "Close"]) | values
    names = st.sampled_from(["Accept", "Accept-Encoding", "connection", "Cookie", "Range", "HOST"])
    lines = draw(
        st.lists(st.tuples(names, st.sampled_from([":", ": ", ":\t "]), value), max_size=6)
    )
    first = f"GET / HTTP/1.{draw(st.sampled_from('0119'))}"
    return join(first, "Host: localhost", *("".join(line) for line in lines))


@st.composite
def mutated_heads(draw: st.DrawFn) -> bytes:
    """Likely heads in which some bytes were replaced, inserted, removed or doubled."""
    data = draw(likely_heads())
    special = st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b"%", b"\xff", b""])
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        stop = start + draw(st.integers(0, 8))
        data = data[:start] + draw(special | st.just(data[start:stop] * 2)) + data[stop:]
    return data + draw(st.binary(max_size=8))

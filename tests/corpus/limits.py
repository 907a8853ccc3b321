"""Requests that are too long, and just not too long (RFC 9112, section 3; RFC 6585, section 5)."""

from __future__ import annotations

from tests.corpus.case import Case, get, plain
from tests.corpus.site import PLAIN

KIB = 1024
LINE = "RFC 9112 3: request line over 8 KiB → 414"
HEAD = "RFC 6585 5: head over 32 KiB or more than 100 fields → 431"
NAME = "spec: a missing file is a 404 page"


def line_of(size: int) -> bytes:
    """A request whose request line has this size, without its line end."""
    target = "/plain.txt?"
    return get(target + "q" * (size - len(f"GET {target} HTTP/1.1")))


def head_of(size: int) -> bytes:
    """A request of this size whose fields are long and few."""
    lines = [f"X-{number}: {'v' * 4000}" for number in range(size // 4500)]
    short = len(plain(*lines, "X-Last: "))
    return plain(*lines, "X-Last: " + "v" * (size - short))


def with_fields(count: int) -> bytes:
    """A request with this many fields, Host among them."""
    return plain(*(f"X-{number}: {number}" for number in range(count - 1)))


LINES = [
    Case("line-of-8000", LINE, line_of(8000), 200, PLAIN),
    Case("line-of-8190", LINE, line_of(8 * KIB - 2), 200, PLAIN),
    *[  # the line end may or may not count, but that must not depend on how the bytes arrive
        Case(f"line-of-{size}", LINE, line_of(size), (200, 414), PLAIN)
        for size in (8 * KIB - 1, 8 * KIB)
    ],
    Case("line-of-8193", LINE, line_of(8 * KIB + 1), 414),
    Case("line-of-8194", LINE, line_of(8 * KIB + 2), 414),
    Case("line-of-9000", LINE, line_of(9000), 414),
    Case("line-of-40000", LINE, line_of(40_000), 414),
    Case("line-of-100000", LINE, line_of(100_000), 414),
    Case("line-without-end", LINE, b"GET /" + b"a" * 9000, 414),
    Case("letters-without-end", LINE, b"G" * 9000, (400, 414)),
]

HEADS = [
    Case("head-of-30000", HEAD, head_of(30_000), 200, PLAIN),
    Case("head-of-32764", HEAD, head_of(32 * KIB - 4), 200, PLAIN),
    *[
        Case(f"head-of-{size}", HEAD, head_of(size), (200, 431), PLAIN)
        for size in range(32 * KIB - 1, 32 * KIB + 2)
    ],
    Case("head-of-32773", HEAD, head_of(32 * KIB + 5), 431),
    Case("head-of-40000", HEAD, head_of(40_000), 431),
    Case("head-of-100000", HEAD, head_of(100_000), 431),
    Case("one-long-value", HEAD, plain("X-A: " + "v" * 20_000), 200, PLAIN),
    Case("one-too-long-value", HEAD, plain("X-A: " + "v" * 40_000), 431),
    Case("one-long-name", HEAD, plain("X" * 20_000 + ": v"), 200, PLAIN),
    Case("value-without-end", HEAD, plain()[:-2] + b"X-A: " + b"v" * 40_000, 431),
    Case("100-fields", HEAD, with_fields(100), 200, PLAIN),
    Case("101-fields", HEAD, with_fields(101), 431),
    Case("1000-fields", HEAD, with_fields(1000), 431),
]

NAMES = [
    Case("name-of-255", NAME, get("/" + "n" * 255), 404),
    Case("name-of-256", NAME, get("/" + "n" * 256), 404),
    Case("name-of-8000", NAME, get("/" + "n" * 8000), 404),
    Case("path-of-8000", NAME, get("/n" * 4000), 404),
    Case("path-of-folders", NAME, get("/sub/" + "n/" * 3000), 404),
    Case("path-of-slashes", NAME, get("/" * 8000 + "plain.txt"), 200, PLAIN),
]

CASES = [*LINES, *HEADS, *NAMES]

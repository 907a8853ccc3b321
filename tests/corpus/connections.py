"""Which requests end the connection, and request bodies (RFC 9112, sections 6 and 9)."""

from __future__ import annotations

from tests.corpus.case import Case, fields, get, plain
from tests.corpus.site import HOME, LARGE, PLAIN
from tests.support.raw import request

PERSISTENCE = "RFC 9112 9.3"
LENGTH = "RFC 9112 6.3"
CODING = "RFC 9112 6.1"
SMUGGLED = "GET /follow.txt HTTP/1.1\r\nHost: a\r\n\r\n"
KEEP_ALIVE = {"Connection": "keep-alive"}

PERSISTENT = [
    Case("close", PERSISTENCE, plain("Connection: close"), 200, PLAIN, keeps=False),
    Case("close-any-case", PERSISTENCE, plain("connection: Close"), 200, PLAIN, keeps=False),
    Case("close-in-list", PERSISTENCE, plain("Connection: x, close ,"), 200, PLAIN, keeps=False),
    Case(
        "close-in-second-field",
        "RFC 9110 5.3",
        plain("Connection: keep-alive", "Connection: close"),
        200,
        PLAIN,
        keeps=False,
    ),
    Case(
        "close-beats-keep-alive",
        PERSISTENCE,
        plain("Connection: keep-alive, close"),
        200,
        PLAIN,
        keeps=False,
    ),
    Case("close-head", PERSISTENCE, plain("Connection: close", method="HEAD"), 200, keeps=False),
    Case("close-404", PERSISTENCE, get("/missing", "Connection: close"), 404, keeps=False),
    Case("close-301", PERSISTENCE, get("/sub", "Connection: close"), 301, keeps=False),
    Case("close-405", PERSISTENCE, plain("Connection: close", method="PUT"), 405, keeps=False),
    Case(
        "close-304",
        PERSISTENCE,
        plain("Connection: close", "If-None-Match: *"),
        304,
        keeps=False,
    ),
    Case(
        "close-large", PERSISTENCE, get("/large.bin", "Connection: close"), 200, LARGE, keeps=False
    ),
    Case("keep-alive", PERSISTENCE, plain("Connection: keep-alive"), 200, PLAIN),
    Case("large", PERSISTENCE, get("/large.bin"), 200, LARGE),
    Case("closed-is-not-close", PERSISTENCE, plain("Connection: closed"), 200, PLAIN),
    Case("odd-close-is-not-close", PERSISTENCE, plain("Connection: \xa0close"), 200, PLAIN),
    Case("x-close-is-not-close", PERSISTENCE, plain("Connection: x-close"), 200, PLAIN),
    Case("no-connection-field", PERSISTENCE, plain("X-Connection: close"), 200, PLAIN),
    Case("close-in-value", PERSISTENCE, plain("X-A: Connection: close"), 200, PLAIN),
    Case("upgrade", "RFC 9110 7.8", plain("Connection: upgrade", "Upgrade: h2c"), 200, PLAIN),
    Case("http-1.0", PERSISTENCE, plain(version="HTTP/1.0"), 200, PLAIN, keeps=False),
    Case("http-1.0-no-host", "RFC 9112 3.2", fields(version="HTTP/1.0"), 200, PLAIN, keeps=False),
    Case(
        "http-1.0-absolute",
        "RFC 9112 3.2.2",
        request("http://a/", version="HTTP/1.0", host=None),
        200,
        HOME,
        keeps=False,
    ),
    Case(
        "http-1.0-keep-alive",
        PERSISTENCE,
        plain("Connection: Keep-Alive", version="HTTP/1.0"),
        200,
        PLAIN,
        fields=KEEP_ALIVE,
    ),
    Case(
        "http-1.0-keep-alive-no-host",
        PERSISTENCE,
        fields("Connection: keep-alive", version="HTTP/1.0"),
        200,
        PLAIN,
        fields=KEEP_ALIVE,
    ),
    Case(
        "http-1.0-keep-alive-404",
        PERSISTENCE,
        request("/missing", "Connection: keep-alive", version="HTTP/1.0"),
        404,
        fields=KEEP_ALIVE,
    ),
    Case(
        "http-1.0-keep-alive-304",
        PERSISTENCE,
        plain("Connection: keep-alive", "If-None-Match: *", version="HTTP/1.0"),
        304,
        fields=KEEP_ALIVE,
    ),
    Case(
        "http-1.0-keep-alive-501",
        PERSISTENCE,
        plain("Connection: keep-alive", method="BREW", version="HTTP/1.0"),
        501,
    ),
    Case(
        "http-1.0-close-beats-keep-alive",
        PERSISTENCE,
        plain("Connection: close, keep-alive", version="HTTP/1.0"),
        200,
        PLAIN,
        keeps=False,
    ),
    Case(
        "http-1.0-other-word",
        PERSISTENCE,
        plain("Connection: x-keep-alive", version="HTTP/1.0"),
        200,
        PLAIN,
        keeps=False,
    ),
    Case(
        "http-1.0-keep-alive-field-alone",
        PERSISTENCE,
        plain("Keep-Alive: timeout=5", version="HTTP/1.0"),
        200,
        PLAIN,
        keeps=False,
    ),
]


def chunked(*lines: str, method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    """A request with a chunked body that holds another request."""
    body = f"{len(SMUGGLED):x}\r\n{SMUGGLED}\r\n0\r\n\r\n"
    return plain(*lines, method=method, version=version) + body.encode()


def bodied(*lines: str, method: str = "GET") -> bytes:
    """A request with a body that is another request."""
    return plain(*lines, method=method) + SMUGGLED.encode()


SIZE = f"Content-Length: {len(SMUGGLED)}"
CHUNKED = "Transfer-Encoding: chunked"

BODIES = [
    Case("empty-body", LENGTH, plain("Content-Length: 0"), 200, PLAIN),
    Case("empty-body-zeros", LENGTH, plain("Content-Length: 000"), 400),
    Case("body", LENGTH, bodied(SIZE), 200, PLAIN),
    Case("body-head", LENGTH, bodied(SIZE, method="HEAD"), 200),
    Case("body-post", LENGTH, bodied(SIZE, method="POST"), 405),
    Case("body-of-a-missing-file", LENGTH, get("/missing", SIZE) + SMUGGLED.encode(), 404),
    Case("body-unknown-method", LENGTH, bodied(SIZE, method="BREW"), 501),
    Case("chunked", CODING, chunked(CHUNKED), 200, PLAIN),
    Case("chunked-any-case", CODING, chunked("transfer-encoding: Chunked"), 200, PLAIN),
    Case("chunked-post", CODING, chunked(CHUNKED, method="POST"), 405),
    Case("chunked-empty", CODING, plain(CHUNKED) + b"0\r\n\r\n", 200, PLAIN),
    Case("chunked-extension", CODING, plain(CHUNKED) + b'1;a="b"\r\nx\r\n0;c\r\n\r\n', 200, PLAIN),
    Case("chunked-trailer", CODING, plain(CHUNKED) + b"0\r\nHost: other\r\n\r\n", 200, PLAIN),
    Case("chunk-too-long", CODING, plain(CHUNKED) + b"1\r\nxx\r\n0\r\n\r\n", 400),
    Case("chunk-size-sign", CODING, plain(CHUNKED) + b"+1\r\nx\r\n0\r\n\r\n", 400),
    Case("chunk-size-prefix", CODING, plain(CHUNKED) + b"0x1\r\nx\r\n0\r\n\r\n", 400),
    Case("chunk-size-blank", CODING, plain(CHUNKED) + b"1 \r\nx\r\n0\r\n\r\n", 400),
    Case("chunk-size-overflow", CODING, plain(CHUNKED) + b"1" + b"0" * 16 + b"1\r\nx\r\n", 400),
    Case("chunk-size-huge", CODING, plain(CHUNKED) + b"f" * 16 + b"\r\nx\r\n", 413),
    Case("chunk-bare-lf", CODING, plain(CHUNKED) + b"1\nx\r\n0\r\n\r\n", 400),
    Case("chunk-end-bare-lf", CODING, plain(CHUNKED) + b"1\r\nx\n0\r\n\r\n", 400),
    Case("chunk-extension-bare-cr", CODING, plain(CHUNKED) + b"1;a\rb\r\nx\r\n0\r\n\r\n", 400),
    Case("chunk-trailer-nul", CODING, plain(CHUNKED) + b"0\r\na: \0\r\n\r\n", 400),
    Case("chunk-trailer-fold", CODING, plain(CHUNKED) + b"0\r\na: b\r\n c\r\n\r\n", 400),
    Case("chunk-trailer-bare-lf", CODING, plain(CHUNKED) + b"0\r\na: b\n\r\n", 400),
    Case("body-too-large", "RFC 9110 15.5.14", plain("Content-Length: 1048577"), 413),
    Case("chunked-and-length", CODING, chunked(CHUNKED, SIZE), (200, 400), PLAIN, keeps=False),
    Case("length-and-chunked", CODING, chunked(SIZE, CHUNKED), (200, 400), PLAIN, keeps=False),
    Case(
        "chunked-and-zero-length",
        CODING,
        chunked("Content-Length: 0", CHUNKED),
        (200, 400),
        PLAIN,
        keeps=False,
    ),
    Case(
        "chunked-http-1.0",
        CODING,
        chunked(CHUNKED, "Connection: keep-alive", version="HTTP/1.0"),
        (200, 400),
        PLAIN,
        keeps=False,
    ),
    Case("unknown-coding", CODING, chunked("Transfer-Encoding: bogus"), (400, 501), keeps=False),
    Case("chunked-twice", LENGTH, chunked(CHUNKED, CHUNKED), (400, 501), keeps=False),
    Case("chunked-not-last", LENGTH, chunked("Transfer-Encoding: chunked, x"), 400, keeps=False),
    Case(
        "empty-coding", LENGTH, chunked("Transfer-Encoding:"), (200, 400, 501), PLAIN, keeps=False
    ),
    Case("spaced-coding", LENGTH, chunked("Transfer-Encoding: chun ked"), (400, 501)),
    Case("no-break-space-in-coding", CODING, chunked("Transfer-Encoding: \xa0chunked"), 400),
    Case("next-line-in-coding", CODING, chunked("Transfer-Encoding: \x85chunked"), 400),
    Case("no-break-space-behind-coding", CODING, chunked("Transfer-Encoding: chunked\xa0"), 400),
    Case("control-in-coding", LENGTH, chunked("Transfer-Encoding: \x0bchunked"), 400),
    Case("length-letters", LENGTH, bodied("Content-Length: abc"), 400),
    Case("length-empty", LENGTH, bodied("Content-Length:"), 400),
    Case("length-negative", LENGTH, bodied("Content-Length: -1"), 400),
    Case("length-plus", LENGTH, bodied("Content-Length: +5"), 400),
    Case("length-hexadecimal", LENGTH, bodied("Content-Length: 0x10"), 400),
    Case("length-fraction", LENGTH, bodied("Content-Length: 5.0"), 400),
    Case("length-underscore", LENGTH, bodied("Content-Length: 1_0"), 400),
    Case("length-space", LENGTH, bodied("Content-Length: 1 0"), 400),
    Case("length-superscript", LENGTH, bodied("Content-Length: \xb2"), 400),
    Case("length-differs", LENGTH, bodied("Content-Length: 5", "Content-Length: 6"), 400),
    Case("length-list-differs", LENGTH, bodied("Content-Length: 5, 6"), 400),
    Case("length-zero-and-more", LENGTH, bodied("Content-Length: 0", SIZE), 400),
    Case("length-twice", LENGTH, bodied(SIZE, SIZE), (200, 400), PLAIN, keeps=False),
    Case(
        "length-huge",
        LENGTH,
        bodied("Content-Length: 9223372036854775808"),
        (200, 400, 413),
        PLAIN,
        keeps=False,
    ),
    Case(
        "length-5000-digits",
        LENGTH,
        bodied("Content-Length: " + "9" * 5000),
        (200, 400, 413),
        PLAIN,
        keeps=False,
    ),
    Case("expect-continue", "RFC 9110 10.1.1", plain("Expect: 100-continue"), 200, PLAIN),
    Case(
        "expect-continue-with-body",
        "RFC 9110 10.1.1",
        bodied("Expect: 100-continue", SIZE, method="POST"),
        405,
        keeps=False,
    ),
    Case("expect-other", "RFC 9110 10.1.1", plain("Expect: a miracle"), (200, 417), PLAIN),
]

CASES = [*PERSISTENT, *BODIES]

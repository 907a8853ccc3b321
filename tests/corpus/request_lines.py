"""Request lines: their form, methods and versions (RFC 9112, sections 2.2, 2.3 and 3)."""

from __future__ import annotations

from tests.corpus.case import Case, fields, line, plain
from tests.corpus.site import HOME, PLAIN
from tests.support.raw import request

ALLOW = {"Allow": "GET, HEAD, OPTIONS"}
FORM = "RFC 9112 3"
METHOD = "RFC 9112 3.1, RFC 9110 9.1"
VERSION = "RFC 9112 2.3"

GOOD = [
    Case("get", FORM, line("GET /plain.txt HTTP/1.1"), 200, PLAIN),
    Case("head", "RFC 9110 9.3.2", line("HEAD /plain.txt HTTP/1.1"), 200),
    Case("empty-line-before", "RFC 9112 2.2", b"\r\n" + plain(), 200, PLAIN),
    Case("empty-line-after", "RFC 9112 2.2", plain() + b"\r\n", 200, PLAIN),
]

MALFORMED = [
    Case("no-version", FORM, line("GET /plain.txt"), 400),
    Case("simple-request", FORM, b"GET /plain.txt\r\n\r\n", 400),
    Case("method-alone", FORM, line("GET"), 400),
    Case("four-words", FORM, line("GET /plain.txt HTTP/1.1 again"), 400),
    Case("two-spaces-before-target", FORM, line("GET  /plain.txt HTTP/1.1"), 400),
    Case("two-spaces-after-target", FORM, line("GET /plain.txt  HTTP/1.1"), 400),
    Case("space-before-method", FORM, line(" GET /plain.txt HTTP/1.1"), 400),
    Case("space-after-version", FORM, line("GET /plain.txt HTTP/1.1 "), 400),
    Case("tabs", FORM, line("GET\t/plain.txt\tHTTP/1.1"), 400),
    Case("tab-in-target", FORM, line("GET /plain\t.txt HTTP/1.1"), 400),
    Case("vertical-tab", FORM, line("GET\x0b/plain.txt\x0bHTTP/1.1"), 400),
    Case("no-break-space", FORM, line("GET\xa0/plain.txt\xa0HTTP/1.1"), 400),
    Case("no-target", FORM, line("GET HTTP/1.1"), 400),
    Case("empty-target", FORM, line("GET  HTTP/1.1"), 400),
    Case("no-method", FORM, line("/plain.txt HTTP/1.1"), 400),
    Case("empty-method", FORM, line(" /plain.txt HTTP/1.1"), 400),
    Case("answer-as-request", FORM, line("HTTP/1.1 200 OK"), 400),
    Case("tls-hello", FORM, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    Case("nul-before-method", FORM, line("\0GET /plain.txt HTTP/1.1"), 400),
    Case("byte-order-mark", FORM, line("\xef\xbb\xbfGET /plain.txt HTTP/1.1"), 400),
    Case("bare-lf", "RFC 9112 2.2", b"GET /plain.txt HTTP/1.1\nHost: localhost\n\n", 400),
    Case("bare-lf-line", "RFC 9112 2.2", b"GET /plain.txt HTTP/1.1\nHost: a\r\n\r\n", 400),
    Case("bare-cr-line", "RFC 9112 2.2", b"GET /plain.txt HTTP/1.1\rHost: a\r\n\r\n", 400),
    Case("cr-in-target", "RFC 9112 2.2", line("GET /plain\r.txt HTTP/1.1"), 400),
    Case("cr-cr-lf", "RFC 9112 2.2", line("GET /plain.txt HTTP/1.1\r"), 400),
    Case("lf-before", "RFC 9112 2.2", b"\n" + plain(), 400),
    Case("cr-before", "RFC 9112 2.2", b"\r" + plain(), 400),
]

METHODS = [
    Case("post", METHOD, plain(method="POST"), 405, fields=ALLOW),
    Case("post-empty", METHOD, plain("Content-Length: 0", method="POST"), 405, fields=ALLOW),
    Case("put", METHOD, plain(method="PUT"), 405, fields=ALLOW),
    Case("patch", METHOD, plain(method="PATCH"), 405, fields=ALLOW),
    Case("delete", METHOD, plain(method="DELETE"), 405, fields=ALLOW),
    Case("trace", METHOD, plain("X-Secret: 1", method="TRACE"), 405, fields=ALLOW),
    Case("connect", METHOD, line("CONNECT localhost:80 HTTP/1.1"), 405, fields=ALLOW),
    Case(
        "options",
        "RFC 9110 9.3.7",
        plain(method="OPTIONS"),
        200,
        b"",
        fields={**ALLOW, "ETag": None},
    ),
    Case("options-all", "RFC 9112 3.2.4", line("OPTIONS * HTTP/1.1"), 200, b"", fields=ALLOW),
    Case("unknown", METHOD, plain(method="BREW"), 501),
    Case("unknown-missing-file", METHOD, request("/missing", method="BREW"), 501),
    Case("lowercase", METHOD, plain(method="get"), 501),
    Case("longer-get", METHOD, plain(method="GETT"), 501),
    Case("shorter-get", METHOD, plain(method="GE"), 501),
    Case("long-method", METHOD, plain(method="A" * 200), 501),
    Case("every-token-char", "RFC 9110 5.6.2", plain(method="!#$%&'*+-.^_`|~0Az"), 501),
    Case("method-no-token", "RFC 9110 5.6.2", plain(method="G@T"), 400),
    Case("method-in-quotes", "RFC 9110 5.6.2", plain(method='"GET"'), 400),
    Case("method-colon", "RFC 9110 5.6.2", plain(method="GET:"), 400),
    Case("method-utf-8", "RFC 9110 5.6.2", plain(method="G\xc3\x8bT"), 400),
]

VERSIONS = [
    Case("http-1.2", "RFC 9110 2.5", plain(version="HTTP/1.2"), 200, PLAIN),
    Case("http-1.9", "RFC 9110 2.5", plain(version="HTTP/1.9"), 200, PLAIN),
    Case("http-2.0", "RFC 9110 15.6.6", plain(version="HTTP/2.0"), 505),
    Case("http-3.0", "RFC 9110 15.6.6", plain(version="HTTP/3.0"), 505),
    Case("http-0.9", "RFC 9110 15.6.6", plain(version="HTTP/0.9"), 505),
    Case("http-2.0-no-host", "RFC 9110 15.6.6", fields(version="HTTP/2.0"), 505),
    Case("http-2-preface", "RFC 9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    Case("lowercase-http", VERSION, plain(version="http/1.1"), 400),
    Case("two-digit-major", VERSION, plain(version="HTTP/11.1"), 400),
    Case("two-digit-minor", VERSION, plain(version="HTTP/1.10"), 400),
    Case("leading-zero", VERSION, plain(version="HTTP/01.1"), 400),
    Case("no-minor", VERSION, plain(version="HTTP/1."), 400),
    Case("no-dot", VERSION, plain(version="HTTP/1"), 400),
    Case("comma", VERSION, plain(version="HTTP/1,1"), 400),
    Case("letter", VERSION, plain(version="HTTP/1.x"), 400),
    Case("superscript-digit", VERSION, plain(version="HTTP/1.\xb9"), 400),
    Case("minus", VERSION, plain(version="HTTP/-1.1"), 400),
    Case("text-after", VERSION, plain(version="HTTP/1.1x"), 400),
    Case("other-protocol", VERSION, plain(version="RTSP/1.0"), 400),
    Case("https-version", VERSION, plain(version="HTTPS/1.1"), 400),
    Case("no-slash", VERSION, plain(version="HTTP1.1"), 400),
]

HOME_PAGES = [
    Case("home", "spec: / is /index.html", line("GET / HTTP/1.1"), 200, HOME),
    Case("home-by-name", "spec: / is /index.html", line("GET /index.html HTTP/1.1"), 200, HOME),
]

CASES = [*GOOD, *MALFORMED, *METHODS, *VERSIONS, *HOME_PAGES]

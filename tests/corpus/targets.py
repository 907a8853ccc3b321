"""Request targets: their forms, percent-encodings and names (RFC 9112, section 3.2; RFC 3986)."""

from __future__ import annotations

from tests.corpus.case import Case, get, line
from tests.corpus.site import HOME, PLAIN, SUB
from tests.support.raw import request

ABSOLUTE = "RFC 9112 3.2.2"
PERCENT = "RFC 3986 2.1"
NAMES = "spec: names in UTF-8 and names with spaces work"
URI = "RFC 3986 2"
DIRECTORIES = "spec: directories → index file, a directory without the slash → 301"
QUERY = "spec: query strings ignored"

FORMS = [
    Case("no-slash", "RFC 9112 3.2.1", line("GET plain.txt HTTP/1.1"), 400),
    Case("query-alone", "RFC 9112 3.2.1", line("GET ?x HTTP/1.1"), 400),
    Case("dots", "RFC 9112 3.2.1", line("GET ../secret.txt HTTP/1.1"), 400),
    Case("asterisk-get", "RFC 9112 3.2.4", line("GET * HTTP/1.1"), 400),
    Case("asterisk-head", "RFC 9112 3.2.4", line("HEAD * HTTP/1.1"), 400),
    Case("authority-get", "RFC 9112 3.2.3", line("GET localhost:80 HTTP/1.1"), 400),
    Case("absolute", ABSOLUTE, get("http://example.com/plain.txt"), 200, PLAIN),
    Case("absolute-port", ABSOLUTE, get("http://example.com:8080/plain.txt"), 200, PLAIN),
    Case("absolute-ipv6", ABSOLUTE, get("http://[::1]:80/plain.txt"), 200, PLAIN),
    Case("absolute-any-case", ABSOLUTE, get("HTTP://EXAMPLE.com/plain.txt"), 200, PLAIN),
    Case("absolute-no-path", ABSOLUTE, get("http://example.com"), 200, HOME),
    Case("absolute-query", ABSOLUTE, get("http://example.com?x=1"), 200, HOME),
    Case("absolute-missing", ABSOLUTE, get("http://example.com/missing"), 404),
    Case(
        "absolute-folder",
        ABSOLUTE,
        get("http://example.com/sub"),
        301,
        fields={"Location": r"\./sub/"},
    ),
    Case("absolute-no-host-field", "RFC 9112 3.2", b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
    Case("absolute-no-host", "RFC 9110 4.2.1", get("http:///plain.txt"), 400),
    Case("absolute-port-alone", "RFC 9110 4.2.1", get("http://:80/plain.txt"), 400),
    Case("absolute-bad-port", ABSOLUTE, get("http://a:b/plain.txt"), 400),
    Case("absolute-user", "RFC 9110 4.2.4", get("http://me@a/plain.txt"), (200, 400), PLAIN),
    Case("absolute-ftp", ABSOLUTE, get("ftp://example.com/plain.txt"), 400),
    Case("absolute-file", ABSOLUTE, get("file:///etc/passwd"), 400),
    Case("absolute-one-slash", ABSOLUTE, get("http:/plain.txt"), 400),
    Case("options-absolute", "RFC 9112 3.2.2", request("http://a/", method="OPTIONS"), 200, b""),
]

PERCENTS = [
    Case("letter", "RFC 3986 6.2.2.2", get("/%70lain.txt"), 200, PLAIN),
    Case("every-byte", PERCENT, get("/%70%6C%61%69%6e%2e%74%78%74"), 200, PLAIN),
    Case("alone", PERCENT, get("/%"), 400),
    Case("at-end", PERCENT, get("/plain.txt%"), 400),
    Case("one-digit", PERCENT, get("/plain.txt%4"), 400),
    Case("no-digits", PERCENT, get("/%zz"), 400),
    Case("one-bad-digit", PERCENT, get("/%4g"), 400),
    Case("minus", PERCENT, get("/%-1"), 400),
    Case("plus", PERCENT, get("/%+1"), 400),
    Case("underscore", PERCENT, get("/%4_1"), 400),
    Case("unicode-escape", PERCENT, get("/%u0041"), 400),
    Case("fullwidth-digits", PERCENT, get("/%\xef\xbc\x94\xef\xbc\x91"), 400),
    Case("percent-percent", PERCENT, get("/%%"), 400),
    Case("decoded-once", PERCENT, get("/%2570lain.txt"), 404),
    Case("nul", "spec: NUL in every encoding refused", get("/plain.txt%00"), 400),
    Case("nul-extension", "spec: NUL in every encoding refused", get("/plain.txt%00.html"), 400),
    Case("newline", URI, get("/plain.txt%0d%0aX-A:%20b"), (400, 404)),
    Case("control", URI, get("/%01"), (400, 404)),
]

NAME_CASES = [
    Case("space", NAMES, get("/a%20b.txt"), 200, b"space"),
    Case("plus", NAMES, get("/a+b.txt"), 200, b"plus"),
    Case("encoded-plus", NAMES, get("/a%2Bb.txt"), 200, b"plus"),
    Case("percent", NAMES, get("/100%25.txt"), 200, b"percent"),
    Case("question-mark", NAMES, get("/q%3F.txt"), 200, b"question mark"),
    Case("hash", NAMES, get("/hash%23.txt"), 200, b"hash"),
    Case("semicolon", NAMES, get("/semi;colon.txt"), 200, b"semicolon"),
    Case("quotes", NAMES, get("/quote'%22.txt"), 200, b"quotes"),
    Case("backslash", NAMES, get("/back%5Cslash.txt"), 200, b"backslash"),
    Case("tilde", NAMES, get("/~tilde.txt"), 200, b"tilde"),
    Case("encoded-tilde", NAMES, get("/%7etilde.txt"), 200, b"tilde"),
    Case("utf-8", NAMES, get("/gr%C3%BCn.txt"), 200, b"utf-8"),
    Case("utf-8-lowercase", NAMES, get("/gr%c3%bcn.txt"), 200, b"utf-8"),
    Case("utf-8-decomposed", NAMES, get("/gru%CC%88n.txt"), 404),
    Case("latin-1", NAMES, get("/latin-%FF.txt"), 200, b"latin-1"),
    Case("latin-1-missing", NAMES, get("/%FE%FF"), 404),
    Case("case-matters", "RFC 3986 6.2.2.1", get("/PLAIN.TXT"), 404),
    Case("raw-space", URI, line("GET /a b.txt HTTP/1.1"), 400),
    Case("raw-hash", URI, get("/plain.txt#top"), 400),
    Case("raw-utf-8", URI, get("/gr\xc3\xbcn.txt"), 200, b"utf-8"),
    Case("raw-latin-1", URI, get("/latin-\xff.txt"), 200, b"latin-1"),
    Case("raw-half-encoded", URI, get("/gr\xc3%BCn.txt"), 200, b"utf-8"),
    Case("raw-utf-8-query", QUERY, get("/plain.txt?q=\xc3\xbc"), 200, PLAIN),
    Case("raw-c1-control", URI, get("/\x85"), 404),
    Case("raw-utf-8-method", URI, line("G\xc3\xbc / HTTP/1.1"), 400),
    Case("raw-quote", URI, get("/quote'\".txt"), 200, b"quotes"),
    Case("raw-backslash", URI, get("/back\\slash.txt"), 200, b"backslash"),
    Case("raw-angles", URI, get("/<script>"), (400, 404)),
    Case("raw-delete", URI, get("/\x7f"), 400),
    Case("raw-nul", URI, get("/\0"), 400),
    Case("raw-control", URI, get("/\x01"), 400),
    Case("raw-delete-query", URI, get("/plain.txt?\x7f"), 400),
    Case("raw-space-query", URI, line("GET /plain.txt?a b HTTP/1.1"), 400),
]

DIRECTORY_CASES = [
    Case("folder", DIRECTORIES, get("/sub/"), 200, SUB),
    Case("folder-utf-8", DIRECTORIES, get("/gr%C3%BCn/"), 200, b"green"),
    Case("no-slash", DIRECTORIES, get("/sub"), 301, fields={"Location": r"\./sub/"}),
    Case(
        "no-slash-query", DIRECTORIES, get("/sub?a=/b"), 301, fields={"Location": r"\./sub/\?a=/b"}
    ),
    Case(
        "no-slash-utf-8", DIRECTORIES, get("/gr%c3%bcn"), 301, fields={"Location": r"\./gr%c3%bcn/"}
    ),
    Case(
        "no-slash-raw", DIRECTORIES, get("/gr\xc3\xbcn"), 301, fields={"Location": r"\./gr%C3%BCn/"}
    ),
    Case("no-slash-two", "RFC 9110 17.9", get("//sub"), 301, fields={"Location": r"\./sub/"}),
    Case("no-slash-three", "RFC 9110 17.9", get("///sub"), 301, fields={"Location": r"\./sub/"}),
    Case("no-slash-empty", DIRECTORIES, get("/empty"), 301, fields={"Location": r"\./empty/"}),
    Case("no-index", "spec: 403", get("/bare/"), 403),
    Case("empty", "spec: 403", get("/empty/"), 403),
    Case("file-with-slash", DIRECTORIES, get("/plain.txt/"), 404),
    Case("below-a-file", DIRECTORIES, get("/plain.txt/more"), 404),
    Case("two-slashes", "spec: empty segments collapse", get("//plain.txt"), 200, PLAIN),
    Case("slashes-within", "spec: empty segments collapse", get("/sub//page.html"), 200, b"page"),
    Case("slashes-at-end", "spec: empty segments collapse", get("/sub///"), 200, SUB),
    Case("slashes-alone", "spec: empty segments collapse", get("///"), 200, HOME),
    Case("missing", "spec: a missing file is a 404 page", get("/missing.html"), 404),
    Case("missing-folder", "spec: a missing file is a 404 page", get("/none/missing.html"), 404),
    Case("query", QUERY, get("/plain.txt?a=b&c=%20"), 200, PLAIN),
    Case("query-empty", QUERY, get("/plain.txt?"), 200, PLAIN),
    Case("query-dots", QUERY, get("/plain.txt?/../../x"), 200, PLAIN),
    Case("query-question-marks", QUERY, get("/plain.txt??a?b"), 200, PLAIN),
    Case("query-home", QUERY, get("/?index.html"), 200, HOME),
    Case("query-bad-percent", QUERY, get("/plain.txt?%zz"), (200, 400), PLAIN),
]

CASES = [*FORMS, *PERCENTS, *NAME_CASES, *DIRECTORY_CASES]

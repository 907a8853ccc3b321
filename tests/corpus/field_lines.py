"""Field lines: their form, and Host (RFC 9112, sections 3.2 and 5; RFC 9110, section 5)."""

from __future__ import annotations

from tests.corpus.case import Case, fields, plain
from tests.corpus.site import PLAIN

FORM = "RFC 9112 5"
VALUE = "RFC 9110 5.5"
HOST = "RFC 9112 3.2"

GOOD = [
    Case("no-space", FORM, fields("Host:localhost"), 200, PLAIN),
    Case("much-space", FORM, fields("Host: \t localhost \t "), 200, PLAIN),
    Case("empty-value", VALUE, plain("X-Empty:"), 200, PLAIN),
    Case("blank-value", VALUE, plain("X-Blank:  \t "), 200, PLAIN),
    Case("tab-in-value", VALUE, plain("X-Tab: a\tb"), 200, PLAIN),
    Case("latin-1-value", VALUE, plain("X-Obs: \x80\xe9\xff"), 200, PLAIN),
    Case("colons-in-value", VALUE, plain("X-Colon: a:b: c"), 200, PLAIN),
    Case("every-token-char", "RFC 9110 5.6.2", plain("!#$%&'*+-.^_`|~0Az: x"), 200, PLAIN),
    Case("any-case", "RFC 9110 5.1", fields("hOsT: localhost"), 200, PLAIN),
    Case("same-twice", "RFC 9110 5.3", plain("X-A: 1", "X-A: 2"), 200, PLAIN),
]

MALFORMED = [
    Case("space-before-colon", "RFC 9112 5.1", fields("Host : localhost"), 400),
    Case("tab-before-colon", "RFC 9112 5.1", plain("X-A\t: x"), 400),
    Case("no-colon", FORM, plain("X-A"), 400),
    Case("empty-name", FORM, plain(": x"), 400),
    Case("colon-alone", FORM, plain(":"), 400),
    Case("space-in-name", FORM, plain("X A: x"), 400),
    Case("parenthesis-in-name", FORM, plain("X(A): x"), 400),
    Case("slash-in-name", FORM, plain("X/A: x"), 400),
    Case("nul-in-name", FORM, plain("X\0A: x"), 400),
    Case("latin-1-in-name", FORM, plain("X-\xe9: x"), 400),
    Case("obs-fold", "RFC 9112 5.2", plain("X-A: a", " b"), 400),
    Case("obs-fold-tab", "RFC 9112 5.2", plain("X-A: a", "\tb"), 400),
    Case("obs-fold-empty", "RFC 9112 5.2", plain("X-A: a", " "), 400),
    Case("fold-before-fields", "RFC 9112 2.2", fields(" X-A: a", "Host: localhost"), 400),
    Case("nul-in-value", VALUE, plain("X-A: a\0b"), 400),
    Case("control-in-value", VALUE, plain("X-A: a\x01b"), 400),
    Case("escape-in-value", VALUE, plain("X-A: \x1b[31m"), 400),
    Case("delete-in-value", VALUE, plain("X-A: a\x7fb"), 400),
    Case("form-feed-in-value", VALUE, plain("X-A: a\x0cb"), 400),
    Case("cr-in-value", VALUE, plain("X-A: a\rb"), 400),
    Case("cr-at-end-of-value", VALUE, plain("X-A: a\r"), 400),
    Case("lf-in-value", VALUE, plain("X-A: a\nX-B: b"), 400),
    Case("lf-then-fold", VALUE, plain("X-A: a\n b"), 400),
    Case("bare-lf-ends-head", "RFC 9112 2.2", plain()[:-2] + b"\n", 400),
    Case("bare-lf-ends-both", "RFC 9112 2.2", plain()[:-4] + b"\n\n", 400),
]

HOSTS = [
    Case("no-host", HOST, fields(), 400),
    Case("no-host-but-others", HOST, fields("X-Host: localhost"), 400),
    Case("no-host-missing-file", HOST, b"GET /missing HTTP/1.1\r\n\r\n", 400),
    Case("no-host-http-1.2", HOST, fields(version="HTTP/1.2"), 400),
    Case("two-hosts", HOST, plain("Host: other"), 400),
    Case("same-host-twice", HOST, plain("Host: localhost"), 400),
    Case("two-hosts-http-1.0", HOST, plain("Host: a", version="HTTP/1.0"), 400),
    Case("empty", "RFC 9110 4.2.1", fields("Host:"), 400),
    Case("empty-before-port", "RFC 9110 4.2.1", fields("Host: :80"), 400),
    Case("empty-http-1.0", HOST, fields("Host:", version="HTTP/1.0"), 200, PLAIN, keeps=False),
    Case("ipvfuture", "RFC 3986 3.2.2", fields("Host: [v1.fe80::a+en1]:80"), 200, PLAIN),
    Case("port", HOST, fields("Host: localhost:8080"), 200, PLAIN),
    Case("empty-port", HOST, fields("Host: localhost:"), 200, PLAIN),
    Case("ipv4", HOST, fields("Host: 127.0.0.1:80"), 200, PLAIN),
    Case("ipv6", HOST, fields("Host: [::1]"), 200, PLAIN),
    Case("ipv6-port", HOST, fields("Host: [2001:db8::1]:8080"), 200, PLAIN),
    Case("percent-encoded", HOST, fields("Host: ex%41mple.com"), 200, PLAIN),
    Case("underscore", HOST, fields("Host: my_host.local."), 200, PLAIN),
    Case("space", HOST, fields("Host: a b"), 400),
    Case("slash", HOST, fields("Host: a/b"), 400),
    Case("url", HOST, fields("Host: http://localhost/"), 400),
    Case("user", HOST, fields("Host: me@localhost"), 400),
    Case("question-mark", HOST, fields("Host: a?b"), 400),
    Case("backslash", HOST, fields("Host: a\\b"), 400),
    Case("angle", HOST, fields("Host: <a>"), 400),
    Case("quote", HOST, fields('Host: "a"'), 400),
    Case("letter-port", HOST, fields("Host: localhost:http"), 400),
    Case("signed-port", HOST, fields("Host: localhost:+80"), 400),
    Case("two-ports", HOST, fields("Host: localhost:80:80"), 400),
    Case("naked-ipv6", HOST, fields("Host: ::1"), 400),
    Case("unclosed-ipv6", HOST, fields("Host: [::1"), 400),
    Case("text-after-ipv6", HOST, fields("Host: [::1]x"), 400),
    Case("bad-percent", HOST, fields("Host: a%zz"), 400),
    Case("latin-1", HOST, fields("Host: \xe9"), 400),
]

CASES = [*GOOD, *MALFORMED, *HOSTS]

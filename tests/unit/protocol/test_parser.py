"""The parser: every byte in every place, the limits, and what does not depend on how bytes come."""

from __future__ import annotations

import string
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from httpd.protocol import grammar
from httpd.protocol.messages import STATUSES, HTTPError, Request
from httpd.protocol.parser import (
    MAX_FIELDS,
    MAX_HEAD,
    MAX_REQUEST_LINE,
    Parser,
    check_beginning,
    find_head_end,
    parse_head,
)
from tests.unit.guard import must_end
from tests.unit.protocol.heads import (
    Outcome,
    cut,
    feed,
    head,
    join,
    likely_heads,
    mutated_heads,
    parse_whole,
    usual_heads,
)

TCHAR = frozenset((string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~").encode())
VALUE_BYTES = frozenset({9, *range(0x20, 0x7F), *range(0x80, 0x100)})
TARGET_BYTES = frozenset(range(0x21, 0x100)) - {0x23, 0x7F}  # “#” has no place in a target
SPACE = frozenset(b" ")
CUTS = st.lists(st.integers(0, 1 << 16), max_size=8)


class Site(NamedTuple):
    """A site whose responses depend on some fields."""

    variant_fields: tuple[str, ...]


class Sites:
    """Sites of different hosts."""

    only = None

    def __init__(self, *fields: str) -> None:
        self.site = Site(fields)

    def find(self, host: str | None) -> Site:
        """Return the site of every host."""
        assert host == "localhost"
        return self.site


def request(data: bytes) -> Request:
    outcome = parse_whole(data)
    assert isinstance(outcome, Request), outcome
    return outcome


def one_byte(byte: int) -> bytes:
    return bytes([byte])


# ---------------------------------------------------------------- the invariant


@given(st.binary(max_size=300) | likely_heads() | mutated_heads(), CUTS)
@settings(max_examples=800)
@example(b"\n\n" + b"a" * (MAX_REQUEST_LINE + 10), [2])
@example(b"\r\n\r\n" + b"a" * (MAX_REQUEST_LINE + 10), [4])
@example(b"x\n\n" + b"a" * (MAX_REQUEST_LINE + 10), [3])
@example(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + b"a" * (MAX_HEAD + 10), [27])
@example(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + b"a" * (MAX_REQUEST_LINE + 10), [27, 28])
@example(b"\0" + b"a" * MAX_REQUEST_LINE + b"\r\n", [1])
@example(b"a" * 300 + b"\0" * MAX_REQUEST_LINE + b"\r\n", [300, 301, MAX_REQUEST_LINE + 303])
@example(b"GET / HTTP/1.1\r\n" + b"a" * MAX_HEAD + b"\n\n", [5])
@example(b"GET / HTTP/2.0\r\nno colon\n\n", [16])
@example(b"GET x HTTP/1.1\r\nno colon\r\n\r\n", [16])
def test_head_of_any_bytes_in_any_pieces_has_one_outcome(data: bytes, places: list[int]) -> None:
    outcome = parse_whole(data)
    assert outcome is None or isinstance(outcome, Request) or outcome in STATUSES
    assert feed(cut(data, places)) == outcome


@given(mutated_heads())
@settings(max_examples=150)
def test_head_byte_by_byte_has_the_same_outcome(data: bytes) -> None:
    assert feed(one_byte(byte) for byte in data) == parse_whole(data)


@given(st.binary(max_size=200) | mutated_heads())
@settings(max_examples=400)
def test_parse_head_of_any_bytes_raises_http_errors_only(data: bytes) -> None:
    """It is given a whole head, but does not rely on that."""
    try:
        parse_head(data)
    except HTTPError as error:
        assert error.status in STATUSES
        assert error.detail


@given(likely_heads(), st.binary(max_size=60))
def test_bytes_after_a_head_do_not_change_it(data: bytes, rest: bytes) -> None:
    outcome = parse_whole(data)
    if outcome is not None:
        assert parse_whole(data + rest) == outcome


@given(likely_heads())
def test_head_without_its_end_needs_more(data: bytes) -> None:
    """Nothing is said about its fields before its last byte is there, but about its first line."""
    first_line = data.removeprefix(b"\r\n").partition(b"\r\n")[0]
    alone = parse_whole(join(first_line, "Host: localhost"))
    expected = alone if isinstance(alone, int) else None
    assert parse_whole(data[:-1]) == expected
    assert parse_whole(data[: data.index(first_line) + len(first_line) + 2]) == expected


# ---------------------------------------------------------------- what can become a request


def may_become_request(data: bytes) -> bool:
    try:
        check_beginning(data)
    except HTTPError:
        return False
    return True


VALID_HEADS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"!#$%&'*+-.^_`|~09azAZ /\xff?\x80 HTTP/1.0\r\n\r\n",
    b"HEAD http://[::1]:80/a?b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.9\r\nHost: a\r\n\r\n",
    b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HTTP / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
]


@pytest.mark.parametrize("data", VALID_HEADS, ids=lambda data: repr(data[:24]))
def test_beginning_of_every_request_is_accepted(data: bytes) -> None:
    assert isinstance(parse_whole(data), Request)
    for size in range(len(data)):
        assert may_become_request(data[:size]), data[:size]
        assert parse_whole(data[:size]) is None
    assert isinstance(feed(one_byte(byte) for byte in data), Request)


@given(likely_heads() | mutated_heads(), st.integers(0, 1 << 16))
@settings(max_examples=500)
def test_beginning_that_is_refused_never_becomes_a_request(data: bytes, size: int) -> None:
    beginning = data[: size % (len(data) + 1)]
    if isinstance(parse_whole(data), Request):
        assert may_become_request(beginning)
    if not may_become_request(beginning):
        assert isinstance(parse_whole(beginning + b" / HTTP/1.1\r\nHost: a\r\n\r\n"), int)
        assert isinstance(parse_whole(data), int)


def test_byte_after_each_beginning_is_judged_at_once() -> None:
    """Exhaustively: whether a byte may follow is what the grammar of a whole head says."""
    line = b"GET /a HTTP/1.1\r\n"
    for size in range(len(line)):
        begun = line[:size]
        for byte in range(256):
            data = begun + one_byte(byte)
            # If any of these ends makes a request of it, more bytes may come.
            ends = [line[size + 1 :], b"X / HTTP/1.1\r\n", b"/ HTTP/1.1\r\n", b"a HTTP/1.1\r\n"]
            ends += [
                b" HTTP/1.1\r\n",
                b" / HTTP/1.1\r\n",
                b"HTTP/1.1\r\n",
                b"TTP/1.1\r\n",
                b"\nGET / HTTP/1.1\r\n",
            ]
            possible = any(
                grammar.REQUEST_LINE.fullmatch((data + end).removeprefix(b"\r\n")) for end in ends
            )
            assert (parse_whole(data) is None) is possible, data


CLIENT_HELLO = bytes.fromhex("16030102000100")
NO_REQUESTS = [
    pytest.param(CLIENT_HELLO, 1, id="tls"),
    pytest.param(bytes.fromhex("030000130ee000000000000100080003000000"), 1, id="rdp"),
    pytest.param(b"HELLO A B C\r\n", 9, id="words"),
    pytest.param(b"GET /\r\n", 6, id="http-0.9"),
    pytest.param(b"GET / HTTP/2.0\r\n", 16, id="http-2"),
    pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", 20, id="ssh"),
    pytest.param(b"EHLO example.com\r\n", 17, id="smtp"),
    pytest.param(b"\xffSMBr\0", 1, id="smb"),
    pytest.param(b"\0\0\0\x08\x04\xd2\x16\x2f", 1, id="postgresql"),
    pytest.param(b"\n", 1, id="bare-lf"),
    pytest.param(b"\rG", 2, id="bare-cr"),
    pytest.param(b" GET / HTTP/1.1\r\n", 1, id="space-first"),
    pytest.param(b"GET  / HTTP/1.1\r\n", 5, id="two-spaces"),
    pytest.param(b"GET / HTTP/1.1\n", 15, id="lf-after-request-line"),
    pytest.param(b"GET x HTTP/1.1\r\n", 16, id="no-target"),
    pytest.param(b"GET /" + b"a" * 5000 + b"\r\n", 5007, id="long-line"),
]


@pytest.mark.parametrize(("data", "needed"), NO_REQUESTS)
def test_bytes_that_cannot_be_a_request_are_refused_at_once(data: bytes, needed: int) -> None:
    assert parse_whole(data[: needed - 1]) is None
    outcome = 505 if b"HTTP/2" in data else 400
    assert parse_whole(data[:needed]) == parse_whole(data) == outcome
    assert feed(one_byte(byte) for byte in data) == outcome


def test_tls_on_a_plain_port_is_named_in_the_error() -> None:
    for data in CLIENT_HELLO, CLIENT_HELLO[:1], CLIENT_HELLO + b"\r\n":
        with pytest.raises(HTTPError) as error:
            find_head_end(data, 0)
        assert error.value.close_reason == "TLS on a plain port"


# ---------------------------------------------------------------- each byte in each place


def accepted_in(template: bytes) -> frozenset[int]:
    """Return the bytes that may stand at the “@” of a head; all others must be answered 400."""
    outcomes = {byte: parse_whole(template.replace(b"@", one_byte(byte))) for byte in range(256)}
    requests = {byte for byte, outcome in outcomes.items() if isinstance(outcome, Request)}
    assert {outcomes[byte] for byte in outcomes.keys() - requests} <= {400}
    return frozenset(requests)


@pytest.mark.parametrize(
    ("template", "allowed"),
    [
        pytest.param(b"@ / HTTP/1.1\r\nHost: a\r\n\r\n", TCHAR, id="method-alone"),
        pytest.param(b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", TCHAR, id="in-method"),
        pytest.param(b"@GET / HTTP/1.1\r\nHost: a\r\n\r\n", TCHAR, id="before-method"),
        pytest.param(b"GET@/ HTTP/1.1\r\nHost: a\r\n\r\n", SPACE, id="after-method"),
        pytest.param(b"GET /a@b HTTP/1.1\r\nHost: a\r\n\r\n", TARGET_BYTES, id="in-path"),
        pytest.param(b"GET /?a@b HTTP/1.1\r\nHost: a\r\n\r\n", TARGET_BYTES, id="in-query"),
        pytest.param(b"GET /@HTTP/1.1\r\nHost: a\r\n\r\n", SPACE, id="after-target"),
        pytest.param(b"GET / HTTP/1.@\r\nHost: a\r\n\r\n", frozenset(b"0123456789"), id="minor"),
        pytest.param(b"GET / HTTP/1@1\r\nHost: a\r\n\r\n", frozenset(b"."), id="dot"),
        pytest.param(b"GET / HTTP/1.1@\r\nHost: a\r\n\r\n", frozenset(), id="after-version"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n@: v\r\n\r\n", TCHAR, id="name-alone"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\nX@Y: v\r\n\r\n", TCHAR | {ord(":")}, id="in-name"
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\nX@: v\r\n\r\n", TCHAR | {ord(":")}, id="after-name"
        ),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX:@v\r\n\r\n", VALUE_BYTES, id="before-value"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: a@b\r\n\r\n", VALUE_BYTES, id="in-value"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: v@\r\n\r\n", VALUE_BYTES, id="after-value"),
    ],
)
def test_part_of_a_head_has_its_allowed_bytes(template: bytes, allowed: frozenset[int]) -> None:
    assert accepted_in(template) == allowed


def test_bytes_of_target_and_values_are_unchanged() -> None:
    for byte in TARGET_BYTES:
        parsed = request(b"GET /a%bb HTTP/1.1\r\nHost: a\r\n\r\n" % one_byte(byte))
        assert parsed.path + parsed.query == b"/a%bb" % one_byte(byte)
    for byte in VALUE_BYTES:
        parsed = request(head(b"X: a%bb" % one_byte(byte)))
        assert parsed.fields["x"].encode("latin-1") == b"a%bb" % one_byte(byte)


# ---------------------------------------------------------------- line ends


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\r\n\r\n", id="two-empty-lines"),
        pytest.param(b"\n\n", id="two-bare-lfs"),
        pytest.param(b"\n\r\n", id="lf-crlf"),
        pytest.param(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", id="two-empty-lines-before"),
        pytest.param(b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", id="lf-before"),
        pytest.param(b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", id="cr-before"),
        pytest.param(b"GET / HTTP/1.1\nHost: a\r\n\r\n", id="lf-after-request-line"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\n\r\n", id="lf-after-field"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n\n", id="lf-for-empty-line"),
        pytest.param(b"GET / HTTP/1.1\nHost: a\n\n", id="lf-everywhere"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", id="lf-between-fields"),
        pytest.param(b"GET / HTTP/1.1\rHost: a\r\n\r\n", id="cr-after-request-line"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", id="cr-between-fields"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", id="cr-crlf"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", id="obs-fold"),
        pytest.param(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", id="space-before-first-field"),
        pytest.param(b"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", id="tab-before-first-field"),
    ],
)
def test_line_without_crlf_is_refused(data: bytes) -> None:
    assert parse_whole(data) == 400
    assert feed(one_byte(byte) for byte in data) == 400


def test_empty_line_before_a_request_is_tolerated() -> None:
    """RFC 9112 §2.2."""
    assert request(b"\r\n" + head()) == request(head())


@pytest.mark.parametrize(
    "data",
    [b"", b"\r", b"\r\n", b"\r\nG", b"GET", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a\r\n\r"],
    ids=repr,
)
def test_incomplete_head_needs_more(data: bytes) -> None:
    assert parse_whole(data) is None


# ---------------------------------------------------------------- the request line


@pytest.mark.parametrize(
    ("line", "status"),
    [
        pytest.param("GET /", 400, id="http-0.9"),
        pytest.param("GET", 400, id="method-alone"),
        pytest.param("/ HTTP/1.1", 400, id="no-method"),
        pytest.param("GET HTTP/1.1", 400, id="no-target"),
        pytest.param("GET  / HTTP/1.1", 400, id="two-spaces"),
        pytest.param("GET /  HTTP/1.1", 400, id="two-spaces-later"),
        pytest.param("GET\t/ HTTP/1.1", 400, id="tab"),
        pytest.param("GET / HTTP/1.1 ", 400, id="trailing-space"),
        pytest.param("GET / a HTTP/1.1", 400, id="space-in-target"),
        pytest.param("GET / http/1.1", 400, id="lower-case-version"),
        pytest.param("GET / HTTP/1", 400, id="no-minor"),
        pytest.param("GET / HTTP/1.", 400, id="empty-minor"),
        pytest.param("GET / HTTP/1.10", 400, id="two-digits"),
        pytest.param("GET / HTTP/01.1", 400, id="leading-zero"),
        pytest.param("GET / HTTP/1,1", 400, id="comma"),
        pytest.param("GET / HTTP/-1.1", 400, id="sign"),
        pytest.param("GET / HTTPS/1.1", 400, id="https"),
        pytest.param("GET / HTTP/0.9", 505, id="major-0"),
        pytest.param("GET / HTTP/2.0", 505, id="major-2"),
        pytest.param("GET / HTTP/9.9", 505, id="major-9"),
        pytest.param("PRI * HTTP/2.0", 505, id="http-2-preface"),
    ],
)
def test_malformed_request_line_is_refused(line: str, status: int) -> None:
    assert parse_whole(join(line, "Host: a")) == status


@pytest.mark.parametrize("minor", range(10))
def test_minor_version_of_any_digit_is_accepted(minor: int) -> None:
    """RFC 9110 §2.5: a higher minor version is processed as the highest one that is known."""
    parsed = request(head(minor=minor))
    assert parsed.header.minor_version == minor
    assert parsed.header.keep_alive == (minor >= 1)


@pytest.mark.parametrize("method", ["GET", "get", "Get", "X", "M-SEARCH", "!#$%&'*+-.^_`|~"])
def test_methods_are_case_sensitive_tokens(method: str) -> None:
    assert request(head(method=method)).method == method


# ---------------------------------------------------------------- limits


def long_target(length: int) -> str:
    """A target that makes a request line of `length` bytes."""
    return "/" + "a" * (length - len("GET / HTTP/1.1"))


@pytest.mark.parametrize("prefix", [b"", b"\r\n"], ids=["plain", "after-an-empty-line"])
@pytest.mark.parametrize(
    ("length", "status"), [(MAX_REQUEST_LINE, 0), (MAX_REQUEST_LINE + 1, 414), (20000, 414)]
)
def test_request_line_over_its_limit_is_414(length: int, status: int, prefix: bytes) -> None:
    data = prefix + head(target=long_target(length))
    outcome = parse_whole(data)
    assert outcome == status if status else isinstance(outcome, Request)
    assert feed([data[:9000], data[9000:]]) == outcome
    assert feed([data[:8192], data[8192:8193], data[8193:8194], data[8194:]]) == outcome


def test_endless_request_line_is_refused_early() -> None:
    assert parse_whole(b"a" * MAX_REQUEST_LINE) is None
    assert parse_whole(b"a" * (MAX_REQUEST_LINE + 10)) == 414


def head_of(length: int) -> bytes:
    lines = [f"X-{n}: " + "x" * 8000 for n in range(length // 8100)]
    missing = length - len(head(*lines, "X: "))
    return head(*lines, "X: " + "x" * missing)


@pytest.mark.parametrize(("length", "status"), [(MAX_HEAD, 0), (MAX_HEAD + 1, 431)])
def test_head_over_its_limit_is_431(length: int, status: int) -> None:
    data = head_of(length)
    assert len(data) == length
    outcome = parse_whole(data)
    assert outcome == status if status else isinstance(outcome, Request)
    assert feed([data[:-1], data[-1:]]) == outcome
    assert parse_whole(data + b"x" * 100) == outcome


def test_endless_head_is_refused_early() -> None:
    data = head()[:-2] + b"X: y\r\n" * MAX_HEAD
    assert parse_whole(data) == 431
    assert feed([data[:MAX_HEAD], data[MAX_HEAD:]]) == 431


@pytest.mark.parametrize(("count", "status"), [(MAX_FIELDS, 0), (MAX_FIELDS + 1, 431)])
def test_fields_over_their_limit_are_431(count: int, status: int) -> None:
    outcome = parse_whole(head(*[f"X-{n}: y" for n in range(count - 1)]))
    assert outcome == status if status else isinstance(outcome, Request)


def test_head_is_found_before_a_thousand_requests() -> None:
    """What is behind the first head is not counted among its bytes."""
    assert isinstance(parse_whole(head() * 1000), Request)


PATHOLOGICAL = [
    b"\r" * 5_000_000,
    b"\r\n" * 2_500_000,
    b"\n\r" * 2_500_000,
    b" " * 5_000_000,
    b"GET " + b"/ " * 2_500_000,
    b"GET / HTTP/1.1\r\n" + b"a:" * 2_500_000,
    b"GET / HTTP/1.1\r\n" + b"a: \t" * 1_000_000 + b"\r\n\r\n",
    b"GET http://" + b"%" * 5_000_000,
    b"GET / HTTP/1.1\r\nHost: " + b"[" * 5_000_000 + b"\r\n\r\n",
]


@pytest.mark.parametrize("data", PATHOLOGICAL, ids=lambda data: repr(data[:12]))
def test_head_takes_linear_time(data: bytes) -> None:
    """Five megabytes: linear time is milliseconds, quadratic time is hours."""
    with must_end():
        parse_whole(data)
        try:
            parse_head(data)  # which knows no limit but that of the request line
        except HTTPError:
            pass


def test_search_for_the_end_continues_where_it_stopped() -> None:
    """Thirty thousand looks at a head that grows byte by byte must not each begin anew."""
    data = head_of(MAX_HEAD)
    with must_end():
        assert isinstance(feed(one_byte(byte) for byte in data), Request)


def test_end_of_a_head_is_found_across_every_cut() -> None:
    data = head("X: y")
    for place in range(len(data)):
        assert find_head_end(data, place) == len(data), place


# ---------------------------------------------------------------- fields


def test_field_names_are_lower_case_and_values_stripped() -> None:
    parsed = request(join("GET / HTTP/1.1", "hOST:a", "X-A: \t b c \t ", "Empty:", "Blank: \t"))
    assert parsed.fields == {"host": "a", "x-a": "b c", "empty": "", "blank": ""}


def test_repeated_fields_are_joined_in_their_order() -> None:
    """RFC 9110 §5.3."""
    assert request(head("X: 1", "Y: 2", "x: 3", "X:")).fields["x"] == "1, 3, "


@pytest.mark.parametrize(
    "line",
    ["Host : a", "no colon", ":", ": x", "a b: c", " x: y", "X\x00: y", "\xe9: x", "(x): y"],
    ids=repr,
)
def test_malformed_field_line_is_refused(line: str) -> None:
    assert parse_whole(head(line)) == 400


# ---------------------------------------------------------------- Host

GOOD_HOSTS = [
    "localhost",
    "localhost:",
    "localhost:8080",
    "127.0.0.1:80",
    "[::1]",
    "[::1]:80",
    "[2001:db8::1]:",
    "[::ffff:127.0.0.1]",
    "[v1.a]",
    "[V0f.fe80::a+en1]:80",
    "[v7.!$&'()*+,;=:-._~]",
    "ex%41mple.com",
    "my_host.local.",
    "a,b;c=d!$&'()*+~",
]
BAD_HOSTS = [
    "a b",
    "a/b",
    "a?b",
    "a#b",
    "me@localhost",
    "http://localhost",
    "a\\b",
    '"a"',
    "<a>",
    "a%",
    "a%4",
    "a%4g",
    "a:b",
    "a:80:80",
    "a:+80",
    "a:-1",
    "::1",
    "[::1",
    "::1]",
    "[]",
    "[::1]a",
    "[::1]:a",
    "[::g]",
    "[fe80::1%eth0]",
    "[:]",
    "[.]",
    "[1.2.3.4]",
    "[::1::2]",
    "[1:2:3:4:5:6:7:8:9]",
    "[12345::]",
    "[v1]",
    "[v1.]",
    "[v.a]",
    "[vg.a]",
    "[v1.a%41]",
    "[v1.a/b]",
    "[v1.[]",
    "v1.a]",
    ":",
    ":80",
    "h\xe4st",
    "a\tb",
]


@pytest.mark.parametrize("host", GOOD_HOSTS, ids=repr)
def test_valid_host_is_accepted(host: str) -> None:
    """RFC 9110 §7.2, RFC 3986 §3.2.2."""
    assert request(join("GET / HTTP/1.1", f"Host: {host}")).fields["host"] == host


@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize("host", BAD_HOSTS, ids=repr)
def test_malformed_host_is_refused(host: str, minor: int) -> None:
    """RFC 9112 §3.2: a Host field with an invalid value is answered 400."""
    assert parse_whole(join(f"GET / HTTP/1.{minor}", f"Host: {host}")) == 400


@pytest.mark.parametrize("target", ["/", "http://localhost/", "*"])
@pytest.mark.parametrize("minor", range(10))
def test_missing_host_is_refused_since_http_1_1(minor: int, target: str) -> None:
    """RFC 9112 §3.2: needed since HTTP/1.1, also with an absolute target."""
    outcome = parse_whole(join(f"OPTIONS {target} HTTP/1.{minor}"))
    assert outcome == 400 if minor else isinstance(outcome, Request)


@pytest.mark.parametrize("target", ["/", "http://localhost/", "*"])
@pytest.mark.parametrize("minor", range(10))
@pytest.mark.parametrize("line", ["Host:", "Host: \t"])
def test_empty_host_is_refused_since_http_1_1(line: str, minor: int, target: str) -> None:
    """RFC 9110 §4.2.1: an http URI has a host; HTTP/1.0 needs none in its fields."""
    outcome = parse_whole(join(f"OPTIONS {target} HTTP/1.{minor}", line))
    assert outcome == 400 if minor else isinstance(outcome, Request)


@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize("second", ["localhost", "other", ""])
def test_second_host_is_refused(second: str, minor: int) -> None:
    assert parse_whole(head(f"HOST: {second}", minor=minor)) == 400


@pytest.mark.parametrize(
    "host", ["", ":80", "me@localhost", "a%", "a:b", "a:80:80", "[]", "[.]", "[::g]", "::1", "a\\b"]
)
def test_malformed_host_in_an_absolute_target_is_refused(host: str) -> None:
    """RFC 9110 §4.2.1: an empty host is invalid here, and so is userinfo (§4.2.4)."""
    assert parse_whole(head(target=f"http://{host}/")) == 400


def test_absolute_target_overrides_the_host() -> None:
    """RFC 9112 §3.2.2; but a bad Host is refused also then."""
    assert request(head(target="http://other/x")).path == b"/x"
    assert parse_whole(join("GET http://other/x HTTP/1.1", "Host: a b")) == 400


# ---------------------------------------------------------------- keep-alive


@pytest.mark.parametrize(
    ("minor", "connection", "keep_alive"),
    [
        (1, None, True),
        (1, "", True),
        (1, "keep-alive", True),
        (1, "close", False),
        (1, "CLOSE", False),
        (1, "Close, Upgrade", False),
        (1, "Upgrade,close", False),
        (1, "keep-alive, close", False),
        (1, " , ,close\t,", False),
        (1, "closed", True),
        (1, "not-close", True),
        (1, "x close", True),
        (2, None, True),
        (9, "close", False),
        (0, None, False),
        (0, "", False),
        (0, "keep-alive", True),
        (0, "Keep-Alive", True),
        (0, "te, keep-alive", True),
        (0, "keep-alive, close", False),
        (0, "close", False),
        (0, "keep-alives", False),
    ],
)
def test_keep_alive_follows_from_version_and_connection(
    minor: int, connection: str | None, keep_alive: bool
) -> None:
    """RFC 9112 §9.3."""
    lines = [] if connection is None else [f"Connection: {connection}"]
    assert request(head(*lines, minor=minor)).header.keep_alive is keep_alive


def test_close_counts_in_any_of_several_connection_fields() -> None:
    assert not request(head("Connection: keep-alive", "Connection: close")).header.keep_alive


# ---------------------------------------------------------------- framing

GOOD_LENGTHS = {"0": False, "1": True, "5": True, "1000000": True, "9223372036854775807": True}
BAD_LENGTHS = [
    "",
    "00",
    "05",
    "-1",
    "+5",
    "5 5",
    "5,5",
    "5, 5",
    "5, 6",
    "5,",
    ",5",
    "0x5",
    "5.0",
    "1e3",
    "1_0",
    "five",
    "\xb2",
    "5;",
    '"5"',
    "9" * 5000,
]


@pytest.mark.parametrize(("length", "has_body"), GOOD_LENGTHS.items())
def test_valid_content_length_is_accepted(length: str, has_body: bool) -> None:
    assert request(head(f"Content-Length: {length}")).has_body is has_body


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "X"])
@pytest.mark.parametrize("length", BAD_LENGTHS, ids=lambda text: repr(text[:9]))
def test_malformed_content_length_is_refused(length: str, method: str) -> None:
    assert parse_whole(head(f"Content-Length: {length}", method=method)) == 400


@pytest.mark.parametrize("second", ["5", "6"])
def test_repeated_content_length_is_refused(second: str) -> None:
    assert parse_whole(head("Content-Length: 5", f"content-length: {second}")) == 400


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "CHUNKED", " chunked\t"])
def test_chunked_body_has_no_length(coding: str) -> None:
    """RFC 9112 §7: names of codings are case-insensitive."""
    assert request(head(f"Transfer-Encoding: {coding}")).has_body


@pytest.mark.parametrize(
    "coding",
    [
        "gzip",
        "identity",
        "chunked, gzip",
        "chunked, identity",
        "chunked, chunked",
        "",
        "chunkedx",
        "xchunked",
        "chun ked",
        "chunked;",
        '"chunked"',
        "\x0bchunked",
    ],
    ids=repr,
)
def test_transfer_coding_without_chunked_at_its_end_is_refused(coding: str) -> None:
    """RFC 9112 §6.3: no length can be relied on, so the answer MUST be 400."""
    assert parse_whole(head(f"Transfer-Encoding: {coding}")) == 400


@pytest.mark.parametrize("coding", ["gzip, chunked", "br,chunked", "x, y, chunked"])
def test_unknown_transfer_coding_is_501(coding: str) -> None:
    """RFC 9112 §6.1: 501 is right here, and so is the stricter 400."""
    assert parse_whole(head(f"Transfer-Encoding: {coding}")) in {400, 501}


def test_repeated_transfer_encoding_is_refused() -> None:
    lines = ("Transfer-Encoding: chunked", "Transfer-Encoding: identity")
    assert parse_whole(head(*lines)) == 400
    assert parse_whole(head(*reversed(lines))) in {400, 501}


@pytest.mark.parametrize("length", ["0", "5", "x"])
def test_both_framings_are_refused(length: str) -> None:
    lines = ("Transfer-Encoding: chunked", f"Content-Length: {length}")
    assert parse_whole(head(*lines)) == 400
    assert parse_whole(head(*reversed(lines))) == 400


def test_transfer_encoding_in_http_1_0_is_refused() -> None:
    assert parse_whole(head("Transfer-Encoding: chunked", minor=0)) == 400


@pytest.mark.parametrize(
    ("expect", "outcome"),
    [
        ("100-continue", None),
        ("100-Continue", None),
        ("100-continue, , 100-continue,", None),
        ("", None),
        ("200-ok", 417),
        ("100-continue, x", 417),
    ],
)
def test_expectation_other_than_100_continue_is_417(expect: str, outcome: Outcome) -> None:
    """RFC 9110 §10.1.1."""
    parsed = parse_whole(head(f"Expect: {expect}"))
    assert parsed == outcome if outcome else isinstance(parsed, Request)


# ---------------------------------------------------------------- header sections met before


def parse_twice(parser: Parser, data: bytes) -> list[Request | int]:
    outcomes: list[Request | int] = []
    for _ in range(2):
        try:
            outcomes.append(parser.parse(data))
        except HTTPError as error:
            outcomes.append(error.status)
    return outcomes


@given(st.lists(likely_heads() | mutated_heads(), min_size=1, max_size=5))
@settings(max_examples=500)
def test_cached_header_section_is_parsed_the_same(heads: list[bytes]) -> None:
    """Whatever came before, and with every request line of it."""
    parser = Parser(100_000)
    lines = [data.partition(b" HTTP/1.")[0] for data in heads]
    rests = [data.partition(b" HTTP/1.")[2] for data in heads]
    for line in lines:
        for rest in rests:
            data = line + b" HTTP/1." + rest
            if find_whole(data):
                assert parse_twice(parser, data) == [parse_whole(data)] * 2


@given(st.lists(likely_heads() | mutated_heads() | usual_heads(), min_size=1, max_size=5))
@settings(max_examples=800)
def test_common_header_section_is_parsed_as_parse_head_does(heads: list[bytes]) -> None:
    """Where it is not told at first sight, the long way says what it means, or what is wrong."""
    for data in heads:
        rest = data.partition(b" HTTP/1.")[2]
        header = Parser(100_000).learn(rest)
        if header is not None:
            assert find_whole(b"GET / HTTP/1." + rest)
            assert header == parse_head(b"GET / HTTP/1." + rest).header
            whole = parse_whole(data)
            assert not isinstance(whole, Request) or whole.header == header


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("Empty:", "Blank: \t ", "Tight:a", "Tabs:\t\tb"),
        ("Connection: keep-alive", "Range: bytes=0-1", "Cookie: a=b: c\td"),
        ("Connection: close", "X-Latin: \xe4\x85\xa0\xff"),
        ("Connection: Upgrade, Keep-Alive", "Upgrade: h2c"),
        [f"X-{number}: a" for number in range(MAX_FIELDS - 1)],
    ],
)
@pytest.mark.parametrize("minor", [0, 1, 9])
def test_common_header_section_is_parsed_and_cached(lines: list[str], minor: int) -> None:
    data = head(*lines, minor=minor)
    sites = Sites("accept", "range")
    parser = Parser(100_000, sites)
    header = parser.learn(data.partition(b" HTTP/1.")[2])
    assert header == parse_head(data, sites).header
    assert parser.split(data) == (b"GET /", header), "it is not remembered"


@pytest.mark.parametrize(
    "data",
    [
        head("Content-Length: 0"),
        head("Transfer-Encoding: chunked"),
        head("Expect: 100-continue"),
        head("Accept: a", "Accept: b"),
        head("Host: localhost"),
        head("Accept: a "),
        head("Accept : a"),
        head("Accept: a\r b"),
        head("Nul: \0"),
        head("no colon"),
        head(*(f"X-{number}: a" for number in range(MAX_FIELDS))),
        head() + b"\r\n",
        head()[:-2],
        join("GET / HTTP/1.1", "Host: [::1]"),
        join("GET / HTTP/1.1", "Host: a b"),
        join("GET / HTTP/1.1", "Host:"),
        join("GET / HTTP/1.1", "Accept: a"),
        join("GET / HTTP/1.1"),
        join("GET / HTTP/1.11", "Host: a"),
        b"",
    ],
)
def test_less_common_header_section_is_left_to_parse_head(data: bytes) -> None:
    assert Parser(100_000).learn(data.partition(b" HTTP/1.")[2]) is None


@pytest.mark.parametrize("part", ["a", " ", "a ", ":", "a: ", "a:b\r\n", "\r\n", "\xff\t"])
def test_common_header_section_takes_linear_time(part: str) -> None:
    rest = b"1\r\nHost: a\r\n" + (part * MAX_HEAD).encode("latin-1")
    with must_end():
        for end in (b"", b"\r\n\r\n", b"\0"):
            for start in (b"", b"b: "):
                Parser(100_000).learn(rest.replace(b"\n", b"\n" + start, 1) + end)


def find_whole(data: bytes) -> bool:
    """Tell whether some bytes are one head with nothing behind it."""
    try:
        return find_head_end(data, 0) == len(data)
    except HTTPError:
        return False


def test_split_returns_the_parts_of_a_head_whose_section_is_cached() -> None:
    parser = Parser(100_000)
    assert parser.split(head()) is None
    request = parser.parse(head(target="/a"))
    assert parser.split(head(target="/b")) == (b"GET /b", request.header)
    for other in (head() + b"x", head()[:-1], head("A: b"), head(minor=0), b"", b" HTTP/1."):
        assert parser.split(other) is None
    long = head(target="/" + "a" * MAX_REQUEST_LINE)
    assert parser.split(long) is None
    with pytest.raises(HTTPError, match="414"):
        parser.parse(long)


def test_header_section_is_evicted_when_there_is_no_room() -> None:
    parser = Parser(50_000)
    parser.parse(head("X: first"))
    for number in range(1000):
        parser.parse(head(f"X: {number}"))
        assert parser.split(head(f"X: {number}"))
    assert parser.split(head("X: first")) is None
    parser.parse(head("X: " + "a" * 20_000))
    assert parser.split(head("X: 999"))


def test_header_section_in_use_is_never_evicted() -> None:
    parser = Parser(50_000)
    parser.parse(head())
    for number in range(1000):
        parser.parse(head(f"X: {number}"))
        assert parser.split(head())


@pytest.mark.parametrize(
    ("line", "is_plain"),
    [
        ("Accept-Encoding: gzip", True),
        ("Expect: 100-continue", True),
        ("Range:", False),
        ("If-Range: x", False),
        ("if-match: x", False),
        ("If-None-Match: x", False),
        ("If-Modified-Since: x", False),
        ("If-Unmodified-Since: x", False),
    ],
)
def test_plain_request_has_neither_conditions_nor_ranges(line: str, *, is_plain: bool) -> None:
    assert parse_head(head(line)).header.is_plain is is_plain


def test_variant_key_is_made_of_the_fields_that_responses_depend_on() -> None:
    fields = (
        "accept-encoding",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "range",
    )

    def variant_key(*lines: str, minor: int = 1) -> bytes:
        return parse_head(head(*lines, minor=minor), Sites(*fields)).header.variant_key

    assert variant_key() == variant_key("Cookie: a", "User-Agent: b", "Accept: */*")
    different = [
        variant_key(),
        variant_key(minor=0),
        variant_key("Connection: close"),
        *(variant_key(f"{name}: x") for name in ("Range", "If-Range", "If-Match", "If-None-Match")),
        *(variant_key(f"{name}: x") for name in ("If-Modified-Since", "If-Unmodified-Since")),
        variant_key("Accept-Encoding: gzip"),
        variant_key("Accept-Encoding: br"),
    ]
    assert len(set(different)) == len(different)
    assert variant_key("Content-Length: 1") == b""
    assert variant_key("Transfer-Encoding: chunked") == b""
    assert parse_head(head()).header.variant_key == b"", "nobody says what responses depend on"

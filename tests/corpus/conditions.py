"""Conditional requests (RFC 9110, section 13)."""

from __future__ import annotations

from tests.corpus.case import ETAG, Case, get, plain
from tests.corpus.site import PLAIN

NONE_MATCH = "RFC 9110 13.1.2"
MATCH = "RFC 9110 13.1.1"
MODIFIED = "RFC 9110 13.1.3"
UNMODIFIED = "RFC 9110 13.1.4"
ORDER = "RFC 9110 13.2.2"
WHEN = "RFC 9110 13.2.1"
DATES = "RFC 9110 5.6.7"

SAME = "Wed, 01 Jan 2020 00:00:00 GMT"
BEFORE = "Tue, 31 Dec 2019 23:59:59 GMT"
AFTER = "Wed, 01 Jan 2020 00:00:01 GMT"

NOT_MODIFIED = {
    "ETag": '".+"',
    "Date": ".+ GMT",
    "Cache-Control": "max-age=43200",
    "Expires": ".+ GMT",
    "Content-Range": None,
}
"""What a 304 carries (RFC 9110, section 15.4.5)."""


def case(name: str, clause: str, status: int, *lines: str) -> Case:
    """A conditional GET of /plain.txt."""
    fields = NOT_MODIFIED if status == 304 else {}
    return Case(name, clause, plain(*lines), status, PLAIN, fields=fields)


NONE_MATCHES = [
    case("none-match", NONE_MATCH, 304, f"If-None-Match: {ETAG}"),
    case("none-match-star", NONE_MATCH, 304, "If-None-Match: *"),
    case("none-match-weak", NONE_MATCH, 304, f"If-None-Match: W/{ETAG}"),
    case("none-match-list", NONE_MATCH, 304, f'If-None-Match: "a", {ETAG}, "b"'),
    case("none-match-list-tight", NONE_MATCH, 304, f'If-None-Match: "a",W/{ETAG},"b"'),
    case(
        "none-match-two-fields", "RFC 9110 5.3", 304, 'If-None-Match: "a"', f"If-None-Match: {ETAG}"
    ),
    case("none-match-empty-members", "RFC 9110 5.6.1", 304, f"If-None-Match: ,, {ETAG} ,"),
    case("none-match-comma-in-tag", "RFC 9110 8.8.3", 304, f'If-None-Match: "a,b", {ETAG}'),
    case("none-match-obs-text", "RFC 9110 8.8.3", 304, f'If-None-Match: "\xff", {ETAG}'),
    case("none-match-backslash", "RFC 9110 8.8.3", 304, f'If-None-Match: "a\\", {ETAG}'),
    case("none-match-other", NONE_MATCH, 200, 'If-None-Match: "other"'),
    case("none-match-small-w", "RFC 9110 8.8.3", 200, f"If-None-Match: w/{ETAG}"),
    case("none-match-empty", NONE_MATCH, 200, "If-None-Match:"),
    case("none-match-empty-tag", NONE_MATCH, 200, 'If-None-Match: ""'),
    case("none-match-quoted-star", NONE_MATCH, 200, 'If-None-Match: "*"'),
    case("none-match-garbage", NONE_MATCH, 200, "If-None-Match: @@@"),
]

MATCHES = [
    case("match", MATCH, 200, f"If-Match: {ETAG}"),
    case("match-star", MATCH, 200, "If-Match: *"),
    case("match-list", MATCH, 200, f'If-Match: "a", {ETAG}'),
    case("match-other", MATCH, 412, 'If-Match: "other"'),
    case("match-weak", "RFC 9110 8.8.3.2", 412, f"If-Match: W/{ETAG}"),
    case("match-list-other", MATCH, 412, 'If-Match: "a", "b"'),
]

DATE_CASES = [
    case("since-same", MODIFIED, 304, f"If-Modified-Since: {SAME}"),
    case("since-after", MODIFIED, 304, f"If-Modified-Since: {AFTER}"),
    case("since-future", MODIFIED, 304, "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"),
    case("since-before", MODIFIED, 200, f"If-Modified-Since: {BEFORE}"),
    case("since-epoch", MODIFIED, 200, "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"),
    case("since-before-epoch", MODIFIED, 200, "If-Modified-Since: Fri, 01 Jan 1960 00:00:00 GMT"),
    case("since-year-1", MODIFIED, 200, "If-Modified-Since: Mon, 01 Jan 0001 00:00:00 GMT"),
    case("since-year-0", MODIFIED, 200, "If-Modified-Since: Sat, 01 Jan 0000 00:00:00 GMT"),
    case("since-rfc-850", DATES, 304, "If-Modified-Since: Wednesday, 01-Jan-20 00:00:00 GMT"),
    case("since-rfc-850-before", DATES, 200, "If-Modified-Since: Tuesday, 31-Dec-19 23:59:59 GMT"),
    case("since-rfc-850-1999", DATES, 200, "If-Modified-Since: Friday, 31-Dec-99 00:00:00 GMT"),
    case("since-asctime", DATES, 304, "If-Modified-Since: Wed Jan  1 00:00:00 2020"),
    case("since-asctime-before", DATES, 200, "If-Modified-Since: Tue Dec 31 23:59:59 2019"),
    case("since-garbage", MODIFIED, 200, "If-Modified-Since: yesterday"),
    case("since-empty", MODIFIED, 200, "If-Modified-Since:"),
    case("since-number", MODIFIED, 200, "If-Modified-Since: 1577836800"),
    case("since-iso", MODIFIED, 200, "If-Modified-Since: 2020-01-01T00:00:00Z"),
    case("since-no-such-day", MODIFIED, 200, "If-Modified-Since: Sun, 32 Jan 2021 00:00:00 GMT"),
    case("since-february-30", MODIFIED, 200, "If-Modified-Since: Tue, 30 Feb 2021 00:00:00 GMT"),
    case("since-no-such-month", MODIFIED, 200, "If-Modified-Since: Fri, 01 Foo 2021 00:00:00 GMT"),
    case("since-hour-25", MODIFIED, 200, "If-Modified-Since: Fri, 01 Jan 2021 25:00:00 GMT"),
    case("since-obs-text", MODIFIED, 200, "If-Modified-Since: \xff\xff"),
    case("since-superscript", MODIFIED, 200, "If-Modified-Since: Fri, 0\xb9 Jan 2021 00:00:00 GMT"),
    case("unmodified-same", UNMODIFIED, 200, f"If-Unmodified-Since: {SAME}"),
    case("unmodified-after", UNMODIFIED, 200, f"If-Unmodified-Since: {AFTER}"),
    case("unmodified-before", UNMODIFIED, 412, f"If-Unmodified-Since: {BEFORE}"),
    case("unmodified-garbage", UNMODIFIED, 200, "If-Unmodified-Since: yesterday"),
]

ORDERS = [
    case(
        "none-match-beats-since",
        ORDER,
        200,
        'If-None-Match: "other"',
        f"If-Modified-Since: {AFTER}",
    ),
    case(
        "none-match-beats-since-304",
        ORDER,
        304,
        f"If-Modified-Since: {BEFORE}",
        f"If-None-Match: {ETAG}",
    ),
    case(
        "match-beats-unmodified", ORDER, 200, f"If-Match: {ETAG}", f"If-Unmodified-Since: {BEFORE}"
    ),
    case(
        "match-beats-unmodified-412",
        ORDER,
        412,
        'If-Match: "other"',
        f"If-Unmodified-Since: {AFTER}",
    ),
    case("match-then-none-match", ORDER, 304, f"If-Match: {ETAG}", f"If-None-Match: {ETAG}"),
    case("match-fails-first", ORDER, 412, 'If-Match: "other"', f"If-None-Match: {ETAG}"),
    case("none-match-beats-range", ORDER, 304, f"If-None-Match: {ETAG}", "Range: bytes=0-1"),
    case("none-match-beats-bad-range", ORDER, 304, f"If-None-Match: {ETAG}", "Range: bytes=99-"),
    case("match-beats-range", ORDER, 412, 'If-Match: "other"', "Range: bytes=0-1"),
    Case(
        "range-after-conditions",
        ORDER,
        plain(f"If-Match: {ETAG}", 'If-None-Match: "other"', "Range: bytes=0-1"),
        206,
        PLAIN[:2],
    ),
    Case("head-none-match", NONE_MATCH, plain("If-None-Match: *", method="HEAD"), 304),
    Case("head-match-fails", MATCH, plain('If-Match: "other"', method="HEAD"), 412),
    Case("missing-match-star", WHEN, get("/missing", "If-Match: *"), 404),
    Case("missing-none-match-star", WHEN, get("/missing", "If-None-Match: *"), 404),
    Case("missing-since", WHEN, get("/missing", f"If-Modified-Since: {AFTER}"), 404),
    Case("folder-none-match", WHEN, get("/sub", "If-None-Match: *"), 301),
    Case("post-none-match", WHEN, plain("If-None-Match: *", method="POST"), 405),
    Case("options-none-match", WHEN, plain("If-None-Match: *", method="OPTIONS"), 200, b""),
    Case("empty-file-none-match", NONE_MATCH, get("/zero.txt", "If-None-Match: *"), 304),
]

CASES = [*NONE_MATCHES, *MATCHES, *DATE_CASES, *ORDERS]

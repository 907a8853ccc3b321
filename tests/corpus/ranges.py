"""Range and If-Range (RFC 9110, sections 13.1.5 and 14)."""

from __future__ import annotations

from tests.corpus.case import ETAG, Case, get, multipart, plain
from tests.corpus.site import LARGE, PLAIN

RANGE = "RFC 9110 14.1.2"
IGNORE = "RFC 9110 14.2"
UNSATISFIABLE = "RFC 9110 15.5.17"
IF_RANGE = "RFC 9110 13.1.5"
DATE = "Wed, 01 Jan 2020 00:00:00 GMT"
NINES = "9" * 30


def part(name: str, ranges: str, first: int, last: int) -> Case:
    """A range that is answered with these bytes of /plain.txt."""
    return Case(
        name,
        RANGE,
        plain(f"Range: {ranges}"),
        206,
        PLAIN[first : last + 1],
        fields={
            "Content-Range": f"bytes {first}-{last}/20",
            "Content-Length": str(last + 1 - first),
            "ETag": '".+"',
        },
    )


def whole(name: str, *lines: str, clause: str = IGNORE) -> Case:
    """Field lines that change nothing: all of /plain.txt is the response."""
    return Case(name, clause, plain(*lines), 200, PLAIN, fields={"Content-Range": None})


def beyond(name: str, ranges: str) -> Case:
    """A range that begins after the end of /plain.txt."""
    return Case(
        name,
        UNSATISFIABLE,
        plain(f"Range: {ranges}"),
        416,
        fields={"Content-Range": r"bytes \*/20"},
    )


PARTS = [
    part("first-byte", "bytes=0-0", 0, 0),
    part("last-byte", "bytes=19-19", 19, 19),
    part("middle", "bytes=5-9", 5, 9),
    part("all", "bytes=0-19", 0, 19),
    part("open", "bytes=0-", 0, 19),
    part("open-middle", "bytes=7-", 7, 19),
    part("open-last", "bytes=19-", 19, 19),
    part("suffix", "bytes=-5", 15, 19),
    part("suffix-one", "bytes=-1", 19, 19),
    part("suffix-all", "bytes=-20", 0, 19),
    part("suffix-more", "bytes=-21", 0, 19),
    part("end-past", "bytes=10-99", 10, 19),
    part("end-just-past", "bytes=10-20", 10, 19),
    part("end-beyond-63-bits", "bytes=10-9223372036854775808", 10, 19),
    part("end-beyond-64-bits", f"bytes=10-{NINES}", 10, 19),
    part("suffix-beyond-64-bits", f"bytes=-{NINES}", 0, 19),
    part("zeros", "bytes=0005-0009", 5, 9),
    part("unit-any-case", "Bytes=5-9", 5, 9),
    Case("large", RANGE, get("/large.bin", "Range: bytes=99999-"), 206, LARGE[99999:]),
    Case("large-part", RANGE, get("/large.bin", "Range: bytes=7-150000"), 206, LARGE[7:150001]),
    Case("5000-digits", RANGE, plain("Range: bytes=5-" + "9" * 5000), (200, 206)),
]

BEYOND = [
    beyond("start-at-end", "bytes=20-"),
    beyond("start-past", "bytes=99-100"),
    beyond("start-beyond-63-bits", "bytes=9223372036854775808-"),
    beyond("start-beyond-64-bits", f"bytes={NINES}-"),
    beyond("suffix-zero", "bytes=-0"),
]

IGNORED = [
    Case("empty-file", IGNORE, get("/zero.txt", "Range: bytes=0-1023"), 200, b""),
    Case("empty-file-suffix", IGNORE, get("/zero.txt", "Range: bytes=-1"), 200, b""),
    Case("empty-file-beyond", IGNORE, get("/zero.txt", "Range: bytes=5-9"), 200, b""),
    whole("backwards", "Range: bytes=9-5"),
    whole("no-range", "Range: bytes="),
    whole("dash", "Range: bytes=-"),
    whole("no-dash", "Range: bytes=5"),
    whole("letters", "Range: bytes=a-b"),
    whole("two-dashes", "Range: bytes=1-2-3"),
    whole("negative", "Range: bytes=--5"),
    whole("plus", "Range: bytes=+1-5"),
    whole("underscore", "Range: bytes=1_0-15"),
    whole("hexadecimal", "Range: bytes=0x1-0x5"),
    whole("superscript", "Range: bytes=\xb9-\xb2"),
    whole("space-before-equals", "Range: bytes =0-5"),
    whole("space-after-equals", "Range: bytes= 0-5"),
    whole("space-in-range", "Range: bytes=0 - 5"),
    whole("no-unit", "Range: 0-5"),
    whole("other-unit", "Range: lines=0-5"),
    whole("empty-value", "Range:"),
    whole("garbage", "Range: \xff\xfe"),
    whole("many", "Range: bytes=" + ",".join(f"{n}-{n}" for n in range(500))),
    whole("several-one-malformed", "Range: bytes=0-1,x"),
    whole("several-one-backwards", "Range: bytes=0-1,9-5"),
    whole("two-fields", "Range: bytes=0-1", "Range: bytes=5-6", clause="RFC 9110 5.3"),
    Case("post", IGNORE, plain("Range: bytes=0-1", method="POST"), 405),
    Case(
        "head",
        IGNORE,
        plain("Range: bytes=0-1", method="HEAD"),
        200,
        fields={"Content-Length": "20", "Content-Range": None},
    ),
    Case("head-beyond", IGNORE, plain("Range: bytes=99-", method="HEAD"), 200),
    Case(
        "missing", IGNORE, get("/missing", "Range: bytes=0-1"), 404, fields={"Content-Range": None}
    ),
    Case("folder", IGNORE, get("/sub", "Range: bytes=0-1"), 301, fields={"Content-Range": None}),
]


def if_range(name: str, validator: str, status: int, ranges: str = "bytes=5-9") -> Case:
    """A Range that counts only if the validator still fits."""
    body = PLAIN[5:10] if status == 206 else PLAIN
    return Case(name, IF_RANGE, plain(f"Range: {ranges}", f"If-Range: {validator}"), status, body)


IF_RANGES = [
    if_range("if-range-etag", ETAG, 206),
    if_range("if-range-etag-beyond", ETAG, 416, "bytes=20-"),
    if_range("if-range-other-etag", '"other"', 200),
    if_range("if-range-other-etag-beyond", '"other"', 200, "bytes=20-"),
    if_range("if-range-weak-etag", f"W/{ETAG}", 200),
    if_range("if-range-etag-list", f'{ETAG}, "other"', 200),
    if_range("if-range-star", "*", 200),
    if_range("if-range-naked-etag", "other", 200),
    if_range("if-range-date", DATE, 206),
    if_range("if-range-later-date", "Thu, 02 Jan 2020 00:00:00 GMT", 200),
    if_range("if-range-earlier-date", "Tue, 31 Dec 2019 23:59:59 GMT", 200),
    if_range("if-range-bad-date", "yesterday", 200),
    if_range("if-range-empty", "", 200),
    whole("if-range-without-range", f"If-Range: {ETAG}", clause=IF_RANGE),
    Case(
        "if-range-before-range", IF_RANGE, plain(f"If-Range: {ETAG}", "Range: bytes=-1"), 206, b"j"
    ),
]


def several(name: str, ranges: str, *parts: range) -> Case:
    """Ranges that are answered with these parts of /plain.txt."""
    body = multipart(*parts, media_type="text/plain; charset=utf-8", content=PLAIN)
    return Case(
        name,
        "RFC 9110 15.3.7.2",
        plain(f"Range: {ranges}"),
        206,
        body_pattern=body,
        fields={"Content-Type": "multipart/byteranges; boundary=.+", "Content-Range": None},
    )


SEVERAL = [
    several("several", "bytes=0-1,5-6", range(2), range(5, 7)),
    several("several-backwards", "bytes=5-6,0-1", range(5, 7), range(2)),
    several("several-suffix", "bytes=-1, 0-0", range(19, 20), range(1)),
    several("several-empty-elements", "bytes=,0-1,,5-6,", range(2), range(5, 7)),
    several("several-one-beyond", "bytes=0-1,99-,5-6", range(2), range(5, 7)),
    several("several-some-overlap", "bytes=0-3,2-5,9-9", range(6), range(9, 10)),
    part("several-overlap", "bytes=0-4,2-9", 0, 9),
    part("several-touch", "bytes=0-4,5-9", 0, 9),
    part("several-other-beyond", "bytes=0-1,99-", 0, 1),
    part("one-and-comma", "bytes=5-9,", 5, 9),
    beyond("several-all-beyond", "bytes=98-,99-"),
]

CASES = [*PARTS, *BEYOND, *IGNORED, *IF_RANGES, *SEVERAL]

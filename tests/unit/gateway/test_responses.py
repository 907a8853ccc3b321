"""From a request to its response: every status, and its header fields."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urljoin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd import __version__
from httpd.files.open_file import SMALL_FILE
from httpd.gateway.gateway import Gateway
from httpd.protocol.dates import format_date, parse_date
from httpd.protocol.messages import STATUSES, HTTPError, Request
from httpd.protocol.parser import parse_head
from httpd.protocol.ranges import FEW_RANGES
from httpd.protocol.response import Response
from httpd.site.settings import SiteSettings
from tests.support import raw
from tests.unit.gateway.gateways import make_gateway, respond
from tests.unit.guard import descriptors_left
from tests.unit.protocol.heads import head, likely_heads
from tests.unit.protocol.responses import in_memory
from tests.unit.site.directories import as_nobody, open_directory, write, write_sparse

EXPIRES = 43200
MODIFIED_NS = 784111777_123456789
MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT"
LARGE = SMALL_FILE + 1000
TEXT = b"0123456789abcdefghij"

ALWAYS = {"Date", "Server", "X-Content-Type-Options"}
OF_FILES = {"Last-Modified", "ETag", "Accept-Ranges", "Cache-Control", "Expires", "Content-Type"}
OF_PAGES = {"Content-Security-Policy", "Content-Type", "Content-Length", "Cache-Control"}
FIELDS: dict[int, set[str]] = {
    200: ALWAYS | OF_FILES | {"Content-Length"},
    206: ALWAYS | OF_FILES | {"Content-Length", "Content-Range"},
    301: ALWAYS | OF_PAGES | {"Location"},
    304: ALWAYS | {"ETag", "Cache-Control", "Expires"},
    400: ALWAYS | OF_PAGES,
    403: ALWAYS | OF_PAGES,
    404: ALWAYS | OF_PAGES,
    405: ALWAYS | OF_PAGES | {"Allow"},
    412: ALWAYS | OF_PAGES,
    416: ALWAYS | OF_PAGES | {"Content-Range"},
    501: ALWAYS | OF_PAGES,
    503: ALWAYS | OF_PAGES | {"Retry-After"},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("gateway") / "site"
    write(root / "index.html", "<p>index")
    write(root / "a.txt", TEXT)
    write(root / "empty.txt", "")
    write_sparse(root / "large.bin", LARGE)
    write(root / "sub" / "index.html", "<p>sub")
    write(root / "sub" / "two words & “more”" / "index.html", "<p>words")
    (root / "bare").mkdir()
    for path in root.rglob("*"):
        os.utime(path, ns=(MODIFIED_NS, MODIFIED_NS))
    return root


@pytest.fixture(scope="module")
def gateway(site: Path) -> Gateway:
    return make(site)


def make(root: Path, expires: int = EXPIRES) -> Gateway:
    return make_gateway(SiteSettings(docroot=str(root), expires=expires))


def ask(gateway: Gateway, data: bytes) -> tuple[Response, raw.Response]:
    """Return the response, and what a client makes of its bytes."""
    response = respond(gateway, data)
    return response, read(response, parse_head(data))


def size_of_segments(response: Response) -> int:
    return sum(map(len, response.body.segments))


def read(response: Response, request: Request | None = None) -> raw.Response:
    """Parse a response as a strict client does, and check what is true of all responses."""
    head, end, body = in_memory(response).partition(b"\r\n\r\n")
    seen = raw.parse_head(head + end)
    assert seen.status == response.status
    assert seen.reason == STATUSES[response.status].phrase
    assert body == response.body.content
    assert seen["Server"] == f"phttpd/{__version__}"
    assert seen["X-Content-Type-Options"] == "nosniff"
    assert abs((parse_date(seen["Date"], 2026) or 0) - time.time()) < 100
    has_no_body = response.status == 304 or (request is not None and request.method == "HEAD")
    if has_no_body:
        assert (response.body.content, response.after_head) == (b"", 0)
    elif response.status != 304:
        assert int(seen["Content-Length"]) == len(body) + size_of_segments(response)
    if response.status == 304:
        assert "Content-Length" not in seen
    if response.keep_alive:
        assert seen.get("Connection") in (None, "keep-alive")
    else:
        assert seen["Connection"] == "close"
    return raw.Response(seen.status, seen.reason, seen.fields, body)


def names(seen: raw.Response) -> set[str]:
    return {name for name, _ in seen.fields}


REQUESTS: dict[str, tuple[bytes, int]] = {
    "index": (head(target="/"), 200),
    "file": (head(target="/a.txt"), 200),
    "query": (head(target="/a.txt?query"), 200),
    "absolute": (head(target="http://localhost/a.txt"), 200),
    "empty": (head(target="/empty.txt"), 200),
    "large": (head(target="/large.bin"), 200),
    "part": (head("Range: bytes=0-4", target="/a.txt"), 206),
    "part-of-large": (head("Range: bytes=-4", target="/large.bin"), 206),
    "folder": (head(target="/sub"), 301),
    "unmodified": (head(f"If-Modified-Since: {MODIFIED}", target="/a.txt"), 304),
    "none-match": (head("If-None-Match: *", target="/a.txt"), 304),
    "none-match-large": (head("If-None-Match: *", target="/large.bin"), 304),
    "dots": (head(target="/.."), 400),
    "percent": (head(target="/%"), 400),
    "bare": (head(target="/bare/"), 403),
    "missing": (head(target="/nothing"), 404),
    "file-with-slash": (head(target="/a.txt/"), 404),
    "precondition": (head('If-Match: "x"', target="/a.txt"), 412),
    "range-beyond": (head("Range: bytes=20-", target="/a.txt"), 416),
    "range-of-empty": (head("Range: bytes=0-", target="/empty.txt"), 200),
    "connect": (head(method="CONNECT", target="localhost:80"), 405),
}
for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
    REQUESTS[method] = (head(method=method), 405)
for method in ("get", "Get", "GETS", "X", "PROPFIND", "QUERY", "!"):
    REQUESTS[f"unknown-{method}"] = (head(method=method), 501)
HEADS = [data for data, _ in REQUESTS.values()]


@pytest.mark.parametrize(("data", "status"), REQUESTS.values(), ids=REQUESTS)
def test_response_of_every_status_has_its_fields(
    gateway: Gateway, data: bytes, status: int
) -> None:
    response, seen = ask(gateway, data)
    assert response.status == status
    expected = FIELDS[status]
    assert names(seen) - {"Connection"} == expected


@pytest.mark.parametrize("data", [data for data in HEADS if data.startswith(b"GET ")])
def test_response_to_head_has_the_same_head_as_to_get(gateway: Gateway, data: bytes) -> None:
    """RFC 9110 §9.3.2; a Range counts only in GET (§14.2)."""
    _, got = ask(gateway, b"\r\n".join(x for x in data.split(b"\r\n") if x[:6] != b"Range:"))
    response, headed = ask(gateway, data.replace(b"GET", b"HEAD", 1))
    assert headed.timeless() == got.timeless().headless()
    assert response.status not in (206, 416)


def test_response_with_a_file_has_its_fields(gateway: Gateway) -> None:
    response, seen = ask(gateway, head(target="/a.txt"))
    assert seen.body == TEXT
    assert seen["Content-Type"] == "text/plain; charset=utf-8"
    assert seen["Last-Modified"] == MODIFIED
    assert seen["Accept-Ranges"] == "bytes"
    assert seen["Cache-Control"] == f"max-age={EXPIRES}"
    assert seen["ETag"].startswith('"')
    date, expires = (parse_date(seen[name], 2026) for name in ("Date", "Expires"))
    assert date is not None
    assert expires == date + EXPIRES
    assert response.keep_alive


def test_large_file_is_sent_from_its_descriptor(gateway: Gateway) -> None:
    response, seen = ask(gateway, head(target="/large.bin"))
    assert (response.body.segments, response.after_head, response.body.content) == (
        (range(LARGE),),
        LARGE,
        b"",
    )
    assert response.body.source is not None
    assert response.body.source.fd >= 0
    assert seen["Content-Length"] == str(LARGE)


@pytest.mark.parametrize(
    ("ranges", "first", "last"),
    [("0-0", 0, 0), ("5-9", 5, 9), ("5-", 5, 19), ("-5", 15, 19), ("-99", 0, 19), ("0-99", 0, 19)],
)
def test_range_of_a_small_file_is_sent(
    gateway: Gateway, ranges: str, first: int, last: int
) -> None:
    _, seen = ask(gateway, head(f"Range: bytes={ranges}", target="/a.txt"))
    assert seen.body == TEXT[first : last + 1]
    assert seen["Content-Range"] == f"bytes {first}-{last}/20"


@pytest.mark.parametrize("first", [5, 999, 1000, LARGE - 7, LARGE - 1])
def test_range_of_a_large_file_is_sent_from_the_file_or_from_memory(
    gateway: Gateway, first: int
) -> None:
    """A large part is sent from the file, a small one from memory."""
    response, seen = ask(gateway, head(f"Range: bytes={first}-", target="/large.bin"))
    if LARGE - first > SMALL_FILE:
        assert (response.body.segments, response.body.content) == ((range(first, LARGE),), b"")
        assert response.after_head == LARGE - first
        assert response.body.source is not None
    else:
        assert (response.body.segments, response.body.source) == ((), None)
        assert response.body.content == bytes(LARGE - first)
    assert seen["Content-Range"] == f"bytes {first}-{LARGE - 1}/{LARGE}"


def test_response_416_has_the_length_of_the_file(gateway: Gateway) -> None:
    _, seen = ask(gateway, head("Range: bytes=20-", target="/a.txt"))
    assert seen["Content-Range"] == "bytes */20"


def test_several_ranges_of_a_coded_file_get_the_whole(tmp_path: Path) -> None:
    """Content-Encoding would be about the multipart body, which is not coded."""
    write(tmp_path / "a.txt", TEXT)
    write(tmp_path / "a.txt.gz", b"\x1f\x8b" + TEXT)
    gateway = make(tmp_path)
    accept = "Accept-Encoding: gzip, identity;q=0"
    coded = head(accept, "Range: bytes=0-1,5-6", target="/a.txt")
    response, seen = ask(gateway, coded)
    assert (response.status, seen["Content-Encoding"]) == (200, "gzip")
    assert seen.body == b"\x1f\x8b" + TEXT
    response, seen = ask(gateway, coded.replace(b"5-6", b"2-6"))
    assert (response.status, seen.body) == (206, (b"\x1f\x8b" + TEXT)[:7])
    response, seen = ask(gateway, coded.replace(b";q=0", b""))
    assert response.status == 206
    assert "Content-Encoding" not in seen


def test_if_range_decides_whether_the_range_counts(gateway: Gateway) -> None:
    etag = ask(gateway, head(target="/a.txt"))[1]["ETag"]
    for validator, status in (
        (etag, 206),
        (MODIFIED, 206),
        (f"W/{etag}", 200),
        ('"x"', 200),
        ("Sun, 06 Nov 1994 08:49:38 GMT", 200),
    ):
        lines = ("Range: bytes=5-9", f"If-Range: {validator}")
        response, seen = ask(gateway, head(*lines, target="/a.txt"))
        assert response.status == status, validator
        assert seen.body == (TEXT if status == 200 else TEXT[5:10])
    lines = ("Range: bytes=99-", 'If-Range: "x"')
    assert ask(gateway, head(*lines, target="/a.txt"))[0].status == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [("/nothing", 404), ("/sub", 301), ("/bare/", 403), ("/..", 400), ("/a.txt/", 404)],
)
@pytest.mark.parametrize("line", ["If-None-Match: *", "If-Match: *", 'If-Match: "x"', "Range: x"])
def test_preconditions_without_a_file_are_ignored(
    gateway: Gateway, target: str, status: int, line: str
) -> None:
    """RFC 9110 §13.2.1: they are for what would otherwise be a 2xx or 412."""
    assert ask(gateway, head(line, target=target))[0].status == status


def test_preconditions_are_evaluated_before_ranges(gateway: Gateway) -> None:
    """RFC 9110 §13.2.2 and §14.2."""
    for line, status in (("If-None-Match: *", 304), ('If-Match: "x"', 412)):
        response, _ = ask(gateway, head("Range: bytes=99-", line, target="/a.txt"))
        assert response.status == status


@pytest.mark.parametrize("target", ["*", "/", "/a.txt", "/nothing", "http://localhost"])
def test_options_request_gets_the_allowed_methods(gateway: Gateway, target: str) -> None:
    response, seen = ask(gateway, head("If-Match: x", method="OPTIONS", target=target))
    assert response.status == 200
    assert seen["Allow"] == "GET, HEAD, OPTIONS"
    assert seen["Content-Length"] == "0"
    assert response.keep_alive


def test_response_405_has_the_allowed_methods(gateway: Gateway) -> None:
    response, seen = ask(gateway, head(method="DELETE", target="/a.txt"))
    assert seen["Allow"] == "GET, HEAD, OPTIONS"
    assert response.keep_alive


# ---------------------------------------------------------------- redirects


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/sub", "./sub/"),
        ("/sub?a=b&c", "./sub/?a=b&c"),
        ("/sub?", "./sub/?"),
        ("/sub?\xc3\xbc", "./sub/?%C3%BC"),
        ("//sub", "./sub/"),
        ("///sub", "./sub/"),
        (
            "//sub//two%20words%20&%20%E2%80%9Cmore%E2%80%9D",
            "./two%20words%20&%20%E2%80%9Cmore%E2%80%9D/",
        ),
        ("http://other/sub", "./sub/"),
        ("/%73ub", "./%73ub/"),
        ("/./sub", "./sub/"),
        ("/.%2Fsub", "./.%2Fsub/"),
        ("/x/..%2fsub", "./..%2fsub/"),
    ],
)
def test_directory_without_a_slash_is_a_redirect(
    gateway: Gateway, target: str, location: str
) -> None:
    """Relative, so that it is right behind a proxy that strips a prefix (RFC 9110 §10.2.2)."""
    _, seen = ask(gateway, head(target=target))
    assert seen.status == 301
    assert seen["Location"] == location
    base = target if "://" in target else f"http://localhost{target}"
    followed = urljoin(base.encode("latin-1").decode(), location)
    assert ask(gateway, head(target=followed))[0].status == 200


@pytest.mark.parametrize(
    "name", ["\\evil.example", "@evil", "a\nb", "é", '"><script>', "%41", "a:b"]
)
def test_redirect_to_a_strange_name_leads_to_its_directory(tmp_path: Path, name: str) -> None:
    write(tmp_path / name / "index.html", "index")
    target = "/" + "".join(f"%{byte:02X}" for byte in name.encode())
    gateway = make(tmp_path)
    _, seen = ask(gateway, head(target=target))
    assert seen.status == 301
    assert seen["Location"] == f".{target}/"
    assert ask(gateway, head(target=f"{target}/"))[0].status == 200


@pytest.mark.parametrize(
    "target", ["/one%2F", "/one%2f", "/one/.", "/one/%2e", "/one/two/..", "/."]
)
def test_listing_at_a_path_that_is_no_base_for_its_links_is_a_redirect(
    tmp_path: Path, target: str
) -> None:
    """The client may not resolve dot segments, and does not take an encoded slash for one."""
    write(tmp_path / "one" / "two" / "a.txt")
    settings = SiteSettings(docroot=str(tmp_path), expires=EXPIRES, listing=True)
    gateway = make_gateway(settings)
    _, seen = ask(gateway, head(target=target))
    assert seen.status == 301
    followed = urljoin(f"http://localhost{target}", seen["Location"])
    assert followed.endswith("/")
    assert ask(gateway, head(target=followed))[0].status == 200


# ---------------------------------------------------------------- the connection


@pytest.mark.parametrize(
    ("minor", "lines", "may_keep_alive", "field"),
    [
        (1, [], True, None),
        (1, ["Connection: close"], True, "close"),
        (1, [], False, "close"),
        (0, [], True, "close"),
        (0, ["Connection: keep-alive"], True, "keep-alive"),
        (0, ["Connection: keep-alive"], False, "close"),
        (1, ["Content-Length: 5"], True, None),
        (1, ["Content-Length: 5", "Expect: 100-continue"], True, "close"),
        (1, ["Content-Length: 0", "Expect: 100-continue"], True, None),
        (1, ["Expect: 100-continue"], True, None),
        (1, ["Content-Length: 0"], True, None),
        (1, ["Transfer-Encoding: chunked"], True, None),
    ],
)
@pytest.mark.parametrize("target", ["/a.txt", "/sub", "/nothing", "/bare/"])
def test_connection_field_follows_from_version_and_request(
    site: Path,
    minor: int,
    lines: Sequence[str],
    may_keep_alive: bool,
    field: str | None,
    target: str,
) -> None:
    data = head(*lines, minor=minor, target=target)
    gateway = make(site)
    if not may_keep_alive:
        gateway.drain()
    response, seen = ask(gateway, data)
    assert seen.get("Connection") == field
    assert response.keep_alive is (field != "close")


@pytest.mark.parametrize(
    ("data", "keeps"),
    [
        (head(target="/.."), False),
        (head(method="X"), False),
        (head(target="/nothing"), True),
        (head(target="/bare/"), True),
        (head(method="POST"), True),
        (head("Range: bytes=99-", target="/a.txt"), True),
        (head('If-Match: "x"', target="/a.txt"), True),
    ],
)
def test_errors_of_closing_statuses_close_the_connection(
    gateway: Gateway, data: bytes, keeps: bool
) -> None:
    assert ask(gateway, data)[0].keep_alive is keeps


def test_connection_of_a_client_that_may_be_sending_lingers(gateway: Gateway) -> None:
    assert ask(gateway, head("Content-Length: 5"))[0].lingers
    assert not ask(gateway, head("Connection: close"))[0].lingers


@pytest.mark.parametrize("status", [status for status in STATUSES if status >= 400])
def test_refusal_closes_the_connection(gateway: Gateway, status: int) -> None:
    error = HTTPError(status, "Because of <this>.", (("Retry-After", "1"),))
    response = gateway.refuse(error, head_only=False)
    headless = gateway.refuse(error, head_only=True)
    assert headless.head == response.head.removesuffix(response.body.content)
    seen = read(response)
    assert seen["Connection"] == "close"
    assert seen["Retry-After"] == "1"
    assert b"Because of &lt;this&gt;." in response.body.content
    assert response.lingers


# ---------------------------------------------------------------- trouble


def test_file_that_cannot_be_read_is_403_or_503() -> None:
    with open_directory() as root:
        write(root / "a.txt", "secret").chmod(0)
        write(root / "b.txt", "b")
        gateway = make(root)
        with as_nobody():
            response, _ = ask(gateway, head(target="/a.txt"))
            assert response.status == 403
        with descriptors_left(0), pytest.raises(HTTPError) as error:
            ask(gateway, head(target="/b.txt"))
        assert error.value.status == 503
        seen = read(gateway.refuse(error.value, head_only=False))
        assert names(seen) - {"Connection"} == FIELDS[503]
        assert ask(gateway, head(target="/b.txt"))[0].status == 200


@pytest.mark.parametrize("expires", [0, 1, 86400 * 3650])
def test_expires_is_the_date_and_the_lifetime(site: Path, expires: int) -> None:
    _, seen = ask(make(site, expires), head(target="/a.txt"))
    date, until = (parse_date(seen[name], 2026) for name in ("Date", "Expires"))
    assert date is not None
    assert until == date + expires
    assert seen["Cache-Control"] == f"max-age={expires}"


def test_last_modified_is_never_later_than_date(tmp_path: Path) -> None:
    """RFC 9110 §8.8.2.1."""
    write(tmp_path / "a.txt", "a", age=-86400)
    _, seen = ask(make(tmp_path), head(target="/a.txt"))
    modified, date = (parse_date(seen[name], 2026) for name in ("Last-Modified", "Date"))
    assert modified is not None
    assert date is not None
    assert modified <= date


def test_response_has_the_date_of_its_second(gateway: Gateway) -> None:
    before = int(time.time())
    gateway.begin_second(10**6)
    _, seen = ask(gateway, head(target="/a.txt"))
    dates = [format_date(second) for second in range(before, int(time.time()) + 1)]
    assert seen["Date"] in dates


@given(likely_heads() | st.sampled_from(HEADS))
@settings(max_examples=400)
def test_response_to_any_request_is_well_formed(gateway: Gateway, data: bytes) -> None:
    try:
        request = parse_head(data)
    except HTTPError as error:
        read(gateway.refuse(error, head_only=False))
        return
    read(respond(gateway, data), request)


@pytest.mark.parametrize("count", [FEW_RANGES, FEW_RANGES + 1])
def test_many_ranges_without_memory_for_their_framing_get_the_whole(site: Path, count: int) -> None:
    specs = ",".join(f"{n * 500}-{n * 500 + 99}" for n in range(count))
    data = raw.request("/large.bin", f"Range: bytes={specs}")
    for budget in (0, 1 << 20):
        own = SiteSettings(docroot=str(site), expires=EXPIRES)
        response, _ = ask(make_gateway(own, budget), data)
        is_whole = count > FEW_RANGES and not budget
        assert response.status == (200 if is_whole else 206)

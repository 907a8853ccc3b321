"""Redirects: which one a path has, and where it leads."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from httpd.protocol.messages import HTTPError
from httpd.protocol.parser import parse_head
from httpd.protocol.target import encode_path
from httpd.site.builder import ResponseBuilder
from httpd.site.patterns import check_pattern, stars_of
from httpd.site.redirect_step import RedirectStep
from httpd.site.redirect_syntax import _TARGET
from httpd.site.redirects import Destination, Redirect, RedirectTable
from httpd.site.rules import NO_POLICY
from tests.unit.guard import must_end
from tests.unit.network.bytecodes import count_bytecodes
from tests.unit.protocol.heads import head


def respond(
    redirects: Sequence[Redirect], target: str, method: str = "GET"
) -> ResponseBuilder | None:
    request = parse_head(head(method=method, target=target))
    step = RedirectStep(redirects)
    made = step.handle(request, NO_POLICY)
    if made is not None and method == "GET":
        assert step.concerns(request.path), "the quick way must not be taken"
    return made


def location_of(made: ResponseBuilder | None) -> str | None:
    if made is None:
        return None
    (location,) = re.findall("^Location: (.*)\r\n", made.lines, re.MULTILINE)
    return str(location)


# ---------------------------------------------------------------- one redirect


@pytest.mark.parametrize(
    ("path", "to", "target", "location"),
    [
        # Without stars.
        ("/a", "/b", "/a", "/b"),
        ("/a", "/b", "/a/", None),
        ("/a", "/b", "/A", None),
        ("/a/", "/b/", "/a/", "/b/"),
        ("/a/", "/b/", "/a", None),
        ("/", "/b", "/", "/b"),
        ("/a", "/", "/a", "/"),
        ("/a", "https://e.example", "/a", "https://e.example/"),
        ("/a", "https://e.example/", "/a", "https://e.example/"),
        ("/a", "http://e.example:8080/b", "/a", "http://e.example:8080/b"),
        ("/a", "https://[2001:db8::1]/b", "/a", "https://[2001:db8::1]/b"),
        # In every spelling of the path.
        ("/a", "/b", "/%61", "/b"),
        ("/a", "/b", "//a", "/b"),
        ("/a", "/b", "/x/../a", "/b"),
        ("/a", "/b", "/./a", "/b"),
        ("/a/b", "/c", "/a%2Fb", "/c"),
        ("/ü", "/b", "/%C3%BC", "/b"),
        ("/a b", "/b", "/a%20b", "/b"),
        ("/a", "/b", "http://any.example/a", "/b"),
        # Stars.
        ("/a/*", "/b/*", "/a/c", "/b/c"),
        ("/a/*", "/b/*", "/a/", "/b/"),
        ("/a/*", "/b/*", "/a/c/d", None),
        ("/a/**", "/b/**", "/a/c/d", "/b/c/d"),
        ("/a/**", "/b/**", "/a/c/d/", "/b/c/d/"),
        ("/a/**", "/b/**", "/a/", "/b/"),
        ("/a/**", "/b/**", "/a", None),
        ("/a/**", "/b", "/a/c", "/b"),
        ("/**", "https://e.example/**", "/", "https://e.example/"),
        ("/**", "https://e.example/**", "/a/b.html", "https://e.example/a/b.html"),
        ("**", "https://e.example/x/**", "/a/b/", "https://e.example/x/a/b/"),
        ("*.php", "/*.html", "/a/b.php", "/b.html"),
        ("/**/*.php", "/**/*.html", "/a/b.php", "/a/b.html"),
        ("/**/*.php", "/**/*.html", "/b.php", "/b.html"),
        ("/**/index.html", "/**/", "/a/b/index.html", "/a/b/"),
        ("/**/index.html", "/**/", "/index.html", "/"),
        ("/*/b/**", "/b/*/**", "/a/b/c/d", "/b/a/c/d"),
        ("/*-*", "/*/*", "/2024-spring-a", "/2024/spring-a"),
        ("/a?/*", "/b/*", "/ax/c", "/b/c"),
        ("/a/*/c/*", "/b/*", "/a/x/c/y", "/b/x"),
        ("/**/old/**", "/**/new/**", "/old/a", "/new/a"),
        ("/**/old/**", "/**/new/**", "/x/y/old/old/a", "/x/y/new/old/a"),
        # What a star stands for is encoded again, and only what has to be.
        ("/a/*", "/b/*", "/a/%20%22", "/b/%20%22"),
        ("/a/*", "/b/*", "/a/%25", "/b/%25"),
        ("/a/*", "/b/*", "/a/x%3Fy%23z", "/b/x%3Fy%23z"),
        ("/a/*", "/b/*", "/a/%62", "/b/b"),
        ("/a/*", "/b/*", "/a/%C3%BC", "/b/%C3%BC"),
        ("/a/*", "/b/*", "/a/\xff", "/b/%FF"),
        ("/a/*", "/b/*", "/a/%0D%0AX:%20y", "/b/%0D%0AX:%20y"),
        ("/a/*", "/b/*", "/a/%5C", "/b/%5C"),
        ("/a/*", "/b/*", "/a/:@!$&'()*+,;=", "/b/:@!$&'()*+,;="),
        # No client chooses the host.
        ("/a/**", "/**", "/a//evil.example", "/evil.example"),
        ("/a/**", "/**", "/a/%2Fevil.example", "/evil.example"),
        ("/a/**", "/**", "/a/%5Cevil.example", "/%5Cevil.example"),
        ("/a/**", "/**", "/a/", "/"),
        ("/a*", "/*/evil.example", "/a", "/evil.example"),
        ("/a*b*", "/*/*//evil.example", "/ab", "/evil.example"),
        ("/a*", "https://e.example/*", "/a.evil.example", "https://e.example/.evil.example"),
        # An empty star makes no empty segment, and the operator's own ones stay.
        ("/a/**/c", "/x/**/y", "/a/c", "/x/y"),
        ("/**", "https://w.example/http://e/**", "/a", "https://w.example/http://e/a"),
        # The query is kept; what the operator wrote comes first.
        ("/a", "/b", "/a?x=1", "/b?x=1"),
        ("/a", "/b", "/a?", "/b?"),
        ("/a", "/b?y=2", "/a?x=1&z", "/b?y=2&x=1&z"),
        ("/a", "/b?y=2", "/a", "/b?y=2"),
        ("/a", "/b?y=2", "/a?", "/b?y=2"),
        ("/a", "/b#top", "/a?x=1", "/b?x=1#top"),
        ("/a", "/b?y=2#top", "/a?x=1", "/b?y=2&x=1#top"),
        ("/a", "https://e.example?y=2", "/a?x", "https://e.example/?y=2&x"),
        ("/a", "/b", "/a?u=\xff", "/b?u=%FF"),
        ("/a", "/b", "/a?u=//evil.example", "/b?u=//evil.example"),
        # Characters beyond ASCII are encoded; what is encoded already stays.
        ("/a", "/ü?ü#ü", "/a", "/%C3%BC?%C3%BC#%C3%BC"),
        ("/a", "/%C3%BC%2A", "/a", "/%C3%BC%2A"),
    ],
)
def test_redirect_leads_where_the_operator_says(
    path: str, to: str, target: str, location: str | None
) -> None:
    assert check_pattern(path)
    assert location_of(respond([Redirect(path, to)], target)) == location


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "BREW"])
def test_redirect_is_for_every_method_and_has_the_status(status: int, method: str) -> None:
    made = respond([Redirect("/a", "/b", status)], "/a", method)
    assert made is not None
    assert (made.status, location_of(made)) == (status, "/b")


@pytest.mark.parametrize(
    ("method", "target"),
    [("OPTIONS", "/a"), ("OPTIONS", "*"), ("CONNECT", "a:80")],
)
def test_request_that_asks_for_no_page_is_not_redirected(method: str, target: str) -> None:
    assert respond([Redirect("**", "https://e.example/")], target, method) is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_page_that_is_gone_is_an_error(method: str) -> None:
    with pytest.raises(HTTPError) as error:
        respond([Redirect("/a", None, 410)], "/a", method)
    assert error.value.status == 410


def test_malformed_path_is_an_error() -> None:
    with pytest.raises(HTTPError) as error:
        respond([Redirect("/a", "/b")], "/a%00")
    assert error.value.status == 400


# ---------------------------------------------------------------- several redirects


@pytest.mark.parametrize(
    ("target", "number"),
    [
        ("/a/b", 0),
        ("/a/c", 1),
        ("/a/d", 1),
        ("/a/b/c", 3),
        ("/a/b/x.php", 2),
        ("/x.php", 2),
        ("/x", None),
        ("/late", 4),
        ("/late/a", 6),
        ("/late/a/b", 5),
    ],
)
def test_first_redirect_that_matches_counts(target: str, number: int | None) -> None:
    """Whether or not it has wildcards, and wherever these begin."""
    paths = ["/a/b", "/a/*", "*.php", "/a/**", "/late", "/late/*/*", "/late/**", "/late/a", "/a/c"]
    redirects = [Redirect(path, f"/to/{index}") for index, path in enumerate(paths)]
    expected = None if number is None else f"/to/{number}"
    assert location_of(respond(redirects, target)) == expected


NAMES = st.sampled_from(["a", "b", "*", "**", "a*", "?"])
PATTERNS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names)) | NAMES
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "c"]), max_size=5).map(
    lambda names: "/" + "/".join(names)
)


@given(st.lists(PATTERNS, max_size=8), PATHS, st.booleans())
def test_index_finds_what_a_look_at_each_redirect_finds(
    patterns: list[str], path: str, is_directory: bool
) -> None:
    text = path + "/" * (is_directory and path != "/")
    redirects = [Redirect(pattern, "/") for pattern in patterns]
    match = RedirectTable(redirects).find(text.encode())
    alone = [RedirectTable([redirect]).find(text.encode()) for redirect in redirects]
    first = next(((n, each.captures) for n, each in enumerate(alone) if each), None)
    assert (match and (match.number, match.captures)) == first


def bytecodes_of_a_miss(redirects: Sequence[Redirect]) -> int:
    step = RedirectStep(redirects)
    request = parse_head(head(target="/docs/section/page.html"))

    def miss() -> None:
        assert step.handle(request, NO_POLICY) is None

    count_bytecodes(miss)  # Python 3.12 begins to trace bytecodes with the second call
    return count_bytecodes(miss)


def test_miss_costs_the_same_with_one_redirect_and_with_a_thousand() -> None:
    kinds = "/old/{}.html", "/{}/**", "/docs/{}/*", "/docs/{}"
    few, many = (
        [Redirect(kind.format(number), "/") for number in range(count) for kind in kinds]
        for count in (1, 250)
    )
    assert bytecodes_of_a_miss(few) == bytecodes_of_a_miss(many)


@pytest.mark.parametrize(
    ("pattern", "target"),
    [
        ("/" + "*a" * 50 + "*b", "/" + "a" * 8000),
        ("/**/" + "a/**/" * 50 + "b", "/" + "a/" * 4000),
        ("/**/" + "*a*a/" * 5 + "b", "/" + ("a" * 79 + "/") * 100 + "a"),
        ("/" + "a/" * 50 + "**", "/" + "a/" * 4000),
    ],
    ids=range(4),
)
def test_no_path_takes_long(pattern: str, target: str) -> None:
    """Most of these take longer than the universe lasts if all ways to match are tried."""
    redirects = [Redirect(pattern, f"/x/{'/'.join(stars_of(pattern))}")] * 10
    with must_end():
        for _ in range(10):
            respond(redirects, target)


# ---------------------------------------------------------------- no client chooses the host

PIECES = st.sampled_from(
    ["/", "a", "*", "**", "//evil.example", "%2F", ":", "@", "\\", "?", "#", "%"]
)
TARGETS = st.lists(PIECES, max_size=6).map(lambda pieces: "/" + "".join(pieces))
TO = (TARGETS | TARGETS.map(lambda path: f"https://e.example{path}")).filter(_TARGET.fullmatch)
BYTES = st.lists(
    st.binary(max_size=3)
    | st.sampled_from([b"/", b"//", b"..", b"\\", b"evil.example", b"\r\n", b"%2f", b"http:"]),
    max_size=6,
).map(b"".join)


def host_of(reference: str) -> str | None:
    """Return the host of a URL as a browser finds it, or None for that of the page."""
    text = re.sub(r"[\t\n\r]", "", reference).replace("\\", "/")  # as the URL Standard has it
    match = re.match(r"(?:https?:)?//+([^/?#]*)", text, re.IGNORECASE)
    return match[1] if match else None


@given(TO, st.lists(BYTES, min_size=4, max_size=4), st.binary(max_size=8))
@example("/*/*//evil.example", [b"", b"", b"", b""], b"")
@example("/**", [b"\\evil.example", b"", b"", b""], b"")
def test_location_has_the_host_of_the_operator_and_is_one_line(
    to: str, captures: list[bytes], query: bytes
) -> None:
    """For any text in place of the stars, also what no path can contain."""
    texts = [re.sub(rb"^/+", b"", text).decode("utf-8", "surrogateescape") for text in captures]
    asked = bytes(byte for byte in b"?" + query if byte > 0x20 and byte not in b"\x7f#")
    location = Destination(to).location(texts, asked)
    assert location.isascii()
    assert location.isprintable()
    assert " " not in location
    assert host_of(location) == (None if to.startswith("/") else "e.example")


@given(TO, BYTES)
@example("/**", b"/\\evil.example")
def test_request_with_any_path_is_sent_to_the_host_of_the_operator(to: str, path: bytes) -> None:
    redirects = [Redirect("/**/*/*", to), Redirect("/**", to), Redirect("**", "/**")]
    for sent in encode_path(path), path.decode("latin-1"):
        try:
            made = respond(redirects, f"/{sent}")
        except HTTPError:
            continue
        location = location_of(made)
        assert location is not None
        assert host_of(location) in (None, "e.example")

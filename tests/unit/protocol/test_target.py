"""Request targets, and the way from a path to the names in it and back."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from httpd.protocol.messages import HTTPError
from httpd.protocol.target import (
    canonical_path,
    decode_path,
    decode_target_path,
    encode_path,
    has_straight_slashes,
    is_literal_path,
    parse_target,
    relative_to_sibling,
    relative_with_slash,
)
from tests.unit.guard import must_end

NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: name not in (b".", b"..") and b"\0" not in name and b"/" not in name
)
ALLOWED = bytes([*range(0x21, 0x7F), *range(0x80, 0x100)])
VISIBLE = st.binary(max_size=40).map(lambda data: bytes(ALLOWED[byte % 221] for byte in data))
DOTTED = st.lists(
    st.sampled_from([b"/", b"%2F", b"%2f", b".", b"%2e", b"%2E", b"a", b"%41", b"\xfc", b"%"]),
    max_size=16,
).map(b"".join)
"""Paths in which slashes and dots have every spelling."""


def segments_of(path: bytes) -> list[bytes]:
    """Return the names in a decoded path; the last one is empty if the path ends in a slash."""
    root, *segments = decode_path(path).split(b"/")
    assert root == b""
    return segments


def remove_dot_segments(path: bytes) -> bytes | None:
    """RFC 3986 §5.2.4, step by step as it stands there; None if a “..” finds nothing to remove."""
    output = b""
    while path:
        if path.startswith(b"/./"):  # 2B
            path = path[2:]
        elif path == b"/.":
            path = b"/"
        elif path.startswith(b"/../") or path == b"/..":  # 2C
            path = b"/" + path[4:]
            if not output:
                return None
            output = output[: output.rindex(b"/")]
        else:  # 2E
            end = path.find(b"/", 1) if b"/" in path[1:] else len(path)
            output += path[:end]
            path = path[end:]
    return output


@pytest.mark.parametrize(
    ("method", "target", "path", "query", "authority"),
    [
        ("GET", "/", "/", "", None),
        ("GET", "/a/b", "/a/b", "", None),
        ("GET", "/a?b", "/a", "?b", None),
        ("GET", "/a?", "/a", "?", None),
        ("GET", "/a?b?c/d", "/a", "?b?c/d", None),
        ("GET", "//a//b", "//a//b", "", None),
        ("GET", "/http://a/", "/http://a/", "", None),
        ("GET", "/*", "/*", "", None),
        ("GET", "/%41", "/%41", "", None),
        ("GET", "http://a", "/", "", "a"),
        ("GET", "http://a/", "/", "", "a"),
        ("GET", "HTTP://A:80/b?c", "/b", "?c", "A:80"),
        ("GET", "http://a?b", "/", "?b", "a"),
        ("GET", "http://[::1]:80/x", "/x", "", "[::1]:80"),
        ("OPTIONS", "*", "", "", None),
        ("OPTIONS", "/a", "/a", "", None),
        ("CONNECT", "a:80", "", "", "a:80"),
    ],
)
def test_target_is_taken_apart(
    method: str, target: str, path: str, query: str, authority: str | None
) -> None:
    found = parse_target(method.encode(), target.encode())
    assert found.path == path.encode()
    assert found.query == query.encode()
    assert found.authority == (None if authority is None else authority.encode())


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "*"),
        ("HEAD", "*"),
        ("POST", "*"),
        ("OPTIONS", "**"),
        ("OPTIONS", "*/"),
        ("OPTIONS", "*?a"),
        ("GET", "a"),
        ("GET", "a/b"),
        ("GET", "?a"),
        ("GET", "a:80"),
        ("GET", "../a"),
        ("GET", "/#a"),
        ("GET", "/a?b#c"),
        ("GET", "http:/a"),
        ("GET", "http:a"),
        ("GET", "http://"),
        ("GET", "http:///a"),
        ("GET", "http://?a"),
        ("GET", "http://a/#b"),
        ("GET", "ftp://a/"),
        ("GET", "file:///etc/passwd"),
        ("GET", "://a/"),
        ("GET", "javascript:alert(1)"),
    ],
)
def test_malformed_target_is_refused(method: str, target: str) -> None:
    with pytest.raises(HTTPError) as error:
        parse_target(method.encode(), target.encode())
    assert error.value.status == 400


def test_https_target_is_refused() -> None:
    """RFC 9110 §7.4: a request for an https resource MUST be rejected on an insecure connection."""
    with pytest.raises(HTTPError):
        parse_target(b"GET", b"https://localhost/")


@given(
    st.sampled_from([b"", b"/", b"http://", b"https://", b"http://a/"]),
    VISIBLE,
    st.sampled_from([b"GET", b"OPTIONS", b"CONNECT", b"X"]),
)
@settings(max_examples=500)
def test_target_of_any_bytes_is_taken_apart_or_refused(
    start: bytes, rest: bytes, method: bytes
) -> None:
    try:
        found = parse_target(method, start + rest)
    except HTTPError as error:
        assert error.status == 400 or (error.status == 421 and start == b"https://")
    else:
        assert found.path == b"" or found.path.startswith(b"/")
        assert found.query == b"" or found.query.startswith(b"?")


@pytest.mark.parametrize(
    ("path", "query", "reference"),
    [
        ("/a", "", "./a/"),
        ("/a", "?", "./a/?"),
        ("/a", "?b=/c?d&e[]=%zz", "./a/?b=/c?d&e[]=%zz"),
        ("/a", "?\xc3\xbc=%C3%BC", "./a/?%C3%BC=%C3%BC"),
        ("/a/b", "", "./b/"),
        ("//evil.example", "", "./evil.example/"),
        ("/a%2Fb", "", "./a%2Fb/"),
        ("/%2F%2Fevil.example", "", "./%2F%2Fevil.example/"),
        ("/\\evil.example", "", "./%5Cevil.example/"),
        ("/a:b", "?c:d", "./a%3Ab/?c:d"),
        ("/%61%3ab%20c", "", "./%61%3ab%20c/"),
        ("/gr\xc3\xbcn", "", "./gr%C3%BCn/"),
        ('/"<>^`{|}[]', "", "./%22%3C%3E%5E%60%7B%7C%7D%5B%5D/"),
        ("/a/%2e%2e%2fb", "", "./%2e%2e%2fb/"),
    ],
)
def test_relative_reference_has_a_slash_at_its_end(path: str, query: str, reference: str) -> None:
    made = relative_with_slash(path.encode("latin-1"), query.encode("latin-1"))
    assert made == reference


@given(VISIBLE | DOTTED, VISIBLE)
@settings(max_examples=500)
def test_relative_reference_leads_to_the_same_names(rest: bytes, query: bytes) -> None:
    """Also below a prefix that the server does not know; and it never leads to another host."""
    path = b"/" + rest.replace(b"?", b"").replace(b"#", b"")
    # `urljoin` drops an empty segment before anybody resolves the dot segment that removes it.
    assume(b"//" not in path or not {b".", b".."} & {*unquote_to_bytes(path).split(b"/")})
    try:
        segments = segments_of(path)
    except HTTPError:
        return
    if not segments[-1]:
        return
    reference = relative_with_slash(path, b"?" + query.replace(b"#", b""))
    assert reference.isascii()
    assert reference.startswith("./")
    base = "http://localhost/prefix" + quote(path, safe="%/:@!$&'()*+,;=-._~")
    parts = urlsplit(urljoin(base, reference))
    assert (parts.scheme, parts.netloc) == ("http", "localhost")
    assert parts.path.endswith("/")
    assert segments_of(parts.path.encode()) == [b"prefix", *segments, b""]


@given(VISIBLE | DOTTED | st.binary(max_size=4), VISIBLE)
def test_relative_reference_to_a_sibling_leads_to_it(name: bytes, query: bytes) -> None:
    name = name.replace(b"/", b"")
    # `urljoin` drops a semicolon at the end of a path.
    assume(name not in (b".", b"..") and not name.endswith(b";"))
    reference = relative_to_sibling(name, b"?" + query.replace(b"#", b""))
    assert reference.isascii()
    parts = urlsplit(urljoin("http://localhost/prefix/page.html", reference))
    assert (parts.scheme, parts.netloc) == ("http", "localhost")
    assert unquote_to_bytes(parts.path) == b"/prefix/" + name


# ---------------------------------------------------------------- segments


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/", [""]),
        ("//", [""]),
        ("/a", ["a"]),
        ("/a/", ["a", ""]),
        ("/a//", ["a", ""]),
        ("//a///b", ["a", "b"]),
        ("/a/b/c", ["a", "b", "c"]),
        ("/%61", ["a"]),
        ("/%2F", [""]),
        ("/a%2fb", ["a", "b"]),
        ("/@scope%2fname", ["@scope", "name"]),
        ("/a%2F", ["a", ""]),
        ("/a%2F%2f/b", ["a", "b"]),
        ("/a%252Fb", ["a%2Fb"]),
        ("/a%20b", ["a b"]),
        ("/a+b", ["a+b"]),
        ("/%25", ["%"]),
        ("/%2541", ["%41"]),
        ("/...", ["..."]),
        ("/..a", ["..a"]),
        ("/a..", ["a.."]),
        ("/.", [""]),
        ("/%2e", [""]),
        ("/./", [""]),
        ("/./a", ["a"]),
        ("/a/.", ["a", ""]),
        ("/a/./b", ["a", "b"]),
        ("/a/%2E/b", ["a", "b"]),
        ("/a/../b", ["b"]),
        ("/a/%2e./b", ["b"]),
        ("/a/..", [""]),
        ("/a/b/..", ["a", ""]),
        ("/a/b/../", ["a", ""]),
        ("/a/b/../..", [""]),
        ("/a/./../b/.", ["b", ""]),
        ("/a%2f..%2fb", ["b"]),
        ("/a%2F.%2Fb", ["a", "b"]),
        ("/a//../b", ["a", "b"]),
        ("//..", [""]),
        ("/.git/../a", ["a"]),
        ("/a/.git", ["a", ".git"]),
        ("/a%2f.git", ["a", ".git"]),
        ("/a/%252e%252e/b", ["a", "%2e%2e", "b"]),
        ("/a/..\\b", ["a", "..\\b"]),
        ("/gr\xfcn", ["gr\xfcn"]),
        ("/\xff%ff", ["\xff\xff"]),
        ("/%0a", ["\n"]),
        ("/a;b=c", ["a;b=c"]),
    ],
)
def test_path_is_decoded(path: str, segments: list[str]) -> None:
    expected = [segment.encode("latin-1") for segment in segments]
    assert segments_of(path.encode("latin-1")) == expected


def test_path_may_have_any_bytes_but_nul() -> None:
    for byte in {*range(1, 256)} - {ord("/")}:
        assert segments_of(b"/a%%%02xb" % byte) == [b"a%cb" % byte]
        assert segments_of(b"/a%%%02Xb" % byte) == [b"a%cb" % byte]


@pytest.mark.parametrize(
    "path",
    [
        "/..",
        "/../",
        "/a/../..",
        "/a/../../b",
        "/./..",
        "/../a",
        "/a/%2e%2e/..",
        "/%2f../..",
        "/..%2fa",
        "/a%2f..%2f..%2fb",
        "/%2e%2e",
        "/%2E.",
        "/.%2e/a",
        "/%",
        "/%4",
        "/%4g",
        "/%g4",
        "/a%",
        "/%%41",
        "/%u0041",
        "/% 41",
        "/%+1",
        "/%00",
        "/a%00b",
        "/a/%00",
        "/%25%00",
    ],
)
def test_malformed_path_is_refused(path: str) -> None:
    with pytest.raises(HTTPError) as error:
        segments_of(path.encode())
    assert error.value.status == 400


@given(VISIBLE)
@settings(max_examples=500)
def test_decoded_path_agrees_with_a_simple_decoder(tail: bytes) -> None:
    try:
        segments = segments_of(b"/" + tail)
    except HTTPError as error:
        assert error.status == 400
        return
    straight = remove_dot_segments(unquote_to_bytes(b"/" + tail))
    assert straight is not None
    *plain, last = straight[1:].split(b"/")
    assert segments == [*filter(None, plain), last]


@given(DOTTED)
@settings(max_examples=500)
@example(b"%2F..%2f..")
@example(b"a/..//..")
def test_dot_segments_are_removed_in_every_spelling(tail: bytes) -> None:
    """No policy ever sees a dot segment, nor a slash in a name; and nothing climbs out."""
    path = b"/" + tail
    straight = remove_dot_segments(unquote_to_bytes(path))
    is_malformed = re.search(b"%(?![0-9A-Fa-f]{2})", path) is not None
    try:
        segments = segments_of(path)
    except HTTPError as error:
        assert error.status == 400
        assert straight is None or is_malformed
        assert canonical_path(path) is None
        return
    assert straight is not None
    assert not is_malformed
    *plain, last = straight[1:].split(b"/")
    assert segments == [*filter(None, plain), last]
    assert not {b".", b".."} & {*segments}
    assert canonical_path(path) == b"/" + encode_path(b"/".join(segments)).encode()


@given(st.lists(NAMES, min_size=1, max_size=5), st.booleans())
def test_encoded_path_is_decoded_to_the_same(names: list[bytes], is_directory: bool) -> None:
    path = encode_path(b"/" + b"/".join(names) + (b"/" if is_directory else b""))
    assert path.isascii()
    assert parse_target(b"GET", path.encode()).path == path.encode()
    assert segments_of(path.encode()) == names + ([b""] if is_directory else [])


@given(st.binary(max_size=40))
def test_encoded_path_has_only_characters_of_a_path(path: bytes) -> None:
    """RFC 3986 §3.3: pchar and slashes; and nothing that HTML or a header must escape."""
    encoded = encode_path(path)
    assert not set(encoded) & set('"<>\\^`{}|#?[] \t\r\n')
    assert unquote_to_bytes(encoded) == path


@given(st.binary(max_size=40) | st.text("%02eEf./a\0", max_size=30).map(str.encode))
@settings(max_examples=500)
def test_path_of_any_bytes_is_decoded_or_refused(path: bytes) -> None:
    try:
        segments = segments_of(b"/" + path)
    except HTTPError as error:
        assert error.status == 400
    else:
        assert all(segments[:-1])
        assert not {b".", b".."} & {*segments}
        assert not any(b"/" in segment for segment in segments)


def test_target_takes_linear_time() -> None:
    with must_end():
        for path in (
            b"/" * 500_000,
            b"%41" * 300_000,
            b"%" * 500_000,
            b"/%2e" * 100_000,
            b"/a" * 100_000 + b"/.." * 100_000,
            b"/a%2f.." * 100_000,
        ):
            canonical_path(b"/" + path)
            try:
                segments_of(b"/" + path)
            except HTTPError:
                pass


@given(
    VISIBLE | st.lists(NAMES, max_size=4).map(lambda names: encode_path(b"/".join(names)).encode())
)
@settings(max_examples=500)
def test_canonical_path_decodes_to_the_same_path(rest: bytes) -> None:
    """Or there is none; and who asks for the canonical spelling asks for the same."""
    path = b"/" + rest
    canonical = canonical_path(path)
    try:
        segments = segments_of(path)
    except HTTPError:
        assert canonical is None
        return
    if b"#" in path:
        assert canonical is None
    else:
        assert canonical == b"/" + encode_path(b"/".join(segments)).encode()
        assert canonical_path(canonical) == canonical
        assert segments_of(canonical) == segments


@given(DOTTED | st.lists(NAMES).map(lambda names: quote(b"/".join(names)).encode()))
@example(b"%2F/a%2Fb/")
@example(b"a%2Fb//")
@example(b".well-known/")
@settings(max_examples=500)
def test_slashes_are_straight_if_each_ends_a_segment_of_its_own(rest: bytes) -> None:
    path = b"/" + rest
    try:
        segments = segments_of(path)
    except HTTPError:
        return
    pieces = [unquote_to_bytes(piece) for piece in rest.split(b"/")]
    assert has_straight_slashes(path, decode_path(path)) == (segments == pieces)


@given(
    VISIBLE | st.lists(NAMES, max_size=4).map(lambda names: encode_path(b"/".join(names)).encode()),
    VISIBLE,
)
@settings(max_examples=500)
def test_target_with_a_canonical_decoded_path_means_that_path(rest: bytes, query: bytes) -> None:
    path = b"/" + rest.replace(b"?", b"")
    plain = decode_target_path(path + b"?" + query)
    assert plain == decode_target_path(path) or (plain is None and b"#" in query)
    if plain is not None and canonical_path(plain) == plain:
        assert canonical_path(path) == plain


@given(VISIBLE | DOTTED)
def test_target_without_a_slash_has_no_path(target: bytes) -> None:
    """Even if its first byte is an encoded slash, or dot segments lead to one."""
    target = target.lstrip(b"/")
    assert (canonical_path(target) or b"")[:1] != b"/"
    assert (decode_target_path(target) or b"")[:1] != b"/"


@pytest.mark.parametrize("query", ["#", " ", "\0", "\x7f", "\t"])
def test_target_with_a_malformed_query_has_no_path(query: str) -> None:
    assert decode_target_path(b"/a?b" + query.encode()) is None


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("//a///b/", "/a/b/"),
        ("/%61%2eb", "/a.b"),
        ("/%5c%25%3f", "/%5C%25%3F"),
        ("/\\x41", "/%5Cx41"),
        ("/%41\\x41", "/A%5Cx41"),
        ("/%C3%a9", "/%C3%A9"),
        ("/\xc3%A9", "/%C3%A9"),
        ("/a%2fb", "/a/b"),
        ("/%2F/", "/"),
        ("/a/./b/../c", "/a/c"),
        ("/a/%2e%2e/%2E/c/.", "/c/"),
        ("/a//../b", "/a/b"),
        ("/.git/a", "/.git/a"),
    ],
)
def test_canonical_path_is_the_one_spelling(path: str, canonical: str) -> None:
    assert canonical_path(path.encode("latin-1")) == canonical.encode()


@pytest.mark.parametrize(
    "path",
    [
        "/..",
        "/a/../..",
        "/%2f../..",
        "%2Fa",
        "x/../a",
        "/%00",
        "/%",
        "/%4",
        "/%zz",
        "/%4g",
        "/% 4",
        "/%+4",
        "/#",
        "/%61#",
        "/a b",
        "/\x7f",
        "/\n",
    ],
)
def test_malformed_path_has_no_canonical_spelling(path: str) -> None:
    assert canonical_path(path.encode()) is None


@given(VISIBLE | DOTTED)
@settings(max_examples=500)
@example(b"")
@example(b"a//")
@example(b".well-known/a")
def test_literal_path_is_canonical_and_decoded(rest: bytes) -> None:
    path = b"/" + rest
    if is_literal_path(path):
        assert path == canonical_path(path) == decode_path(path)
        assert path.find(b"/.") < 0

"""Request targets, and the way from a path to the names in it and back."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.protocol.messages import HTTPError
from httpd.protocol.target import (
    canonical_path,
    decode_segments,
    encode_path,
    parse_target,
    plain_path,
)
from tests.unit.guard import must_end

NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: name != b".." and b"\0" not in name and b"/" not in name
)
VISIBLE = st.binary(max_size=40).map(lambda data: bytes(0x21 + byte % 0x5E for byte in data))


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
def test_good_targets(
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
def test_bad_targets(method: str, target: str) -> None:
    with pytest.raises(HTTPError) as error:
        parse_target(method.encode(), target.encode())
    assert error.value.status == 400


def test_https_is_refused_where_there_is_no_tls() -> None:
    """RFC 9110 §7.4: a request for an https resource MUST be rejected on an insecure connection."""
    with pytest.raises(HTTPError):
        parse_target(b"GET", b"https://localhost/")


@given(
    st.sampled_from([b"", b"/", b"http://", b"https://", b"http://a/"]),
    VISIBLE,
    st.sampled_from([b"GET", b"OPTIONS", b"CONNECT", b"X"]),
)
@settings(max_examples=500)
def test_any_target_is_taken_apart_or_refused(start: bytes, rest: bytes, method: bytes) -> None:
    try:
        found = parse_target(method, start + rest)
    except HTTPError as error:
        assert error.status == 400 or (error.status == 421 and start == b"https://")
    else:
        assert found.path == b"" or found.path.startswith(b"/")
        assert found.query == b"" or found.query.startswith(b"?")


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
        ("/%2F", ["/"]),
        ("/a%2fb", ["a/b"]),
        ("/a%20b", ["a b"]),
        ("/a+b", ["a+b"]),
        ("/%25", ["%"]),
        ("/%2541", ["%41"]),
        ("/...", ["..."]),
        ("/..a", ["..a"]),
        ("/a..", ["a.."]),
        ("/.", ["."]),
        ("/%2e", ["."]),
        ("/%2f..", ["/.."]),
        ("/%0a", ["\n"]),
        ("/a;b=c", ["a;b=c"]),
    ],
)
def test_segments(path: str, segments: list[str]) -> None:
    assert decode_segments(path.encode()) == [segment.encode() for segment in segments]


def test_segments_may_be_any_bytes_but_nul() -> None:
    for byte in range(1, 256):
        assert decode_segments(b"/a%%%02xb" % byte) == [b"a%cb" % byte]
        assert decode_segments(b"/a%%%02Xb" % byte) == [b"a%cb" % byte]


@pytest.mark.parametrize(
    "path",
    [
        "/..",
        "/../",
        "/a/../b",
        "/a/..",
        "//..",
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
def test_bad_paths(path: str) -> None:
    with pytest.raises(HTTPError) as error:
        decode_segments(path.encode())
    assert error.value.status == 400


@given(VISIBLE)
@settings(max_examples=500)
def test_segments_agree_with_a_plain_decoder(tail: bytes) -> None:
    try:
        segments = decode_segments(b"/" + tail)
    except HTTPError as error:
        assert error.status == 400
        return
    plain = [unquote_to_bytes(part.decode()) for part in tail.split(b"/")]
    assert segments == [part for part in plain[:-1] if part] + plain[-1:]
    assert b".." not in segments
    assert not any(b"\0" in segment for segment in segments)


@given(st.lists(NAMES, min_size=1, max_size=5), st.booleans())
def test_encoding_and_decoding_are_inverse(names: list[bytes], is_folder: bool) -> None:
    path = encode_path(b"/" + b"/".join(names) + (b"/" if is_folder else b""))
    assert path.isascii()
    assert parse_target(b"GET", path.encode()).path == path.encode()
    assert decode_segments(path.encode()) == names + ([b""] if is_folder else [])


@given(st.binary(max_size=40))
def test_an_encoded_path_has_only_characters_of_a_path(path: bytes) -> None:
    """RFC 3986 §3.3: pchar and slashes; and nothing that HTML or a header must escape."""
    encoded = encode_path(path)
    assert not set(encoded) & set('"<>\\^`{}|#?[] \t\r\n')
    assert unquote_to_bytes(encoded) == path


@given(st.binary(max_size=40) | st.text("%02eEf./a\0", max_size=30).map(str.encode))
@settings(max_examples=500)
def test_any_bytes_are_segments_or_refused(path: bytes) -> None:
    try:
        segments = decode_segments(path)
    except HTTPError as error:
        assert error.status == 400
    else:
        assert all(segments[:-1])
        assert b".." not in segments


def test_no_slow_path() -> None:
    with must_end():
        for path in (b"/" * 500_000, b"%41" * 300_000, b"%" * 500_000, b"/%2e" * 100_000):
            try:
                decode_segments(path)
            except HTTPError:
                pass


@given(
    VISIBLE | st.lists(NAMES, max_size=4).map(lambda names: encode_path(b"/".join(names)).encode())
)
@settings(max_examples=500)
def test_the_canonical_spelling_has_the_same_segments(rest: bytes) -> None:
    """Or there is none; and who asks for the canonical spelling asks for the same."""
    path = b"/" + rest
    canonical = canonical_path(path)
    try:
        segments = decode_segments(path)
    except HTTPError:
        # What is refused has at best a spelling that no file is found by.
        assert canonical is None or b".." in canonical.split(b"/")
        return
    if b"#" in path or any(b"/" in segment for segment in segments):
        assert canonical is None
    else:
        assert canonical == b"/" + encode_path(b"/".join(segments)).encode()
        assert canonical_path(canonical) == canonical
        assert decode_segments(canonical) == segments


@given(
    VISIBLE | st.lists(NAMES, max_size=4).map(lambda names: encode_path(b"/".join(names)).encode()),
    VISIBLE,
)
@settings(max_examples=500)
def test_who_has_a_canonical_plain_path_asks_for_it(rest: bytes, query: bytes) -> None:
    path = b"/" + rest.replace(b"?", b"")
    plain = plain_path(path + b"?" + query)
    assert plain == plain_path(path) or (plain is None and b"#" in query)
    if plain is not None and canonical_path(plain) == plain:
        assert canonical_path(path) == plain


@pytest.mark.parametrize("query", ["#", " ", "\0", "\x80", "\t"])
def test_what_is_no_query_has_no_plain_path(query: str) -> None:
    assert plain_path(b"/a?b" + query.encode()) is None


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
    ],
)
def test_canonical_spellings(path: str, canonical: str) -> None:
    assert canonical_path(path.encode()) == canonical.encode()


@pytest.mark.parametrize(
    "path",
    [
        "/%2f",
        "/%2F/",
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
        "/\u00a0",
        "/\n",
    ],
)
def test_paths_without_a_canonical_spelling(path: str) -> None:
    assert canonical_path(path.encode()) is None

"""Which site a name leads to, and which names a site may have."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from httpd.site.names import MAX_NAME, Match, NameTable, is_directory_name, read_name
from tests.unit.guard import must_end

LABELS = st.sampled_from(["a", "b", "www", "x-1"])
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)


def simple_find(sites: dict[str, int], name: str) -> Match | None:
    """What `NameTable.find` does, one name after the other."""
    if name in sites:
        return Match(sites[name])
    found = []
    for wild, site in sites.items():
        if wild.startswith("*.") and name.endswith(wild[1:]):
            star = name[: -len(wild[1:])]
            if re.fullmatch(r"[^.]+(\.[^.]+)*", star):
                found.append((len(wild), Match(site, star)))
    return max(found)[1] if found else None


@given(
    st.lists(st.one_of(NAMES, NAMES.map(lambda name: f"*.{name}")), max_size=6, unique=True),
    st.one_of(NAMES, st.lists(st.sampled_from(["a", "b", ""]), max_size=5).map(".".join)),
)
@example(["*.a", "*.b.a"], "a.b.a")
@example(["*.b.a"], "b.a")
@example(["*.a"], ".a")
@example(["*.a"], "b..a")
@example(["*.a"], "b.a.")
def test_exact_name_comes_before_the_longest_wildcard(names: list[str], name: str) -> None:
    sites = {name: number for number, name in enumerate(names)}
    assert NameTable(sites).find(name) == simple_find(sites, name)


def test_name_of_many_labels_takes_no_long_time() -> None:
    table = NameTable({"*.example": 0})
    with must_end():
        for _ in range(10_000):
            assert table.find("a." * 4000 + "example") is None


def test_name_may_be_as_long_as_names_are() -> None:
    label = "a" * 63
    star = ".".join([label, label, label])[: MAX_NAME - len(".example")]
    assert NameTable({"*.example": 7}).find(f"{star}.example") == Match(7, star)
    assert NameTable({"*.example": 7}).find(f"{'a.' * 123}example") == Match(7, "a." * 122 + "a")
    assert NameTable({"*.example": 7}).find(f"{'a.' * 123}aexample") is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("*.Example.com", "*.example.com"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[2001:DB8:0::1]", "[2001:db8::1]"),
        ("xn--mller-kva.example", "xn--mller-kva.example"),
        ("a_b.example", "a_b.example"),
    ],
)
def test_name_of_a_site_is_read_as_that_of_a_request(text: str, name: str) -> None:
    assert read_name(text) == name


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        (5, "a host name such as"),
        ("", "a host name such as"),
        ("a b", "a host name such as"),
        ("a..b", "a host name such as"),
        (".a", "a host name such as"),
        ("http://a/", "a host name such as"),
        ("a/b", "a host name such as"),
        ("[1:2]", "a host name such as"),
        ("[::1", "a host name such as"),
        ("x" * 64, "a host name such as"),
        (".".join(["x" * 63] * 4), "a host name such as"),
        ("a.example:80", "a name without a port"),
        ("*.example:80", "a name without a port"),
        ("[::1]:80", "a name without a port"),
        ("::1", "in brackets and quotes"),
        ("2001:db8::1", "in brackets and quotes"),
        ("*", "set docroot at the top of the file"),
        ("a*.example", "no star but in “*.” at the beginning"),
        ("*a.example", "no star but in “*.” at the beginning"),
        ("www.*.example", "no star but in “*.” at the beginning"),
        ("*.*.example", "no star but in “*.” at the beginning"),
        ("example.*", "no star but in “*.” at the beginning"),
        ("müller.example", "its ASCII form, xn--mller-kva.example"),
        ("www.FAß.de", "its ASCII form, www.xn--fa-hia.de"),
        ("*.BÜCHER.example", "its ASCII form, *.xn--bcher-kva.example"),
        ("例え.テスト", "its ASCII form, xn--r8jz45g.xn--zckzah"),
    ],
)
def test_wrong_name_of_a_site_is_refused_with_what_is_right(text: object, allowed: str) -> None:
    with pytest.raises(ValueError, match=re.escape(allowed)):
        read_name(text)


@given(st.text(max_size=12))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        name = read_name(text)
    except ValueError:
        return
    assert read_name(name) == name


@pytest.mark.parametrize("star", ["alice", "a", "0", "a-b", "-", "x1-"])
def test_label_names_a_directory(star: str) -> None:
    assert is_directory_name(star)


@pytest.mark.parametrize("star", ["", ".", "..", "a.b", "a/b", "a_b", "Alice", "ä", "a\n", "%61"])
def test_anything_else_names_no_directory(star: str) -> None:
    assert not is_directory_name(star)

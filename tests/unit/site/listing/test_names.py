"""How a listing writes names, and where its references lead."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.protocol.target import encode_path
from httpd.site.listing.order import Order
from tests.unit.site.directories import open_directory, write
from tests.unit.site.listing.pages import ORDERS, Page, by_name, names, read_html, read_json, render

NAMES = st.one_of(
    st.binary(min_size=1, max_size=255),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).map(str.encode),
    st.lists(
        st.sampled_from(
            [*" .:;&<>\"'/\\%?#+~\t\n\r\x7f\u202e\u200d\u0085\u3000é", "..", "&amp;", "</td>", "a"]
        ),
        min_size=1,
        max_size=6,
    ).map(lambda parts: "".join(parts).encode()),
).filter(
    lambda name: (
        len(name) < 256 and not name.startswith(b".") and b"/" not in name and b"\0" not in name
    )
)


@given(st.dictionaries(NAMES, st.booleans(), max_size=12), st.sampled_from(ORDERS))
@settings(max_examples=80)
def test_any_name_is_listed_and_leads_to_its_file(found: dict[bytes, bool], order: Order) -> None:
    with open_directory() as root:
        for name, is_directory in found.items():
            path = os.path.join(os.fsencode(root), name)
            if is_directory:
                os.mkdir(path)
            else:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            os.utime(path, (1, 1))
        expected = sorted(found, key=by_name, reverse=order.descending)
        expected.sort(key=lambda name: not found[name])
        pairs = [(name, found[name]) for name in expected]
        text = render(root, b"/", order)
        assert [(entry.name, entry.is_directory) for entry in read_html(text)] == pairs
        for row, name in zip(Page(text).rows, expected, strict=True):
            assert row.cells[0].replace("\u200c", "").replace("\u200d", "").isprintable()
            assert row.cells[0] == row.cells[0].strip()
            if name.isalnum():
                assert row.cells[0] == name.decode() + "/" * found[name]
        text = render(root, b"/", order, as_json=True)
        assert [(entry.name, entry.is_directory) for entry in read_json(text)] == pairs
        for entry, name in zip(json.loads(text), expected, strict=True):
            assert entry["name"] == name.decode("utf-8", "backslashreplace")


@given(NAMES)
@settings(max_examples=60)
def test_any_name_in_the_path_leads_to_its_directory(name: bytes) -> None:
    """The directory itself has it: title, heading and the links upwards."""
    with open_directory() as root:
        write(root / os.fsdecode(name) / os.fsdecode(name) / "a")
        path = f"/{encode_path(name)}/"
        page = Page(render(root, path.encode()))
        assert [row.href for row in page.rows] == [row.href for row in Page(render(root)).rows]
        assert page.text["title"] == page.text["h1"]
        assert page.text["h1"].startswith("/")
        assert page.links[:2] == ["../", "../"]
        page = Page(render(root, (path + path).encode().replace(b"//", b"/")))
        assert [row.href for row in page.rows] == ["a"]
        assert page.links[:3] == ["../../", "../", "../"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"a&amp;<b>", "a&amp;amp;&lt;b&gt;"),
        (b"caf\xe9", r"caf<code>\xe9</code>"),
        (b"\xff\xfe.txt", r"<code>\xff\xfe</code>.txt"),
        (b"new\nline\ttab", r"new<code>\x0a</code>line<code>\x09</code>tab"),
        ("\u202egpj.exe".encode(), r"<code>\u202e</code>gpj.exe"),
        ("\u0085".encode(), r"<code>\u0085</code>"),
        ("\U000e0041".encode(), r"<code>\U000e0041</code>"),
        (b" ", r"<code>\x20</code>"),
        (b" a b ", r"<code>\x20</code>a b<code>\x20</code>"),
        (b"\\x0a", r"\x0a"),
        ("Ωμέγα".encode(), "Ωμέγα"),
        ("👩\u200d👧".encode(), "👩\u200d👧"),
    ],
)
def test_names_are_escaped_for_people(tmp_path: Path, name: bytes, shown: str) -> None:
    write(tmp_path / os.fsdecode(name))
    assert f">{shown}</a>" in render(tmp_path)


@pytest.mark.parametrize(
    "name", ["a:b", "javascript:alert(1)", "http:", "::", "?a", "#a", "a;", "%41"]
)
def test_a_name_that_looks_like_another_address(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    assert names(tmp_path) == [name]


def test_the_heading_links_to_the_directories_above(tmp_path: Path) -> None:
    write(tmp_path / "one & two" / "three" / "a.txt")
    assert Page(render(tmp_path)).links[:1] == ["?sort=name&order=desc"]  # nothing is above
    for path in (
        b"//one%20&%20two//three//",
        b"/one%20&%20two%2Fthree/",
        b"/one%20&%20two/./three/",
    ):
        page = Page(render(tmp_path, path))
        assert page.text["title"] == page.text["h1"] == "/one & two/three/"
        assert page.links[:3] == ["/", "/one%20%26%20two/", "/one%20%26%20two/"]
        assert page.text["p"] == "↑ Up 1 entry 0 BFilter "
    assert Page(render(tmp_path, b"/one%20&%20two/three/")).links[:3] == ["../../", "../", "../"]
